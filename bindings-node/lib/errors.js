'use strict';

// The error classes. Errors are made here, where the caller's frames are on the
// stack; the addon only tells what happened.

const { camel } = require('./names.js');

/** The base of all errors. `told` is what the addon says, as it says it. */
class EverpostError extends Error {
  constructor(message, told = {}, options = undefined) {
    super(message, options ?? causes(told.causes));
    this.kind = told.kind ?? this.constructor.kind;
    this.stage = told.stage ?? 'prepare';
    this.delivery = told.delivery ?? 'not_sent';
    this.retryable = told.retryable ?? false;
    this.attempts = told.attempts ?? 0;
    const reply = told.reply;
    this.response = reply ? text(reply) : null;
    this.responseCode = reply ? reply.code : null;
    this.enhancedCode = reply ? reply.enhanced : null;
    this.rejected = (told.rejected ?? []).map(rejected);
    this.certificate = told.certificate ? camel(told.certificate) : null;
    this.hint = told.hint ?? null;
    this.messageId = told.message_id ?? null;
    this.envelope = told.recipients?.length ? { from: told.sender ?? null, to: told.recipients } : null;
  }

  toJSON() {
    const { name, message, code, ...fields } = this;
    return { name: this.name, code: this.code, message: this.message, ...fields };
  }
}

function text(reply) {
  return `${reply.code} ${reply.lines.join('\n')}`.trim();
}

function rejected({ address, reply }) {
  return {
    address,
    response: text(reply),
    responseCode: reply.code,
    enhancedCode: reply.enhanced,
  };
}

/** Causes below an error, the nearest first, as nested errors. */
function causes(list) {
  if (!list?.length) return undefined;
  const cause = list.reduceRight((below, message) => {
    const error = new Error(message, below && { cause: below });
    error.stack = `Error: ${message}`;
    return error;
  }, undefined);
  return { cause };
}

const classes = new Map();

function define(name, kind, code, base = EverpostError) {
  const made = {
    [name]: class extends base {
      static kind = kind;
    },
  }[name];
  // On the prototype: they are the same for all errors of the class.
  Object.defineProperty(made.prototype, 'name', { value: name, configurable: true, writable: true });
  Object.defineProperty(made.prototype, 'code', { value: code, configurable: true, writable: true });
  classes.set(kind, made);
  return made;
}

Object.defineProperty(EverpostError.prototype, 'name', {
  value: 'EverpostError',
  configurable: true,
  writable: true,
});

const ConfigError = define('ConfigError', 'invalid_config', 'ERR_EVERPOST_CONFIG');
const MessageError = define('MessageError', 'invalid_message', 'ERR_EVERPOST_MESSAGE');
const ConnectError = define('ConnectError', 'connect', 'ERR_EVERPOST_CONNECT');
const DnsError = define('DnsError', 'dns', 'ERR_EVERPOST_DNS', ConnectError);
const TimeoutError = define('TimeoutError', 'timeout', 'ERR_EVERPOST_TIMEOUT');
const TlsError = define('TlsError', 'tls', 'ERR_EVERPOST_TLS');
const CertificateError = define('CertificateError', 'certificate', 'ERR_EVERPOST_CERTIFICATE', TlsError);
const AuthenticationError = define('AuthenticationError', 'auth', 'ERR_EVERPOST_AUTH');
const RejectedError = define('RejectedError', 'rejected', 'ERR_EVERPOST_REJECTED');
const UnsupportedError = define('UnsupportedError', 'unsupported', 'ERR_EVERPOST_UNSUPPORTED');
const ProtocolError = define('ProtocolError', 'protocol', 'ERR_EVERPOST_PROTOCOL');
const ClosedError = define('ClosedError', 'closed', 'ERR_EVERPOST_CLOSED');
const InternalError = define('InternalError', 'internal', 'ERR_EVERPOST_INTERNAL');
const CancelledError = define('CancelledError', 'cancelled', 'ABORT_ERR');
Object.defineProperty(CancelledError.prototype, 'name', { value: 'AbortError', configurable: true, writable: true });

/** Waits for verdicts; set by the port, which knows how. */
let waitForVerdict = async () => null;

class DeliveryUnknownError extends define(
  'DeliveryUnknownError',
  'delivery_unknown',
  'ERR_EVERPOST_DELIVERY_UNKNOWN',
) {
  #late;

  constructor(message, told = {}, options = undefined) {
    super(message, told, options);
    this.#late = told.late ?? null;
  }

  /** Whether the server's answer is still being listened for. */
  get awaitsVerdict() {
    return this.#late !== null;
  }

  /** Resolves with `{ delivery, receipt, error }`, or with null if no answer came. */
  async lateVerdict(options = {}) {
    return this.#late === null ? null : waitForVerdict(this.#late, options);
  }
}
classes.set('delivery_unknown', DeliveryUnknownError);

/** The error for what the addon told. With an aborted `signal`, its reason is the cause. */
function fromNative(told, signal) {
  const made = classes.get(told.kind) ?? InternalError;
  const aborted = told.kind === 'cancelled' && signal?.aborted;
  return new made(told.message, told, aborted ? { cause: signal.reason } : undefined);
}

/** The error for what a call of the addon threw. */
function translate(thrown) {
  if (!(thrown instanceof Error) || thrown instanceof EverpostError) return thrown;
  let told;
  try {
    told = JSON.parse(thrown.message);
  } catch {
    return new InternalError(`internal: ${thrown.message}`, {}, { cause: thrown });
  }
  return fromNative(told);
}

function config(problem, hint) {
  return new ConfigError(`invalid_config: ${problem}; ${hint}`, { hint });
}

function message(problem, hint, cause = undefined) {
  return new MessageError(`invalid_message: ${problem}; ${hint}`, { hint }, cause && { cause });
}

function aborted(signal) {
  return new CancelledError('cancelled: the operation was aborted', {}, { cause: signal.reason });
}

module.exports = {
  EverpostError,
  ConfigError,
  MessageError,
  ConnectError,
  DnsError,
  TimeoutError,
  TlsError,
  CertificateError,
  AuthenticationError,
  RejectedError,
  UnsupportedError,
  ProtocolError,
  DeliveryUnknownError,
  CancelledError,
  ClosedError,
  InternalError,
  internals: {
    aborted,
    config,
    fromNative,
    message,
    rejected,
    text,
    translate,
    verdictsBy: (wait) => (waitForVerdict = wait),
  },
};

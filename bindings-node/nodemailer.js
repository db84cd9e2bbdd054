'use strict';

// A transport for nodemailer: its composing, plugins, templates and signing stay
// as they are, and the sending is Everpost's.

const { EventEmitter } = require('node:events');
const { Mailer, windowOf } = require('./lib/mailer.js');
const { CancelledError, internals } = require('./lib/errors.js');
const { translate } = require('./lib/nodemailer-options.js');
const { onAbort } = require('./lib/signal.js');
const { version } = require('./package.json');

/** What is read of a message before it is sent: most end in it. */
const HEAD = 64 * 1024;

/** A long message: what was read of it, and the rest as it comes. Its bytes are counted. */
class Rest {
  bytes = 0;
  /** Why the message could not be composed to its end. */
  error = null;

  constructor(stream, read) {
    this.stream = stream;
    this.read = read;
    stream.on('error', (error) => (this.error ??= error));
  }

  destroy() {
    this.stream.destroy();
  }

  async *[Symbol.asyncIterator]() {
    for (const chunk of this.read.splice(0)) yield this.#counted(chunk);
    for await (const chunk of this.stream) yield this.#counted(chunk);
  }

  #counted(chunk) {
    this.bytes += chunk.length;
    return chunk;
  }
}

/** A composed message: as bytes, or what is longer as a Rest. */
function composed(stream, signal) {
  return new Promise((resolve, reject) => {
    const read = [];
    let size = 0;
    const settle = (how, value) => {
      stream.off('data', onData).off('end', onEnd).off('error', onError);
      unfollow?.();
      how(value);
    };
    const onData = (chunk) => {
      read.push(chunk);
      size += chunk.length;
      if (size <= HEAD) return;
      stream.pause();
      settle(resolve, new Rest(stream, read));
    };
    const onEnd = () => settle(resolve, Buffer.concat(read, size));
    const onError = (error) => settle(reject, error);
    const leave = () => {
      settle(reject, internals.aborted(signal));
      stream.on('error', () => {}).destroy();
    };
    const unfollow = signal ? onAbort(signal, leave) : undefined;
    stream.on('data', onData).on('end', onEnd).on('error', onError);
  });
}

class EverpostTransport extends EventEmitter {
  name = 'Everpost';
  version = version;
  supportsAbortSignal = true;
  #mailer;
  #mail;
  #composing;
  #limit;
  #pending = 0;
  #idling = true;
  #closed = false;

  constructor(options) {
    super();
    if (options instanceof Mailer) {
      this.#mailer = options;
      this.#composing = {};
    } else {
      const { own, composing } = translate(options, () => this.#mail);
      this.#mailer = new Mailer(own);
      this.#composing = composing;
    }
    this.#limit = windowOf(this.#mailer);
    // As nodemailer's pool does: whoever sends when told to can begin.
    setImmediate(() => {
      if (this.#idling && !this.#closed) this.emit('idle');
    }).unref();
  }

  /** The mailer below, for its events, health and counters. */
  get everpost() {
    return this.#mailer;
  }

  get mailer() {
    return this.#mail;
  }

  /** Set by nodemailer, which reads options of composing from a built-in transport. */
  set mailer(mail) {
    this.#mail = mail;
    const { dkim, ...options } = this.#composing;
    if (mail.options) Object.assign(mail.options, options);
    if (dkim) {
      mail.use('stream', (message, done) => {
        message.data.dkim ??= dkim;
        done();
      });
    }
  }

  send(mail, callback) {
    this.#pending += 1;
    if (this.#pending >= this.#limit) this.#idling = false;
    this.#send(mail).then(
      (info) => this.#finish(callback, null, info),
      (error) => {
        // Nodemailer's own code for it, whoever noticed the signal first.
        if (error instanceof CancelledError) Object.defineProperty(error, 'code', { value: 'EABORT' });
        this.#finish(callback, error);
      },
    );
  }

  #finish(callback, ...outcome) {
    this.#pending -= 1;
    if (!this.#idling && this.#pending < this.#limit) {
      this.#idling = true;
      setImmediate(() => this.emit('idle'));
    }
    // Outside of the promise: what a callback throws is its own.
    process.nextTick(() => callback(...outcome));
  }

  async #send(mail) {
    const { data } = mail;
    if (data.signal?.aborted) throw internals.aborted(data.signal);
    if (data.auth) throw internals.config('a message has its own auth', 'give it to the transport');
    const { from, to } = mail.message.getEnvelope();
    const envelope = { from: from || undefined, to };
    if (data.dsn) envelope.dsn = dsn(data.dsn);
    if (data.requireTLSExtensionEnabled) envelope.requireTls = true;
    // Made with the header, so it is asked for before the header is read.
    const messageId = mail.message.messageId();
    const message = await composed(mail.message.createReadStream(), data.signal);
    const begin = performance.now();
    const receipt = await this.#mailer.send(message, { envelope, signal: data.signal }).catch((error) => {
      // An error of nodemailer's is told as nodemailer tells it.
      throw message.error ?? error;
    });
    return {
      accepted: receipt.accepted,
      rejected: receipt.rejected.map(({ address }) => address),
      rejectedErrors: receipt.rejected.map(refused),
      messageTime: Math.round(performance.now() - begin),
      messageSize: message instanceof Rest ? message.bytes : message.length,
      response: receipt.response,
      envelope: { from, to },
      messageId,
      receipt,
    };
  }

  verify(callback) {
    const verified = this.#mailer.verify().then(() => true);
    if (!callback) return verified;
    verified.then(
      () => process.nextTick(callback, null, true),
      (error) => process.nextTick(callback, error),
    );
    return undefined;
  }

  /** Whether more messages may well be given. */
  isIdle() {
    return this.#idling;
  }

  /** How many messages are not answered yet. */
  pendingCount() {
    return this.#pending;
  }

  /** Takes no more messages; those that were taken are sent. */
  close() {
    this.#closed = true;
    this.#mailer.close();
  }
}

function refused({ address, response, responseCode, enhancedCode }) {
  const error = new Error(`The recipient ${address} was refused: ${response}`);
  return Object.assign(error, { recipient: address, response, responseCode, enhancedCode });
}

function dsn({ id, envid, return: returned, ret, notify, recipient, orcpt }) {
  if (recipient ?? orcpt) throw internals.config('dsn.recipient is not supported', 'leave it out');
  const made = {};
  if (id ?? envid) made.id = id ?? envid;
  if (returned ?? ret) made.return = returned ?? ret;
  if (notify) made.notify = typeof notify === 'string' ? notify.split(/[\s,]+/) : notify;
  return made;
}

/** A transport for `nodemailer.createTransport`. */
function everpost(options) {
  return new EverpostTransport(options);
}

module.exports = everpost;
module.exports.default = everpost;
module.exports.everpost = everpost;
module.exports.EverpostTransport = EverpostTransport;

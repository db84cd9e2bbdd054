'use strict';

const { EventEmitter } = require('node:events');
const { inspect } = require('node:util');
const { call, listen, native, port, resultOf, run, submit, unlisten } = require('./port.js');
const { aborted } = require('./errors.js').internals;
const { settings } = require('./options.js');
const { envelope, prepare } = require('./message.js');
const { SLICE } = require('./pipe.js');
const { Receipt, Report, health, stats } = require('./results.js');
const { CertificateFile } = require('./certificate.js');
const { Ear } = require('./ear.js');
const { sendMany } = require('./many.js');

const EVENTS = new Set([
  'rotated',
  'rolledBack',
  'retired',
  'retried',
  'expiring',
  'unhealthy',
  'recovered',
  'deliveryUnknown',
  'lateVerdict',
]);

const collected = new FinalizationRegistry(unlisten);

/** How many messages of a mailer may well be under way at once. */
let windowOf;

class Mailer extends EventEmitter {
  #native;
  #ear;
  #closed;

  static {
    windowOf = (mailer) => call(() => mailer.#native.window());
  }

  constructor(options) {
    super();
    this.#ear = new Ear(this, options?.token);
    const id = listen(this.#ear);
    collected.register(this, id);
    this.#native = call(() => new native.Mailer(port, id, settings(options, id)));
    // Events cost something, so they are asked for with the first listener.
    const follow = (name) => {
      if (!EVENTS.has(name)) return;
      this.removeListener('newListener', follow);
      call(() => this.#native.follow());
    };
    super.on('newListener', follow);
  }

  /** The server. */
  get endpoint() {
    return call(() => this.#native.endpoint());
  }

  async send(message, options = undefined) {
    const signal = options?.signal ?? undefined;
    if (signal?.aborted) throw aborted(signal);
    // What most messages are needs no turn of the event loop.
    const prepared =
      message instanceof Uint8Array && message.length <= SLICE ? { bytes: message } : await prepare(message, signal);
    const { source } = prepared;
    try {
      if (signal?.aborted) throw aborted(signal);
      const start = this.#starting(prepared, envelope(options?.envelope ?? prepared.envelope), signal !== undefined);
      return new Receipt(resultOf(await submit(start, signal, this), signal));
    } catch (error) {
      if (source?.pipe.error) error.cause = source.pipe.error;
      throw error;
    } finally {
      source?.end();
    }
  }

  #starting({ bytes, letter, composition }, given, cancellable) {
    if (bytes) return (id) => this.#native.send(id, bytes, given, cancellable);
    if (letter) return (id) => this.#native.sendLetter(id, letter, given, cancellable);
    return (id) => this.#native.sendComposed(id, composition, given, cancellable);
  }

  sendMany(messages, options = {}) {
    const send = (message, signal) => this.send(message, { signal });
    return sendMany(send, windowOf(this), messages, options);
  }

  async verify(options = {}) {
    return run((id) => this.#native.verify(id), options.signal, this);
  }

  health() {
    return health(JSON.parse(call(() => this.#native.health())));
  }

  stats() {
    return stats(JSON.parse(call(() => this.#native.stats())));
  }

  /** The counters in the text format of Prometheus. */
  metrics() {
    return call(() => this.#native.prometheus());
  }

  async explain(options = {}) {
    const { certificateFile, signal } = options;
    const file = CertificateFile.native(certificateFile);
    return new Report(await run((id) => this.#native.explain(id, file), signal, this));
  }

  close() {
    this.#closed ??= run((id) => this.#native.close(id), undefined, this).then(() => {});
    return this.#closed;
  }

  [inspect.custom](depth, options) {
    return `Mailer ${inspect({ endpoint: this.endpoint, status: this.health().status }, options)}`;
  }

  toJSON() {
    return { endpoint: this.endpoint };
  }
}

if (Symbol.asyncDispose) {
  Mailer.prototype[Symbol.asyncDispose] = function dispose() {
    return this.close();
  };
}

module.exports = { Mailer, windowOf };

'use strict';

// A mail server for tests: it rotates its certificate, expires and misbehaves
// on request, and knows what it has received.

const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { native, port, run } = require('./lib/port.js');
const { config } = require('./lib/errors.js').internals;
const { camel, toSnake } = require('./lib/names.js');

const removed = new FinalizationRegistry(removeFolder);
/** Files are left when the process ends before the server is stopped. */
const folders = new Set();
process.once('exit', () => folders.forEach(removeFolder));

function removeFolder(folder) {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

class Rehearsal {
  #native;
  #credentials;
  #folder;
  #file;

  constructor(made, listening, credentials) {
    this.#native = made;
    this.#credentials = credentials;
    this.listening = listening;
  }

  /** Starts a server on free ports; `options` are those of docs/rehearsal.md, in camelCase. */
  static async start(options = {}) {
    const made = new native.Rehearsal(port);
    const { credentials = { app: 'secret' }, tokens, settings, ...rest } = options;
    const told = { ...snake(rest), credentials, ...(tokens && { tokens }), ...(settings && { settings: snake(settings) }) };
    const listening = await run((id) => made.start(id, JSON.stringify(told)), undefined, made);
    return new Rehearsal(made, listening, credentials);
  }

  /** An SMTP URL with a user and the server's root, for implicit TLS. */
  get url() {
    return this.#url('smtps', this.listening.implicit);
  }

  /** The same with STARTTLS. */
  get starttlsUrl() {
    return this.#url('smtp', this.listening.starttls);
  }

  get host() {
    return this.listening.host;
  }

  get port() {
    return portOf(this.listening.implicit);
  }

  get starttlsPort() {
    return portOf(this.listening.starttls);
  }

  get plainPort() {
    return portOf(this.listening.plain);
  }

  /** The root that its certificates lead to, as PEM. */
  get ca() {
    return this.listening.ca_pem;
  }

  /** The same as a file, which is removed when the server is stopped. */
  get caFile() {
    if (!this.#file) {
      this.#folder = mkdtempSync(path.join(tmpdir(), 'everpost-'));
      folders.add(this.#folder);
      removed.register(this, this.#folder, this);
      this.#file = path.join(this.#folder, 'ca.pem');
      writeFileSync(this.#file, this.ca);
    }
    return this.#file;
  }

  /** A request of docs/rehearsal.md, such as { do: 'wait', messages: 3 }. */
  async request(request) {
    const answer = await run((id) => this.#native.request(id, JSON.stringify(request)), undefined, this);
    if (answer.ok) return answer;
    throw config(`the rehearsal server refuses ${request?.do}: ${answer.error}`, 'see docs/rehearsal.md');
  }

  /** Renews the certificate; resolves with the new leaf. */
  async rotate(options = {}) {
    return camel((await this.request({ do: 'rotate', ...snake(options) })).leaf);
  }

  /** Shows an expired certificate, or another chain of docs/rehearsal.md. */
  async expire(chain = 'expired') {
    return camel((await this.request({ do: 'present', chain })).leaf);
  }

  /** The messages that the server took responsibility for. */
  async received() {
    const { received } = await this.request({ do: 'received', bodies: true });
    return received.map(({ data_base64, ...rest }) => ({ ...camel(rest), data: Buffer.from(data_base64, 'base64') }));
  }

  /** How often it holds each message, by Message-ID without angle brackets. */
  async counts() {
    return (await this.request({ do: 'counts' })).counts;
  }

  /** What it has counted. */
  async stats() {
    return camel((await this.request({ do: 'stats' })).stats);
  }

  /** Stops listening and ends all connections. */
  async stop() {
    await this.request({ do: 'stop' });
    if (this.#folder) {
      removed.unregister(this);
      removeFolder(this.#folder);
      this.#file = this.#folder = undefined;
    }
  }

  #url(scheme, address) {
    const [user] = Object.entries(this.#credentials);
    const login = user ? `${user.map(encodeURIComponent).join(':')}@` : '';
    return `${scheme}://${login}${this.host}:${portOf(address)}?trust=${encodeURIComponent(this.caFile)}`;
  }
}

if (Symbol.asyncDispose) {
  Rehearsal.prototype[Symbol.asyncDispose] = function dispose() {
    return this.stop();
  };
}

function portOf(address) {
  return Number(/:(\d+)$/.exec(address)[1]);
}

/** The names of options in snake_case; what they hold is left as it is. */
function snake(options) {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [toSnake(key), value]));
}

module.exports = { Rehearsal };

'use strict';

const { inspect } = require('node:util');
const { fileURLToPath } = require('node:url');
const { call, native, port, run } = require('./port.js');
const { config } = require('./errors.js').internals;
const { camel } = require('./names.js');
const { text, trustOptions } = require('./options.js');
const { Report } = require('./results.js');

/** Certificates and perhaps a key. */
class CertificateFile {
  #native;

  constructor(made, told) {
    this.#native = made;
    this.certificates = camel(told.certificates);
    this.format = told.format;
    this.hasKey = told.has_key;
    this.keyMatches = told.key_matches;
  }

  /** Judges the certificates as a client would that connects to `host`. */
  async judge(host, options = {}) {
    const { at, trust, signal } = options;
    const { names, roots } = trustOptions(trust);
    const time = at === undefined ? undefined : new Date(at).getTime();
    if (Number.isNaN(time)) throw config('at is no date', 'give a Date');
    text('host', host);
    return new Report(await run((id) => this.#native.judge(id, host, time, names, roots), signal, this));
  }

  toPem(options = {}) {
    return call(() => this.#native.toPem(options.withKey ?? false));
  }

  async toPfx(password, options = {}) {
    text('password', password);
    const pfx = await run((id) => this.#native.toPfx(id, password, options.legacy ?? false), undefined, this);
    return Buffer.from(pfx);
  }

  static native(file) {
    if (file === undefined || file === null) return undefined;
    if (!(file instanceof CertificateFile)) throw config('a certificate file is none', 'read it with certificate.read');
    return file.#native;
  }

  [inspect.custom](depth, options) {
    const { format, hasKey, keyMatches, certificates } = this;
    const subjects = certificates.map((one) => one.subject);
    return `CertificateFile ${inspect({ format, hasKey, keyMatches, subjects }, options)}`;
  }

  toJSON() {
    const { format, hasKey, keyMatches, certificates } = this;
    return { format, hasKey, keyMatches, certificates };
  }
}

/** Reads a PEM, DER or PFX file: its path, or its content. */
async function read(source, options = {}) {
  const { password, signal } = options;
  if (password !== undefined) text('password', password);
  const made = new native.CertificateFile(port);
  const start =
    source instanceof Uint8Array
      ? (id) => made.parse(id, source, password)
      : (id) => made.load(id, source instanceof URL ? fileURLToPath(source) : text('path', source), password);
  return new CertificateFile(made, await run(start, signal, made));
}

module.exports = { CertificateFile, read };

'use strict';

// Options as the addon takes them: pairs of a key in snake_case and a text.

const { native } = require('./port.js');
const { config } = require('./errors.js').internals;
const { toCamel } = require('./names.js');

const CERTIFICATE = '-----BEGIN CERTIFICATE-----';
const MAILER = new Map(native.mailerKeys().map((key) => [toCamel(key), key]));
const PROBE = new Map(native.probeKeys().map((key) => [toCamel(key), key]));
/** Those whose numbers are milliseconds. */
const TIMES =
  /(Timeout|^maxAge|^maxIdle|^expiryMargin|^fullHandshakeInterval|^probeInterval|^judgeAfter|^deadline)$/;
const OWN = new Set(['url', 'host', 'port', 'username', 'password', 'token', 'tokenUser', 'identity']);

/** The settings of a mailer; `provider` is the id that tokens are asked for with. */
function settings(options, provider) {
  if (typeof options === 'string' || options instanceof URL) options = { url: String(options) };
  if (options === null || typeof options !== 'object') {
    throw config('a mailer needs a URL or an object of options', 'give one, such as { url: "smtps://…" }');
  }
  const { url, host, port, username, password, token, tokenUser, identity, ...rest } = options;
  const { pairs, roots } = pairsOf(rest, MAILER, OWN);
  const made = { url: address(url, host, port), pairs, roots };
  if (typeof token === 'function') made.provider = provider;
  else if (token !== undefined) made.token = text('token', token);
  if (password !== undefined) made.password = text('password', password);
  if (token !== undefined && password !== undefined) {
    throw config('password and token are both given', 'log in with one of them');
  }
  const user = token === undefined ? username : (tokenUser ?? username);
  if (user !== undefined) made.user = text('username', user);
  else if (token !== undefined || password !== undefined) {
    throw config('there is a password or a token, and no user', 'give username');
  }
  if (identity !== undefined) Object.assign(made, pemOf(identity));
  return made;
}

function address(url, host, port) {
  if (url !== undefined && host === undefined && port === undefined) return text('url', String(url));
  if (url !== undefined) throw config('url stands beside host or port', 'give url, or host and port');
  if (host === undefined) throw config('there is no server', 'give url or host');
  const name = text('host', host);
  const bare = name.replace(/^\[(.*)\]$/, '$1');
  const shown = bare.includes(':') ? `[${encodeURI(bare)}]` : encodeURIComponent(bare);
  if (port === undefined) return `smtps://${shown}`;
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw config('port is no port', 'give a number from 1 to 65535');
  }
  return `smtps://${shown}:${port}`;
}

/** Options by name, as pairs; whatever is trusted as PEM apart from them. */
function pairsOf(options, known, own = new Set()) {
  const pairs = [];
  const roots = [];
  // The mode first: it moves the port.
  if (options.tls !== undefined && known.has('tls')) pairs.push('tls', text('tls', options.tls));
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || name === 'tls') continue;
    const key = known.get(name);
    if (key === undefined) {
      const names = [...own, ...known.keys()].sort().join(', ');
      throw config(`the option ${name} is not known`, `known are ${names}`);
    }
    if (name === 'trust') {
      trusted(value, pairs, roots);
    } else if (name === 'pin' || name === 'fingerprint') {
      for (const one of [value].flat()) pairs.push(key, text(name, one));
    } else {
      pairs.push(key, written(name, value));
    }
  }
  return { pairs, roots };
}

function trusted(value, pairs, roots) {
  for (const one of Array.isArray(value) ? value : [value]) {
    const trust = one instanceof Uint8Array ? Buffer.from(one).toString('latin1') : text('trust', one);
    if (trust.includes(CERTIFICATE) || one instanceof Uint8Array) roots.push(trust);
    else pairs.push('trust', trust);
  }
}

function written(name, value) {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!(value >= 0)) throw config(`${name} is ${value}`, 'give a number that is not negative');
    return TIMES.test(name) ? milliseconds(value) : String(value);
  }
  if (Array.isArray(value)) return value.map((one) => text(name, one)).join(',');
  if (name === 'rate' && value !== null && typeof value === 'object') {
    return `${value.messages}/${milliseconds(value.per)}`;
  }
  return text(name, value);
}

/** Rounded up: no deadline becomes none. */
function milliseconds(time) {
  return `${Math.ceil(time)}ms`;
}

function text(name, value) {
  if (typeof value === 'string') return value;
  throw config(`${name} is a ${value === null ? 'null' : typeof value}`, 'give a text');
}

/** A client's certificate and key: a CertificateFile, or both as PEM. */
function pemOf(identity) {
  if (typeof identity?.toPem === 'function') {
    const pem = identity.toPem({ withKey: true });
    return { chain: pem, key: pem };
  }
  const pem = (name) => {
    const value = identity?.[name];
    return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : text(`identity.${name}`, value);
  };
  return { chain: pem('cert'), key: pem('key') };
}

/** As pairs of a probe. */
function probeOptions(options) {
  return pairsOf(options, PROBE);
}

/** Whom to trust: names and paths apart from PEM. */
function trustOptions(trust) {
  const pairs = [];
  const roots = [];
  if (trust !== undefined) trusted(trust, pairs, roots);
  return { names: pairs.filter((_, index) => index % 2 === 1), roots };
}

module.exports = { probeOptions, settings, text, trustOptions };

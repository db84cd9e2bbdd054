'use strict';

// Options of nodemailer's SMTP transports, as those of a mailer.

const { config } = require('./errors.js').internals;

/** What nodemailer itself reads. */
const COMPOSING = [
  'attachDataUrls',
  'component',
  'debug',
  'disableFileAccess',
  'disableUrlAccess',
  'dkim',
  'logger',
  'maxRecipients',
  'normalizeHeaderKey',
];
/** What has no meaning here: the conversation and its sockets are another's. */
const IDLE = [
  'allowInternalNetworkInterfaces',
  'dnsTimeout',
  'forceAuth',
  'maxResponseSize',
  'secured',
  'socketCloseTimeout',
  'transactionLog',
];
const REFUSED = {
  connection: 'a socket of yours cannot survive a rotation: give host and port',
  customAuth: 'give username and password, or token',
  getSocket: 'a socket of yours cannot survive a rotation: give proxy',
  lmtp: 'LMTP is not spoken',
  socket: 'a socket of yours cannot survive a rotation: give host and port',
};
/** Of `tls`: what does not weaken anything when it is left out. */
const TLS_IDLE = new Set([
  'ciphers',
  'ecdhCurve',
  'honorCipherOrder',
  'maxVersion',
  'minDHSize',
  'secureProtocol',
  'sigalgs',
  'timeout',
]);
const VERSIONS = { TLSv1: '1.2', 'TLSv1.1': '1.2', 'TLSv1.2': '1.2', 'TLSv1.3': '1.3' };

/**
 * Divides options into those of a mailer, and those that nodemailer composes
 * with. `mail` gives the object of nodemailer that the transport belongs to.
 */
function translate(options, mail) {
  if (typeof options === 'string' || options instanceof URL) return { own: options, composing: {} };
  let given = { ...options };
  if (given.service) given = { ...wellKnown(given.service), ...defined(given) };
  const composing = {};
  for (const name of COMPOSING) move(given, name, (value) => (composing[name] = value));
  for (const name of [...IDLE, 'service', 'pool']) delete given[name];
  for (const [name, hint] of Object.entries(REFUSED)) {
    if (given[name]) throw config(`${name} cannot be used`, hint);
    delete given[name];
  }

  const own = {};
  const put = (name) => (value) => (own[name] = value);
  const { secure, requireTLS, ignoreTLS, opportunisticTLS } = given;
  const { auth } = given;
  for (const name of ['secure', 'requireTLS', 'ignoreTLS', 'opportunisticTLS', 'auth']) delete given[name];
  move(given, 'port', (port) => (own.port = Number(port)));
  if (given.url === undefined) {
    own.host = given.host ?? 'localhost';
    delete given.host;
    const implicit = secure ?? own.port === 465;
    own.tls = given.tls !== undefined && typeof given.tls === 'string' ? given.tls : mode(implicit);
    // Nodemailer's, where the mode would have another.
    own.port ??= implicit ? 465 : 587;
  }
  function mode(implicit) {
    if (implicit) return 'implicit';
    if (ignoreTLS) return 'none';
    if (requireTLS) return 'required';
    // With a password: never by a connection that anybody may have stripped of TLS.
    return auth && !opportunisticTLS ? 'required' : 'opportunistic';
  }

  move(given, 'name', put('ehlo'));
  move(given, 'localAddress', put('bind'));
  move(given, 'connectionTimeout', put('connectTimeout'));
  move(given, 'servername', put('verifyName'));
  move(given, 'socketTimeout', (time) => (own.commandTimeout = own.dataTimeout = time));
  move(given, 'idleTimeout', (time) => time > 0 && (own.maxIdle = time));
  move(given, 'maxRequeues', (times) => times >= 0 && (own.maxAttempts = times + 1));
  if (given.maxMessages === Infinity) delete given.maxMessages;
  const per = given.rateDelta || 1000;
  move(given, 'rateLimit', (messages) => messages && (own.rate = { messages, per }));
  delete given.rateDelta;
  if (auth !== undefined) login(Array.isArray(auth) || typeof auth === 'string' ? { methods: auth } : auth, own, given, mail);
  move(given, 'authMethod', (method) => (own.auth ??= [String(method).toUpperCase()]));
  if (given.tls !== null && typeof given.tls === 'object') {
    secured(given.tls, own);
    delete given.tls;
  } else if (own.tls !== undefined) {
    delete given.tls;
  }
  // The rest are names of Everpost; what is none of them is told by the mailer.
  return { own: { ...own, ...defined(given) }, composing };
}

function move(options, name, take) {
  const value = options[name];
  delete options[name];
  if (value !== undefined && value !== null) take(value);
}

function defined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null));
}

function login(auth, own, given, mail) {
  // A list of mechanisms is Everpost's own meaning of `auth`.
  if (auth?.methods) {
    own.auth = auth.methods;
    return;
  }
  if (!auth) return;
  if (auth.user !== undefined) own.username = auth.user;
  if (/^oauth2$/i.test(auth.type ?? '')) {
    own.token = auth.accessToken && !renewable(auth) ? auth.accessToken : tokens(auth, mail);
    return;
  }
  if (/^custom$/i.test(auth.type ?? '')) throw config('auth of type custom cannot be used', 'give user and pass, or token');
  const pass = auth.pass ?? auth.credentials?.pass;
  if (pass !== undefined) own.password = pass;
  else if (given.token === undefined) throw config('auth has no pass', 'give user and pass');
  const method = auth.method ?? given.authMethod;
  if (method) own.auth = [String(method).toUpperCase()];
}

function renewable({ refreshToken, serviceClient, provisionCallback }) {
  return refreshToken ?? serviceClient ?? provisionCallback;
}

/** Tokens by nodemailer's own means. */
function tokens(auth, mail) {
  const XOAuth2 = from('nodemailer/lib/xoauth2', 'auth of type OAuth2');
  const logger = Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, () => {}]));
  const oauth2 = new XOAuth2(auth, logger);
  oauth2.on('error', () => {});
  oauth2.on('token', (token) => mail()?.emit('token', token));
  return ({ refresh }) =>
    new Promise((resolve, reject) => {
      oauth2.provisionCallback = mail()?.get?.('oauth2_provision_cb') || oauth2.provisionCallback;
      oauth2.getToken(refresh, (error, token) => (error ? reject(error) : resolve(token)));
    });
}

function wellKnown(service) {
  const known = from('nodemailer/lib/well-known', 'service')(service);
  if (!known) throw config('the service is not known to nodemailer', 'give host and port');
  const { host, port, secure, authMethod, tls } = known;
  return defined({ host, port, secure, authMethod, tls });
}

/** A part of the nodemailer that the program has. */
function from(name, what) {
  try {
    const found = require(require.resolve(name, { paths: [process.cwd(), ...module.paths] }));
    return found.default ?? found;
  } catch (cause) {
    const error = config(`${what} needs nodemailer, which is not found`, 'npm install nodemailer');
    error.cause = cause;
    throw error;
  }
}

function secured(tls, own) {
  const { ca, cert, key, rejectUnauthorized, servername, minVersion, ...rest } = tls;
  if (rejectUnauthorized === false) own.dangerAcceptAnyCertificate = true;
  if (ca !== undefined && ca !== null) own.trust = [ca].flat();
  if (servername) Object.assign(own, { sni: servername, verifyName: servername });
  if (minVersion) {
    own.minTls = VERSIONS[minVersion];
    if (!own.minTls) throw config(`tls.minVersion ${minVersion} is not known`, 'give TLSv1.2 or TLSv1.3');
  }
  if (cert !== undefined && cert !== null) {
    const first = (value) => [value].flat().map(String).join('\n');
    if (tls.passphrase) throw config('the key in tls has a passphrase', 'read it with certificate.read, and give it as identity');
    own.identity = { cert: first(cert), key: first(key) };
  }
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined && name !== 'passphrase' && !TLS_IDLE.has(name)) {
      throw config(`tls.${name} is not known here`, 'known are ca, cert, key, minVersion, rejectUnauthorized and servername');
    }
  }
}

module.exports = { translate };

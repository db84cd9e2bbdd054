/// <reference types="node" />
import { EventEmitter } from 'node:events';

/** The version of the package and of its addon. */
export const version: string;

/** Milliseconds, or a text such as `'30s'`, `'5min'` or `'250ms'`. */
export type Duration = number | string;

/** Bytes, or a text such as `'500KB'` or `'50MB'`. */
export type Size = number | string;

/** `'system'`, `'mozilla'`, the path of a PEM file, or certificates as PEM. */
export type Trust = string | Uint8Array;

/** A certificate and its key, both as PEM, or a file with both. */
export type Identity = { cert: string | Uint8Array; key: string | Uint8Array } | CertificateFile;

/**
 * Gives an OAuth 2.0 access token, whenever a connection logs in.
 * `refresh`: the server has refused the last one. What it throws fails the login.
 */
export type TokenProvider = (request: { refresh: boolean }) => string | Promise<string>;

/** How to reach a server and how to send. What is not given is as it is by default. */
export interface MailerOptions {
  /** `smtps://user:password@host` (implicit TLS) or `smtp://…` (STARTTLS), with options in its query. */
  url?: string | URL;
  /** The server's name, in place of `url`. */
  host?: string;
  /** Its port. Default: that of the mode. */
  port?: number;
  /** How TLS comes about. Default: `'implicit'`, or as the URL has it. */
  tls?: 'implicit' | 'required' | 'opportunistic' | 'none';
  /** Who logs in, in place of the URL's user. */
  username?: string;
  password?: string;
  /** An OAuth 2.0 access token, or who gives one. */
  token?: string | TokenProvider;
  /** The user of the token. Default: `username`. */
  tokenUser?: string;
  /** Whom to trust. Default: `'system'`. */
  trust?: Trust | Trust[];
  /** SHA-256 of public keys, one of which must be in the chain, beside trust. */
  pin?: string | string[];
  /** What to show to a server that asks for a certificate. */
  identity?: Identity;
  /** The oldest TLS. Default: `'1.2'`. */
  minTls?: '1.2' | '1.3';
  /** The name to ask the server for. Default: the host. */
  sni?: string;
  /** The name that the certificate must be for. Default: the host. */
  verifyName?: string;
  /** Accepts any certificate: **anybody can read the mail**. Default: false. */
  dangerAcceptAnyCertificate?: boolean;
  /** The login mechanisms to use, in this order. Default: the strongest offered. */
  auth?: string | string[];
  /** The login mechanisms not to use. */
  authExclude?: string | string[];
  /** Logs in without TLS. Default: false. */
  allowPlaintextAuth?: boolean;
  /** For the name and all addresses together. Default: 30 s. */
  connectTimeout?: Duration;
  /** For the TLS handshake. Default: 30 s. */
  handshakeTimeout?: Duration;
  /** For the server's greeting. Default: 60 s. */
  greetingTimeout?: Duration;
  /** For the reply to a command. Default: 60 s. */
  commandTimeout?: Duration;
  /** For a free connection. Default: 60 s. */
  checkoutTimeout?: Duration;
  /** For each block of the message, to be read and to be written. Default: 180 s. */
  dataTimeout?: Duration;
  /** For the verdict on the message; a shorter one makes duplicates. Default: 600 s. */
  endOfDataTimeout?: Duration;
  /** For the whole send with its retries. Default: none. */
  sendTimeout?: Duration;
  /** How many connections are open at once. Default: 5. */
  maxConnections?: number;
  /** How long a connection is parked. Default: 60 s. */
  maxIdle?: Duration;
  /** How long a connection is kept. Default: 300 s. */
  maxAge?: Duration;
  /** How many messages a connection takes. Default: no limit. */
  maxMessages?: number;
  /** A connection of its own for each message. Default: false. */
  fresh?: boolean;
  /** How many messages in a time. Default: no limit. */
  rate?: string | { messages: number; per: number };
  /** How many connections are tried for one message. Default: 3. */
  maxAttempts?: number;
  /** Retries 4yz replies too. Default: false. */
  retryTransient?: boolean;
  /** What to do with a message that was handed over and never answered. Default: `'report'`. */
  onUnknown?: 'report' | 'resend';
  /** The largest message. Default: 50 MiB. */
  maxMessageSize?: Size;
  /** The largest attachment. Default: 25 MiB. */
  maxAttachmentSize?: Size;
  /** Uses PIPELINING where it is offered. Default: true. */
  pipelining?: boolean;
  /** Uses CHUNKING where it is offered. Default: false. */
  chunking?: boolean;
  /** Sends only if every recipient is accepted. Default: false. */
  requireAllRecipients?: boolean;
  /** How long before its certificate ends a connection retires. Default: 60 s. */
  expiryMargin?: Duration;
  /** Resumes TLS sessions; a resumed one does not show the present certificate. Default: false. */
  resumption?: boolean;
  /** The oldest handshake that a resumed session may rest on. Default: 60 min. */
  fullHandshakeInterval?: Duration;
  /** How often to look at the server between sends. Default: never. */
  probeInterval?: Duration;
  /** The name given with EHLO. Default: the local address. */
  ehlo?: string;
  /** `socks5://…` or `http://…`. Default: none. */
  proxy?: string;
  /** The local IP address to connect from. Default: the system's choice. */
  bind?: string;
}

/** An address as text, or with a name. Texts may hold several, with commas. */
export type AddressLike = string | { name?: string; address: string };

/** Bytes or text as they come. A web `ReadableStream` is one too. */
export type ByteStream = AsyncIterable<Uint8Array | string>;

/** A file to send along. Give `content` or `path`. */
export interface Attachment {
  /** Its name. Default: that of `path`. */
  filename?: string;
  content?: string | Uint8Array | ByteStream;
  /** What a `content` that is text is written in. Default: `'utf8'`. */
  encoding?: BufferEncoding;
  /** A file, read when the message is built. */
  path?: string | URL;
  /** Its media type. Default: what the name suggests. */
  contentType?: string;
  /** Its Content-ID: it is shown inside the HTML, as `<img src="cid:…">`. */
  cid?: string;
}

/** A message of parts. */
export interface MessageParts {
  from: AddressLike | AddressLike[];
  sender?: AddressLike;
  replyTo?: AddressLike | AddressLike[];
  to?: AddressLike | AddressLike[];
  cc?: AddressLike | AddressLike[];
  bcc?: AddressLike | AddressLike[];
  subject?: string;
  text?: string | Uint8Array;
  html?: string | Uint8Array;
  /** Default: now. */
  date?: Date | string | number;
  /** Default: a new one. */
  messageId?: string;
  headers?: Record<string, string | string[]> | Array<{ key: string; value: string }>;
  attachments?: Attachment[];
  envelope?: Envelope;
}

/** A message as it is (RFC 5322). */
export type RawMessage = string | Uint8Array | ArrayBuffer | ByteStream;

/** Everything that can be sent. */
export type Message = RawMessage | MessageParts | { raw: RawMessage; envelope?: Envelope };

/** Who a message is from and for, whatever its header says. */
export interface Envelope {
  /** The sender. None is `<>`, so that no failure is ever reported back. */
  from?: string | null | false;
  to: string | string[];
  cc?: string | string[];
  bcc?: string | string[];
  /** Every server on the way must use verified TLS, or bounce the message (RFC 8689). */
  requireTls?: boolean;
  /** What to report of the delivery (RFC 3461). */
  dsn?: {
    id?: string;
    return?: 'full' | 'headers';
    notify?: 'never' | Array<'success' | 'failure' | 'delay'> | 'success' | 'failure' | 'delay';
  };
}

export interface SendOptions {
  envelope?: Envelope;
  /**
   * Cancels the send. It rejects at once with what is known: a `CancelledError` if the
   * message was not sent, a `DeliveryUnknownError` if it had been handed over.
   */
  signal?: AbortSignal | null;
}

export interface Progress {
  completed: number;
  accepted: number;
  failed: number;
}

export interface SendManyOptions {
  /** Takes no more messages, cancels those under way, and ends with a `CancelledError`. */
  signal?: AbortSignal;
  /** Called with each result. */
  progress?: (progress: Progress) => void;
}

/** What became of one message of many. `index` is its place, from 0. */
export type SendResult =
  | { index: number; receipt: Receipt; error?: undefined }
  | { index: number; receipt?: undefined; error: Error };

export interface RejectedRecipient {
  address: string;
  /** The server's reply. */
  response: string;
  responseCode: number;
  enhancedCode: string | null;
}

/** The server has taken responsibility for a message. */
export class Receipt {
  private constructor();
  /** The Message-ID, in angle brackets. */
  readonly messageId: string;
  /** The server's reply, such as `250 2.0.0 Queued as 7F3A`. */
  readonly response: string;
  readonly responseCode: number;
  readonly enhancedCode: string | null;
  /** The recipients that the server took. */
  readonly accepted: string[];
  /** The recipients that the server refused one by one. They get nothing. */
  readonly rejected: RejectedRecipient[];
  /** How many connections it took. */
  readonly attempts: number;
  /** The address and port of the server. */
  readonly server: string;
  /** SHA-256 of the certificate that the server showed, in hexadecimal. */
  readonly certificateFingerprint: string | null;
  readonly envelope: { from: string | null; to: string[] };
  toString(): string;
}

export type Status = 'healthy' | 'degraded' | 'unhealthy';

/** A leaf certificate in a few words. */
export interface Leaf {
  sha256: string;
  serial: string;
  notBefore: string | null;
  notAfter: string | null;
}

/** Every fact of a certificate. */
export interface Certificate {
  subject: string;
  issuer: string;
  dnsNames: string[];
  ipAddresses: string[];
  serial: string;
  notBefore: string | null;
  notAfter: string | null;
  sha256: string;
  spkiPin: string;
  isCa: boolean;
  isSelfSigned: boolean;
  keyAlgorithm: string;
  keyBits: number | null;
  signatureAlgorithm: string;
  [fact: string]: unknown;
}

/** Something that was found; docs/findings.md lists them. */
export interface Finding {
  id: string;
  axis: string;
  severity: 'info' | 'warning' | 'critical';
  message: string;
  remedy: string;
  evidence: Record<string, string>;
}

/** The verdict on a server's certificate. */
export interface CertificateReport {
  host: string;
  status: Status;
  summary: string;
  findings: Finding[];
  chain: Certificate[];
  [fact: string]: unknown;
}

/** What a probe, a diagnosis, an explanation or a judgement found. */
export class Report {
  private constructor();
  readonly status: Status;
  /** One sentence. */
  readonly summary: string;
  /** What is wrong, if something is. */
  readonly cause: string | null;
  /** What to do about it. */
  readonly remedy: string | null;
  /** Of an explanation who is at fault; of a diagnosis the step that failed. */
  readonly fault: string | null;
  readonly findings: Finding[];
  /** The chain that was shown, the server's own first. */
  readonly certificates: Certificate[];
  /** The whole report, by its published schema (docs/schema). */
  readonly details: any;
  toString(): string;
}

export interface Health {
  status: Status;
  /** The certificate that is near its end. */
  leaf: Leaf | null;
  /** Whether that end is near enough to wake someone. */
  critical: boolean;
  /** Why the server cannot be used. */
  error: EverpostError | null;
  since: Date | null;
}

/** Counters since the mailer was made, and below them what is now. */
export interface Stats {
  accepted: number;
  refused: number;
  unknown: number;
  notSent: number;
  lateVerdicts: number;
  retries: number;
  opened: number;
  openFailures: number;
  fullHandshakes: number;
  resumedHandshakes: number;
  rotations: number;
  retired: Record<'idle' | 'age' | 'messages' | 'rotated' | 'expiring' | 'server' | 'failed' | 'closing', number>;
  connections: number;
  idle: number;
  queued: number;
}

/** What happens in a mailer. Each has one line for a log as `text`. */
export interface MailerEvents {
  /** The server's certificate was renewed. */
  rotated: [{ text: string; old: Leaf; new: Leaf }];
  /** The server showed an older certificate than before. */
  rolledBack: [{ text: string; current: Leaf; seen: Leaf }];
  /** A connection was taken out of the pool; `age` is in seconds. */
  retired: [{ text: string; reason: keyof Stats['retired']; age: number }];
  /** A message that was provably not sent is tried again. */
  retried: [{ text: string; messageId: string; attempt: number; error: EverpostError }];
  /** The server's certificate is near its end. */
  expiring: [{ text: string; leaf: Leaf; critical: boolean }];
  /** The server cannot be used. */
  unhealthy: [{ text: string; error: EverpostError }];
  /** The server can be used again. */
  recovered: [{ text: string }];
  /** A message may or may not have been delivered. */
  deliveryUnknown: [{ text: string; messageId: string; error: EverpostError }];
  /** The verdict on a message that nobody waited for any more. */
  lateVerdict: [{ text: string; messageId: string; delivery: Delivery; reply: string }];
}

/**
 * Sends mail through pooled connections that survive every rotation of the
 * server's certificate. Make one and keep it for the life of the process. An
 * idle one does not keep the process alive.
 */
export class Mailer extends EventEmitter {
  /** @throws {ConfigError} if an option cannot work. */
  constructor(options: MailerOptions | string | URL);

  /** The server. */
  readonly endpoint: string;

  /** Sends a message; resolves when the server has accepted it. */
  send(message: Message, options?: SendOptions): Promise<Receipt>;

  /**
   * Sends many messages over the pool. Yields each result as soon as it is known,
   * in any order; takes messages as they are needed.
   */
  sendMany(
    messages: Iterable<Message> | AsyncIterable<Message>,
    options?: SendManyOptions,
  ): AsyncGenerator<SendResult, void, undefined>;

  /** Opens a session as far as the login, and closes it: what the server offers, by keyword. */
  verify(options?: { signal?: AbortSignal }): Promise<Record<string, string>>;

  /** Whether the server can be used, from what has been seen. */
  health(): Health;

  /** The counters at this moment. */
  stats(): Stats;

  /** The counters in the text format of Prometheus. */
  metrics(): string;

  /** Says who is at fault: looks at the server afresh, without logging in. */
  explain(options?: { certificateFile?: CertificateFile; signal?: AbortSignal }): Promise<Report>;

  /** Takes no more messages, waits for those that were taken, and closes all connections. */
  close(): Promise<void>;

  [Symbol.asyncDispose](): Promise<void>;

  on<E extends keyof MailerEvents>(event: E, listener: (...told: MailerEvents[E]) => void): this;
  on(event: string | symbol, listener: (...args: any[]) => void): this;
  once<E extends keyof MailerEvents>(event: E, listener: (...told: MailerEvents[E]) => void): this;
  once(event: string | symbol, listener: (...args: any[]) => void): this;
  off<E extends keyof MailerEvents>(event: E, listener: (...told: MailerEvents[E]) => void): this;
  off(event: string | symbol, listener: (...args: any[]) => void): this;
}

export interface ProbeOptions {
  /** Default: `'system'`, with what Mozilla's roots say beside it. */
  trust?: Trust | Trust[];
  pin?: string | string[];
  /** SHA-256 of certificates, one of which must be the server's own. */
  fingerprint?: string | string[];
  /** What the server should show, such as the file that was renewed on disk. */
  compare?: string | CertificateFile;
  comparePassword?: string;
  /** Judges as of so much later. */
  judgeAfter?: Duration;
  /** When an approaching end is a warning, such as `'30d,25%'`. */
  warn?: string;
  /** When it is critical, such as `'7d,10%'`. */
  crit?: string;
  sni?: string;
  verifyName?: string;
  ehlo?: string;
  /** An IP address in place of the host's own. */
  connectTo?: string;
  /** Looks at every address of the name. */
  allAddresses?: boolean;
  /** How long an address may take in all. Default: 30 s. */
  deadline?: Duration;
  /** Judges by the domain's TLSA records. */
  dane?: boolean;
  /** Judges by the domain's MTA-STS policy. */
  mtaSts?: boolean;
  signal?: AbortSignal;
}

/**
 * Looks at a server, trusting nothing, and judges its certificate. A target is
 * `host`, `host:port`, `smtps://host`, `smtp://host`, `lmtp://host` or `mx://domain`.
 * A server that cannot be reached is a report too.
 */
export function probe(target: string, options?: ProbeOptions): Promise<Report>;

export interface DiagnoseOptions {
  /** A sender to ask about. No message is sent. */
  from?: string;
  /** Recipients to ask about; they need `from`. */
  to?: string | string[];
  /** A size of message to ask about. */
  size?: Size;
  /** Whether a failure may be followed by short looks at the usual ports. Default: true. */
  looks?: boolean;
  signal?: AbortSignal;
}

/** Climbs from DNS to the login and beyond, and says at the first step that fails why. */
export function diagnose(mailer: MailerOptions | string | URL, options?: DiagnoseOptions): Promise<Report>;

export const certificate: {
  /** Reads a PEM, DER or PFX file: its path, or its content. */
  read(
    source: string | URL | Uint8Array,
    options?: { password?: string; signal?: AbortSignal },
  ): Promise<CertificateFile>;
};

/** Certificates and perhaps a key. */
export class CertificateFile {
  private constructor();
  readonly certificates: Certificate[];
  /** What kind of file it is, such as `pem`. */
  readonly format: string;
  readonly hasKey: boolean;
  /** Whether the key is that of the first certificate; null where that cannot be told. */
  readonly keyMatches: boolean | null;
  /** Judges the certificates as a client would that connects to `host`. */
  judge(
    host: string,
    options?: { at?: Date | string | number; trust?: Trust | Trust[]; signal?: AbortSignal },
  ): Promise<Report>;
  /** @throws {ConfigError} if the key is asked for and there is none. */
  toPem(options?: { withKey?: boolean }): string;
  /** Certificates and key as PFX. `legacy`: old Windows and Java can read it. */
  toPfx(password: string, options?: { legacy?: boolean }): Promise<Buffer>;
}

export type Delivery = 'not_sent' | 'accepted' | 'refused' | 'unknown';

export type ErrorKind =
  | 'invalid_config'
  | 'invalid_message'
  | 'dns'
  | 'connect'
  | 'timeout'
  | 'tls'
  | 'certificate'
  | 'auth'
  | 'rejected'
  | 'unsupported'
  | 'protocol'
  | 'delivery_unknown'
  | 'cancelled'
  | 'closed'
  | 'internal';

/** The base of all errors; docs/errors.md is the table. None ever holds a secret. */
export class EverpostError extends Error {
  /** `ERR_EVERPOST_…`; `ABORT_ERR` of a cancelled operation. */
  readonly code: string;
  readonly kind: ErrorKind;
  /** Where in the conversation. */
  readonly stage: string;
  /** What is known of the message: the only honest answer to whether it may be sent again. */
  readonly delivery: Delivery;
  /** Whether the same may work later. */
  readonly retryable: boolean;
  /** How many connections were tried. */
  readonly attempts: number;
  /** The server's reply, when a reply was the cause. */
  readonly response: string | null;
  readonly responseCode: number | null;
  readonly enhancedCode: string | null;
  /** The recipients that were refused one by one. */
  readonly rejected: RejectedRecipient[];
  readonly certificate: CertificateReport | null;
  /** What to do about it, in one sentence. */
  readonly hint: string | null;
  readonly messageId: string | null;
  readonly envelope: { from: string | null; to: string[] } | null;
  toJSON(): Record<string, unknown>;
}

/** `ERR_EVERPOST_CONFIG`: the options cannot work. */
export class ConfigError extends EverpostError {}
/** `ERR_EVERPOST_MESSAGE`: the message cannot be sent as it is. */
export class MessageError extends EverpostError {}
/** `ERR_EVERPOST_CONNECT`: no connection, or it was lost before the message was handed over. */
export class ConnectError extends EverpostError {}
/** `ERR_EVERPOST_DNS`: the server's name does not resolve. */
export class DnsError extends ConnectError {}
/** `ERR_EVERPOST_TIMEOUT`: a deadline passed. */
export class TimeoutError extends EverpostError {}
/** `ERR_EVERPOST_TLS`: TLS failed. */
export class TlsError extends EverpostError {}
/** `ERR_EVERPOST_CERTIFICATE`: the server's certificate was not accepted. */
export class CertificateError extends TlsError {
  readonly certificate: CertificateReport;
}
/** `ERR_EVERPOST_AUTH`: the login failed. */
export class AuthenticationError extends EverpostError {}
/** `ERR_EVERPOST_REJECTED`: the server refused. */
export class RejectedError extends EverpostError {}
/** `ERR_EVERPOST_UNSUPPORTED`: the server lacks an extension that is needed. */
export class UnsupportedError extends EverpostError {}
/** `ERR_EVERPOST_PROTOCOL`: the server broke the protocol. */
export class ProtocolError extends EverpostError {}
/** `ABORT_ERR`, with the name `AbortError` and the signal's reason as cause. */
export class CancelledError extends EverpostError {}
/** `ERR_EVERPOST_CLOSED`: the mailer is closed. */
export class ClosedError extends EverpostError {}
/** `ERR_EVERPOST_INTERNAL`: a defect of the library. */
export class InternalError extends EverpostError {}

/** What a message turned out to have become. */
export interface LateVerdict {
  delivery: Delivery;
  receipt: Receipt | null;
  error: EverpostError | null;
}

/** `ERR_EVERPOST_DELIVERY_UNKNOWN`: sending again may duplicate the message. */
export class DeliveryUnknownError extends EverpostError {
  /** Whether the server's answer is still being listened for. */
  readonly awaitsVerdict: boolean;
  /** Waits for that answer; null if none came. `timeout` is in milliseconds. */
  lateVerdict(options?: { timeout?: number; signal?: AbortSignal }): Promise<LateVerdict | null>;
}

/// <reference types="node" />
import type { Leaf } from './index.js';

/** What a server can be told before it starts; docs/rehearsal.md has all. */
export interface RehearsalOptions {
  /** The server's name. Default: `localhost`. */
  host?: string;
  /** The names in its certificates. */
  names?: string[];
  implicitPort?: number;
  starttlsPort?: number;
  plainPort?: number;
  /** Passwords by user. Default: `{ app: 'secret' }`; `{}` for no login. */
  credentials?: Record<string, string>;
  /** Tokens by user. */
  tokens?: Record<string, string>;
  tls?: 'both' | '1.2' | '1.3';
  resumption?: boolean;
  clientAuth?: 'none' | 'optional' | 'required';
  settings?: Record<string, unknown>;
}

export interface ReceivedMessage {
  messageId: string | null;
  from: string;
  recipients: string[];
  size: number;
  /** The message as it came. */
  data: Buffer;
  [fact: string]: unknown;
}

/**
 * A mail server for tests, on loopback: it rotates its certificate, expires and
 * misbehaves on request, and knows what it has received.
 */
export class Rehearsal {
  private constructor();
  static start(options?: RehearsalOptions): Promise<Rehearsal>;
  /** An SMTP URL with a user and the server's root, for implicit TLS. */
  readonly url: string;
  /** The same with STARTTLS. */
  readonly starttlsUrl: string;
  readonly host: string;
  readonly port: number;
  readonly starttlsPort: number;
  readonly plainPort: number;
  /** The root that its certificates lead to, as PEM. */
  readonly ca: string;
  /** The same as a file, which is removed when the server is stopped. */
  readonly caFile: string;
  /** Where it listens, as the server says it. */
  readonly listening: any;
  /** A request of docs/rehearsal.md, such as `{ do: 'wait', messages: 3 }`. */
  request(request: { do: string; [field: string]: unknown }): Promise<any>;
  /** Renews the certificate. `restart`: connections end with it. */
  rotate(options?: { restart?: boolean; chain?: string; [field: string]: unknown }): Promise<Leaf>;
  /** Shows an expired certificate, or another chain, such as `wrong_name`. */
  expire(chain?: string): Promise<Leaf>;
  /** The messages that the server took responsibility for. */
  received(): Promise<ReceivedMessage[]>;
  /** How often it holds each message, by Message-ID without angle brackets. */
  counts(): Promise<Record<string, number>>;
  /** What it has counted, such as `connections`. */
  stats(): Promise<Record<string, number>>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

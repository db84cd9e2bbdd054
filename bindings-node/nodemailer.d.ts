/// <reference types="node" />
import { EventEmitter } from 'node:events';
import type { ConnectionOptions } from 'node:tls';
import type { Mailer, MailerOptions, Receipt } from './index.js';

/** A transport for `nodemailer.createTransport`. */
declare function everpost(options?: everpost.Options | string | URL | Mailer): everpost.EverpostTransport;

declare namespace everpost {
  /** The options of nodemailer's SMTP transports, and those of a `Mailer`. */
  export interface Options extends Omit<MailerOptions, 'auth' | 'tls' | 'port'> {
    port?: number | string;
    secure?: boolean;
    requireTLS?: boolean;
    ignoreTLS?: boolean;
    opportunisticTLS?: boolean;
    /** A login as nodemailer has it, or mechanisms as a `Mailer` has them. */
    auth?: Login | string | string[];
    authMethod?: string;
    /** Of Node's options `ca`, `cert`, `key`, `minVersion`, `rejectUnauthorized` and `servername`. */
    tls?: ConnectionOptions | MailerOptions['tls'];
    /** A service that nodemailer knows, such as `'Gmail'`. */
    service?: string;
    servername?: string;
    name?: string;
    localAddress?: string;
    connectionTimeout?: number;
    socketTimeout?: number;
    idleTimeout?: number;
    /** Connections are always pooled. */
    pool?: boolean;
    maxRequeues?: number;
    rateLimit?: number;
    rateDelta?: number;
    /** What follows is nodemailer's own. */
    dkim?: any;
    attachDataUrls?: boolean;
    disableFileAccess?: boolean;
    disableUrlAccess?: boolean;
    maxRecipients?: number;
    normalizeHeaderKey?: (key: string) => string;
    logger?: any;
    debug?: boolean;
    component?: string;
    transactionLog?: boolean;
    dnsTimeout?: number;
  }

  export interface Login {
    type?: string;
    user?: string;
    pass?: string;
    method?: string;
    accessToken?: string;
    [option: string]: any;
  }

  export interface SentMessageInfo {
    accepted: string[];
    rejected: string[];
    rejectedErrors: Error[];
    /** Milliseconds from the handing over to the receipt. */
    messageTime: number;
    /** Bytes of the composed message. */
    messageSize: number;
    response: string;
    envelope: { from: string | false; to: string[] };
    messageId: string;
    receipt: Receipt;
  }

  export class EverpostTransport extends EventEmitter {
    constructor(options?: Options | string | URL | Mailer);
    name: string;
    version: string;
    readonly supportsAbortSignal: true;
    /** The mailer below, for its events, health and counters. */
    readonly everpost: Mailer;
    mailer?: any;
    send(mail: any, callback: (error: any, info?: SentMessageInfo) => void): void;
    verify(): Promise<true>;
    verify(callback: (error: Error | null, success?: true) => void): void;
    /** Whether more messages may well be given. The event `idle` tells when it is so again. */
    isIdle(): boolean;
    /** How many messages are not answered yet. */
    pendingCount(): number;
    close(): void;
  }

  export { everpost, everpost as default };
}

export = everpost;

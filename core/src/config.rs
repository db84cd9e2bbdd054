//! What a mailer can be told: plain data with the defaults of the design.
//!
//! [`MailerBuilder`](crate::mailer::MailerBuilder) sets it with types, an SMTP
//! URL sets it with text; both end in one [`Config`].

use std::net::IpAddr;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::session::proxy::Proxy;
use crate::smtp::auth::{AuthPolicy, Credentials};
use crate::tls::TlsOptions;

/// How long each wait may last. All are on by default: nothing waits for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// Name resolution and TCP connection, all addresses together: 30 s.
    pub connect: Duration,
    /// The TLS handshake: 30 s.
    pub handshake: Duration,
    /// The server's greeting: 60 s.
    pub greeting: Duration,
    /// Each command until its complete reply: 60 s.
    pub command: Duration,
    /// Each block of the message until the kernel has taken it, and each wait for
    /// a piece of a message that is read as it is sent: 180 s.
    pub data_block: Duration,
    /// The end-of-data until its reply: 600 s, as RFC 5321 §4.5.3.2.6 asks.
    /// Shortening it makes duplicates.
    pub end_of_data: Duration,
    /// Waiting for a connection of the pool: 60 s.
    pub checkout: Duration,
    /// The whole send, retries included: none unless set.
    pub send: Option<Duration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            connect: Duration::from_secs(30),
            handshake: Duration::from_secs(30),
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(60),
            data_block: Duration::from_secs(180),
            end_of_data: Duration::from_secs(600),
            checkout: Duration::from_secs(60),
            send: None,
        }
    }
}

/// At most so many messages in so much time, over the whole pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Messages.
    pub messages: u32,
    /// The time they may be sent in.
    pub per: Duration,
}

impl RateLimit {
    /// At most `messages` in any window of `per`.
    pub fn new(messages: u32, per: Duration) -> Self {
        RateLimit { messages, per }
    }
}

/// How connections are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolPolicy {
    /// Open connections at once: 5. A server that refuses more lowers this by
    /// itself for a while.
    pub max_connections: usize,
    /// How long a connection may be parked: 60 s.
    pub max_idle: Duration,
    /// How old a connection may become: 300 s. A limit in time and not in
    /// messages, because a count favours the slowest server.
    pub max_age: Duration,
    /// Messages per connection: no limit unless set.
    pub max_messages: Option<u32>,
    /// Messages in time: no limit unless set.
    pub rate_limit: Option<RateLimit>,
}

impl PoolPolicy {
    /// One connection per message, for servers that insist on it.
    pub fn fresh() -> Self {
        PoolPolicy { max_messages: Some(1), ..PoolPolicy::default() }
    }
}

impl Default for PoolPolicy {
    fn default() -> Self {
        PoolPolicy {
            max_connections: 5,
            max_idle: Duration::from_secs(60),
            max_age: Duration::from_secs(300),
            max_messages: None,
            rate_limit: None,
        }
    }
}

/// What to do with a message whose delivery is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Report it as [`ErrorKind::DeliveryUnknown`](crate::ErrorKind); the
    /// caller decides.
    #[default]
    Report,
    /// Send it again: better twice than never.
    Resend,
}

/// When a message is tried again by itself: only while it is provably not
/// sent, unless [`OnUnknown::Resend`] is set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all: 3.
    pub max_attempts: u32,
    /// The wait before the second attempt, doubled for each further one and
    /// spread by jitter: 200 ms. A connection that was reused is replaced at
    /// once.
    pub backoff: Duration,
    /// The longest such wait: 10 s.
    pub max_backoff: Duration,
    /// Also retry a message that was refused with 4yz: off.
    pub transient_replies: bool,
    /// What to do when delivery is unknown: report.
    pub on_unknown: OnUnknown,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_attempts: 3,
            backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            transient_replies: false,
            on_unknown: OnUnknown::Report,
        }
    }
}

/// Everything about a mailer but the network and the clock.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) endpoint: Endpoint,
    /// The name given with EHLO; `None`: an address literal of the local
    /// address, as RFC 5321 §4.1.3 wants of a client without a name.
    pub(crate) ehlo_name: Option<String>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) auth: AuthPolicy,
    /// Allows AUTH over [`TlsMode::None`](crate::TlsMode::None) and an
    /// opportunistic session that stayed plain.
    pub(crate) allow_plaintext_auth: bool,
    pub(crate) tls: TlsOptions,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) deadlines: Deadlines,
    pub(crate) pool: PoolPolicy,
    pub(crate) retry: RetryPolicy,
    /// Bytes; 52,428,800 (50 MB).
    pub(crate) max_message_size: u64,
    /// Bytes of one decoded attachment of the builder; 26,214,400 (25 MB).
    pub(crate) max_attachment_size: u64,
    pub(crate) pipelining: bool,
    pub(crate) chunking: bool,
    pub(crate) require_all_recipients: bool,
    /// How often the sentinel looks at the endpoint; `None`: never.
    pub(crate) probe_interval: Option<Duration>,
}

impl Config {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Config {
            endpoint,
            ehlo_name: None,
            credentials: None,
            auth: AuthPolicy::default(),
            allow_plaintext_auth: false,
            tls: TlsOptions::default(),
            proxy: None,
            local_address: None,
            deadlines: Deadlines::default(),
            pool: PoolPolicy::default(),
            retry: RetryPolicy::default(),
            max_message_size: 52_428_800,
            max_attachment_size: 26_214_400,
            pipelining: true,
            chunking: false,
            require_all_recipients: false,
            probe_interval: None,
        }
    }
}

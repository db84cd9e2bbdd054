//! The one error of this crate, [`Error`]: what happened ([`ErrorKind`]),
//! where ([`Stage`]), and, above all, what is known of the message
//! ([`Delivery`]).

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::certificate::CertificateReport;
use crate::mailer::LateVerdict;
use crate::smtp::Reply;

/// What is known about a message once an operation has ended.
///
/// Nothing else decides whether sending again is safe. The rule is that of
/// RFC 5321 §4.2.5 and §6.1: a server may deliver only what it has received
/// up to the last byte of the end-of-data sequence, must deliver what it then
/// answers with 2yz, and must not deliver what it answers with 4yz or 5yz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// The server cannot have the message: the write that holds the last byte
    /// of its end-of-data was never started. Sending again is safe.
    NotSent,
    /// The server answered the end-of-data with 2yz: it is responsible now.
    Accepted,
    /// The server answered 4yz or 5yz: it will not deliver this message.
    Refused,
    /// The message may or may not have been accepted: its end-of-data was
    /// being written, or had been, when the connection was lost or answered
    /// with something that is not an SMTP reply. Sending again may duplicate.
    Unknown,
}

impl Delivery {
    /// The stable name: `not_sent`, `accepted`, `refused` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Delivery::NotSent => "not_sent",
            Delivery::Accepted => "accepted",
            Delivery::Refused => "refused",
            Delivery::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in the conversation something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Checking configuration or message, before any network.
    Prepare,
    /// Waiting for a connection of the pool.
    Checkout,
    /// Resolving the server's name.
    Dns,
    /// Opening the TCP connection.
    Connect,
    /// Asking a SOCKS5 or HTTP proxy for the connection.
    Proxy,
    /// The TLS handshake, implicit or after STARTTLS.
    Handshake,
    /// The server's greeting.
    Greeting,
    /// EHLO, before or after TLS.
    Ehlo,
    /// The STARTTLS command.
    StartTls,
    /// Authentication.
    Auth,
    /// No transaction: the connection was parked in the pool.
    Idle,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, up to its 354.
    Data,
    /// The message itself, before its end-of-data.
    Body,
    /// The end-of-data, or the last BDAT chunk, and the reply to it.
    EndOfData,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

impl Stage {
    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare",
            Stage::Checkout => "checkout",
            Stage::Dns => "dns",
            Stage::Connect => "connect",
            Stage::Proxy => "proxy",
            Stage::Handshake => "handshake",
            Stage::Greeting => "greeting",
            Stage::Ehlo => "ehlo",
            Stage::StartTls => "starttls",
            Stage::Auth => "auth",
            Stage::Idle => "idle",
            Stage::Mail => "mail",
            Stage::Rcpt => "rcpt",
            Stage::Data => "data",
            Stage::Body => "body",
            Stage::EndOfData => "end_of_data",
            Stage::Reset => "reset",
            Stage::Quit => "quit",
        }
    }

    /// What the client was doing, for a sentence: "while …".
    pub(crate) fn doing(self) -> &'static str {
        match self {
            Stage::Prepare => "preparing the message",
            Stage::Checkout => "waiting for a connection of the pool",
            Stage::Dns => "resolving the server's name",
            Stage::Connect => "connecting",
            Stage::Proxy => "asking the proxy for a connection",
            Stage::Handshake => "doing the TLS handshake",
            Stage::Greeting => "waiting for the greeting",
            Stage::Ehlo => "sending EHLO",
            Stage::StartTls => "sending STARTTLS",
            Stage::Auth => "authenticating",
            Stage::Idle => "the connection was idle",
            Stage::Mail => "sending MAIL FROM",
            Stage::Rcpt => "sending RCPT TO",
            Stage::Data => "sending DATA",
            Stage::Body => "sending the message",
            Stage::EndOfData => "waiting for the verdict on the message",
            Stage::Reset => "sending RSET",
            Stage::Quit => "sending QUIT",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong. The same table holds in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot work.
    InvalidConfig,
    /// The message or its envelope cannot be sent as it is.
    InvalidMessage,
    /// The server's name does not resolve.
    Dns,
    /// No connection, or it was lost before the message was handed over.
    Connect,
    /// A deadline passed.
    Timeout,
    /// TLS failed for a reason other than the certificate.
    Tls,
    /// The server's certificate was not accepted; see
    /// [`Error::certificate`].
    Certificate,
    /// The credentials were refused, or no mechanism fits.
    Auth,
    /// The server refused with a 4yz or 5yz reply; see [`Error::reply`].
    Rejected,
    /// The message needs an extension that the server does not offer.
    Unsupported,
    /// The server broke the protocol.
    Protocol,
    /// The message may or may not have been delivered.
    DeliveryUnknown,
    /// The caller cancelled.
    Cancelled,
    /// The mailer is closed.
    Closed,
    /// A defect of this library.
    Internal,
}

impl ErrorKind {
    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::InvalidConfig => "invalid_config",
            ErrorKind::InvalidMessage => "invalid_message",
            ErrorKind::Dns => "dns",
            ErrorKind::Connect => "connect",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Tls => "tls",
            ErrorKind::Certificate => "certificate",
            ErrorKind::Auth => "auth",
            ErrorKind::Rejected => "rejected",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Protocol => "protocol",
            ErrorKind::DeliveryUnknown => "delivery_unknown",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Closed => "closed",
            ErrorKind::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of every operation of this crate.
///
/// `Display` is one line for a log: what happened, where, what is known of the
/// message, and what to do. `{:?}` is a report of several lines. Neither ever
/// holds a password, a token or message content. Cloning is cheap.
///
/// ```
/// use everpost::{Delivery, Error, ErrorKind};
///
/// fn may_send_again(error: &Error) -> bool {
///     // `delivery` is the only honest answer; never guess from the kind.
///     error.delivery() == Delivery::NotSent && error.is_retryable()
/// }
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    stage: Stage,
    delivery: Delivery,
    retryable: bool,
    message: String,
    hint: Option<String>,
    endpoint: Option<String>,
    reply: Option<Reply>,
    certificate: Option<Arc<CertificateReport>>,
    rejected: Vec<crate::RejectedRecipient>,
    message_id: Option<String>,
    envelope: Option<crate::Envelope>,
    attempts: u32,
    late_verdict: Option<LateVerdict>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error; `delivery` starts as [`Delivery::NotSent`].
    pub(crate) fn new(kind: ErrorKind, stage: Stage, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Timeout);
        Error {
            inner: Box::new(Inner {
                kind,
                stage,
                delivery: Delivery::NotSent,
                retryable,
                message: message.into(),
                hint: None,
                endpoint: None,
                reply: None,
                certificate: None,
                rejected: Vec::new(),
                message_id: None,
                envelope: None,
                attempts: 0,
                late_verdict: None,
                source: None,
            }),
        }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidConfig, Stage::Prepare, message)
    }

    pub(crate) fn message(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidMessage, Stage::Prepare, message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Adds to what happened.
    pub(crate) fn with_detail(mut self, detail: &str) -> Self {
        self.inner.message = format!("{} ({detail})", self.inner.message);
        self
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.inner.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_reply(mut self, reply: Reply) -> Self {
        self.inner.reply = Some(reply);
        self
    }

    pub(crate) fn with_certificate(mut self, report: Arc<CertificateReport>) -> Self {
        self.inner.certificate = Some(report);
        self
    }

    pub(crate) fn with_endpoint(mut self, endpoint: impl fmt::Display) -> Self {
        self.inner.endpoint = Some(endpoint.to_string());
        self
    }

    pub(crate) fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.inner.delivery = delivery;
        self
    }

    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.inner.retryable = retryable;
        self
    }

    pub(crate) fn with_rejected(mut self, rejected: Vec<crate::RejectedRecipient>) -> Self {
        self.inner.rejected = rejected;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.inner.attempts = attempts;
        self
    }

    pub(crate) fn with_context(mut self, message_id: &str, envelope: &crate::Envelope) -> Self {
        self.inner.message_id = Some(message_id.to_owned());
        self.inner.envelope = Some(envelope.clone());
        self
    }

    pub(crate) fn with_late_verdict(mut self, verdict: LateVerdict) -> Self {
        self.inner.late_verdict = Some(verdict);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Where in the conversation it went wrong.
    pub fn stage(&self) -> Stage {
        self.inner.stage
    }

    /// What is known of the message. [`Delivery::NotSent`] for errors that do
    /// not concern a message.
    pub fn delivery(&self) -> Delivery {
        self.inner.delivery
    }

    /// Whether the same call may succeed later without a change of message,
    /// configuration or server. Says nothing about duplicates: see
    /// [`delivery`](Self::delivery).
    pub fn is_retryable(&self) -> bool {
        self.inner.retryable
    }

    /// The server's reply, when a reply was the cause.
    pub fn reply(&self) -> Option<&Reply> {
        self.inner.reply.as_ref()
    }

    /// The report on the server's certificate, when it was the cause.
    pub fn certificate(&self) -> Option<&CertificateReport> {
        self.inner.certificate.as_deref()
    }

    /// The recipients that were refused one by one, with their replies.
    pub fn rejected_recipients(&self) -> &[crate::RejectedRecipient] {
        &self.inner.rejected
    }

    /// The Message-ID of the message concerned, for the server's log.
    pub fn message_id(&self) -> Option<&str> {
        self.inner.message_id.as_deref()
    }

    /// The envelope of the message concerned.
    pub fn envelope(&self) -> Option<&crate::Envelope> {
        self.inner.envelope.as_ref()
    }

    /// How many connections were tried for this message.
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// For [`ErrorKind::DeliveryUnknown`] where the connection is still being
    /// listened to: a future that resolves if the server's answer comes after
    /// all.
    pub fn late_verdict(&self) -> Option<LateVerdict> {
        self.inner.late_verdict.clone()
    }

    /// What happened, without stage, delivery and hint.
    pub fn message_text(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        write!(f, "{}: {}", inner.kind, inner.message)?;
        if let Some(endpoint) = &inner.endpoint {
            write!(f, " ({endpoint})")?;
        }
        if inner.stage != Stage::Prepare {
            write!(f, "; stage {}, delivery {}", inner.stage, inner.delivery)?;
        }
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        writeln!(f, "{} at {}: {}", inner.kind, inner.stage, inner.message)?;
        if let Some(endpoint) = &inner.endpoint {
            writeln!(f, "  endpoint:   {endpoint}")?;
        }
        writeln!(f, "  delivery:   {}", inner.delivery)?;
        writeln!(f, "  retryable:  {}", inner.retryable)?;
        if inner.attempts > 0 {
            writeln!(f, "  attempts:   {}", inner.attempts)?;
        }
        if let Some(id) = &inner.message_id {
            writeln!(f, "  message-id: {id}")?;
        }
        if let Some(reply) = &inner.reply {
            writeln!(f, "  reply:      {reply}")?;
        }
        for rejected in &inner.rejected {
            writeln!(f, "  rejected:   {}: {}", rejected.address, rejected.reply)?;
        }
        if let Some(report) = &inner.certificate {
            for line in report.to_string().lines() {
                writeln!(f, "  certificate: {line}")?;
            }
        }
        if let Some(hint) = &inner.hint {
            writeln!(f, "  hint:       {hint}")?;
        }
        let mut source = self.source();
        while let Some(cause) = source {
            writeln!(f, "  caused by:  {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

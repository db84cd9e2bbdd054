//! What ended the probe of an address early, in words: [`Ending`].
//!
//! Every way to end is a finding for people and an error for programs, made
//! here side by side so that they agree.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::capture::{is_too_large, tls_fault};
use super::dialogue::Fault;
use super::spoken::{Spoken, shown};
use crate::finding::{Finding, FindingId};
use crate::tls::read_failure;
use crate::{Endpoint, Error, ErrorKind, Severity, Stage, TlsMode};

/// What was found, and the error that goes with it.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) finding: Finding,
    pub(crate) error: Error,
}

/// Where a connection goes: `mail.example.org:465 (192.0.2.1)`.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
}

impl Place {
    /// As an endpoint, for errors.
    pub(crate) fn endpoint(&self, mode: TlsMode) -> Endpoint {
        Endpoint::new(&*self.host, mode).with_port(self.address.port())
    }

    fn port(&self) -> u16 {
        self.address.port()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(ip) if ip == self.address.ip() => write!(f, "{}", self.address),
            Ok(IpAddr::V6(ip)) => write!(f, "[{ip}]:{} ({})", self.port(), self.address.ip()),
            _ => write!(f, "{}:{} ({})", self.host, self.port(), self.address.ip()),
        }
    }
}

/// How a handshake came about, which decides what plain text in its place
/// means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// From the first byte, as asked for.
    Implicit,
    /// After the go-ahead for STARTTLS.
    StartTls,
    /// Because the server was silent for so long where a greeting was due.
    Silence(Duration),
}

impl Ending {
    fn new(id: FindingId, kind: ErrorKind, stage: Stage, message: String) -> Self {
        Ending {
            error: Error::new(kind, stage, message.clone()).with_hint(id.remedy()),
            finding: Finding::new(id, message).with("stage", stage),
        }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.finding = self.finding.with(name, value);
        self
    }

    /// The connection could not be made.
    pub(crate) fn unconnected(place: &Place, error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let port = place.port();
        let (id, text) = match error.kind() {
            Kind::ConnectionRefused => (
                FindingId::Refused,
                format!("{place} refused the connection: nothing listens on port {port}"),
            ),
            Kind::TimedOut => (FindingId::Silent, format!("{place} did not answer at all")),
            Kind::ConnectionReset | Kind::ConnectionAborted => (
                FindingId::ConnectionLost,
                format!("{place} took the connection and reset it at once"),
            ),
            Kind::PermissionDenied => (
                FindingId::Unreachable,
                format!("this machine does not let the program connect to {place}"),
            ),
            _ => (FindingId::Unreachable, format!("{place} cannot be reached: {error}")),
        };
        let ending = Ending::new(id, ErrorKind::Connect, Stage::Connect, text);
        Ending { error: ending.error.with_source(error), finding: ending.finding }
    }

    /// Nothing answered the attempt to connect.
    pub(crate) fn silent(place: &Place, waited: Duration) -> Self {
        let text = format!("{place} did not answer within {waited:?}: packets are dropped");
        Ending::new(FindingId::Silent, ErrorKind::Timeout, Stage::Connect, text)
    }

    /// The deadline passed in the middle of something.
    pub(crate) fn stalled(place: &Place, stage: Stage, deadline: Duration) -> Self {
        let doing = stage.doing();
        let text = format!("{place} went silent while {doing}; given up after {deadline:?}");
        Ending::new(FindingId::Stalled, ErrorKind::Timeout, stage, text)
    }

    /// The server took the connection, and neither greeted nor answered TLS.
    pub(crate) fn mute(place: &Place, deadline: Duration) -> Self {
        let text = format!(
            "{place} took the connection and said nothing within {deadline:?}, neither in plain \
             text nor in TLS"
        );
        Ending::new(FindingId::Stalled, ErrorKind::Timeout, Stage::Greeting, text)
    }

    /// The server closed the connection.
    pub(crate) fn closed(place: &Place, stage: Stage) -> Self {
        let text = format!("{place} closed the connection while {}", stage.doing());
        Ending::new(FindingId::ConnectionLost, ErrorKind::Connect, stage, text)
    }

    /// Reading or writing failed.
    pub(crate) fn lost(place: &Place, mode: TlsMode, stage: Stage, error: io::Error) -> Self {
        if tls_fault(&error).is_some() {
            return Ending::tls(place, mode, stage, error);
        }
        let ending = match error.kind() {
            io::ErrorKind::UnexpectedEof => Ending::closed(place, stage),
            kind => {
                let how = match kind {
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe => "was reset".to_owned(),
                    _ => format!("broke ({error})"),
                };
                let text = format!("the connection to {place} {how} while {}", stage.doing());
                Ending::new(FindingId::ConnectionLost, ErrorKind::Connect, stage, text)
            }
        };
        Ending { error: ending.error.with_source(error), finding: ending.finding }
    }

    fn tls(place: &Place, mode: TlsMode, stage: Stage, error: io::Error) -> Self {
        let fault = tls_fault(&error);
        let id = match fault {
            Some(rustls::Error::NoCertificatesPresented) => FindingId::NoCertificate,
            Some(fault) if is_too_large(fault) => FindingId::LargeChain,
            _ => FindingId::HandshakeFailed,
        };
        let alert = match fault {
            Some(rustls::Error::AlertReceived(alert)) => alert.as_str(),
            _ => None,
        };
        let error = read_failure(&place.endpoint(mode), stage, error);
        let message = match id {
            FindingId::LargeChain => {
                format!("{place} sends a chain of more than 64 KB, which TLS libraries refuse")
            }
            _ => format!("{place}: {}", error.message_text()),
        };
        let finding =
            Finding::new(id, message).with_severity(Severity::Critical).with("stage", stage);
        let finding = match alert {
            Some(alert) => finding.with("alert", alert),
            None => finding,
        };
        Ending { finding, error }
    }

    /// A handshake failed, and `seen` is what the server began it with.
    pub(crate) fn handshake(place: &Place, how: How, seen: &[u8], error: io::Error) -> Self {
        let spoken = Spoken::of(seen);
        let mode = match how {
            How::StartTls => TlsMode::StartTls,
            How::Implicit | How::Silence(_) => TlsMode::Implicit,
        };
        if !spoken.is_plain() {
            return Ending::lost(place, mode, Stage::Handshake, error);
        }
        let said = shown(seen);
        let ending = match (spoken, how) {
            (_, How::StartTls) => {
                let text = format!(
                    "{place} agreed to STARTTLS, and went on in plain text with \"{said}\" \
                     instead of TLS"
                );
                Ending::protocol(FindingId::StarttlsInjection, Stage::Handshake, text)
            }
            (Spoken::Smtp(Some(reply)), _) if reply.is_transient() => {
                return Ending::fault(place, Fault::TurnedAway(reply), Stage::Greeting);
            }
            // 50z would be the answer to the hello of TLS.
            (Spoken::Smtp(Some(reply)), _) if reply.code() >= 520 => {
                return Ending::fault(place, Fault::GreetingRefused(reply), Stage::Greeting);
            }
            (Spoken::Smtp(_), How::Silence(patience)) => {
                let text = format!(
                    "{place} greets in plain text (\"{said}\") only after more than \
                     {patience:?}, when TLS had been tried: probe it by STARTTLS, with more time"
                );
                Ending::protocol(FindingId::Stalled, Stage::Greeting, text)
            }
            (Spoken::Smtp(_), How::Implicit) => {
                let text = format!(
                    "{place} begins in plain text (\"{said}\") where TLS from the first byte was \
                     asked for"
                );
                Ending::protocol(FindingId::PlaintextOnImplicit, Stage::Handshake, text)
            }
            (spoken, _) => {
                let fault = Fault::NotSmtp(spoken, seen.to_vec());
                return Ending::fault(place, fault, Stage::Handshake);
            }
        };
        let ending = ending.with("seen", said);
        Ending { error: ending.error.with_source(error), finding: ending.finding }
    }

    fn protocol(id: FindingId, stage: Stage, message: String) -> Self {
        Ending::new(id, ErrorKind::Protocol, stage, message)
    }

    /// The dialogue cannot go on.
    pub(crate) fn fault(place: &Place, fault: Fault, stage: Stage) -> Self {
        let refused = |id, text: String, reply: crate::smtp::Reply| {
            let ending = Ending::new(id, ErrorKind::Rejected, stage, text).with("reply", &reply);
            Ending { error: ending.error.with_reply(reply), finding: ending.finding }
        };
        match fault {
            Fault::TurnedAway(reply) => {
                let text = format!("{place} turns connections away for now: {reply}");
                refused(FindingId::RateLimited, text, reply)
            }
            Fault::GreetingRefused(reply) => {
                let text = format!("{place} refuses to talk to this address: {reply}");
                refused(FindingId::GreetingRefused, text, reply)
            }
            Fault::EhloRefused(reply) => {
                let text = format!("{place} refuses EHLO: {reply}");
                refused(FindingId::EhloRefused, text, reply)
            }
            Fault::StartTlsRefused(reply) => {
                let text = format!("{place} offers STARTTLS and refuses it: {reply}");
                refused(FindingId::StarttlsRefused, text, reply)
            }
            Fault::NotOffered(None) => {
                let text = format!("{place} does not offer STARTTLS");
                let kind = ErrorKind::Unsupported;
                Ending::new(FindingId::StarttlsMissing, kind, Stage::StartTls, text)
            }
            Fault::NotOffered(Some(keyword)) => {
                let shown = shown(keyword.as_bytes());
                let text = format!(
                    "something between here and {place} removes STARTTLS: \"{shown}\" stands \
                     in its place"
                );
                let kind = ErrorKind::Unsupported;
                Ending::new(FindingId::StarttlsStripped, kind, Stage::StartTls, text)
                    .with("keyword", shown)
            }
            Fault::NotSmtp(spoken, first) => {
                let said = shown(&first);
                let (id, text) = match spoken {
                    Spoken::Tls => (
                        FindingId::TlsOnPlaintext,
                        format!("{place} speaks TLS from the first byte"),
                    ),
                    Spoken::Other(name) => (
                        FindingId::NotSmtp,
                        format!("{place} is no mail server but one of {name}: \"{said}\""),
                    ),
                    _ => (
                        FindingId::NotSmtp,
                        format!("{place} does not speak SMTP; it begins with \"{said}\""),
                    ),
                };
                Ending::protocol(id, stage, text).with("seen", said)
            }
            Fault::Malformed(error) => {
                let text = format!("{place} breaks the rules of SMTP: {error}");
                Ending::protocol(FindingId::MalformedReply, stage, text)
            }
            Fault::Unasked(rest) => {
                let said = shown(&rest);
                let text = format!("{place} said more than it was asked for: \"{said}\"");
                Ending::protocol(FindingId::MalformedReply, stage, text).with("seen", said)
            }
        }
    }
}

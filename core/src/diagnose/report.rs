//! What a diagnosis found: [`DiagnosisReport`] and its [`Rung`]s.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::certificate::CertificateReport;
use crate::finding::{Finding, Severity, Status};
use crate::{Endpoint, Error};

/// A step of the ladder. Which there are, and in what order, depends on the
/// TLS mode and on what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The name resolves.
    Dns,
    /// A connection is taken.
    Tcp,
    /// The server greets.
    Greeting,
    /// It answers EHLO.
    Ehlo,
    /// It offers STARTTLS, and agrees to it.
    StartTls,
    /// TLS is agreed on.
    Handshake,
    /// The certificate is accepted.
    Certificate,
    /// It answers EHLO again, inside TLS.
    EhloInTls,
    /// It offers a way to log in that the credentials fit.
    AuthOffered,
    /// It takes the credentials.
    Auth,
    /// It takes messages of the size.
    Size,
    /// It takes the sender.
    Sender,
    /// It takes the recipients.
    Recipients,
}

impl Step {
    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Dns => "dns",
            Step::Tcp => "tcp",
            Step::Greeting => "greeting",
            Step::Ehlo => "ehlo",
            Step::StartTls => "starttls",
            Step::Handshake => "handshake",
            Step::Certificate => "certificate",
            Step::EhloInTls => "ehlo_in_tls",
            Step::AuthOffered => "auth_offered",
            Step::Auth => "auth",
            Step::Size => "size",
            Step::Sender => "sender",
            Step::Recipients => "recipients",
        }
    }

    /// What people call it: a word or two, at most 13 characters.
    pub fn label(self) -> &'static str {
        match self {
            Step::Dns => "DNS",
            Step::Tcp => "TCP",
            Step::Greeting => "greeting",
            Step::Ehlo => "EHLO",
            Step::StartTls => "STARTTLS",
            Step::Handshake => "TLS handshake",
            Step::Certificate => "certificate",
            Step::EhloInTls => "EHLO in TLS",
            Step::AuthOffered => "AUTH offered",
            Step::Auth => "login",
            Step::Size => "size",
            Step::Sender => "sender",
            Step::Recipients => "recipients",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a rung ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It holds.
    Held,
    /// It does not.
    Failed,
    /// It was not tried; the detail says why.
    Skipped,
}

impl Outcome {
    /// The stable name: `held`, `failed` or `skipped`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        }
    }

    /// The mark for people: `✓`, `✗` or `–`.
    pub fn mark(self) -> char {
        match self {
            Outcome::Held => '✓',
            Outcome::Failed => '✗',
            Outcome::Skipped => '–',
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rung: what was tried and how it went. `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rung {
    /// What was tried.
    pub step: Step,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
    /// What was seen, in one line of printable text.
    pub detail: String,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = match self.outcome {
            Outcome::Skipped => String::new(),
            _ => span(self.elapsed),
        };
        write!(f, "{} {:<13} {time:>8}  {}", self.outcome.mark(), self.step.label(), self.detail)
    }
}

/// A duration as people read it: `0.4 ms`, `12 ms`, `3.1 s`.
fn span(elapsed: Duration) -> String {
    let millis = elapsed.as_secs_f64() * 1000.0;
    match millis {
        ..9.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1000.0),
    }
}

/// What a [`Diagnosis`](super::Diagnosis) found. `Display` is the ladder, then
/// cause and remedy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiagnosisReport {
    /// The server.
    pub endpoint: Endpoint,
    /// When it began, by the local clock.
    pub started_at: SystemTime,
    /// How long it took in all.
    pub duration: Duration,
    /// Where the connection went; the proxy's address where there is one.
    pub address: Option<SocketAddr>,
    /// Every rung, in order.
    pub rungs: Vec<Rung>,
    /// What the first rung that failed failed for; `None`: every one held.
    pub cause: Option<Finding>,
    /// What to do about the cause, in one sentence.
    pub remedy: Option<String>,
    /// What was found besides and did not stop the climb.
    pub notes: Vec<Finding>,
    /// The chain and the verdict on it, if there was one to see.
    pub certificate: Option<Arc<CertificateReport>>,
    /// The error behind the cause, as a send would report it.
    pub error: Option<Error>,
}

impl DiagnosisReport {
    /// Whether no rung failed.
    pub fn holds(&self) -> bool {
        self.cause.is_none()
    }

    /// The rung that failed.
    pub fn failed(&self) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.outcome == Outcome::Failed)
    }

    /// The rung of a step.
    pub fn rung(&self, step: Step) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.step == step)
    }

    /// Unhealthy if a rung failed; degraded if all held and something needs
    /// attention all the same.
    pub fn status(&self) -> Status {
        match (&self.cause, self.notes.iter().any(|note| note.severity > Severity::Info)) {
            (Some(_), _) => Status::Unhealthy,
            (None, true) => Status::Degraded,
            (None, false) => Status::Healthy,
        }
    }

    /// One line: the cause, or that every rung holds.
    pub fn summary(&self) -> String {
        match &self.cause {
            Some(cause) => cause.message.clone(),
            None => format!("{} is in order: every rung holds", self.endpoint),
        }
    }
}

impl fmt::Display for DiagnosisReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint)?;
        for rung in &self.rungs {
            write!(f, "\n  {rung}")?;
        }
        for note in &self.notes {
            write!(f, "\n{}: {}\n  remedy: {}", note.severity, note.message, note.remedy())?;
        }
        match &self.cause {
            Some(cause) => write!(f, "\ncause:  {}", cause.message)?,
            None => write!(f, "\nevery rung holds")?,
        }
        match &self.remedy {
            Some(remedy) => write!(f, "\nremedy: {remedy}"),
            None => Ok(()),
        }
    }
}

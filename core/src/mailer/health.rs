//! Whether the endpoint can be used, and how long to leave it alone if not.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::event::Leaf;
use crate::certificate::{Nearness, Thresholds};
use crate::error::{Error, ErrorKind};
use crate::finding::Status;

/// The first pause after a verdict against the endpoint; doubled by each
/// further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a mailer's endpoint is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// Nothing is known against it.
    Healthy,
    /// It works, but its certificate is near its end: within 30 days, or a
    /// quarter of its lifetime if that is shorter.
    Degraded {
        /// The leaf that is near its end.
        leaf: Leaf,
        /// Within 7 days, or a tenth of its lifetime if that is shorter.
        critical: bool,
    },
    /// It cannot be used.
    Unhealthy {
        /// Why; [`Error::certificate`] has the report if it is the
        /// certificate.
        error: Error,
        /// How long it has been so.
        since: SystemTime,
    },
}

impl Health {
    /// The same in one word.
    pub fn status(&self) -> Status {
        match self {
            Health::Healthy => Status::Healthy,
            Health::Degraded { .. } => Status::Degraded,
            Health::Unhealthy { .. } => Status::Unhealthy,
        }
    }

    /// The stable name: `healthy`, `degraded` or `unhealthy`.
    pub fn as_str(&self) -> &'static str {
        self.status().as_str()
    }
}

/// How near a leaf is to its end.
pub(crate) fn nearness(leaf: &Leaf, now: SystemTime) -> Nearness {
    Thresholds::default().nearness(leaf.not_before, leaf.not_after, now)
}

/// Whether an error speaks against the endpoint itself, so that trying again
/// at once would only hammer it: certificate, TLS, credentials, a missing
/// extension, a permanent refusal of the session. A lost connection does not.
pub(crate) fn is_verdict(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Certificate
        | ErrorKind::Tls
        | ErrorKind::Unsupported
        | ErrorKind::InvalidConfig => true,
        ErrorKind::Auth => !error.is_retryable(),
        ErrorKind::Rejected => error.reply().is_some_and(|reply| reply.is_permanent()),
        ErrorKind::Protocol => !error.is_retryable(),
        _ => false,
    }
}

/// The state behind [`Health`].
#[derive(Debug, Default)]
pub(crate) struct Condition {
    ill: Option<Ill>,
    /// Failures to open a session since the last success.
    failures: u32,
    /// The last of them.
    last_error: Option<Error>,
    /// How near which leaf was when it was last told.
    told: Option<(crate::certificate::Fingerprint, Nearness)>,
}

#[derive(Debug)]
struct Ill {
    error: Error,
    since: SystemTime,
    until: Instant,
    pause: Duration,
}

impl Condition {
    /// Notes that a session could not be opened. Returns whether that made
    /// the endpoint unhealthy just now.
    pub(crate) fn failed(&mut self, error: &Error, now: Instant, clock: SystemTime) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.clone());
        if !is_verdict(error) {
            return false;
        }
        let before = self.ill.take();
        let pause = match &before {
            Some(ill) => (ill.pause * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        let since = before.as_ref().map_or(clock, |ill| ill.since);
        self.ill = Some(Ill { error: error.clone(), since, until: now + pause, pause });
        before.is_none()
    }

    /// Notes that a session was opened. Returns whether that is a recovery.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.last_error = None;
        self.ill.take().is_some()
    }

    /// What speaks against the endpoint now.
    pub(crate) fn ill(&self) -> Option<&Error> {
        self.ill.as_ref().map(|ill| &ill.error)
    }

    /// The error to fail fast with, while the pause lasts.
    pub(crate) fn refusal(&self, now: Instant) -> Option<&Error> {
        self.ill.as_ref().filter(|ill| now < ill.until).map(|ill| &ill.error)
    }

    /// Why the last session could not be opened, if none was since.
    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Whether the leaf's nearness to its end is news.
    pub(crate) fn is_news(&mut self, leaf: &Leaf, nearness: Nearness) -> bool {
        let told = self.told.filter(|(known, _)| *known == leaf.fingerprint);
        let news = nearness > told.map_or(Nearness::Far, |(_, nearness)| nearness);
        if news {
            self.told = Some((leaf.fingerprint, nearness));
        }
        news
    }

    /// The public view.
    pub(crate) fn health(&self, leaf: Option<&Leaf>, now: SystemTime) -> Health {
        if let Some(ill) = &self.ill {
            return Health::Unhealthy { error: ill.error.clone(), since: ill.since };
        }
        match leaf.map(|leaf| (leaf, nearness(leaf, now))) {
            None | Some((_, Nearness::Far)) => Health::Healthy,
            Some((leaf, nearness)) => {
                Health::Degraded { leaf: leaf.clone(), critical: nearness == Nearness::Critical }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::certificate::Fingerprint;

    const DAY: Duration = Duration::from_secs(86_400);

    fn leaf(days: u32) -> Leaf {
        let not_before = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        Leaf {
            fingerprint: Fingerprint::of(b"leaf"),
            serial: "01".into(),
            not_before,
            not_after: not_before + days * DAY,
        }
    }

    fn certificate_error() -> Error {
        Error::new(ErrorKind::Certificate, Stage::Handshake, "expired")
    }

    #[test]
    fn pauses_grow_and_end_with_a_success() {
        let mut condition = Condition::default();
        let (start, clock) = (Instant::now(), SystemTime::UNIX_EPOCH);
        assert!(condition.failed(&certificate_error(), start, clock));
        assert!(condition.refusal(start).is_some());
        assert!(condition.refusal(start + FIRST_PAUSE).is_none(), "one may try again");
        let later = start + FIRST_PAUSE;
        assert!(!condition.failed(&certificate_error(), later, clock + DAY), "no news");
        assert!(condition.refusal(later + FIRST_PAUSE).is_some(), "the pause has grown");
        assert!(
            matches!(condition.health(None, clock), Health::Unhealthy { since, .. } if since == clock)
        );
        assert!(condition.succeeded() && !condition.succeeded());
        assert!(condition.refusal(later).is_none());
        assert!(matches!(condition.health(None, clock), Health::Healthy));
    }

    #[test]
    fn a_lost_connection_is_no_verdict_on_the_endpoint() {
        let mut condition = Condition::default();
        let error = Error::new(ErrorKind::Connect, Stage::Connect, "refused");
        assert!(!condition.failed(&error, Instant::now(), SystemTime::UNIX_EPOCH));
        assert!(condition.refusal(Instant::now()).is_none());
        assert!(condition.last_error().is_some());
    }

    #[test]
    fn an_approaching_end_is_told_once_per_severity() {
        let mut condition = Condition::default();
        let leaf = leaf(47);
        assert!(!condition.is_news(&leaf, Nearness::Far));
        assert!(condition.is_news(&leaf, Nearness::Near));
        assert!(!condition.is_news(&leaf, Nearness::Near));
        assert!(condition.is_news(&leaf, Nearness::Critical));
    }
}

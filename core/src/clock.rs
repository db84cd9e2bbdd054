//! Wall-clock time as a parameter.
//!
//! Deadlines run on tokio's timer, which tests pause; what needs the date
//! (certificate validity, ages shown to people) asks a [`Clock`], so that a
//! test or a simulation can place "now" anywhere.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// A source of wall-clock time.
pub trait Clock: Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> SystemTime;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Lets rustls judge validity by the injected clock.
#[derive(Debug)]
pub(crate) struct TlsTime(pub(crate) Arc<dyn Clock>);

impl rustls::time_provider::TimeProvider for TlsTime {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        let since_epoch = self.0.now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(rustls_pki_types::UnixTime::since_unix_epoch(since_epoch))
    }
}

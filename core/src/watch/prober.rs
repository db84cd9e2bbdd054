//! Who looks at an endpoint: a probe in earnest, a script in tests.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::{Config, Entry};
use crate::Error;
use crate::clock::Clock;
use crate::network::{BoxFuture, Network};
use crate::probe::{Probe, ProbeReport};

/// How old the roots may become: a store that is updated while a watch runs
/// for months counts from the next day on.
const ROOTS_LAST: Duration = Duration::from_secs(86_400);

/// Looks at the endpoint at an index of the configuration. The future may be
/// dropped at any point.
pub(super) trait Prober: Debug + Send + Sync {
    fn probe<'a>(&'a self, index: usize, entry: &'a Entry) -> BoxFuture<'a, ProbeReport>;
}

/// The real one: a [`Probe`] for each way to probe.
#[derive(Debug)]
pub(super) struct RealProber {
    making: Making,
    /// For each endpoint; those that are probed alike share one.
    probes: Vec<Arc<Shared>>,
}

#[derive(Debug)]
struct Making {
    deadline: Duration,
    network: Arc<dyn Network>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Shared {
    /// One of the endpoints that are probed like this.
    entry: Entry,
    made: Mutex<(Instant, Arc<Probe>)>,
}

impl RealProber {
    /// Makes every probe, so that what cannot work is known at once.
    pub(super) fn new(
        config: &Config,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let making = Making { deadline: config.deadline, network, clock };
        let mut kinds: Vec<Arc<Shared>> = Vec::new();
        let mut probes = Vec::with_capacity(config.entries.len());
        for entry in &config.entries {
            if let Some(same) = kinds.iter().find(|kind| alike(&kind.entry, entry)) {
                probes.push(Arc::clone(same));
                continue;
            }
            let made = Mutex::new((Instant::now(), making.probe(entry)?));
            let kind = Arc::new(Shared { entry: entry.clone(), made });
            kinds.push(Arc::clone(&kind));
            probes.push(kind);
        }
        Ok(RealProber { making, probes })
    }
}

fn alike(one: &Entry, other: &Entry) -> bool {
    one.trust == other.trust
        && one.thresholds == other.thresholds
        && one.all_addresses == other.all_addresses
}

impl Making {
    fn probe(&self, entry: &Entry) -> Result<Arc<Probe>, Error> {
        let builder = Probe::builder()
            .thresholds(entry.thresholds)
            .all_addresses(entry.all_addresses)
            .deadline(self.deadline)
            .network(Arc::clone(&self.network))
            .clock(Arc::clone(&self.clock));
        let roots = entry.trust.iter().cloned();
        roots.fold(builder, |builder, roots| builder.trust(roots)).build().map(Arc::new)
    }
}

impl Shared {
    /// The probe, made anew when its roots are old. If that fails, the old
    /// roots are better than none.
    fn probe(&self, making: &Making) -> Arc<Probe> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0.elapsed() >= ROOTS_LAST {
            made.0 = Instant::now();
            match making.probe(&self.entry) {
                Ok(probe) => made.1 = probe,
                Err(error) => tracing::warn!(%error, "the trusted roots cannot be read again"),
            }
        }
        Arc::clone(&made.1)
    }
}

impl Prober for RealProber {
    fn probe<'a>(&'a self, index: usize, entry: &'a Entry) -> BoxFuture<'a, ProbeReport> {
        let probe = self.probes[index].probe(&self.making);
        Box::pin(async move { probe.run(&entry.target).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::Authority;
    use crate::{Tcp, TrustRoots};

    #[tokio::test(start_paused = true)]
    async fn roots_are_read_again_after_a_day_and_kept_where_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, Authority::root("R1").pem()).unwrap();
        let mut config = Config::from_list("a\nb").unwrap();
        config.entries.iter_mut().for_each(|it| it.trust = vec![TrustRoots::File(path.clone())]);
        let clock = crate::watch::testing::PausedClock::new();
        let prober = RealProber::new(&config, Arc::new(Tcp), clock).unwrap();
        let probe = |index: usize| prober.probes[index].probe(&prober.making);
        let first = probe(0);
        assert!(Arc::ptr_eq(&first, &probe(1)), "what is alike is shared");
        tokio::time::advance(ROOTS_LAST / 2).await;
        assert!(Arc::ptr_eq(&first, &probe(0)));
        tokio::time::advance(ROOTS_LAST).await;
        let second = probe(0);
        assert!(!Arc::ptr_eq(&first, &second));
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(ROOTS_LAST).await;
        assert!(Arc::ptr_eq(&second, &probe(0)));
    }
}

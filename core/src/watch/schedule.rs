//! When each endpoint is looked at.
//!
//! Each endpoint has a task of its own that waits for its turn, then for its
//! host, then for one of the places of all probes, in this order: who waits
//! for a busy host keeps no place from others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Inner;
use super::courier::Sender;
use super::state::save;
use crate::probe::ProbeReport;
use crate::{Axis, Finding, FindingId, Severity, Status};

/// How far from its interval a wait may be, as a share of it: so that many
/// endpoints, and many watches, do not fall into step.
const JITTER: f64 = 0.1;

/// How long changes are gathered before they are saved.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// How long deliveries may go on after the end.
const LAST_DELIVERIES: Duration = Duration::from_secs(10);

/// One host, held by who probes it; the moment its last probe ended.
type Host = Arc<Mutex<Option<Instant>>>;

/// What keeps probes from being too many.
struct Manners {
    hosts: Vec<Host>,
    places: Semaphore,
}

impl Manners {
    fn new(inner: &Inner) -> Self {
        let mut by_name: HashMap<&str, Host> = HashMap::new();
        let entries = inner.config.entries.iter();
        let hosts = entries.map(|it| Arc::clone(by_name.entry(&it.target.host).or_default()));
        Manners { hosts: hosts.collect(), places: Semaphore::new(inner.config.parallel) }
    }
}

/// Watches until `stop` is ready.
pub(super) async fn run(inner: &Arc<Inner>, stop: impl Future<Output = ()>) {
    let (sender, deliveries) = inner.courier.start(inner);
    let manners = Arc::new(Manners::new(inner));
    let mut tasks = JoinSet::new();
    for index in 0..inner.config.entries.len() {
        tasks.spawn(forever(Arc::clone(inner), Arc::clone(&manners), index, sender.clone()));
    }
    tasks.spawn(keep_saved(Arc::clone(inner)));
    stop.await;
    // No probe holds anything that must be put down first.
    tasks.shutdown().await;
    drop(sender);
    if timeout(LAST_DELIVERIES, deliveries).await.is_err() {
        inner.trouble("events that were still being delivered at the end are given up");
    }
    save_now(inner, &mut true).await;
}

/// Looks at every endpoint once, and waits until all is delivered.
pub(super) async fn round(inner: &Arc<Inner>) {
    let (sender, deliveries) = inner.courier.start(inner);
    let manners = Arc::new(Manners::new(inner));
    let mut tasks = JoinSet::new();
    for index in 0..inner.config.entries.len() {
        let (inner, manners, sender) = (Arc::clone(inner), Arc::clone(&manners), sender.clone());
        tasks.spawn(async move { look(&inner, &manners, index, &sender, Doubt::Never).await });
    }
    drop(sender);
    tasks.join_all().await;
    deliveries.await;
    save_now(inner, &mut true).await;
}

async fn forever(inner: Arc<Inner>, manners: Arc<Manners>, index: usize, sender: Sender) {
    loop {
        let began = look(&inner, &manners, index, &sender, Doubt::Once).await;
        let spread = 1.0 - JITTER + 2.0 * JITTER * fastrand::f64();
        sleep_until(began + inner.config.entries[index].interval.mul_f64(spread)).await;
    }
}

/// Whether an outage is believed at first sight.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It is.
    Never,
    /// It is looked at once more.
    Once,
}

/// Looks at one endpoint when its host is free, and returns when that began.
async fn look(
    inner: &Arc<Inner>,
    manners: &Manners,
    index: usize,
    sender: &Sender,
    doubt: Doubt,
) -> Instant {
    let mut ended = manners.hosts[index].lock().await;
    if let Some(ended) = *ended {
        sleep_until(ended + inner.config.min_gap).await;
    }
    let began = Instant::now();
    let mut report = probe(inner, manners, index).await;
    if doubt == Doubt::Once && is_doubtful(inner, index, &report) {
        let config = &inner.config;
        sleep(config.recheck.min(config.entries[index].interval).max(config.min_gap)).await;
        report = probe(inner, manners, index).await;
    }
    *ended = Some(Instant::now());
    for event in inner.take(index, &report) {
        sender.send(inner, event);
    }
    began
}

/// Probes as soon as there is a place.
async fn probe(inner: &Inner, manners: &Manners, index: usize) -> ProbeReport {
    // The semaphore is never closed.
    let _place = manners.places.acquire().await;
    inner.prober.probe(index, &inner.config.entries[index]).await
}

/// Whether a report speaks of an outage that is new and may be a hiccup of the
/// network: nothing else that is critical was found.
fn is_doubtful(inner: &Inner, index: usize, report: &ProbeReport) -> bool {
    let is_new = inner.state().endpoints[index].status() != Some(Status::Unhealthy);
    let mut critical = report.all_findings().filter(|it| it.severity == Severity::Critical);
    let passes = |it: &Finding| it.axis() == Axis::Network || it.id == FindingId::RateLimited;
    !inner.config.recheck.is_zero()
        && is_new
        && report.status() == Status::Unhealthy
        && critical.all(passes)
}

/// Saves what has changed, once a second at most.
async fn keep_saved(inner: Arc<Inner>) {
    let mut works = true;
    loop {
        inner.changed.notified().await;
        sleep(SAVE_AFTER).await;
        save_now(&inner, &mut works).await;
    }
}

/// Saves the state; trouble is told when it begins.
async fn save_now(inner: &Arc<Inner>, works: &mut bool) {
    let Some(path) = inner.config.state.clone() else { return };
    let state = inner.state().clone();
    let shown = path.display().to_string();
    let saved = tokio::task::spawn_blocking(move || save(&path, &state)).await;
    let result = saved.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    if let Err(error) = &result
        && *works
    {
        inner.trouble(&format!("the state cannot be saved to {shown}: {error}"));
    }
    *works = result.is_ok();
}

#[cfg(test)]
mod tests;

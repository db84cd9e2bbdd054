//! Carries events to the hook and the webhook, in their order, one at a time.
//!
//! Delivery is bounded: in time for each attempt, in the number of attempts,
//! and in the events that may wait. What cannot be delivered is told as
//! trouble, and never holds up the watching.

mod hook;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::webhook::Poster;
use super::Inner;
use super::config::Config;
use super::event::{Event, EventKind};
use crate::Error;
use crate::clock::Clock;
use crate::network::Network;

/// How many events may wait for delivery.
const MAX_WAITING: usize = 1000;

/// What has been told and delivered since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    events: [AtomicU64; EventKind::ALL.len()],
    hooks_failed: AtomicU64,
    webhooks_failed: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, kind: EventKind) {
        self.events[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn events(&self, kind: EventKind) -> u64 {
        self.events[kind as usize].load(Ordering::Relaxed)
    }

    /// Failed deliveries by `hook` and `webhook`.
    pub(super) fn failed(&self) -> [(&'static str, u64); 2] {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("hook", count(&self.hooks_failed)), ("webhook", count(&self.webhooks_failed))]
    }
}

/// Where events go.
#[derive(Debug)]
pub(super) struct Courier {
    poster: Option<Poster>,
}

/// Takes events for delivery.
#[derive(Clone, Debug)]
pub(super) struct Sender(mpsc::Sender<Event>);

impl Sender {
    pub(super) fn send(&self, inner: &Inner, event: Event) {
        if self.0.try_send(event).is_err() {
            inner.trouble("too many events wait for hook and webhook: one is not delivered");
        }
    }
}

impl Courier {
    /// Loads roots where the webhook needs them.
    pub(super) fn new(
        config: &Config,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let poster = config.webhook.as_ref().map(|it| Poster::new(it.clone(), network, clock));
        Ok(Courier { poster: poster.transpose()? })
    }

    /// Begins to deliver. The future ends once every sender is gone and all is
    /// delivered; dropping it gives up what is under way.
    pub(super) fn start(&self, inner: &Arc<Inner>) -> (Sender, impl Future<Output = ()> + use<>) {
        let (sender, events) = mpsc::channel(MAX_WAITING);
        let task = Task(tokio::spawn(deliver(Arc::clone(inner), events)));
        (Sender(sender), task.end())
    }
}

/// A task that does not outlive its handle.
struct Task(JoinHandle<()>);

impl Task {
    async fn end(mut self) {
        // An error is a panic, which has been printed.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn deliver(inner: Arc<Inner>, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let json = event.to_json();
        let hook = async {
            let Some(hook) = &inner.config.hook else { return };
            if let Err(reason) = hook::run(hook, &event, &json).await {
                inner.counts.hooks_failed.fetch_add(1, Ordering::Relaxed);
                inner.trouble(&format!(
                    "the hook {} failed on {} of {}: {reason}",
                    hook.command.first().map_or("", String::as_str),
                    event.kind.as_str(),
                    event.endpoint
                ));
            }
        };
        let post = async {
            let Some(poster) = &inner.courier.poster else { return };
            if let Err(reason) = poster.post(&json).await {
                inner.counts.webhooks_failed.fetch_add(1, Ordering::Relaxed);
                inner.trouble(&format!(
                    "the webhook at {} did not take {} of {}: {reason}",
                    poster.host(),
                    event.kind.as_str(),
                    event.endpoint
                ));
            }
        };
        tokio::join!(hook, post);
    }
}

#[cfg(test)]
mod tests;

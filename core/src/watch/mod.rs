//! Watching: many endpoints, looked at on a schedule, and what changes told
//! once.
//!
//! ```text
//!   Config ──> schedule ──> probe ──> observe ──> State ──> file, page, metrics, health
//!              (politely)             (pure)        └─────> events, hook, webhook
//! ```
//!
//! The invariants: never two probes of one host at once; each change is told
//! once, also across restarts; what was captured of a certificate is shown for
//! as long as the endpoint is watched, also when it can no longer be reached.
//! A guide is in `docs/watch.md`.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use everpost::watch::{Config, Watch};
//!
//! let watch = Watch::new(Config::from_list("mail.example.org:465")?)?;
//! let mut events = watch.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         println!("{}: {}", event.endpoint, event.message);
//!     }
//! });
//! watch.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod config;
mod courier;
mod event;
mod observe;
mod page;
mod prober;
mod schedule;
mod serve;
mod state;
#[cfg(test)]
mod testing;
mod text;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast};

pub use self::builder::WatchBuilder;
pub use self::config::{
    Config, ConfigError, Entry, Hook, ParseDurationError, Webhook, parse_duration,
};
pub use self::event::{Event, EventKind, Events};
pub use self::state::{AddressState, EndpointState, LastProbe, Leaf, Note, ServerState, State};

use self::prober::Prober;
use crate::clock::Clock;
use crate::probe::ProbeReport;
use crate::{Error, Status};

/// Watches endpoints. May be shared by threads; clones watch the same.
#[derive(Clone, Debug)]
pub struct Watch {
    inner: Arc<Inner>,
}

/// Called with one line for what goes wrong in the watching itself.
type OnTrouble = Box<dyn Fn(&str) + Send + Sync>;

struct Inner {
    config: Config,
    prober: Box<dyn Prober>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told when there is something to save.
    changed: Notify,
    events: broadcast::Sender<Event>,
    courier: courier::Courier,
    counts: courier::Counts,
    on_trouble: OnTrouble,
}

impl Watch {
    /// A watch with the real network and clock.
    ///
    /// # Errors
    /// As [`WatchBuilder::build`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Watch::builder(config).build()
    }

    /// A builder, for another network, another clock, or to hear of trouble.
    pub fn builder(config: Config) -> WatchBuilder {
        WatchBuilder::new(config)
    }

    /// What is watched.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What has been seen so far.
    pub fn state(&self) -> State {
        self.inner.state().clone()
    }

    /// Events from now on.
    pub fn events(&self) -> Events {
        Events::new(self.inner.events.subscribe())
    }

    /// Watches until `stop` is ready, and then saves the state. Hooks and
    /// webhooks that are under way get 10 s to end.
    ///
    /// Run it once at a time. Dropping the future is safe; what was seen in
    /// the last second may then be told again after a restart.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        schedule::run(&self.inner, stop).await;
    }

    /// Looks at every endpoint once, tells what is new, saves the state, and
    /// returns the worst status.
    pub async fn round(&self) -> Status {
        schedule::round(&self.inner).await;
        self.inner.state().status().unwrap_or(Status::Healthy)
    }

    /// Serves the status page (`/`), `/metrics`, `/healthz` and `/api/state`
    /// to whoever connects. Ends when it is dropped.
    pub async fn serve(&self, listener: TcpListener) {
        serve::serve(Arc::clone(&self.inner), listener).await;
    }
}

impl Inner {
    /// Locks: what the lock guards is whole between statements, also after a
    /// panic elsewhere.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report of the endpoint at `index` into the state and tells what
    /// is new.
    fn take(&self, index: usize, report: &ProbeReport) -> Vec<Event> {
        let mut state = self.state();
        let entry = &self.config.entries[index];
        let events = observe::observe(&mut state.endpoints[index], entry, report);
        for event in &events {
            tracing::info!(
                event = event.kind.as_str(),
                endpoint = %event.endpoint,
                message = %event.message
            );
            state.remember(event);
            self.counts.count(event.kind);
            // Nobody needs to listen.
            let _ = self.events.send(event.clone());
        }
        self.changed.notify_one();
        events
    }

    fn trouble(&self, text: &str) {
        tracing::warn!("{text}");
        (self.on_trouble)(text);
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("config", &self.config).finish_non_exhaustive()
    }
}

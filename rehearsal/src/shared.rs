//! What the sessions see of their server, and what it serves them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::server::ProducesTickets;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::Accounts;
use crate::authority::Authority;
use crate::fault::Faults;
use crate::lock;
use crate::record::Record;
use crate::settings::Settings;
use crate::tls::Identity;

/// Which of the three listeners a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// TLS from the first byte, as on port 465.
    Implicit,
    /// Plain until STARTTLS, as on port 587.
    #[serde(rename = "starttls")]
    StartTls,
    /// Plain for good.
    Plain,
}

/// The time by which certificates are made and messages stamped.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What handshakes are given.
pub(crate) struct Serving {
    pub(crate) authority: Authority,
    pub(crate) ticketer: Arc<dyn ProducesTickets>,
    /// Oldest first, the last being current.
    pub(crate) history: Vec<Arc<Identity>>,
    /// The share of the current one, if the one before it is served too.
    pub(crate) share: Option<f64>,
    pub(crate) handed_out: u64,
}

/// What sessions see of the server.
pub(crate) struct Shared {
    pub(crate) host: String,
    pub(crate) clock: Clock,
    pub(crate) accounts: Accounts,
    pub(crate) record: Record,
    pub(crate) faults: Arc<Faults>,
    pub(crate) queued: AtomicU64,
    pub(crate) stop: CancellationToken,
    pub(crate) settings: Mutex<Arc<Settings>>,
    pub(crate) serving: Mutex<Serving>,
    pub(crate) rate: Mutex<VecDeque<Instant>>,
    pub(crate) client_names: Mutex<HashMap<[u8; 32], String>>,
}

impl Shared {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        lock(&self.settings).clone()
    }

    /// The certificate for the next handshake.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        let mut serving = lock(&self.serving);
        let count = serving.handed_out;
        serving.handed_out += 1;
        let newest = serving.history.len() - 1;
        let index = match serving.share {
            // The running total crosses a whole number at every new one.
            Some(share)
                if ((count + 1) as f64 * share).floor() <= (count as f64 * share).floor() =>
            {
                newest.saturating_sub(1)
            }
            _ => newest,
        };
        serving.history[index].clone()
    }

    /// Counts a transaction; when there are too many, says whether to close.
    pub(crate) fn over_rate(&self, settings: &Settings) -> Option<bool> {
        let rate = settings.limits.rate?;
        let window = Duration::try_from_secs_f64(rate.seconds).unwrap_or_default();
        let now = Instant::now();
        let mut recent = lock(&self.rate);
        while recent.front().is_some_and(|&at| now.duration_since(at) >= window) {
            recent.pop_front();
        }
        if recent.len() >= rate.messages as usize {
            return Some(rate.close);
        }
        recent.push_back(now);
        None
    }

    /// The name that a client certificate was made for.
    pub(crate) fn client_name(&self, leaf: &[u8]) -> String {
        let digest: [u8; 32] = Sha256::digest(leaf).into();
        lock(&self.client_names).get(&digest).cloned().unwrap_or_else(|| "unknown".to_owned())
    }
}

//! Making a watch: [`WatchBuilder`].

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, broadcast};

use super::config::Config;
use super::courier::{Counts, Courier};
use super::prober::{Prober, RealProber};
use super::state::{Loaded, State, load};
use super::{Inner, OnTrouble, Watch};
use crate::Error;
use crate::clock::{Clock, SystemClock};
use crate::network::{Network, Tcp};

/// How many events a slow reader may be behind.
const EVENTS_KEPT: usize = 1024;

/// Makes a [`Watch`].
pub struct WatchBuilder {
    config: Config,
    network: Arc<dyn Network>,
    clock: Arc<dyn Clock>,
    on_trouble: OnTrouble,
}

impl WatchBuilder {
    pub(super) fn new(config: Config) -> Self {
        WatchBuilder {
            config,
            network: Arc::new(Tcp),
            clock: Arc::new(SystemClock),
            on_trouble: Box::new(|_| {}),
        }
    }

    /// Another network than the operating system's, for probes and webhook.
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.network = network;
        self
    }

    /// Another clock than the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Is called with one line for what goes wrong in the watching itself: a
    /// damaged state file, a hook that fails, a webhook that does not answer.
    #[must_use]
    pub fn on_trouble(mut self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_trouble = Box::new(tell);
        self
    }

    /// Reads roots and the state file: not for a busy async task. A state
    /// file that is damaged is set aside, and that is told as trouble.
    ///
    /// # Errors
    /// `invalid_config` if the configuration makes no sense, or if a file
    /// cannot be read.
    pub fn build(self) -> Result<Watch, Error> {
        let network = Arc::clone(&self.network);
        let prober = RealProber::new(&self.config, network, Arc::clone(&self.clock))?;
        self.build_with(Box::new(prober))
    }

    pub(super) fn build_with(self, prober: Box<dyn Prober>) -> Result<Watch, Error> {
        let config = self.config.checked().map_err(|error| Error::config(error.to_string()))?;
        let courier = Courier::new(&config, self.network, Arc::clone(&self.clock))?;
        let (state, trouble) = saved(&config)?;
        let inner = Inner {
            state: Mutex::new(state.for_config(&config)),
            prober,
            clock: self.clock,
            changed: Notify::new(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            courier,
            counts: Counts::default(),
            on_trouble: self.on_trouble,
            config,
        };
        if let Some(text) = trouble {
            inner.trouble(&text);
        }
        Ok(Watch { inner: Arc::new(inner) })
    }
}

/// What was saved before, and what is to be said about it.
fn saved(config: &Config) -> Result<(State, Option<String>), Error> {
    let Some(path) = &config.state else { return Ok((State::default(), None)) };
    match load(path) {
        Ok(Loaded::State(state)) => Ok((state, None)),
        Ok(Loaded::Fresh) => Ok((State::default(), None)),
        Ok(Loaded::SetAside(aside, reason)) => {
            let text = format!(
                "the state file {} could not be understood ({reason}) and was set aside as {}; \
                 watching starts afresh",
                path.display(),
                aside.display()
            );
            Ok((State::default(), Some(text)))
        }
        Err(error) => {
            let message = format!("cannot read the state file {}", path.display());
            Err(Error::config(message).with_source(error))
        }
    }
}

impl fmt::Debug for WatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

//! Watching many servers.

use std::path::PathBuf;
use std::sync::Arc;

use everpost::TrustRoots;
use everpost::probe::parse_duration;
use everpost::watch::{Config, Entry, Events};
use everpost_runtime::{PerProcess, handle};
use pyo3::prelude::*;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::failure::{Failure, OrRaise as _, Outcome};
use crate::look::parse_target;
use crate::operation::{Way, run_plain};

/// A watch that runs until it is closed or dropped, in the process that
/// started it.
#[pyclass(frozen, module = "everpost._native", name = "Watch")]
pub(crate) struct NativeWatch {
    running: PerProcess<Running>,
}

struct Running {
    watch: everpost::watch::Watch,
    events: Arc<Mutex<Events>>,
    stop: CancellationToken,
    _stop: DropGuard,
}

/// What is watched, and how.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Plan {
    /// A configuration file, in place of targets.
    config: Option<PathBuf>,
    targets: Vec<String>,
    interval: Option<String>,
    deadline: Option<String>,
    recheck: Option<String>,
    min_gap: Option<String>,
    parallel: Option<usize>,
    all_addresses: Option<bool>,
    state: Option<PathBuf>,
    trust: Vec<String>,
    trust_pem: Vec<Vec<u8>>,
}

impl Plan {
    fn config(self) -> Outcome<Config> {
        let hint = "docs/watch.md describes the options";
        let wrong = |what: String| Failure::config(what, hint);
        let time = |text: &str| parse_duration(text).map_err(|error| wrong(error.to_string()));
        let mut config = match self.config {
            Some(path) => Config::load(&path).map_err(|error| wrong(error.to_string()))?,
            None => Config::default(),
        };
        for text in &self.targets {
            config.entries.push(Entry::new(parse_target(text)?));
        }
        let mut trust: Vec<TrustRoots> =
            self.trust.iter().map(|one| one.parse()).collect::<Result<_, _>>()?;
        trust.extend(self.trust_pem.into_iter().map(TrustRoots::Pem));
        for entry in &mut config.entries {
            if let Some(interval) = &self.interval {
                entry.interval = time(interval)?;
            }
            if let Some(all) = self.all_addresses {
                entry.all_addresses = all;
            }
            entry.trust.extend(trust.iter().cloned());
        }
        if let Some(deadline) = self.deadline {
            config.deadline = time(&deadline)?;
        }
        if let Some(recheck) = self.recheck {
            config.recheck = time(&recheck)?;
        }
        if let Some(min_gap) = self.min_gap {
            config.min_gap = time(&min_gap)?;
        }
        config.parallel = self.parallel.unwrap_or(config.parallel);
        config.state = self.state.or(config.state);
        Ok(config)
    }
}

impl NativeWatch {
    fn running(&self) -> Outcome<&Running> {
        self.running.get().ok_or_else(|| {
            Failure::config("the watch is that of the parent process", "start one in the child")
        })
    }
}

#[pymethods]
impl NativeWatch {
    #[new]
    fn new(py: Python<'_>, plan: Plan) -> PyResult<Self> {
        // It reads roots and files.
        let watch =
            py.detach(|| Outcome::Ok(everpost::watch::Watch::new(plan.config()?)?)).or_raise(py)?;
        let stop = CancellationToken::new();
        let running = Running {
            events: Arc::new(Mutex::new(watch.events())),
            _stop: stop.clone().drop_guard(),
            stop: stop.clone(),
            watch: watch.clone(),
        };
        let process = PerProcess::new();
        process.get_or_init(|| running);
        handle().or_raise(py)?.spawn(async move { watch.run(stop.cancelled()).await });
        Ok(NativeWatch { running: process })
    }

    /// The next change in JSON; None when it has been closed.
    #[pyo3(signature = (way=None))]
    fn next(&self, py: Python<'_>, way: Way<'_>) -> PyResult<Py<PyAny>> {
        let running = self.running().or_raise(py)?;
        let (events, stop) = (Arc::clone(&running.events), running.stop.clone());
        run_plain(py, way, async move {
            let mut events = events.lock().await;
            tokio::select! {
                biased;
                event = events.next() => Ok(event.map(|event| event.to_json())),
                () = stop.cancelled() => Ok(None),
            }
        })
    }

    /// All that has been seen so far, in JSON.
    fn state(&self, py: Python<'_>) -> PyResult<String> {
        let state = self.running().or_raise(py)?.watch.state();
        serde_json::to_string(&state)
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
    }

    fn close(&self) {
        if let Some(running) = self.running.get() {
            running.stop.cancel();
        }
    }
}

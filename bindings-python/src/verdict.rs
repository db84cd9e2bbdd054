//! The verdict on a message whose delivery was unknown, should it come.

use std::time::Duration;

use pyo3::prelude::*;

use crate::failure::Failure;
use crate::operation::{Way, run_plain};

/// What an exception of unknown delivery holds.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct LateVerdict {
    verdict: everpost::mailer::LateVerdict,
}

impl LateVerdict {
    pub(crate) fn new(verdict: everpost::mailer::LateVerdict) -> Self {
        LateVerdict { verdict }
    }
}

#[pymethods]
impl LateVerdict {
    /// Waits for it: the receipt, None if none comes in time, or the refusal
    /// raised.
    #[pyo3(signature = (timeout, way=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>, way: Way<'_>) -> PyResult<Py<PyAny>> {
        let verdict = self.verdict.clone();
        run_plain(py, way, async move {
            let told = match timeout {
                None => verdict.await,
                Some(seconds) => tokio::time::timeout(time(seconds), verdict).await.ok().flatten(),
            };
            told.transpose().map_err(Failure::from)
        })
    }
}

/// Seconds as a time; what is below zero, or no number, is none at all.
pub(crate) fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 {
        Duration::MAX
    } else {
        Duration::ZERO
    })
}

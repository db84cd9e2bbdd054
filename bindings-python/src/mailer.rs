//! The mailer behind `Mailer` and `AsyncMailer`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everpost::MailerBuilder;
use everpost_runtime::PerProcess;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::content::{Addresses, Content, message};
use crate::failure::{Failure, OrRaise as _, Outcome};
use crate::operation::{About, Way, run, run_plain};
use crate::settings::Settings;
use crate::verdict::time;

/// A mailer; in a forked child it has connections of its own.
#[pyclass(frozen, module = "everpost._native", name = "Mailer")]
pub(crate) struct NativeMailer {
    builder: MailerBuilder,
    current: PerProcess<everpost::Mailer>,
    /// A child of a process that has closed it shall not open it again.
    closed: AtomicBool,
    /// Cancelled when it has been closed: nothing happens in it any more.
    ended: PerProcess<CancellationToken>,
}

impl NativeMailer {
    /// The mailer of this process.
    pub(crate) fn current(&self) -> Outcome<&everpost::Mailer> {
        if self.closed.load(Ordering::Acquire) && self.current.get().is_none() {
            return Err(Failure::closed());
        }
        Ok(self.current.get_or_try_init(|| self.builder.clone().build())?)
    }

    /// Ends when the mailer of this process has been closed.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.get_or_init(CancellationToken::new).clone()
    }
}

#[pymethods]
impl NativeMailer {
    #[new]
    fn new(py: Python<'_>, settings: Settings) -> PyResult<Self> {
        let builder = settings.builder().or_raise(py)?;
        let mailer = NativeMailer {
            builder,
            current: PerProcess::new(),
            closed: AtomicBool::new(false),
            ended: PerProcess::new(),
        };
        // Roots may have to be read from a disk.
        py.detach(|| mailer.current().map(drop)).or_raise(py)?;
        Ok(mailer)
    }

    /// The server, as "host:port".
    #[getter]
    fn endpoint(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.current().or_raise(py)?.endpoint().to_string())
    }

    #[pyo3(signature = (content, envelope, timeout, way=None))]
    fn send(
        &self,
        py: Python<'_>,
        content: Content,
        envelope: Option<Addresses>,
        timeout: Option<f64>,
        way: Way<'_>,
    ) -> PyResult<Py<PyAny>> {
        let mailer = self.current().or_raise(py)?.clone();
        let message = message(content, envelope).or_raise(py)?;
        match timeout {
            None => run(py, way, About::Message, |left| async move {
                Ok(mailer.send_until(message, left.cancelled()).await?)
            }),
            Some(seconds) => run(py, way, About::Message, |left| async move {
                let until = async {
                    let _ = tokio::time::timeout(time(seconds), left.cancelled()).await;
                };
                let result = mailer.send_until(message, until).await.map_err(Failure::from);
                match result {
                    Err(failure) if failure.is_cancelled() && !left.is_cancelled() => {
                        Err(Failure::late())
                    }
                    result => result,
                }
            }),
        }
    }

    #[pyo3(signature = (timeout, way=None))]
    fn close(&self, py: Python<'_>, timeout: Option<f64>, way: Way<'_>) -> PyResult<Py<PyAny>> {
        let mailer = self.current().or_raise(py)?.clone();
        let ended = self.ended();
        self.closed.store(true, Ordering::Release);
        // Goes on when nobody waits any more.
        let closing = everpost_runtime::spawn(async move {
            mailer.close().await;
            ended.cancel();
        });
        let closing = closing.or_raise(py)?;
        run_plain(py, way, async move {
            let limit = timeout.map_or(Duration::MAX, time);
            let closed = tokio::time::timeout(limit, closing).await;
            closed.map_err(|_| Failure::late())?.map_err(|_| Failure::panicked(false))
        })
    }

    /// Many messages at once.
    fn batch(&self, py: Python<'_>) -> PyResult<Batch> {
        Ok(Batch::new(self.current().or_raise(py)?.clone()))
    }

    /// Opens a session as far as the login, and returns what the server offers
    /// then, in JSON.
    #[pyo3(signature = (timeout, way=None))]
    fn verify(&self, py: Python<'_>, timeout: Option<f64>, way: Way<'_>) -> PyResult<Py<PyAny>> {
        let mailer = self.current().or_raise(py)?.clone();
        run_plain(py, way, async move {
            let limit = timeout.map_or(Duration::MAX, time);
            let verified = tokio::time::timeout(limit, mailer.verify()).await;
            let offered = verified.map_err(|_| Failure::late())??;
            Ok(offered.to_json().to_string())
        })
    }

    fn health(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.current().or_raise(py)?.health().to_json().to_string())
    }

    /// The counters as JSON, and in Prometheus' text format.
    fn stats(&self, py: Python<'_>) -> PyResult<(String, String)> {
        let mailer = self.current().or_raise(py)?;
        let stats = mailer.stats();
        let prometheus = stats.to_prometheus(&mailer.endpoint().to_string());
        Ok((stats.to_json().to_string(), prometheus))
    }
}

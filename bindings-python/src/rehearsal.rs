//! The rehearsal server, in this process.

use std::time::Duration;

use everpost_rehearsal::Builder;
use everpost_rehearsal::control::Control;
use everpost_runtime::PerProcess;
use pyo3::prelude::*;

use crate::failure::{Failure, OrRaise as _, Outcome};
use crate::operation::{About, wait};

/// How long its end waits for the connections to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A mail server on loopback. It is that of the process that started it; a
/// forked child has none.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct Rehearsal {
    control: PerProcess<Control>,
    listening: String,
}

impl Rehearsal {
    fn control(&self) -> Outcome<&Control> {
        self.control.get().ok_or_else(|| {
            let hint = "start one in the child";
            Failure::config("the rehearsal server is that of the parent process", hint)
        })
    }
}

#[pymethods]
impl Rehearsal {
    #[new]
    fn new(py: Python<'_>, options: &str) -> PyResult<Self> {
        let builder = Builder::from_json(options).or_raise(py)?;
        let server = wait(py, About::Other, |_| async { Ok(builder.start().await?) })?;
        let control = PerProcess::new();
        let listening = control.get_or_init(|| Control::new(server)).listening();
        Ok(Rehearsal { control, listening })
    }

    /// Where it listens, its root and its first leaf, in JSON.
    #[getter]
    fn listening(&self) -> &str {
        &self.listening
    }

    /// Asks for one thing, in JSON, and returns the answer, in JSON.
    fn request(&self, py: Python<'_>, request: &str) -> PyResult<String> {
        let control = self.control().or_raise(py)?;
        wait(py, About::Other, |_| async { Ok(control.request(request).await) })
    }

    /// Ends it, and its connections.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let Some(control) = self.control.get() else { return Ok(()) };
        wait(py, About::Other, |_| async {
            let _ = tokio::time::timeout(FAREWELL, control.server().stop()).await;
            Ok(())
        })
    }
}

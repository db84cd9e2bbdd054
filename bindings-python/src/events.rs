//! The events of a mailer.

use std::sync::Arc;

use everpost::Event;
use everpost::mailer::Events;
use everpost_runtime::PerProcess;
use pyo3::prelude::*;
use tokio::sync::Mutex;

use crate::failure::{OrRaise as _, Outcome};
use crate::mailer::NativeMailer;
use crate::operation::{Answer, Way, run_plain};

/// What happens in a mailer from now on. In a forked child, what happens in
/// the mailer of the child.
#[pyclass(frozen, module = "everpost._native", name = "Events")]
pub(crate) struct NativeEvents {
    mailer: Py<NativeMailer>,
    events: PerProcess<Arc<Mutex<Events>>>,
}

impl NativeEvents {
    fn events(&self) -> Outcome<&Arc<Mutex<Events>>> {
        self.events.get_or_try_init(|| {
            let events = self.mailer.get().current()?.events();
            Ok(Arc::new(Mutex::new(events)))
        })
    }
}

#[pymethods]
impl NativeEvents {
    #[new]
    fn new(py: Python<'_>, mailer: Py<NativeMailer>) -> PyResult<Self> {
        let events = NativeEvents { mailer, events: PerProcess::new() };
        events.events().or_raise(py)?;
        Ok(events)
    }

    /// The next one in JSON, and how many were missed so far; None when the
    /// mailer is closed.
    #[pyo3(signature = (way=None))]
    fn next(&self, py: Python<'_>, way: Way<'_>) -> PyResult<Py<PyAny>> {
        let events = Arc::clone(self.events().or_raise(py)?);
        let ended = self.mailer.get().ended();
        run_plain(py, way, async move {
            let mut events = events.lock().await;
            let event = tokio::select! {
                biased;
                event = events.next() => event,
                () = ended.cancelled() => None,
            };
            Ok(event.map(|event| Told { event, missed: events.missed() }))
        })
    }
}

struct Told {
    event: Event,
    missed: u64,
}

impl Answer for Told {
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let told = (self.event.to_json().to_string(), self.missed);
        Ok(told.into_pyobject(py)?.into_any().unbind())
    }
}

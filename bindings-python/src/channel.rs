//! [`Channel`]: how results get from the runtime to the futures of an event
//! loop.
//!
//! Results that come close together are carried over in one go: the first
//! wakes the loop, and whatever has come by the time the loop looks goes with
//! it. The runtime never touches the GIL; a thread of its own does
//! ([`crate::errand`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::errand;

/// A result that becomes an object when it is looked at, on the loop's thread.
pub(crate) type Result_ = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Results on their way to one event loop.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

struct Shared {
    event_loop: Py<PyAny>,
    arrived: Mutex<Vec<(Arc<State>, Result_)>>,
    /// Whether the loop has been woken for what has arrived.
    woken: AtomicBool,
}

/// One operation, as its two ends see it.
struct State {
    left: CancellationToken,
    seat: Mutex<Seat>,
}

enum Seat {
    /// A future waits.
    Waiting(Py<PyAny>),
    /// The result came when its future had been cancelled; it waits to be
    /// asked for.
    Arrived(PyResult<Py<PyAny>>),
    /// It is over.
    Over,
}

/// Work under way for a future.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct Operation {
    state: Arc<State>,
}

/// The obligation to bring a result; keeps it when dropped without.
pub(crate) struct Completion {
    shared: Arc<Shared>,
    state: Option<Arc<State>>,
}

impl Channel {
    pub(crate) fn begin(
        &self,
        future: Py<PyAny>,
        left: CancellationToken,
    ) -> (Operation, Completion) {
        let state = Arc::new(State { left, seat: Mutex::new(Seat::Waiting(future)) });
        let completion =
            Completion { shared: Arc::clone(&self.shared), state: Some(Arc::clone(&state)) };
        (Operation { state }, completion)
    }
}

#[pymethods]
impl Channel {
    #[new]
    fn new(event_loop: Py<PyAny>) -> Self {
        let arrived = Mutex::default();
        let woken = AtomicBool::new(false);
        Channel { shared: Arc::new(Shared { event_loop, arrived, woken }) }
    }
}

impl Completion {
    pub(crate) fn complete(mut self, result: Result_) {
        self.bring(result);
    }

    fn bring(&mut self, result: Result_) {
        let Some(state) = self.state.take() else { return };
        let shared = &self.shared;
        shared.arrived.lock().unwrap_or_else(PoisonError::into_inner).push((state, result));
        if !shared.woken.swap(true, Ordering::AcqRel) {
            let shared = Arc::clone(shared);
            errand::wake(Box::new(move |py| shared.wake(py)));
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        // A task that was dropped, with its runtime.
        self.bring(Box::new(|py| Err(crate::failure::Failure::panicked(true).exception(py))));
    }
}

impl Shared {
    /// Asks the loop to look. One that is closed never will: its futures are
    /// nobody's any more.
    fn wake(self: Arc<Self>, py: Python<'_>) {
        let look = Look { shared: Arc::clone(&self) };
        let asked = Bound::new(py, look).and_then(|look| {
            self.event_loop.bind(py).call_method1(intern!(py, "call_soon_threadsafe"), (look,))
        });
        if asked.is_err() {
            let lost =
                std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
            drop(lost);
        }
    }

    fn look(&self, py: Python<'_>) {
        // First: what arrives from here on wakes the loop anew.
        self.woken.store(false, Ordering::Release);
        let arrived =
            std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
        for (state, result) in arrived {
            if let Err(error) = state.settle(py, result(py)) {
                error.write_unraisable(py, None);
            }
        }
    }
}

/// What the loop calls.
#[pyclass(frozen)]
struct Look {
    shared: Arc<Shared>,
}

#[pymethods]
impl Look {
    fn __call__(&self, py: Python<'_>) {
        self.shared.look(py);
    }
}

impl State {
    fn seat(&self) -> std::sync::MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the result to the future that waits, or keeps it if that one was
    /// cancelled. Runs on the loop's thread, as cancelling does.
    fn settle(&self, py: Python<'_>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
        let seat = std::mem::replace(&mut *self.seat(), Seat::Over);
        let Seat::Waiting(future) = seat else { return Ok(()) };
        let future = future.bind(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            *self.seat() = Seat::Arrived(result);
            return Ok(());
        }
        fulfil(future, result)
    }
}

fn fulfil(future: &Bound<'_, PyAny>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
    let py = future.py();
    match result {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?,
    };
    Ok(())
}

#[pymethods]
impl Operation {
    /// Cancels the work; what comes of it completes `future` instead.
    fn cancel(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        let arrived = {
            let mut seat = self.state.seat();
            match std::mem::replace(&mut *seat, Seat::Over) {
                Seat::Arrived(result) => Some(result),
                Seat::Waiting(_) | Seat::Over => {
                    *seat = Seat::Waiting(future.clone_ref(py));
                    None
                }
            }
        };
        self.state.left.cancel();
        arrived.map_or(Ok(()), |result| fulfil(future.bind(py), result))
    }
}

//! [`Channel`]: how results get from the runtime to the futures of an event
//! loop.
//!
//! Results that come close together are carried over in one go: the loop is
//! woken for all of them, and whatever has come by the time it looks goes with
//! them. A loop that watches sockets is woken by a byte, which needs neither the
//! GIL nor a change of threads; any other by `call_soon_threadsafe`, on a
//! thread that does nothing else ([`crate::errand`]).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use everpost_runtime::when_gathered;
use pyo3::intern;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use self::bell::Bell;
use crate::errand;
use crate::failure::Failure;

/// Makes the object of a result, on the loop's thread.
pub(crate) type Make = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Results on their way to one event loop.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

struct Shared {
    waking: Waking,
    arrived: Mutex<Vec<(Arc<State>, Make)>>,
    /// Whether the loop has been woken for what has arrived, or will be.
    woken: AtomicBool,
    /// How many results are still to arrive.
    missing: AtomicUsize,
}

/// How the loop is woken.
enum Waking {
    /// It watches the other end.
    Bell(Bell),
    /// By this callable, which has the loop call `look`.
    Call(Py<PyAny>),
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
        self.shared.missing.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State { left, seat: Mutex::new(Seat::Waiting(future)) });
        let completion =
            Completion { shared: Arc::clone(&self.shared), state: Some(Arc::clone(&state)) };
        (Operation { state }, completion)
    }
}

#[pymethods]
impl Channel {
    /// Without `wake`, the loop watches `fileno`, and calls `look` when it can
    /// be read. An OSError where there is no such thing.
    #[new]
    #[pyo3(signature = (wake=None))]
    fn new(wake: Option<Py<PyAny>>) -> PyResult<Self> {
        let waking = match wake {
            Some(wake) => Waking::Call(wake),
            None => Waking::Bell(Bell::new()?),
        };
        let shared = Shared {
            waking,
            arrived: Mutex::default(),
            woken: AtomicBool::new(false),
            missing: AtomicUsize::new(0),
        };
        Ok(Channel { shared: Arc::new(shared) })
    }

    /// What the loop watches; -1 if it is woken otherwise.
    fn fileno(&self) -> i32 {
        match &self.shared.waking {
            Waking::Bell(bell) => bell.fileno(),
            Waking::Call(_) => -1,
        }
    }

    /// Completes the futures whose results have arrived.
    fn look(&self, py: Python<'_>) {
        self.shared.look(py);
    }
}

impl Completion {
    pub(crate) fn complete(mut self, result: Make) {
        self.bring(result);
    }

    fn bring(&mut self, result: Make) {
        let Some(state) = self.state.take() else { return };
        let shared = &self.shared;
        shared.arrived().push((state, result));
        shared.missing.fetch_sub(1, Ordering::Relaxed);
        if !shared.woken.swap(true, Ordering::AcqRel) {
            let (counts, wakes) = (Arc::clone(shared), Arc::clone(shared));
            when_gathered(move || counts.count(), move || wakes.wake());
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        // A task that was dropped, with its runtime.
        self.bring(Box::new(|py| Err(Failure::panicked(true).exception(py))));
    }
}

impl Shared {
    fn arrived(&self) -> MutexGuard<'_, Vec<(Arc<State>, Make)>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The results that have arrived, and those that have not.
    fn count(&self) -> (usize, usize) {
        (self.arrived().len(), self.missing.load(Ordering::Relaxed))
    }

    fn wake(self: Arc<Self>) {
        match &self.waking {
            Waking::Bell(bell) => bell.ring(),
            Waking::Call(_) => errand::wake(Box::new(move |py| self.call(py))),
        }
    }

    /// Asks the loop to look. One that is closed never will: its futures are
    /// nobody's any more.
    fn call(self: Arc<Self>, py: Python<'_>) {
        let Waking::Call(wake) = &self.waking else { return };
        let look = Bound::new(py, Channel { shared: Arc::clone(&self) });
        if look.and_then(|look| wake.bind(py).call1((look,))).is_err() {
            let lost = std::mem::take(&mut *self.arrived());
            drop(lost);
        }
    }

    fn look(&self, py: Python<'_>) {
        // In this order: hushed last, it would swallow the ring for what has
        // arrived in between, with `woken` set, and nobody would ring again.
        if let Waking::Bell(bell) = &self.waking {
            bell.hush();
        }
        self.woken.store(false, Ordering::Release);
        let arrived = std::mem::take(&mut *self.arrived());
        for (state, make) in arrived {
            if let Err(error) = state.settle(py, make(py)) {
                error.write_unraisable(py, None);
            }
        }
    }
}

impl State {
    fn seat(&self) -> MutexGuard<'_, Seat> {
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

#[cfg(unix)]
mod bell {
    use std::io::{self, Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    /// Two connected sockets: a byte in one can be read from the other.
    pub(super) struct Bell {
        rope: UnixStream,
        sound: UnixStream,
    }

    impl Bell {
        pub(super) fn new() -> io::Result<Self> {
            let (rope, sound) = UnixStream::pair()?;
            rope.set_nonblocking(true)?;
            sound.set_nonblocking(true)?;
            Ok(Bell { rope, sound })
        }

        pub(super) fn fileno(&self) -> i32 {
            self.sound.as_raw_fd()
        }

        pub(super) fn ring(&self) {
            // It is full only of rings that have not been heard.
            let _ = (&self.rope).write(&[1]);
        }

        pub(super) fn hush(&self) {
            // There may be nothing to hear: of two rings one look is enough.
            let _ = (&self.sound).read(&mut [0; 16]);
        }
    }
}

/// Loops watch no sockets of ours here.
#[cfg(not(unix))]
mod bell {
    use std::io;

    pub(super) enum Bell {}

    impl Bell {
        pub(super) fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn fileno(&self) -> i32 {
            match *self {}
        }

        pub(super) fn ring(&self) {
            match *self {}
        }

        pub(super) fn hush(&self) {
            match *self {}
        }
    }
}

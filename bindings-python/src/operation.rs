//! Operations: work that is waited for on the calling thread, or that
//! completes a future of an event loop.
//!
//! ```text
//! blocking: work ─▶ this thread, without the GIL, looking up for signals
//! asyncio:  work ─▶ runtime ─▶ Channel ─▶ the loop's thread ─▶ the future
//! ```
//!
//! Invariant: threads of the runtime never wait for the GIL, so Python code
//! that holds it for long delays no connection.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use everpost_runtime::{PerProcess, handle, wait_for};
use futures_util::FutureExt as _;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio_util::sync::CancellationToken;

use crate::channel::{Channel, Operation};
use crate::failure::{Failure, OrRaise as _, Outcome};

/// How long the main thread, when it waits, does not look for signals.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Other threads have none to look for.
const NO_LOOK_UP: Duration = Duration::from_secs(3600);

/// The main thread, on which Python runs handlers of signals. Not known in a
/// forked child: there it is the one that forked.
static MAIN: PerProcess<Option<ThreadId>> = PerProcess::new();

/// Notes whether this is the main thread.
pub(crate) fn note_main_thread(py: Python<'_>) -> PyResult<()> {
    let threading = py.import(intern!(py, "threading"))?;
    let current = threading.call_method0(intern!(py, "current_thread"))?;
    let is_main = threading.call_method0(intern!(py, "main_thread"))?.is(&current);
    MAIN.get_or_init(|| is_main.then(|| thread::current().id()));
    Ok(())
}

fn look_up() -> Duration {
    match MAIN.get() {
        Some(Some(main)) if *main != thread::current().id() => NO_LOOK_UP,
        _ => LOOK_UP,
    }
}

/// What an operation is about, for the day it is lost.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// A message: of one that is lost nothing is known.
    Message,
    /// Anything else.
    Other,
}

impl About {
    fn panicked(self) -> Failure {
        Failure::panicked(matches!(self, About::Message))
    }
}

/// The result of work, as Python gets it.
pub(crate) trait Answer: Send + 'static {
    /// Makes the object, on a thread that holds the GIL.
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

impl Answer for () {
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}

impl Answer for String {
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.into_pyobject(py)?.into_any().unbind())
    }
}

impl<T: Answer> Answer for Option<T> {
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.map_or_else(|| Ok(py.None()), |some| some.answer(py))
    }
}

/// Where a result goes: nowhere but back to the caller, who waits; or to a
/// future of a loop, by the loop's channel.
pub(crate) type Way<'py> = Option<(PyRef<'py, Channel>, Py<PyAny>)>;

/// Does work and waits for it, or starts it and returns the operation.
pub(crate) fn run<T, W>(
    py: Python<'_>,
    way: Way<'_>,
    about: About,
    work: impl FnOnce(CancellationToken) -> W,
) -> PyResult<Py<PyAny>>
where
    T: Answer,
    W: Future<Output = Outcome<T>> + Send + 'static,
{
    match way {
        None => {
            let (signal, result) = drive(py, about, work)?;
            let result = result.or_raise(py).and_then(|value| value.answer(py));
            match signal {
                None => result,
                Some(signal) => Err(interrupted(py, signal, result)),
            }
        }
        Some((channel, future)) => {
            let operation = start(py, &channel, future, about, work)?;
            Ok(Py::new(py, operation)?.into_any())
        }
    }
}

/// As [`run`], for work that is dropped when it is cancelled.
pub(crate) fn run_plain<T, W>(py: Python<'_>, way: Way<'_>, work: W) -> PyResult<Py<PyAny>>
where
    T: Answer,
    W: Future<Output = Outcome<T>> + Send + 'static,
{
    run(py, way, About::Other, |left| async move {
        tokio::select! {
            biased;
            () = left.cancelled() => Err(Failure::cancelled()),
            result = work => result,
        }
    })
}

/// As [`run`] without a way, for what is no object of Python's.
pub(crate) fn wait<T, W>(
    py: Python<'_>,
    about: About,
    work: impl FnOnce(CancellationToken) -> W,
) -> PyResult<T>
where
    T: Send,
    W: Future<Output = Outcome<T>> + Send,
{
    let (signal, result) = drive(py, about, work)?;
    signal.map_or_else(|| result.or_raise(py), Err)
}

/// Waits without the GIL. A signal whose handler raises cancels the work,
/// which says at once what came of it.
fn drive<T, W>(
    py: Python<'_>,
    about: About,
    work: impl FnOnce(CancellationToken) -> W,
) -> PyResult<(Option<PyErr>, Outcome<T>)>
where
    T: Send,
    W: Future<Output = Outcome<T>> + Send,
{
    let left = CancellationToken::new();
    let mut work = pin!(AssertUnwindSafe(work(left.clone())).catch_unwind());
    let mut signal: Option<PyErr> = None;
    let look_up = look_up();
    loop {
        let polled = py.detach(|| wait_for(work.as_mut(), look_up));
        if let Poll::Ready(result) = polled.or_raise(py)? {
            return Ok((signal, result.unwrap_or_else(|_| Err(about.panicked()))));
        }
        if signal.is_none() {
            signal = py.check_signals().err().inspect(|_| left.cancel());
        }
    }
}

/// What a signal's handler has raised, with what came of the work as its cause.
fn interrupted(py: Python<'_>, signal: PyErr, result: PyResult<Py<PyAny>>) -> PyErr {
    static CAUSE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let result = result.unwrap_or_else(|error| error.into_value(py).into_any());
    let cause = CAUSE
        .import(py, "everpost.errors", "_interrupted")
        .and_then(|cause| cause.call1((result,)));
    if let Some(cause) = cause.ok().filter(|cause| !cause.is_none()) {
        signal.set_cause(py, Some(PyErr::from_value(cause)));
    }
    signal
}

/// Starts work whose result completes `future`.
pub(crate) fn start<T, W>(
    py: Python<'_>,
    channel: &Channel,
    future: Py<PyAny>,
    about: About,
    work: impl FnOnce(CancellationToken) -> W,
) -> PyResult<Operation>
where
    T: Answer,
    W: Future<Output = Outcome<T>> + Send + 'static,
{
    let runtime = handle().or_raise(py)?;
    let left = CancellationToken::new();
    let (operation, completion) = channel.begin(future, left.clone());
    let work = AssertUnwindSafe(work(left)).catch_unwind();
    runtime.spawn(async move {
        let result = work.await.unwrap_or_else(|_| Err(about.panicked()));
        completion.complete(Box::new(move |py| match result {
            Ok(value) => value.answer(py),
            Err(failure) => Err(failure.exception(py)),
        }));
    });
    Ok(operation)
}

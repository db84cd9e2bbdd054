//! The one tokio runtime of a process that calls Everpost from a language
//! with no runtime of its own.
//!
//! It starts with the first use, has few threads, and knows of `fork`: of a
//! process with threads only the thread that forked lives on in the child, so
//! a runtime that was carried over would never answer again. A child starts a
//! fresh one, and leaves the dead one where it is.
//!
//! Invariant: whatever a lock may guard at the moment of a fork lives in a
//! [`PerProcess`], which a child never looks into.

mod gather;
pub mod log;
mod per_process;
mod wait;

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

pub use gather::when_gathered;
pub use per_process::PerProcess;
pub use wait::wait_for;

/// The most threads: the work is waiting for the network.
const MOST_THREADS: usize = 4;

static RUNTIME: PerProcess<Mutex<Option<Runtime>>> = PerProcess::new();

/// Why something cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The threads of the runtime cannot be started.
    #[error("the threads of the library cannot be started: {0}")]
    Start(#[from] io::Error),
    /// A thread that drives futures may not wait for one: what it waits for
    /// might be its own to do.
    #[error("a thread that runs callbacks cannot wait")]
    WrongThread,
}

/// Runs a future on the runtime, which is started if need be.
///
/// # Errors
/// [`RunError::Start`].
pub fn spawn<F>(future: F) -> Result<JoinHandle<F::Output>, RunError>
where
    F: Future<Output: Send> + Send + 'static,
{
    Ok(handle()?.spawn(future))
}

/// Waits for a future on this thread; the runtime drives its IO and timers.
///
/// # Errors
/// [`RunError::WrongThread`] on a thread of this or another tokio runtime,
/// where waiting could wait for itself; [`RunError::Start`].
pub fn block_on<F: Future>(future: F) -> Result<F::Output, RunError> {
    if is_runtime_thread() {
        return Err(RunError::WrongThread);
    }
    let handle = handle()?;
    Ok(tracing::dispatcher::with_default(log::dispatch(), || handle.block_on(future)))
}

/// Whether this thread drives futures, and so must not wait.
pub fn is_runtime_thread() -> bool {
    Handle::try_current().is_ok()
}

/// Ends the runtime: waits up to `timeout` for its threads, and leaves those
/// that do not end by then. What had not finished is dropped. A later use
/// starts a fresh one.
///
/// # Errors
/// [`RunError::WrongThread`] on a thread of a runtime.
pub fn shutdown(timeout: Duration) -> Result<(), RunError> {
    if is_runtime_thread() {
        return Err(RunError::WrongThread);
    }
    let Some(slot) = RUNTIME.get() else { return Ok(()) };
    let runtime = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(timeout);
    }
    Ok(())
}

/// The runtime, started if need be.
///
/// # Errors
/// [`RunError::Start`].
pub fn handle() -> Result<Handle, RunError> {
    let mut slot =
        RUNTIME.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*slot {
        return Ok(runtime.handle().clone());
    }
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS));
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("everpost")
        .on_thread_start(log::adopt_thread)
        .enable_all()
        .build()?;
    Ok(slot.insert(runtime).handle().clone())
}

#[cfg(test)]
mod tests;

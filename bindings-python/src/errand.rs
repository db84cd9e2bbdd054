//! Errands: short calls into Python, made by threads that do nothing else, so
//! that no thread of the runtime ever waits for the GIL.
//!
//! Once the interpreter is on its way out no errand is run: see [`close`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use everpost_runtime::PerProcess;
use pyo3::prelude::*;

/// A call to make.
pub(crate) type Errand = Box<dyn FnOnce(Python<'_>) + Send>;

/// Whether the interpreter is on its way out.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// A thread that runs errands, in order; started with the first.
pub(crate) struct Runner {
    name: &'static str,
    errands: PerProcess<Mutex<Option<Sender<Errand>>>>,
}

static WAKER: Runner = Runner::new("everpost-wake");

/// Wakes an event loop.
pub(crate) fn wake(errand: Errand) {
    WAKER.run(errand);
}

/// Runs no errand from now on.
pub(crate) fn close() {
    CLOSED.store(true, Ordering::Release);
}

impl Runner {
    pub(crate) const fn new(name: &'static str) -> Self {
        Runner { name, errands: PerProcess::new() }
    }

    /// Runs an errand soon. Never waits.
    pub(crate) fn run(&self, errand: Errand) {
        if CLOSED.load(Ordering::Acquire) {
            return;
        }
        let slot = self.errands.get_or_init(Mutex::default);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            let (errands, due) = channel();
            let thread = thread::Builder::new().name(self.name.to_owned());
            if thread.spawn(move || attend(&due)).is_ok() {
                *slot = Some(errands);
            }
        }
        if let Some(errands) = &*slot {
            // The thread ends only with the process.
            let _ = errands.send(errand);
        }
    }
}

/// Runs errands for ever. Those that are due together are run under one hold
/// of the GIL.
fn attend(due: &Receiver<Errand>) {
    while let Ok(first) = due.recv() {
        if CLOSED.load(Ordering::Acquire) {
            continue;
        }
        let _ = Python::try_attach(|py| {
            first(py);
            while let Ok(next) = due.try_recv() {
                next(py);
            }
        });
    }
}

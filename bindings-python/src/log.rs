//! What the library logs, for `logging`: in batches, so that the GIL is taken
//! once for many lines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use everpost_runtime::{PerProcess, log};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tracing::Level;

use crate::errand::Runner;

/// Handlers of `logging` may take their time: not on the thread that wakes
/// event loops.
static WRITER: Runner = Runner::new("everpost-log");
static LINES: PerProcess<Waiting> = PerProcess::new();
/// More than this is not kept while handlers are slow.
const MOST: usize = 10_000;

#[derive(Default)]
struct Waiting {
    lines: Mutex<Lines>,
    called: AtomicBool,
}

#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    lost: usize,
}

/// Level of `logging`, target and text.
type Line = (u8, String, String);

/// Sends what is logged from `level` on, a level of `logging`, to
/// `everpost._log`; nothing if it is above all that is logged here.
#[pyfunction]
pub(crate) fn log_level(py: Python<'_>, level: u32) {
    let most = match level {
        0..=5 => Level::TRACE,
        6..=10 => Level::DEBUG,
        11..=20 => Level::INFO,
        21..=30 => Level::WARN,
        31..=40 => Level::ERROR,
        _ => return py.detach(log::stop),
    };
    py.detach(|| log::forward(most, Arc::new(take)));
}

fn take(level: Level, target: &str, text: &str) {
    let waiting = LINES.get_or_init(Waiting::default);
    {
        let mut lines = waiting.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.lines.len() >= MOST {
            lines.lost += 1;
            return;
        }
        // As `logging` counts, with 5 for traces.
        let level = match log::number(level) {
            1 => 40,
            2 => 30,
            3 => 20,
            4 => 10,
            _ => 5,
        };
        lines.lines.push((level, target.to_owned(), text.to_owned()));
    }
    if !waiting.called.swap(true, Ordering::AcqRel) {
        WRITER.run(Box::new(write));
    }
}

/// Writes what has not been written yet, on this thread.
pub(crate) fn flush(py: Python<'_>) {
    if LINES.get().is_some() {
        write(py);
    }
}

fn write(py: Python<'_>) {
    static WRITE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let waiting = LINES.get_or_init(Waiting::default);
    waiting.called.store(false, Ordering::Release);
    let Lines { lines, lost } =
        std::mem::take(&mut *waiting.lines.lock().unwrap_or_else(PoisonError::into_inner));
    let written = WRITE
        .import(py, "everpost._log", "write")
        .and_then(|write| write.call1((lines, lost)).map(drop));
    if let Err(error) = written {
        error.write_unraisable(py, None);
    }
}

//! `everpost._native`: the private layer beneath the Python package.
//!
//! It holds what is native, runs operations without the GIL, and carries
//! results and errors over. What users see is written in Python.
//!
//! Invariant: threads of the runtime never wait for the GIL; see [`errand`]
//! and [`operation`].

mod batch;
mod certificate;
mod channel;
mod content;
mod errand;
mod events;
mod failure;
mod log;
mod look;
mod mailer;
mod operation;
mod receipt;
mod rehearsal;
mod settings;
mod token;
mod verdict;
mod watch;

use std::ffi::OsString;

use pyo3::prelude::*;

/// The native layer. Private: its names may change in any version.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    use super::operation::note_main_thread;

    #[pymodule_export]
    use super::{
        batch::Batch,
        certificate::NativeFile,
        channel::{Channel, Operation},
        cli, close_errands,
        events::NativeEvents,
        log::log_level,
        look::{diagnose, explain, probe},
        mailer::NativeMailer,
        mailer_keys, probe_keys,
        receipt::Receipt,
        rehearsal::Rehearsal,
        token::TokenRequest,
        verdict::LateVerdict,
        version,
        watch::NativeWatch,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        note_main_thread(module.py())
    }
}

/// The version of the library.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Runs the `everpost` command with the arguments that follow its name, and
/// returns the code to exit with.
#[pyfunction]
fn cli(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| everpost_cli::run(arguments))
}

/// Writes the rest of the log, and makes no more calls into Python: the
/// interpreter is on its way out.
#[pyfunction]
fn close_errands(py: Python<'_>) {
    log::flush(py);
    errand::close();
}

/// The keys of a mailer's options.
#[pyfunction]
fn mailer_keys() -> &'static [&'static str] {
    everpost::MailerBuilder::KEYS
}

/// The keys of a probe's options.
#[pyfunction]
fn probe_keys() -> &'static [&'static str] {
    everpost::probe::ProbeBuilder::KEYS
}

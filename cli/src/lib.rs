//! The `everpost` command: send mail, probe and watch servers, look into
//! certificate files, rehearse rotations.
//!
//! It is a library so that every package of Everpost ships the very same
//! command: [`run`] is the whole of it. It stands on the public API of
//! `everpost` and `everpost-rehearsal` alone.
//!
//! Invariants: with `--json`, standard output holds one JSON object as its last
//! line, whatever happens; people read standard error. Nothing of a host
//! process is changed for good, but that a command which waits for Ctrl-C
//! listens for it (see [`run`]).

#![forbid(unsafe_code)]
// What stands above an argument is its manual, in which a bracket is a bracket.
#![allow(rustdoc::broken_intra_doc_links)]

mod args;
mod cert;
mod diagnose;
mod explain;
mod failure;
mod moment;
mod probe;
mod rehearse;
mod secret;
mod send;
mod terminal;
mod usage;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use tokio::runtime::Handle;
use tracing::Dispatch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::send::report::say;

/// A panic in a command: EX_SOFTWARE of sysexits.
const PANICKED: u8 = 70;

/// Runs the command with the arguments that follow its name, and gives the code
/// to exit with. It reads and writes the standard streams of the process, and
/// the variables of its environment that begin with `EVERPOST_`.
///
/// It may be called from any thread, that of another runtime too, which then
/// waits. It does not end the process, nor does a panic: that is code 70.
///
/// Ctrl-C: `rehearse` and `watch` listen for it (the latter for SIGTERM too)
/// and end in order. All other commands leave it to the process, which ends by
/// default. A host with a handler that does not get to run before this returns,
/// as Python's, should put the default back for the time of the call.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let work = AssertUnwindSafe(|| command(&words));
    let code = if Handle::try_current().is_err() {
        catch_unwind(work).unwrap_or(PANICKED)
    } else {
        // The thread belongs to a runtime, and must not wait for another.
        thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, work) {
            Ok(command) => command.join().unwrap_or(PANICKED),
            Err(error) => no_threads(error),
        })
    };
    // Rust flushes at the end of a program of Rust only.
    let _ = io::stdout().flush();
    code
}

fn command(words: &[OsString]) -> u8 {
    let args = match usage::parse(words) {
        Ok(args) => args,
        Err(code) => return code,
    };
    match log(args.verbose) {
        Some(log) => {
            let threads = log.clone();
            tracing::dispatcher::with_default(&log, || execute(args, Some(threads)))
        }
        None => execute(args, None),
    }
}

fn execute(args: Args, log: Option<Dispatch>) -> u8 {
    // Threads cost more than a probe takes.
    let mut runtime = match args.command {
        Command::Probe(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(log) = log {
        // For as long as the thread lives.
        runtime.on_thread_start(move || {
            std::mem::forget(tracing::dispatcher::set_default(&log));
        });
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no_threads(error),
    };
    let code = runtime.block_on(async {
        match args.command {
            Command::Send(args) => send::run(*args).await,
            Command::Probe(args) => probe::run(*args).await,
            Command::Diagnose(args) => diagnose::run(*args).await,
            Command::Explain(args) => explain::run(*args).await,
            Command::Rehearse(args) => rehearse::run(*args).await,
            Command::Cert(args) => cert::run(*args).await,
            Command::Watch(args) => watch::run(*args).await,
        }
    });
    // A read of standard input that never ends must not keep the caller.
    runtime.shutdown_background();
    code
}

fn no_threads(error: io::Error) -> u8 {
    Failure::io("this machine gives no threads to work with", error).report(false)
}

/// The log to standard error: none unless asked for by `-v` or EVERPOST_LOG.
/// It is for the threads of this run alone, since a host has a log of its own.
fn log(verbose: u8) -> Option<Dispatch> {
    let everything = |level| {
        Targets::new().with_target("everpost", level).with_target("everpost_rehearsal", level)
    };
    let filter = match verbose {
        0 => {
            let text = std::env::var("EVERPOST_LOG").ok().filter(|text| !text.is_empty())?;
            match text.parse::<Targets>() {
                Ok(filter) => filter,
                Err(error) => {
                    say(&mut io::stderr(), &format!("everpost: EVERPOST_LOG: {error}"));
                    return None;
                }
            }
        }
        1 => everything(tracing_subscriber::filter::LevelFilter::DEBUG),
        _ => everything(tracing_subscriber::filter::LevelFilter::TRACE),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(terminal::colours(&io::stderr()))
        .with_writer(io::stderr);
    Some(tracing_subscriber::registry().with(lines.with_filter(filter)).into())
}

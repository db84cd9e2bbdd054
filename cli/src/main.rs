//! The `everpost` command: send mail, probe and watch servers, look into
//! certificate files, rehearse rotations.
//!
//! It stands on the public API of `everpost` and `everpost-rehearsal` alone.
//! Invariant: with `--json`, standard output holds one JSON object as its last
//! line, whatever happens; people read standard error.

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

use std::process::ExitCode;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Command;
use crate::failure::Failure;
use crate::send::report::say;

fn main() -> ExitCode {
    let args = match usage::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    start_log(args.verbose);
    // Threads cost more than a probe takes.
    let mut runtime = match args.command {
        Command::Probe(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::io("this machine gives no threads to work with", error);
            return failure.report(false);
        }
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
    // A read of standard input that never ends must not keep the process.
    runtime.shutdown_background();
    code
}

/// Writes the log to standard error: nothing unless asked for by `-v` or
/// EVERPOST_LOG.
fn start_log(verbose: u8) {
    let everything = |level| {
        Targets::new().with_target("everpost", level).with_target("everpost_rehearsal", level)
    };
    let filter = match verbose {
        0 => match std::env::var("EVERPOST_LOG") {
            Ok(text) if !text.is_empty() => match text.parse::<Targets>() {
                Ok(filter) => filter,
                Err(error) => {
                    say(&mut std::io::stderr(), &format!("everpost: EVERPOST_LOG: {error}"));
                    return;
                }
            },
            _ => return,
        },
        1 => everything(tracing_subscriber::filter::LevelFilter::DEBUG),
        _ => everything(tracing_subscriber::filter::LevelFilter::TRACE),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(terminal::colours(&std::io::stderr()))
        .with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

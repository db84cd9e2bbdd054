//! The `everpost` command: send mail, probe and watch servers, look into
//! certificate files, rehearse rotations.
//!
//! It stands on the public API of `everpost` and `everpost-rehearsal` alone.
//! Invariant: with `--json`, standard output holds one JSON object as its last
//! line, whatever happens; people read standard error.

#![forbid(unsafe_code)]

mod args;
mod cert;
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

use tracing_subscriber::EnvFilter;

use crate::args::Command;
use crate::failure::Failure;

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
    let filter = match verbose {
        0 => match std::env::var("EVERPOST_LOG") {
            Ok(filter) if !filter.is_empty() => EnvFilter::builder().parse_lossy(filter),
            _ => return,
        },
        1 => EnvFilter::new("everpost=debug,everpost_rehearsal=debug"),
        _ => EnvFilter::new("everpost=trace,everpost_rehearsal=trace"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal::colours(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
}

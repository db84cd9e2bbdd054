//! `cargo xtask`: everything about this repository that is more than one
//! cargo command.
//!
//! `cargo xtask test` is what continuous integration runs, and what to run
//! before a commit. It needs nothing but a Rust toolchain, a C and a C++ compiler,
//! pkg-config, and Node with npm: components that are missing are added through
//! rustup, and cargo-nextest, valgrind and cmake are used where they are
//! installed. `cargo xtask bench` measures.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this program talks to a person")]

mod bench;
mod c;
mod command;
mod dotnet;
mod fuzz;
mod mta;
mod node;
mod page;
mod probing;
mod programs;
mod promises;
mod python;
mod readme;
mod scenarios;
mod simulation;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

/// Tasks of the Everpost repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run the checks, all of them or those named, and fail if any fails.
    #[command(after_help = steps::help())]
    Test {
        /// The steps to run, in the order of the list below.
        #[arg(value_name = "WHAT", value_parser = PossibleValuesParser::new(steps::names()))]
        what: Vec<String>,
        /// Also the step `mta`, which installs mail servers where they are missing.
        #[arg(long, conflicts_with = "what")]
        mta: bool,
        #[command(flatten)]
        seeds: simulation::Seeds,
        #[command(flatten)]
        languages: scenarios::Languages,
    },
    /// Run Everpost before real mail servers: the step `mta` of the tests. Needs
    /// root on Debian, and installs Postfix and openssl where they are missing
    /// (docs/real-servers.md).
    TestMta,
    /// Feed the fuzz targets, all of them or those named (docs/fuzzing.md).
    Fuzz {
        /// How long each target is fed, in seconds.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// What brings the input.
        #[arg(long, value_enum, default_value_t = fuzz::Engine::Mutate)]
        engine: fuzz::Engine,
        /// The targets to feed.
        #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(fuzz::TARGETS))]
        targets: Vec<String>,
    },
    /// Write the C header from the sources of `ffi-c`.
    Header {
        /// Only fail if the header in the repository is another, and write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Build the C library and install it: header, libraries, pkg-config and CMake files.
    Install {
        /// The folder to install under, such as /usr/local.
        #[arg(long, value_name = "DIR")]
        prefix: PathBuf,
        /// Built to be fast, not quickly.
        #[arg(long)]
        release: bool,
        /// With the rehearsal server, for tests (`EVERPOST_REHEARSAL` in the header).
        #[arg(long)]
        rehearsal: bool,
    },
    /// Measure Everpost beside its peers and print the tables; see
    /// docs/performance.md.
    Bench {
        /// Passed on: tables to run and options; `-- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let passed = match Cli::parse().task {
        Task::Test { what, mta, seeds, languages } => {
            let what = scenarios::choose(languages, simulation::choose(seeds, what));
            steps::run(&what, mta)
        }
        Task::TestMta => steps::run(&[mta::NAME.to_owned()], false),
        Task::Fuzz { seconds, engine, targets } => fuzz::fuzz(engine, seconds, &targets),
        Task::Header { check } => told(c::header(check)),
        Task::Install { prefix, release, rehearsal } => {
            told(c::install(&prefix, &c::Build { release, rehearsal }).map(drop))
        }
        Task::Bench { arguments } => told(bench::bench(&arguments)),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether it went well; says why if not.
fn told(result: Result<(), command::Failure>) -> bool {
    if let Err(failure) = &result {
        eprintln!("error: {failure}");
    }
    result.is_ok()
}

/// The root of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

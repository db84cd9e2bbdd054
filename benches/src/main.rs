//! Everpost beside the clients that a user would pick instead: same server,
//! same minute, ratios. Run it with `cargo xtask bench`, which builds it and
//! installs the peers.
//!
//! Every client is a process of its own and sends as fast as it can for a
//! given time; the server is another, and a long path is a third. The clients
//! of a table take turns, round after round, and a ratio is the median of the
//! ratios of the rounds: what disturbs the machine disturbs neighbours alike.

mod bindings;
mod delay;
mod ground;
mod job;
mod peers;
mod plan;
mod probe;
mod run;
mod server;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Sends mail with Everpost and with its peers, and prints the ratios.
#[derive(Debug, Parser)]
#[command(after_help = plan::help())]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

/// What to run, and with what.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these tables, by name (all unless given)
    #[arg(value_name = "TABLE", value_parser = clap::builder::PossibleValuesParser::new(plan::names()))]
    tables: Vec<String>,
    /// Only clients whose name contains one of these
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each client has its turn
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Multiplies the time of every turn
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time: f64,
    /// A Python that has aiosmtplib
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// A folder in which nodemailer is installed
    #[arg(long, value_name = "FOLDER")]
    node_modules: Option<PathBuf>,
    /// A library that sets TCP_NODELAY where it is preloaded
    #[arg(long, value_name = "FILE")]
    nodelay: Option<PathBuf>,
}

/// The other processes of a run.
#[derive(Debug, Subcommand)]
#[command(rename_all = "kebab-case")]
enum Role {
    /// The server
    #[command(hide = true)]
    Serve,
    /// A long path to a port
    #[command(hide = true)]
    Delay { port: u16, one_way_ms: u64 },
    /// A client
    #[command(hide = true)]
    Peer { name: String, job: String },
    /// Everpost's probe beside other programs that look at certificates
    Probe(probe::Options),
    /// Everpost through each binding beside its core
    Bindings(bindings::Options),
    /// The server that is probed
    #[command(hide = true)]
    ServeProbes,
    /// A program, and what it costs
    #[command(hide = true)]
    Measure {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let Cli { role, options } = Cli::parse();
    let result = match role {
        None => run::run(&options),
        Some(Role::Serve) => server::serve(),
        Some(Role::Delay { port, one_way_ms }) => {
            delay::pass_on(port, Duration::from_millis(one_way_ms))
        }
        Some(Role::Peer { name, job }) => peer(&name, &job),
        Some(Role::Probe(options)) => probe::run(&options),
        Some(Role::Bindings(options)) => bindings::run(&options),
        Some(Role::ServeProbes) => probe::serve(),
        Some(Role::Measure { command }) => probe::measure(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn peer(name: &str, job: &str) -> Result<(), Box<dyn Error>> {
    let answer = peers::run(name, &serde_json::from_str(job)?)?;
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

//! The options of `everpost watch`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use everpost::TrustRoots;
use everpost::certificate::Threshold;
use everpost::watch::parse_duration;

use crate::args::trust;
use crate::secret::Secret;

pub(crate) const HELP: &str = "\
A FILE is TOML if its name ends in .toml, and else a list with one target a line; # begins a
comment. docs/watch.md describes the format. Options given here go before what the file says.

What is told, each once per change and not again after a restart with --state:
  first_seen rotated rolled_back issuer_changed key_type_changed addresses_differ expiring
  degraded unhealthy recovered

Exit codes:
  0   ended by Ctrl-C or SIGTERM; with --once: all healthy
  1   with --once: something needs attention
  2   with --once: something is unhealthy
  64  the command line or a file is wrong, or the address is taken

Examples:
  everpost watch mail.example.org:465 mail.example.org:587
  everpost watch watch.toml --listen 127.0.0.1:9118 --state /var/lib/everpost/watch.json
  everpost watch hosts.txt --interval 15m --hook '/usr/local/bin/alert --page'
  everpost watch hosts.txt --once --json";

/// What to watch, and whom to tell.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// A file of targets, or targets: host, host:port, [v6]:port, or an
    /// smtp://, smtps:// or lmtp:// URL
    #[arg(value_name = "FILE|TARGET", required = true)]
    pub(crate) sources: Vec<String>,

    /// Serve the status page, /metrics and /healthz on this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// How often each endpoint is looked at, such as 30s, 15m or 1h
    /// [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) interval: Option<Duration>,

    /// Keep what was seen in this file, across restarts
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Run this program for each event: the event as JSON on its standard
    /// input, and in EVERPOST_EVENT, EVERPOST_MESSAGE and others. Quotes keep
    /// words together; no shell is involved
    #[arg(long, value_name = "COMMAND")]
    pub(crate) hook: Option<String>,

    /// Post each event as JSON to this address. Others can see what stands on
    /// a command line: an address with a token belongs in a file
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<Secret>,

    /// TARGETs are domains: watch each of their mail exchangers, on port 25
    #[arg(long)]
    pub(crate) mx: bool,

    /// Whose certificates to trust: system, mozilla, or a PEM file. May be
    /// repeated [default: system]
    #[arg(long, value_name = "system|mozilla|FILE", value_parser = trust)]
    pub(crate) trust: Vec<TrustRoots>,

    /// A warning from here on before the end of a certificate: a time, a share
    /// of its lifetime, or both, of which the shorter counts [default: 30d,25%]
    #[arg(long, value_name = "TIME,SHARE")]
    pub(crate) warn: Option<Threshold>,

    /// Critical from here on [default: 7d,10%]
    #[arg(long, value_name = "TIME,SHARE")]
    pub(crate) crit: Option<Threshold>,

    /// Look at everything once, and exit by the worst status
    #[arg(long, conflicts_with_all = ["listen", "interval"])]
    pub(crate) once: bool,

    /// Print each event as one JSON object a line; with --once, a last one
    /// with all that is known
    #[arg(long)]
    pub(crate) json: bool,
}

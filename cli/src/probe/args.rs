//! The options of `everpost probe`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use everpost::TrustRoots;
use everpost::certificate::{Fingerprint, SpkiPin, Threshold};

use crate::args::trust;
use crate::moment;

pub(crate) const HELP: &str = "\
Targets:
  mail.example.org            port 465 unless an option or the port says otherwise
  mail.example.org:587        the port decides: 465 TLS at once; 24, 25, 587, 2525 STARTTLS; any
                              other, whatever the server speaks
  [2001:db8::1]:25            an address
  smtp://host smtps://host lmtp://host
  mx://example.org            each mail exchanger of a domain, as with --mx
  @FILE                       targets from a file, one a line, # begins a comment; @- reads
                              standard input

Exit codes, those of the worst target:
  0   healthy
  1   degraded: something needs attention
  2   unhealthy: it cannot be used as it is, or there was no connection
  3   unknown: no connection, with --connect-failure unknown
  64  the command line is wrong (3 with --format nagios)

Examples:
  everpost probe mail.example.org
  everpost probe --mx example.org --all-addresses
  everpost probe mail.example.org:587 --at +14d
  everpost probe mail.example.org --compare /etc/letsencrypt/live/mail.example.org/fullchain.pem
  everpost probe @servers.txt --format prometheus > /var/lib/node_exporter/everpost.prom
  everpost probe mail.example.org --format nagios --warn 14d --crit 5d";

/// What to probe, and how to judge it.
#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    /// Servers: host, host:port, [v6]:port, a URL, or @FILE with one a line
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<String>,

    /// TLS from the first byte; port 465 unless given
    #[arg(long, group = "mode", help_heading = "Connection")]
    pub(crate) implicit: bool,

    /// STARTTLS; port 587 unless given
    #[arg(long, group = "mode", help_heading = "Connection")]
    pub(crate) starttls: bool,

    /// Whatever the server speaks
    #[arg(long, group = "mode", help_heading = "Connection")]
    pub(crate) auto: bool,

    /// LMTP in place of SMTP; port 24 unless given
    #[arg(long, help_heading = "Connection")]
    pub(crate) lmtp: bool,

    /// Targets are domains: probe each of their mail exchangers, on port 25
    /// unless given
    #[arg(long, conflicts_with = "connect", help_heading = "Connection")]
    pub(crate) mx: bool,

    /// Every address of a name, and not only the first that takes a connection
    #[arg(long, help_heading = "Connection")]
    pub(crate) all_addresses: bool,

    /// Connect to this address in place of the host's own
    #[arg(long, value_name = "IP", help_heading = "Connection")]
    pub(crate) connect: Option<IpAddr>,

    /// Name sent to the server in the TLS handshake [default: the host]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub(crate) sni: Option<String>,

    /// Name to introduce ourselves with [default: our address]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub(crate) ehlo: Option<String>,

    /// Give up on an address after this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = moment::duration,
          help_heading = "Connection")]
    pub(crate) timeout: Duration,

    /// Targets probed at the same time
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Connection",
          value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) parallel: u16,

    /// Whose certificates to trust: system, mozilla, or a PEM file. May be
    /// repeated [default: system, and what Mozilla's roots say is told too]
    #[arg(long, value_name = "system|mozilla|FILE", value_parser = trust, help_heading = "Verdict")]
    pub(crate) trust: Vec<TrustRoots>,

    /// Name that the certificate must be for [default: the host]
    #[arg(long, value_name = "NAME", help_heading = "Verdict")]
    pub(crate) name: Option<String>,

    /// A warning from here on before the end of a certificate: a time, a share
    /// of its lifetime, or both, of which the shorter counts
    #[arg(long, value_name = "TIME,SHARE", default_value = "30d,25%", help_heading = "Verdict")]
    pub(crate) warn: Threshold,

    /// Critical from here on
    #[arg(long, value_name = "TIME,SHARE", default_value = "7d,10%", help_heading = "Verdict")]
    pub(crate) crit: Threshold,

    /// Judge as of so much later, such as +14d: what will have expired by then?
    #[arg(long, value_name = "TIME", value_parser = moment::later, help_heading = "Verdict")]
    pub(crate) at: Option<Duration>,

    /// Hold what is served against this file (PEM, DER or PFX): does the server
    /// serve what is on disk?
    #[arg(long, value_name = "FILE", help_heading = "Verdict")]
    pub(crate) compare: Option<PathBuf>,

    /// File with the password of the PFX in its first line, or - for standard
    /// input
    #[arg(long, value_name = "FILE", requires = "compare", help_heading = "Verdict")]
    pub(crate) password_file: Option<PathBuf>,

    /// SHA-256 of a public key that must be in the path, as sha256/BASE64 or in
    /// hexadecimal. May be repeated; one must fit
    #[arg(long, value_name = "PIN", help_heading = "Verdict")]
    pub(crate) pin: Vec<SpkiPin>,

    /// SHA-256 that the certificate must have. May be repeated; one must fit
    #[arg(long, value_name = "SHA256", help_heading = "Verdict")]
    pub(crate) fingerprint: Vec<Fingerprint>,

    /// Ask for TLSA records, and judge by them (DANE, RFC 7672)
    #[arg(long, help_heading = "Verdict")]
    pub(crate) dane: bool,

    /// Ask for the domain's MTA-STS policy, and judge by it (RFC 8461)
    #[arg(long, help_heading = "Verdict")]
    pub(crate) mta_sts: bool,

    /// How to tell
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table,
          help_heading = "Output")]
    pub(crate) format: Format,

    /// What the exit code tells of
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = FailOn::Warning,
          help_heading = "Output")]
    pub(crate) fail_on: FailOn,

    /// What it is when there was no connection
    #[arg(long, value_enum, value_name = "STATE", default_value_t = ConnectFailure::Critical,
          help_heading = "Output")]
    pub(crate) connect_failure: ConnectFailure,
}

/// How to tell what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, at most 100 columns wide
    Table,
    /// A JSON array with a report for each target (docs/schema)
    Json,
    /// A report in a line, as each is ready in the order of the targets
    Jsonl,
    /// Prometheus' text format: blackbox_exporter's names, and more
    Prometheus,
    /// A Nagios plugin's line, with performance data
    Nagios,
    /// JUnit's XML, for continuous integration
    Junit,
}

/// The least that is told by the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Warnings and worse
    Warning,
    /// Critical only
    Critical,
    /// Nothing: 0 whatever was found
    Never,
}

/// What no connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConnectFailure {
    /// As bad as any other reason not to be usable
    Critical,
    /// Nothing can be said
    Unknown,
}

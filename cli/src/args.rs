//! The command line, which is also the manual.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use everpost::{TlsMode, TrustRoots};

use crate::probe::args::ProbeArgs;
use crate::rehearse::plan::Kind;
use crate::secret::Secret;

/// Sends mail through every rotation of the server's certificate, probes
/// servers, and rehearses such rotations.
#[derive(Debug, Parser)]
#[command(name = "everpost", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Log to standard error what happens; twice (-vv): the SMTP dialogue too,
    /// without secrets. EVERPOST_LOG sets a finer filter, such as
    /// everpost::wire=trace
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  everpost probe mail.example.org
  everpost rehearse
  everpost send --host mail.example.org --user app@example.org --password-file pw.txt \\
      --from app@example.org --to ann@example.com --subject Hello --text 'Hello Ann'
  EVERPOST_URL=smtps://app%40example.org:secret@mail.example.org everpost send --eml letter.eml
  everpost diagnose smtps://app%40example.org:secret@mail.example.org
  everpost help send";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send one message, and say what became of it
    #[command(after_help = SEND_HELP)]
    Send(Box<SendArgs>),
    /// Look at servers and their certificates, and say what is wrong and what
    /// to do
    #[command(after_help = crate::probe::args::HELP)]
    Probe(Box<ProbeArgs>),
    /// Climb from DNS to the login and beyond, and say at the first rung that
    /// fails why, and what to do
    #[command(after_help = crate::diagnose::args::HELP)]
    Diagnose(Box<crate::diagnose::args::DiagnoseArgs>),
    /// Look at every address of a server, and say who is at fault
    #[command(after_help = crate::explain::args::HELP)]
    Explain(Box<crate::explain::args::ExplainArgs>),
    /// Send a stream of mail to a server of its own while certificates rotate,
    /// and count what was delivered, lost and doubled
    #[command(after_help = REHEARSE_HELP)]
    Rehearse(Box<RehearseArgs>),
    /// Look into certificate files, convert them, and make development
    /// certificates
    #[command(after_help = crate::cert::args::HELP)]
    Cert(Box<crate::cert::args::CertArgs>),
    /// Look at servers on a schedule, and tell of each change once
    #[command(after_help = crate::watch::args::HELP)]
    Watch(Box<crate::watch::args::WatchArgs>),
}

const SEND_HELP: &str = "\
Exit codes:
  0  accepted for all recipients
  1  not sent: sending again is safe
  2  the command line or the message is wrong; nothing was tried
  3  refused by the server: it will not deliver this message
  4  unknown: the message may or may not have been delivered
  5  accepted for some recipients, refused for others

Examples:
  everpost send --url 'smtps://app%40example.org:secret@mail.example.org' --eml letter.eml
  EVERPOST_PASSWORD=secret everpost send --host mail.example.org --port 587 --user app \\
      --from 'App <app@example.org>' --to ann@example.com --to bob@example.com \\
      --subject Report --text 'See the attachment.' --attach report.pdf
  echo 'Disk full' | everpost send --host localhost --port 25 --tls none \\
      --from cron@example.org --to ops@example.org --subject Alarm --text - --json";

/// Where to, and what.
#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// Give up after so many seconds in all [default: each step has a deadline
    /// of its own]
    #[arg(long, value_name = "SECONDS", help_heading = "Server",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,

    /// A complete message (RFC 5322), or - for standard input. It goes to the
    /// recipients in its header, unless --from and --to are given
    #[arg(long, value_name = "FILE", help_heading = "Message",
          conflicts_with_all = ["cc", "bcc", "subject", "text", "html", "attach"])]
    pub(crate) eml: Option<PathBuf>,

    /// Sender, as ann@example.org or 'Ann <ann@example.org>'; with --eml the
    /// envelope's, where <> sends as a bounce does
    #[arg(long, value_name = "ADDRESS", required_unless_present = "eml", help_heading = "Message")]
    pub(crate) from: Option<String>,

    /// Recipient. May be repeated
    #[arg(long, value_name = "ADDRESS", required_unless_present_any = ["eml", "cc", "bcc"],
          help_heading = "Message")]
    pub(crate) to: Vec<String>,

    /// Recipient of a copy. May be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Message")]
    pub(crate) cc: Vec<String>,

    /// Recipient that the others do not see. May be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Message")]
    pub(crate) bcc: Vec<String>,

    /// Subject
    #[arg(long, help_heading = "Message")]
    pub(crate) subject: Option<String>,

    /// Plain text, or - for standard input
    #[arg(long, help_heading = "Message", allow_hyphen_values = true)]
    pub(crate) text: Option<String>,

    /// HTML, an alternative to the text if both are given
    #[arg(long, help_heading = "Message", allow_hyphen_values = true)]
    pub(crate) html: Option<String>,

    /// File to attach. May be repeated
    #[arg(long, value_name = "FILE", help_heading = "Message")]
    pub(crate) attach: Vec<PathBuf>,

    /// Print one JSON object on standard output: the receipt, or the error
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which server, and who we are to it.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// SMTP URL: smtps://user:password@host (implicit TLS) or
    /// smtp://user:password@host?tls=required (STARTTLS). Others can see what
    /// stands on a command line: EVERPOST_URL is read too, when neither --url
    /// nor --host is given
    #[arg(long, help_heading = "Server", conflicts_with_all = ["host", "port", "tls"])]
    pub(crate) url: Option<Secret>,

    /// Host name or IP address of the mail server
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) host: Option<String>,

    /// Port [default: 465, 587 or 25 by --tls]
    #[arg(long, requires = "host", help_heading = "Server",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// How TLS comes about [default: implicit; starttls on ports 25, 587 and
    /// 2525]
    #[arg(long, value_enum, requires = "host", help_heading = "Server")]
    pub(crate) tls: Option<Tls>,

    /// User name to log in with; most servers want the full address
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) user: Option<String>,

    /// File with the password in its first line, or - for standard input. Or
    /// set EVERPOST_PASSWORD
    #[arg(long, value_name = "FILE", requires = "user", help_heading = "Server")]
    pub(crate) password_file: Option<PathBuf>,

    /// Password. WARNING: everyone on this machine can see it while the
    /// command runs, and the shell remembers it; prefer --password-file
    #[arg(long, requires = "user", conflicts_with = "password_file", help_heading = "Server")]
    pub(crate) password: Option<Secret>,

    /// Whose certificates to trust: system, mozilla, or a PEM file. May be
    /// repeated [default: system]
    #[arg(long, value_name = "system|mozilla|FILE", value_parser = trust, help_heading = "Server")]
    pub(crate) trust: Vec<TrustRoots>,
}

/// How TLS comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tls {
    /// From the first byte, usually on port 465
    Implicit,
    /// By STARTTLS, and without it no mail is sent; usually on port 587
    Starttls,
    /// By STARTTLS where offered, in plain text otherwise
    Opportunistic,
    /// Never
    None,
}

impl From<Tls> for TlsMode {
    fn from(tls: Tls) -> Self {
        match tls {
            Tls::Implicit => TlsMode::Implicit,
            Tls::Starttls => TlsMode::StartTls,
            Tls::Opportunistic => TlsMode::Opportunistic,
            Tls::None => TlsMode::None,
        }
    }
}

pub(crate) fn trust(text: &str) -> Result<TrustRoots, String> {
    text.parse()
        .map_err(|error: everpost::Error| error.hint().unwrap_or(error.message_text()).to_owned())
}

const REHEARSE_HELP: &str = "\
What happens: a real SMTP server starts inside this process, with its own CA and a login. The stream
is sent to it through one Mailer; at even intervals, with sends in flight, the server gets a new
certificate in one of the ways of --faults. Afterwards the Message-IDs that the server holds are
compared with what each send was told.

Every message ends in one of four ways:
  delivered  accepted, and the server holds it; doubled if it holds it more than once
  lost       accepted, and the server does not hold it
  unknown    the connection broke between the message and the server's verdict, and the sender was
             told so; counted apart by what the server holds
  failed     given up as not sent, or refused

Exit codes:
  0    nothing was lost, doubled or failed
  1    something was
  2    the command line is wrong, or the server could not start
  130  interrupted; what was counted so far is shown

Examples:
  everpost rehearse
  everpost rehearse --messages 5000 --rotations 20 --faults restart,cut --json
  everpost rehearse --serve --user app --password secret --ca-out ca.pem";

/// What to rehearse.
#[derive(Debug, clap::Args)]
pub(crate) struct RehearseArgs {
    /// Messages to send
    #[arg(long, value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) messages: u32,

    /// Rotations of the certificate, spread over the run
    #[arg(long, value_name = "R", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) rotations: u32,

    /// Messages sent at the same time
    #[arg(long, value_name = "C", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) concurrency: u32,

    /// Ways to rotate, with commas; they take turns [default: all]
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub(crate) faults: Vec<Kind>,

    /// Bytes of each message, about
    #[arg(long, value_name = "BYTES", default_value_t = 2048,
          value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub(crate) size: u32,

    /// Connections that the Mailer may open [default: as --concurrency]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: Option<u32>,

    /// Print the live lines on standard error, and as the last line of
    /// standard output one JSON object with the counts
    #[arg(long)]
    pub(crate) json: bool,

    /// Only start the server, and steer it by lines of JSON: requests on
    /// standard input, answers on standard output. It ends with the input
    #[arg(long, conflicts_with_all = ["messages", "rotations", "concurrency", "faults", "size",
          "connections", "json"])]
    pub(crate) serve: bool,

    #[command(flatten)]
    pub(crate) server: ServeArgs,
}

/// What the server of `--serve` is like.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --serve")]
pub(crate) struct ServeArgs {
    /// Name in the certificates, beside 127.0.0.1 and ::1
    #[arg(long, value_name = "NAME", default_value = "localhost", requires = "serve")]
    pub(crate) host: String,

    /// All that the server is to be, as a JSON object (docs/rehearsal.md), in
    /// place of the single options
    #[arg(long, value_name = "JSON", requires = "serve",
          conflicts_with_all = ["host", "user", "tls", "no_resumption"])]
    pub(crate) options: Option<Secret>,

    /// Address to listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", requires = "serve")]
    pub(crate) address: IpAddr,

    /// Port with TLS from the first byte [default: any that is free]
    #[arg(long, value_name = "PORT", requires = "serve")]
    pub(crate) implicit_port: Option<u16>,

    /// Port with STARTTLS [default: any that is free]
    #[arg(long, value_name = "PORT", requires = "serve")]
    pub(crate) starttls_port: Option<u16>,

    /// Port without TLS [default: any that is free]
    #[arg(long, value_name = "PORT", requires = "serve")]
    pub(crate) plain_port: Option<u16>,

    /// User that must log in [default: no login]
    #[arg(long, value_name = "NAME", requires_all = ["serve", "password"])]
    pub(crate) user: Option<String>,

    /// That user's password
    #[arg(long, requires = "user")]
    pub(crate) password: Option<Secret>,

    /// The only TLS version spoken [default: both]
    #[arg(long, value_enum, value_name = "VERSION", requires = "serve")]
    pub(crate) tls: Option<Version>,

    /// Resume no TLS session
    #[arg(long, requires = "serve")]
    pub(crate) no_resumption: bool,

    /// File to write the CA's root certificate to, for clients to trust
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub(crate) ca_out: Option<PathBuf>,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    /// TLS 1.2
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "1.3")]
    Tls13,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_secret_is_shown_by_debug() {
        let args = Args::parse_from([
            "everpost",
            "send",
            "--url",
            "smtps://u:hunter2@h",
            "--user",
            "u",
            "--password",
            "hunter2",
            "--eml",
            "-",
        ]);
        assert!(!format!("{args:?}").contains("hunter2"));
    }
}

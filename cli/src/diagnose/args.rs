//! `everpost diagnose`: its command line.

use everpost::Address;

use crate::args::ServerArgs;
use crate::secret::Secret;

pub(crate) const HELP: &str = "\
One connection climbs DNS, TCP, greeting, EHLO, STARTTLS, handshake, certificate, AUTH and, where
asked for, MAIL and RCPT. Credentials go only to a server whose certificate is accepted. No message
is sent: RSET takes back what --from and --to asked about.

Exit codes:
  0   every rung holds
  2   one does not; cause and remedy are the last lines
  64  the command line is wrong; nothing was tried

Examples:
  everpost diagnose mail.example.org
  everpost diagnose mail.example.org:587 --user app@example.org --password-file pw.txt
  everpost diagnose smtps://mail.example.org --from app@example.org --to ann@example.com
  everpost diagnose smtp://mx.example.org:25?tls=opportunistic --size 30000000 --json";

/// Which server to diagnose, and how far.
#[derive(Debug, clap::Args)]
pub(crate) struct DiagnoseArgs {
    /// The server: an SMTP URL as for --url, or host[:port], where the port
    /// decides the TLS mode unless --tls does
    #[arg(value_name = "URL|HOST[:PORT]", conflicts_with_all = ["url", "host", "port"])]
    pub(crate) target: Option<Secret>,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// Ask whether this sender is taken
    #[arg(long, value_name = "ADDRESS", value_parser = address, help_heading = "Message")]
    pub(crate) from: Option<Address>,

    /// Ask whether this recipient is taken. May be repeated
    #[arg(long, value_name = "ADDRESS", requires = "from", value_parser = address,
          help_heading = "Message")]
    pub(crate) to: Vec<Address>,

    /// Ask whether a message of so many bytes is taken
    #[arg(long, value_name = "BYTES", help_heading = "Message")]
    pub(crate) size: Option<u64>,

    /// Seconds that each step may take [default: 10 for connection and
    /// handshake, 30 for each reply]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: Option<u64>,

    /// Touch no other port, and this one once only
    #[arg(long)]
    pub(crate) no_looks: bool,

    /// Print one JSON object on standard output: the report
    #[arg(long)]
    pub(crate) json: bool,
}

fn address(text: &str) -> Result<Address, String> {
    Address::new(text).map_err(|error| error.message_text().to_owned())
}

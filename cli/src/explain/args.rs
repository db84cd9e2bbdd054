//! `everpost explain`: its command line.

use std::path::PathBuf;

use crate::args::ServerArgs;
use crate::secret::Secret;

pub(crate) const HELP: &str = "\
Every address of the server is looked at by a full handshake, with the trust of a mailer; nobody logs
in. The pool of this command is its own, and empty: an application asks its own mailer, which
compares with what its pool holds (explain() in every language). To try a login: everpost diagnose.

Exit codes:
  0   the server is in order
  2   it is not, or cannot be seen; who is at fault is the first word
  64  the command line is wrong; nothing was tried

Examples:
  everpost explain mail.example.org
  everpost explain mail.example.org:587 --compare /etc/letsencrypt/live/mail.example.org/cert.pem
  everpost explain smtps://mail.example.org --trust ca.pem --json";

/// Which server to explain.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The server: an SMTP URL as for --url, or host[:port], where the port
    /// decides the TLS mode unless --tls does
    #[arg(value_name = "URL|HOST[:PORT]", conflicts_with_all = ["url", "host", "port"])]
    pub(crate) target: Option<Secret>,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// The server's certificate file (PEM, DER or PFX): was a renewal loaded?
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,

    /// File with the password of a PFX in its first line, or - for standard
    /// input
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub(crate) compare_password_file: Option<PathBuf>,

    /// Print one JSON object on standard output: the answer with its evidence
    #[arg(long)]
    pub(crate) json: bool,
}

//! The options of `everpost cert`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use everpost::TrustRoots;

use crate::args::trust;
use crate::moment;
use crate::secret::Secret;

pub(crate) const HELP: &str = "\
Exit codes:
  0   well: valid, written, or belonging together
  1   degraded: something needs attention
  2   unhealthy: it cannot be used as it is, or key and certificate do not belong together
  3   unknown: a file cannot be read or written
  64  the command line is wrong

Examples:
  everpost cert show fullchain.pem --host mail.example.org --at +14d
  openssl s_client -connect mail.example.org:465 -showcerts </dev/null | everpost cert show -
  everpost cert convert fullchain.pem --key privkey.pem -o server.pfx --out-password-file pw.txt
  everpost cert convert server.pfx --password-file pw.txt -o chain.pem --chain-only
  everpost cert make --host localhost --host 127.0.0.1 --out certs
  everpost cert match fullchain.pem privkey.pem";

/// What to do with certificates in files.
#[derive(Debug, clap::Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    pub(crate) command: CertCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Show what is in files: PEM, DER or PFX (PKCS#12), told apart by content
    Show(ShowArgs),
    /// Convert between PEM, DER and PFX, and put certificate and key together
    Convert(ConvertArgs),
    /// Make a development CA and a server certificate; run again in the same
    /// folder, it is the renewal of that certificate
    Make(MakeArgs),
    /// Say whether a private key belongs to a certificate
    Match(MatchArgs),
}

/// What opens a file.
#[derive(Debug, clap::Args)]
pub(crate) struct Opening {
    /// File with the password of a PFX or an encrypted key in its first line,
    /// or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// That password. WARNING: everyone on this machine can see it while the
    /// command runs, and the shell remembers it; prefer --password-file
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password: Option<Secret>,
}

/// What to show, and how to judge it.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Files with certificates, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) opening: Opening,

    /// Judge the certificate as that of this server: name and trust too
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,

    /// Judge trust: system, mozilla, or a PEM file. May be repeated [default
    /// with --host: system]
    #[arg(long, value_name = "system|mozilla|FILE", value_parser = trust)]
    pub(crate) trust: Vec<TrustRoots>,

    /// Judge as of so much later, such as +14d
    #[arg(long, value_name = "TIME", value_parser = moment::later)]
    pub(crate) at: Option<Duration>,

    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// From what, to what.
#[derive(Debug, clap::Args)]
pub(crate) struct ConvertArgs {
    /// File with certificates, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) input: PathBuf,

    #[command(flatten)]
    pub(crate) opening: Opening,

    /// File with the private key, if the other has none
    #[arg(long, value_name = "FILE", conflicts_with = "chain_only")]
    pub(crate) key: Option<PathBuf>,

    /// File to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Format [default: by the name: .pem and .crt; .der and .cer; .pfx and
    /// .p12]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) to: Option<Format>,

    /// Leave the private key out
    #[arg(long)]
    pub(crate) chain_only: bool,

    /// File with the password of the new PFX in its first line [default: the
    /// password that opened the input]
    #[arg(long, value_name = "FILE")]
    pub(crate) out_password_file: Option<PathBuf>,

    /// That password. WARNING: everyone on this machine can see it
    #[arg(long, value_name = "PASSWORD", conflicts_with = "out_password_file")]
    pub(crate) out_password: Option<Secret>,

    /// Give the new PFX an empty password
    #[arg(long, conflicts_with_all = ["out_password", "out_password_file"])]
    pub(crate) no_password: bool,

    /// Encrypt the new PFX with triple DES and SHA-1, for Windows before
    /// Server 2019 and Java before 8u301
    #[arg(long)]
    pub(crate) legacy: bool,

    /// Overwrite the file
    #[arg(long)]
    pub(crate) force: bool,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text: the private key, then the certificates
    Pem,
    /// The server's own certificate in binary, and nothing else
    Der,
    /// PFX, which is PKCS#12: everything in one file, encrypted
    Pfx,
}

/// What to make.
#[derive(Debug, clap::Args)]
pub(crate) struct MakeArgs {
    /// Name or IP address that the certificate is for. May be repeated
    #[arg(long, value_name = "NAME", required = true)]
    pub(crate) host: Vec<String>,

    /// Folder for the files; a CA that was made there before is used again
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    pub(crate) out: PathBuf,

    /// Days that the certificate is valid
    #[arg(long, value_name = "N", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(1..=825))]
    pub(crate) days: u32,

    /// Kind of key
    #[arg(long, value_enum, value_name = "KIND", default_value_t = KeyKind::Ecdsa)]
    pub(crate) key: KeyKind,

    /// File with the password for server.pfx in its first line [default: an
    /// empty password]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// That password. WARNING: everyone on this machine can see it
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password: Option<Secret>,

    /// Overwrite files that were not made by this command
    #[arg(long)]
    pub(crate) force: bool,
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// ECDSA P-256
    Ecdsa,
    /// ECDSA P-384
    EcdsaP384,
    /// RSA with 2048 bits
    Rsa,
    /// RSA with 4096 bits
    Rsa4096,
    /// Ed25519, which many clients do not take
    Ed25519,
}

/// What to hold against what.
#[derive(Debug, clap::Args)]
pub(crate) struct MatchArgs {
    /// File with the certificate, or - for standard input
    #[arg(value_name = "CERTIFICATE")]
    pub(crate) certificate: PathBuf,

    /// File with the private key [default: the same file]
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) opening: Opening,

    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

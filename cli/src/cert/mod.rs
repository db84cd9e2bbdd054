//! `everpost cert`: certificates in files.

pub(crate) mod args;
mod convert;
mod make;
mod matching;
mod render;
mod show;
mod style;
mod view;
mod write;

use std::io::{self, Read as _};
use std::path::Path;

use everpost::certificate::CertificateFile;
use serde_json::json;
use zeroize::Zeroizing;

use self::args::{CertArgs, CertCommand, Opening};
use crate::failure::Failure;
use crate::secret::Secret;
use crate::send::report::say;
use crate::send::server::first_line;
use crate::usage::{UNKNOWN, USAGE};

/// It cannot be used as it is.
const CRITICAL: u8 = 2;

/// Does it, reports, and says how to exit.
pub(crate) async fn run(args: CertArgs) -> u8 {
    match args.command {
        CertCommand::Show(args) => show::run(&args).await,
        CertCommand::Convert(args) => ended(convert::run(&args).await, false),
        CertCommand::Make(args) => ended(make::run(&args).await, false),
        CertCommand::Match(args) => ended(matching::run(&args).await, args.json),
    }
}

fn ended(result: Result<u8, Failure>, as_json: bool) -> u8 {
    result.unwrap_or_else(|failure| report(&failure, as_json))
}

/// Tells what went wrong, and says how to exit.
fn report(failure: &Failure, as_json: bool) -> u8 {
    let (message, hint) = explained(failure);
    say(&mut io::stderr(), &format!("everpost: {message}"));
    if let Some(hint) = &hint {
        say(&mut io::stderr(), &format!("  to do:    {hint}"));
    }
    if as_json {
        let object = json!({ "ok": false, "message": message, "hint": hint });
        say(&mut io::stdout(), &object.to_string());
    }
    if matches!(failure, Failure::Usage(_)) { USAGE } else { UNKNOWN }
}

fn explained(failure: &Failure) -> (String, Option<String>) {
    match failure {
        Failure::Mail(error) => (error.message_text().to_owned(), error.hint().map(str::to_owned)),
        other => (other.to_string(), None),
    }
}

/// The password that was given in one of two ways.
async fn password(file: Option<&Path>, given: Option<&Secret>) -> Result<Option<Secret>, Failure> {
    match (file, given) {
        (Some(path), _) => first_line(path).await.map(Some),
        (None, given) => Ok(given.cloned()),
    }
}

/// More than any file may have.
const MAX_INPUT: u64 = 16 << 20;

/// Reads a file, or standard input for `-`.
fn load(path: &Path, password: Option<&Secret>) -> Result<CertificateFile, Failure> {
    let open = password.map(Secret::expose);
    if !is_stdin(path) {
        return Ok(CertificateFile::load(path, open)?);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let read = io::stdin().lock().take(MAX_INPUT).read_to_end(&mut bytes);
    read.map_err(|error| Failure::io("cannot read standard input", error))?;
    Ok(CertificateFile::parse(&bytes, open)?)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

impl Opening {
    /// The password for these files.
    async fn password(&self, files: &[&Path]) -> Result<Option<Secret>, Failure> {
        let files = files.iter().copied().chain(self.password_file.as_deref());
        if files.filter(|path| is_stdin(path)).count() > 1 {
            let text = "only one file can be read from standard input (-)";
            return Err(Failure::Usage(text.to_owned()));
        }
        password(self.password_file.as_deref(), self.password.as_ref()).await
    }
}

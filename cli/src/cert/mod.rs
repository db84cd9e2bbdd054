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

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use self::args::{CertArgs, CertCommand, Opening};
use crate::failure::Failure;
use crate::secret::Secret;
use crate::send::report::say;
use crate::send::server::first_line;
use crate::usage::{UNKNOWN, USAGE};

/// It cannot be used as it is.
const CRITICAL: u8 = 2;

/// Does it, reports, and says how to exit.
pub(crate) async fn run(args: CertArgs) -> ExitCode {
    match args.command {
        CertCommand::Show(args) => show::run(&args).await,
        CertCommand::Convert(args) => ended(convert::run(&args).await, false),
        CertCommand::Make(args) => ended(make::run(&args).await, false),
        CertCommand::Match(args) => ended(matching::run(&args).await, args.json),
    }
}

fn ended(result: Result<ExitCode, Failure>, as_json: bool) -> ExitCode {
    result.unwrap_or_else(|failure| report(&failure, as_json))
}

/// Tells what went wrong, and says how to exit.
fn report(failure: &Failure, as_json: bool) -> ExitCode {
    let (message, hint) = explained(failure);
    say(&mut io::stderr(), &format!("everpost: {message}"));
    if let Some(hint) = &hint {
        say(&mut io::stderr(), &format!("  to do:    {hint}"));
    }
    if as_json {
        let object = json!({ "ok": false, "message": message, "hint": hint });
        say(&mut io::stdout(), &object.to_string());
    }
    ExitCode::from(if matches!(failure, Failure::Usage(_)) { USAGE } else { UNKNOWN })
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

impl Opening {
    async fn password(&self) -> Result<Option<Secret>, Failure> {
        password(self.password_file.as_deref(), self.password.as_ref()).await
    }
}

//! `everpost cert match`.

use std::io;
use std::process::ExitCode;

use everpost::certificate::{CertificateFile, PrivateKey};
use serde_json::json;

use super::CRITICAL;
use super::args::MatchArgs;
use crate::failure::Failure;
use crate::secret::Secret;
use crate::send::report::say;
use crate::usage::UNKNOWN;

pub(super) async fn run(args: &MatchArgs) -> Result<ExitCode, Failure> {
    let opening = args.opening.password().await?;
    let open = opening.as_ref().map(Secret::expose);
    let file = CertificateFile::load(&args.certificate, open)?;
    let path = args.key.as_ref().unwrap_or(&args.certificate);
    let key = PrivateKey::load(path, open)?;
    let (key_place, place) = (path.display(), args.certificate.display());
    let subject = file.leaf().subject();
    let belongs = key.matches(file.leaf());
    let (text, code) = match belongs {
        Some(true) => (
            format!("yes: the private key in {key_place} belongs to {subject} in {place}"),
            ExitCode::SUCCESS,
        ),
        Some(false) => (
            format!("no: the private key in {key_place} does not belong to {subject} in {place}"),
            ExitCode::from(CRITICAL),
        ),
        None => (
            format!("unknown: the private key in {key_place} is of a kind that is not supported"),
            ExitCode::from(UNKNOWN),
        ),
    };
    if args.json {
        let object = json!({
            "ok": belongs == Some(true),
            "belongs": belongs,
            "subject": subject,
            "certificate_pin": file.leaf().spki_pin().to_string(),
            "key_pin": key.spki_pin().map(|pin| pin.to_string()),
        });
        say(&mut io::stdout(), &object.to_string());
    } else {
        say(&mut io::stdout(), &text);
    }
    Ok(code)
}

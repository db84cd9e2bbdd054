//! `everpost cert match`.

use std::io;

use everpost::certificate::PrivateKey;
use serde_json::json;

use super::args::MatchArgs;
use super::{CRITICAL, load};
use crate::failure::Failure;
use crate::secret::Secret;
use crate::send::report::say;
use crate::usage::UNKNOWN;

pub(super) async fn run(args: &MatchArgs) -> Result<u8, Failure> {
    let opening = args.opening.password(&[&args.certificate]).await?;
    let file = load(&args.certificate, opening.as_ref())?;
    let place = args.certificate.display();
    let (key, key_place) = match (&args.key, file.private_key()) {
        (Some(path), _) => {
            (PrivateKey::load(path, opening.as_ref().map(Secret::expose))?, path.display())
        }
        (None, Some(key)) => (key.clone(), args.certificate.display()),
        (None, None) => {
            let text = format!("{place} holds no private key: name the key's file too");
            return Err(Failure::Usage(text));
        }
    };
    let subject = file.leaf().subject();
    let belongs = key.matches(file.leaf());
    let (text, code) = match belongs {
        Some(true) => {
            (format!("yes: the private key in {key_place} belongs to {subject} in {place}"), 0)
        }
        Some(false) => (
            format!("no: the private key in {key_place} does not belong to {subject} in {place}"),
            CRITICAL,
        ),
        None => (
            format!("unknown: the private key in {key_place} is of a kind that is not supported"),
            UNKNOWN,
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

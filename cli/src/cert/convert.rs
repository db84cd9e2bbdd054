//! `everpost cert convert`.

use std::io;

use everpost::certificate::{CertificateFile, PfxEncryption, PrivateKey};
use zeroize::Zeroizing;

use super::args::{ConvertArgs, Format};
use super::write::{self, Readers};
use super::{CRITICAL, is_stdin, load, password};
use crate::failure::Failure;
use crate::secret::Secret;
use crate::send::report::say;

pub(super) async fn run(args: &ConvertArgs) -> Result<u8, Failure> {
    let to = format(args)?;
    let opening = args.opening.password(&[&args.input]).await?;
    let mut file = load(&args.input, opening.as_ref())?;
    if let Some(path) = &args.key {
        file = file.with_key(PrivateKey::load(path, opening.as_ref().map(Secret::expose))?);
    }
    if args.chain_only || to == Format::Der {
        if file.has_key() && !args.chain_only {
            say(
                &mut io::stderr(),
                "everpost: DER holds one certificate: the private key is left out",
            );
        }
        file = file.without_key();
    }
    if file.key_matches() == Some(false) {
        let text = format!(
            "everpost: the private key does not belong to the certificate of {}: nothing is written",
            file.leaf().subject()
        );
        say(&mut io::stderr(), &text);
        return Ok(CRITICAL);
    }
    let left_out = file.chain().len() - 1;
    let content = match to {
        Format::Pem => Zeroizing::new(file.to_pem().as_bytes().to_vec()),
        Format::Der => {
            if left_out > 0 {
                let text = format!("everpost: DER holds one certificate: {left_out} left out");
                say(&mut io::stderr(), &text);
            }
            Zeroizing::new(file.to_der())
        }
        Format::Pfx => Zeroizing::new(pfx(args, &file, opening.as_ref()).await?),
    };
    let readers = if file.has_key() { Readers::Owner } else { Readers::Everyone };
    if is_stdin(&args.out) {
        write::print(&content, readers)?;
        return Ok(0);
    }
    match args.force {
        true => write::replace(&args.out, &content, readers)?,
        false => write::create(&args.out, &content, readers)?,
    }
    let key = if file.has_key() { " and the private key" } else { "" };
    let certificates = match (to, file.chain().len()) {
        (Format::Der, _) | (_, 1) => "one certificate".to_owned(),
        (_, count) => format!("{count} certificates"),
    };
    say(&mut io::stdout(), &format!("{}: {certificates}{key}", args.out.display()));
    Ok(0)
}

async fn pfx(
    args: &ConvertArgs,
    file: &CertificateFile,
    opening: Option<&Secret>,
) -> Result<Vec<u8>, Failure> {
    let given = password(args.out_password_file.as_deref(), args.out_password.as_ref()).await?;
    let encryption = if args.legacy { PfxEncryption::Legacy } else { PfxEncryption::Modern };
    let password = match given.as_ref().or(opening) {
        _ if args.no_password => "",
        Some(password) => password.expose(),
        None if !file.has_key() => "",
        None => {
            let text = "a PFX with a private key needs a password: give --out-password-file, or \
                        --no-password if it is to have none";
            return Err(Failure::Usage(text.to_owned()));
        }
    };
    Ok(file.to_pfx(password, encryption)?)
}

/// What to write: as asked for, or by the name of the file.
fn format(args: &ConvertArgs) -> Result<Format, Failure> {
    if let Some(format) = args.to {
        return Ok(format);
    }
    let extension = args.out.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "pem" | "crt" => Ok(Format::Pem),
        "der" | "cer" => Ok(Format::Der),
        "pfx" | "p12" => Ok(Format::Pfx),
        _ => Err(Failure::Usage(format!(
            "the name {} does not tell the format: give --to pem, der or pfx",
            args.out.display()
        ))),
    }
}

//! DKIM signatures (RFC 6376) for built messages, made by lettre.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::dkim::{
    DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm,
    DkimSigningKey,
};
use lettre::message::header::HeaderName;
use zeroize::Zeroizing;

use crate::Error;

/// The fields that are signed; those that are absent are signed as absent.
const SIGNED: [&str; 8] =
    ["From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID"];
/// The fields that are signed when all would be too long. From must be among
/// them (RFC 6376 §5.4).
const SIGNED_OF_LONG: [&str; 4] = ["From", "Subject", "Date", "Message-ID"];
/// Octets of signed fields. Lettre canonicalises them by recursion, one level
/// per character, so long ones could exhaust the stack.
const MAX_SIGNED: usize = 4096;

/// A key to sign messages with, and where its public half is published: at
/// `selector._domainkey.domain`.
///
/// Signs with `a=rsa-sha256` or `a=ed25519-sha256`, by the kind of the key.
/// Cloning is cheap. `Debug` does not show the key.
#[derive(Clone)]
pub struct Dkim {
    domain: String,
    selector: String,
    full: Arc<DkimConfig>,
    short: Arc<DkimConfig>,
}

impl Dkim {
    /// Takes a private key as PEM: `RSA PRIVATE KEY` (PKCS#1), or
    /// `PRIVATE KEY` (PKCS#8) with an RSA or Ed25519 key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) when the
    /// key is none of these, is an RSA key of less than 1024 bits (RFC 8301),
    /// or domain or selector is no domain name.
    pub fn new(
        domain: impl Into<String>,
        selector: impl Into<String>,
        private_key_pem: &str,
    ) -> Result<Self, Error> {
        let (domain, selector) = (domain.into(), selector.into());
        for (what, name) in [("domain", &domain), ("selector", &selector)] {
            if !is_name(name) {
                return Err(Error::config(format!("the DKIM {what} {name:?} is no domain name"))
                    .with_hint("give it in ASCII, such as example.org"));
            }
        }
        let config = |fields: &[&'static str]| -> Result<Arc<DkimConfig>, Error> {
            Ok(Arc::new(DkimConfig::new(
                selector.clone(),
                domain.clone(),
                signing_key(private_key_pem)?,
                fields.iter().map(|&name| HeaderName::new_from_ascii_str(name)).collect(),
                // Lettre folds the signature after it has signed, which the
                // simple canonicalisation of the header does not survive.
                DkimCanonicalization {
                    header: DkimCanonicalizationType::Relaxed,
                    body: DkimCanonicalizationType::Relaxed,
                },
            )))
        };
        let (full, short) = (config(&SIGNED)?, config(&SIGNED_OF_LONG)?);
        Ok(Dkim { domain, selector, full, short })
    }

    /// Signs; of a message with very many recipients, not To, Cc and Reply-To.
    pub(crate) fn sign(&self, message: &mut lettre::Message) -> Result<(), Error> {
        let headers = message.headers();
        let length = |names: &[&str]| -> usize {
            let values = names.iter().filter_map(|name| headers.get_raw(name));
            // Encoding at most doubles what is not ASCII.
            values.map(|value| value.len() * if value.is_ascii() { 1 } else { 2 }).sum()
        };
        let config = if length(&SIGNED) <= MAX_SIGNED {
            &self.full
        } else if length(&SIGNED_OF_LONG) <= MAX_SIGNED {
            &self.short
        } else {
            return Err(Error::message("From and Subject are too long to be signed")
                .with_hint("keep them below 4096 octets together"));
        };
        message.sign(config);
        Ok(())
    }
}

impl fmt::Debug for Dkim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dkim")
            .field("domain", &self.domain)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn unusable() -> Error {
    Error::config("the DKIM key cannot be used")
        .with_hint("give an RSA key of at least 1024 bits or an Ed25519 key, as unencrypted PEM")
}

fn signing_key(pem: &str) -> Result<DkimSigningKey, Error> {
    let (label, der) = decode_pem(pem).ok_or_else(unusable)?;
    let (algorithm, key) = match label {
        "RSA PRIVATE KEY" => (DkimSigningAlgorithm::Rsa, &der[..]),
        "PRIVATE KEY" => unwrap_pkcs8(&der).ok_or_else(unusable)?,
        _ => return Err(unusable()),
    };
    let text = Zeroizing::new(match algorithm {
        DkimSigningAlgorithm::Rsa => {
            // RSA-1024 in PKCS#1 is about 608 octets, RSA-512 about 320.
            if key.len() < 590 {
                return Err(unusable());
            }
            let body = Zeroizing::new(STANDARD.encode(key));
            let mut pem = String::with_capacity(body.len() * 66 / 64 + 80);
            pem.push_str("-----BEGIN RSA PRIVATE KEY-----\n");
            for line in body.as_bytes().chunks(64) {
                pem.extend(line.iter().copied().map(char::from));
                pem.push('\n');
            }
            pem.push_str("-----END RSA PRIVATE KEY-----\n");
            pem
        }
        DkimSigningAlgorithm::Ed25519 => STANDARD.encode(key),
    });
    DkimSigningKey::new(&text, algorithm).map_err(|_| unusable())
}

/// The label and content of the first PEM block.
fn decode_pem(pem: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|c| !c.is_whitespace()));
    Some((label, Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?)))
}

/// `SEQUENCE { version, algorithm, OCTET STRING, … }` (RFC 5958 §2), of the
/// two algorithms that DKIM knows.
fn unwrap_pkcs8(der: &[u8]) -> Option<(DkimSigningAlgorithm, &[u8])> {
    const RSA: &[u8] =
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    let (info, _) = element(der, 0x30)?;
    let (_version, info) = element(info, 0x02)?;
    if let Some(rest) = info.strip_prefix(RSA) {
        return Some((DkimSigningAlgorithm::Rsa, element(rest, 0x04)?.0));
    }
    // RFC 8410 §7: the octet string holds another with the seed.
    let (wrapped, _) = element(info.strip_prefix(ED25519)?, 0x04)?;
    let (seed, _) = element(wrapped, 0x04)?;
    (seed.len() == 32).then_some((DkimSigningAlgorithm::Ed25519, seed))
}

/// The content of the DER element with that tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (octets, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if octets.len() > 3 {
            return None;
        }
        length = octets.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet));
        rest = after;
    }
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::message::content::Content;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
    use sha2::{Digest, Sha256};

    fn signed(dkim: &Dkim, recipients: usize) -> String {
        let mut builder = Message::builder().from("Ann <ann@example.org>").subject("Grüße");
        for n in 0..recipients {
            builder = builder.to(format!("Recipient Number {n} <r{n}@example.com>"));
        }
        let builder = builder.text("Hello  Bob \n.\nends with blanks\n\n\n").dkim(dkim.clone());
        let Content::Memory(bytes) = builder.build().unwrap().content else { panic!("in memory") };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The input of the signature's hash (RFC 6376 §3.7) and the signature.
    fn signature_input(message: &str) -> (Vec<u8>, Vec<u8>) {
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        let mut fields: Vec<String> = Vec::new();
        for line in head.split("\r\n") {
            match fields.last_mut() {
                Some(field) if line.starts_with([' ', '\t']) => {
                    field.push_str("\r\n");
                    field.push_str(line);
                }
                _ => fields.push(line.to_owned()),
            }
        }
        let field = |name: &str| {
            let is = |field: &&String| field.split(':').next().unwrap().eq_ignore_ascii_case(name);
            fields.iter().rfind(is).cloned()
        };
        let dkim = field("DKIM-Signature").unwrap();
        let unfolded = dkim.replace("\r\n", "");
        let tag = |name: &str| {
            let tags = unfolded.split_once(':').unwrap().1.split(';');
            let value = tags.filter_map(|tag| tag.trim().split_once('=')).find(|t| t.0 == name);
            value.unwrap().1.replace([' ', '\t'], "")
        };
        assert_eq!(tag("d"), "example.org");
        assert_eq!(tag("s"), "mail");

        assert_eq!(tag("c"), "relaxed/relaxed");
        let squeeze = |text: &str| {
            text.split([' ', '\t']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<_> = body
            .split("\r\n")
            .map(|line| {
                let lead = if line.starts_with(' ') { " " } else { "" };
                format!("{lead}{}", squeeze(line))
            })
            .collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let canonical = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        assert_eq!(tag("bh"), STANDARD.encode(Sha256::digest(canonical)), "body hash");

        let relax = |field: &str| {
            let (name, value) = field.split_once(':').unwrap();
            format!("{}:{}", name.to_lowercase(), squeeze(&value.replace("\r\n", "")))
        };
        let mut input = String::new();
        for name in tag("h").split(':') {
            if let Some(field) = field(name) {
                input += &relax(&field);
                input += "\r\n";
            }
        }
        let value = dkim.rfind(" b=").unwrap() + 3;
        input += relax(&dkim[..value]).trim_end();
        (input.into_bytes(), STANDARD.decode(tag("b")).unwrap())
    }

    #[test]
    fn an_ed25519_signature_verifies_over_what_is_sent() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let dkim = Dkim::new("example.org", "mail", &key.serialize_pem()).unwrap();
        for recipients in [1, 20, 5000] {
            let message = signed(&dkim, recipients);
            let signs_all = message.contains("h=from:sender:reply-to:to:cc:");
            assert_eq!(signs_all, recipients <= 20, "long fields are left out");
            let (hash, signature) = signature_input(&message);
            let verified = webpki::aws_lc_rs::ED25519.verify_signature(
                key.public_key_raw(),
                &Sha256::digest(hash),
                &signature,
            );
            assert!(verified.is_ok(), "{recipients}");
        }
    }

    #[test]
    fn an_rsa_signature_verifies_whether_the_key_is_pkcs_1_or_pkcs_8() {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let pkcs8 = key.serialize_der();
        let pkcs1 = STANDARD.encode(unwrap_pkcs8(&pkcs8).unwrap().1);
        let pkcs1 =
            format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
        for pem in [key.serialize_pem(), pkcs1] {
            let dkim = Dkim::new("example.org", "mail", &pem).unwrap();
            let (input, signature) = signature_input(&signed(&dkim, 3));
            let verified = webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256.verify_signature(
                key.public_key_raw(),
                &input,
                &signature,
            );
            assert!(verified.is_ok());
        }
    }

    #[test]
    fn a_key_that_cannot_sign_is_refused_without_being_shown() {
        let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let good = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
        for pem in [ecdsa.as_str(), "", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END ", "secret"] {
            let error = Dkim::new("example.org", "mail", pem).unwrap_err();
            assert!(!format!("{error:?}{error}").contains("secret"));
        }
        assert!(Dkim::new("exa mple.org", "mail", &good).is_err());
        assert!(Dkim::new("example.org", "a;b", &good).is_err());
        let shown = format!("{:?}", Dkim::new("example.org", "mail", &good).unwrap());
        assert_eq!(shown, r#"Dkim { domain: "example.org", selector: "mail", .. }"#);
    }
}

//! SCRAM (RFC 5802, RFC 7677): client and server prove to each other that
//! they know the password, without sending it.
//!
//! ```text
//! C  gs2-header n=user,r=nonce
//! S  r=nonce+theirs,s=salt,i=count
//! C  c=base64(gs2-header + binding),r=nonce+theirs,p=proof
//! S  v=signature          in a 334, answered by an empty line, or with the 235
//! ```
//!
//! Invariant: an exchange counts as successful only once the server's
//! signature has been verified; a 235 alone proves nothing.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::credentials::SaltedPasswords;
use super::encoding::{STANDARD, protocol};
use super::{ChannelBinding, SecretBytes};
use crate::{Error, ErrorKind, Stage};

/// The most iterations that are computed: around a second of one core. A
/// server that asks for more is treated as hostile. There is no lower bound
/// but 1: what old servers have stored cannot be changed from here, and TLS
/// protects the exchange.
const MAX_ITERATIONS: u32 = 1_000_000;

/// The hash function of the mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn digest(self, data: &[u8]) -> SecretBytes {
        Zeroizing::new(match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
        })
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> SecretBytes {
        const ANY_LENGTH: &str = "HMAC takes keys of any length";
        Zeroizing::new(match self {
            Hash::Sha1 => {
                let mut mac = Hmac::<Sha1>::new_from_slice(key).expect(ANY_LENGTH);
                mac.update(data);
                mac.finalize().into_bytes().to_vec()
            }
            Hash::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(ANY_LENGTH);
                mac.update(data);
                mac.finalize().into_bytes().to_vec()
            }
        })
    }

    /// `Hi` of RFC 5802 §2.2.
    fn salt(self, password: &[u8], salt: &[u8], iterations: u32) -> SaltedPassword {
        const ANY_LENGTH: &str = "HMAC takes keys of any length";
        let mut out = Zeroizing::new(match self {
            Hash::Sha1 => vec![0; 20],
            Hash::Sha256 => vec![0; 32],
        });
        match self {
            Hash::Sha1 => pbkdf2::pbkdf2::<Hmac<Sha1>>(password, salt, iterations, &mut out),
            Hash::Sha256 => pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, iterations, &mut out),
        }
        .expect(ANY_LENGTH);
        SaltedPassword(out)
    }
}

/// The outcome of the iterations; as good as the password to this server.
#[derive(Clone)]
pub(super) struct SaltedPassword(SecretBytes);

#[cfg(test)]
impl SaltedPassword {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        SaltedPassword(Zeroizing::new(bytes))
    }
}

/// Whether, and to what, the exchange is bound (RFC 5802 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// `n`: not supported here, or known to be offered and not used.
    None,
    /// `y`: supported here, but the server did not offer it. A server that
    /// did offer it learns from this that somebody removed the offer.
    NotOffered,
    /// `p`: bound, by the type of that name, to these bytes.
    Bound { kind: &'static str, data: Vec<u8> },
}

impl Binding {
    /// The binding of a `-PLUS` mechanism: tls-exporter (RFC 9266) where the
    /// connection has one, else tls-server-end-point (RFC 5929 §4).
    pub(super) fn bound(channel: &ChannelBinding) -> Option<Binding> {
        if let Some(exporter) = &channel.exporter {
            Some(Binding::Bound { kind: "tls-exporter", data: exporter.to_vec() })
        } else {
            let data = channel.server_end_point.clone()?;
            Some(Binding::Bound { kind: "tls-server-end-point", data })
        }
    }

    fn gs2_header(&self) -> String {
        match self {
            Binding::None => "n,,".to_owned(),
            Binding::NotOffered => "y,,".to_owned(),
            Binding::Bound { kind, .. } => format!("p={kind},,"),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Binding::Bound { data, .. } => data,
            _ => &[],
        }
    }
}

/// The client's side of one exchange.
pub(super) struct Scram {
    hash: Hash,
    binding: Binding,
    nonce: String,
    client_first_bare: String,
    password: Zeroizing<String>,
    salted: SaltedPasswords,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The client's first message is out.
    AwaitsServerFirst,
    /// The proof is out; the server must answer with this signature.
    AwaitsSignature(SecretBytes),
    /// The server has proven that it knows the password.
    Proven,
    /// Something was wrong; nothing more is accepted.
    Failed,
}

impl Scram {
    pub(super) fn new(
        hash: Hash,
        binding: Binding,
        user: &str,
        password: &str,
        salted: SaltedPasswords,
        nonce: [u8; 18],
    ) -> Result<Self, Error> {
        let user = prepare(user, "user name")?.replace('=', "=3D").replace(',', "=2C");
        let password = Zeroizing::new(prepare(password, "password")?.into_owned());
        let nonce = STANDARD.encode(nonce);
        let client_first_bare = format!("n={user},r={nonce}");
        let state = State::AwaitsServerFirst;
        Ok(Scram { hash, binding, nonce, client_first_bare, password, salted, state })
    }

    pub(super) fn client_first(&self) -> SecretBytes {
        let message = format!("{}{}", self.binding.gs2_header(), self.client_first_bare);
        Zeroizing::new(message.into_bytes())
    }

    /// Answers the server's first or final message.
    pub(super) fn respond(&mut self, challenge: &[u8]) -> Result<SecretBytes, Error> {
        match mem::replace(&mut self.state, State::Failed) {
            State::AwaitsServerFirst => {
                let (response, signature) = self.client_final(challenge)?;
                self.state = State::AwaitsSignature(signature);
                Ok(response)
            }
            State::AwaitsSignature(expected) => {
                verify(challenge, &expected)?;
                self.state = State::Proven;
                Ok(Zeroizing::new(Vec::new()))
            }
            State::Proven | State::Failed => {
                Err(protocol("the server sent a challenge that SCRAM does not have"))
            }
        }
    }

    /// Judges the server's 235: `text` is what follows the code. Some servers
    /// send their signature there.
    pub(super) fn verify_success(&mut self, text: Option<&[u8]>) -> Result<(), Error> {
        match mem::replace(&mut self.state, State::Failed) {
            State::Proven => {}
            State::AwaitsSignature(expected) => {
                // Any word may be the signature: only the right one is believed.
                let proven = text.unwrap_or_default().split(u8::is_ascii_whitespace).any(|word| {
                    let decoded = STANDARD.decode(word).unwrap_or_default();
                    verify(word, &expected).is_ok() || verify(&decoded, &expected).is_ok()
                });
                if !proven {
                    return Err(unproven());
                }
            }
            State::AwaitsServerFirst | State::Failed => return Err(unproven()),
        }
        self.state = State::Proven;
        Ok(())
    }

    /// The client's final message and the signature that must come back.
    fn client_final(&self, server_first: &[u8]) -> Result<(SecretBytes, SecretBytes), Error> {
        let text = std::str::from_utf8(server_first)
            .map_err(|_| protocol("the server's SCRAM message is not UTF-8"))?;
        let ServerFirst { nonce, salt, iterations } = ServerFirst::parse(text, &self.nonce)?;

        let salted = self.salted.get_or_compute(self.hash, &salt, iterations, || {
            self.hash.salt(self.password.as_bytes(), &salt, iterations)
        });
        let mut binding = self.binding.gs2_header().into_bytes();
        binding.extend_from_slice(self.binding.data());
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(binding));
        let signed = format!("{},{text},{without_proof}", self.client_first_bare);

        let client_key = self.hash.hmac(&salted.0, b"Client Key");
        let stored_key = self.hash.digest(&client_key);
        let mut proof = self.hash.hmac(&stored_key, signed.as_bytes());
        for (byte, key) in proof.iter_mut().zip(client_key.iter()) {
            *byte ^= key;
        }
        let server_key = self.hash.hmac(&salted.0, b"Server Key");
        let signature = self.hash.hmac(&server_key, signed.as_bytes());
        let message = format!("{without_proof},p={}", STANDARD.encode(proof.as_slice()));
        Ok((Zeroizing::new(message.into_bytes()), signature))
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram").field("hash", &self.hash).finish_non_exhaustive()
    }
}

struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    fn parse(text: &'a str, our_nonce: &str) -> Result<Self, Error> {
        if text.starts_with("m=") {
            return Err(protocol("the server demands a SCRAM extension that does not exist here"));
        }
        if let Some(reason) = text.strip_prefix("e=") {
            return Err(refused(reason));
        }
        let malformed = || protocol("the server's first SCRAM message is malformed");
        let mut attributes = text.split(',');
        let mut attribute = |name: &str| attributes.next().and_then(|part| part.strip_prefix(name));
        let nonce = attribute("r=").ok_or_else(malformed)?;
        let salt = attribute("s=").ok_or_else(malformed)?;
        let iterations = attribute("i=").ok_or_else(malformed)?;

        // Without this a replayed first message of another exchange would do.
        let extended = nonce.strip_prefix(our_nonce).is_some_and(|theirs| !theirs.is_empty());
        if !extended || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(protocol("the server's SCRAM nonce does not continue ours"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| malformed())?;
        if salt.is_empty() || !iterations.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        match iterations.parse() {
            Ok(iterations @ 1..=MAX_ITERATIONS) => Ok(ServerFirst { nonce, salt, iterations }),
            _ => Err(protocol(format!(
                "the server asks for a SCRAM iteration count outside 1 to {MAX_ITERATIONS}"
            ))),
        }
    }
}

/// Whether `message` is the server's final message with the right signature.
fn verify(message: &[u8], expected: &[u8]) -> Result<(), Error> {
    let text = std::str::from_utf8(message).map_err(|_| unproven())?;
    if let Some(reason) = text.strip_prefix("e=") {
        return Err(refused(reason));
    }
    let signature = text
        .strip_prefix("v=")
        .and_then(|rest| rest.split(',').next())
        .and_then(|signature| STANDARD.decode(signature).ok())
        .ok_or_else(unproven)?;
    if bool::from(signature.ct_eq(expected)) { Ok(()) } else { Err(unproven()) }
}

fn unproven() -> Error {
    Error::new(
        ErrorKind::Auth,
        Stage::Auth,
        "the server claims success without proving that it knows the password",
    )
    .with_hint("this may not be the server it says it is: check name, port and certificate")
}

/// The error for the server's `e=` (RFC 5802 §7).
fn refused(reason: &str) -> Error {
    let reason = reason.split(',').next().unwrap_or_default();
    let hint = match reason {
        "server-does-support-channel-binding" | "channel-bindings-dont-match" => {
            "somebody may stand between client and server; behind a proxy that ends TLS, exclude \
             the -PLUS mechanisms"
        }
        "unsupported-channel-binding-type" | "channel-binding-not-supported" => {
            "exclude the -PLUS mechanisms"
        }
        _ => "check user name and password",
    };
    let reason: String =
        reason.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(60).collect();
    Error::new(ErrorKind::Auth, Stage::Auth, format!("the server refused the login: {reason}"))
        .with_hint(hint)
}

/// SASLprep (RFC 4013). Code points that Unicode 3.2 did not have pass as they
/// are, as RFC 3454 §7 allows for what is compared and not stored.
fn prepare<'a>(text: &'a str, what: &str) -> Result<Cow<'a, str>, Error> {
    match stringprep::saslprep(text) {
        Ok(prepared) => Ok(prepared),
        Err(_) if text.chars().any(stringprep::tables::unassigned_code_point) => {
            Ok(Cow::Borrowed(text))
        }
        Err(_) => Err(Error::config(format!("the {what} holds characters that SASL forbids"))
            .with_hint("control characters and mixed writing directions cannot be used")),
    }
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;

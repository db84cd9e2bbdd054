//! One AUTH exchange: [`Exchange`], without IO.
//!
//! The session sends [`command`](Exchange::command), answers every 334 with
//! [`answer`](Exchange::answer), and believes a 235 only after
//! [`verify_success`](Exchange::verify_success). Every exchange has a fixed
//! number of steps, so a server cannot keep it going.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use zeroize::Zeroizing;

use super::credentials::Secret;
use super::encoding::{append_line, decode_challenge, encode_line, protocol};
use super::mechanism::Mechanism;
use super::oauth;
use super::scram::{Binding, Hash, Scram};
use super::{ChannelBinding, SecretBytes};
use crate::{Error, ErrorKind, Stage};

/// The client's side of one AUTH exchange.
pub(crate) struct Exchange {
    mechanism: Mechanism,
    /// The client's first message, until it is sent.
    first: Option<SecretBytes>,
    state: State,
}

enum State {
    /// Nothing follows the first message (PLAIN, EXTERNAL).
    Done,
    /// User name and password, as they are asked for: last first.
    Login(Vec<Zeroizing<String>>),
    /// User name and password, until used.
    CramMd5(Option<(String, Zeroizing<String>)>),
    /// The token, to keep it out of what the server says about it, and what
    /// the server said.
    OAuth {
        token: Zeroizing<String>,
        refusal: Option<String>,
    },
    Scram(Box<Scram>),
}

impl Exchange {
    /// Begins an exchange. `offered` is what the server's EHLO lists after
    /// TLS; `host` and `port` are the endpoint's, for OAUTHBEARER; `nonce`
    /// must draw from a cryptographic generator.
    ///
    /// # Errors
    /// `invalid_config` if the mechanism cannot carry the credentials.
    pub(crate) fn new(
        mechanism: Mechanism,
        secret: &Secret,
        channel: &ChannelBinding,
        offered: &[Mechanism],
        (host, port): (&str, u16),
        nonce: impl FnOnce() -> [u8; 18],
    ) -> Result<Self, Error> {
        let (first, state) = match (mechanism, secret) {
            (Mechanism::Plain, Secret::Password { user, password, .. }) => {
                (Some(plain(user, password)?), State::Done)
            }
            (Mechanism::Login, Secret::Password { user, password, .. }) => {
                let steps = vec![password.clone(), Zeroizing::new(user.clone())];
                (None, State::Login(steps))
            }
            (Mechanism::CramMd5, Secret::Password { user, password, .. }) => {
                (None, State::CramMd5(Some((user.clone(), password.clone()))))
            }
            (Mechanism::External, Secret::External { authzid }) => {
                let authzid = authzid.clone().unwrap_or_default();
                (Some(Zeroizing::new(authzid.into_bytes())), State::Done)
            }
            (Mechanism::XOAuth2, Secret::Token { user, token }) => (
                Some(oauth::xoauth2(user, token)?),
                State::OAuth { token: token.clone(), refusal: None },
            ),
            (Mechanism::OAuthBearer, Secret::Token { user, token }) => (
                Some(oauth::bearer(user, token, host, port)?),
                State::OAuth { token: token.clone(), refusal: None },
            ),
            (_, Secret::Password { user, password, salted }) => {
                let hash = match mechanism {
                    Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => Hash::Sha256,
                    Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => Hash::Sha1,
                    _ => return Err(mismatch(mechanism)),
                };
                let binding = binding(mechanism, channel, offered)?;
                let scram = Scram::new(hash, binding, user, password, salted.clone(), nonce())?;
                (Some(scram.client_first()), State::Scram(Box::new(scram)))
            }
            _ => return Err(mismatch(mechanism)),
        };
        Ok(Exchange { mechanism, first, state })
    }

    /// The AUTH command with its CRLF, the initial response in it.
    ///
    /// # Errors
    /// `auth` if it would be longer than AUTH allows.
    pub(crate) fn command(&mut self) -> Result<SecretBytes, Error> {
        let name = self.mechanism.name();
        match self.initial_response() {
            None => Ok(Zeroizing::new(format!("AUTH {name}\r\n").into_bytes())),
            // RFC 4954 §4: an empty initial response is "=".
            Some(raw) if raw.is_empty() => {
                Ok(Zeroizing::new(format!("AUTH {name} =\r\n").into_bytes()))
            }
            Some(raw) => append_line(format!("AUTH {name} ").as_bytes(), &raw),
        }
    }

    /// The line that answers a 334, with its CRLF; `text` is what follows the
    /// code.
    ///
    /// # Errors
    /// `protocol` for a challenge that makes no sense, `auth` where it shows
    /// that the login failed. The connection must be closed then.
    pub(crate) fn answer(&mut self, text: &[u8]) -> Result<SecretBytes, Error> {
        // LOGIN's prompts mean nothing, and not every server encodes them.
        let challenge = match self.state {
            State::Login(_) => Zeroizing::new(Vec::new()),
            _ => decode_challenge(text)?,
        };
        encode_line(&self.respond(&challenge)?)
    }

    /// The raw first message, for the mechanisms where the client begins.
    pub(crate) fn initial_response(&mut self) -> Option<SecretBytes> {
        self.first.take()
    }

    /// The raw response to a raw challenge.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub(crate) fn respond(&mut self, challenge: &[u8]) -> Result<SecretBytes, Error> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let unexpected = || protocol("the server sent one challenge more than the mechanism has");
        match &mut self.state {
            State::Done => Err(unexpected()),
            State::Login(steps) => {
                let step = steps.pop().ok_or_else(unexpected)?;
                Ok(Zeroizing::new(step.as_bytes().to_vec()))
            }
            State::CramMd5(login) => {
                let (user, password) = login.take().ok_or_else(unexpected)?;
                Ok(cram_md5(&user, &password, challenge))
            }
            State::OAuth { refusal: Some(_), .. } => Err(unexpected()),
            State::OAuth { token, refusal } => {
                *refusal = Some(oauth::refusal(challenge, token));
                // The answer that makes the server send its 535: RFC 7628
                // §3.2.3 for OAUTHBEARER, an empty line for XOAUTH2.
                let answer: &[u8] =
                    if self.mechanism == Mechanism::OAuthBearer { b"\x01" } else { b"" };
                Ok(Zeroizing::new(answer.to_vec()))
            }
            State::Scram(scram) => scram.respond(challenge),
        }
    }

    /// Whether a 235 may be believed; `text` is what follows the code.
    ///
    /// # Errors
    /// `auth` if the server has not proven what the mechanism makes it prove.
    pub(crate) fn verify_success(&mut self, text: Option<&[u8]>) -> Result<(), Error> {
        match &mut self.state {
            State::Scram(scram) => scram.verify_success(text),
            State::OAuth { refusal: Some(_), .. } => {
                Err(protocol("the server refused the token and then claimed success"))
            }
            _ => Ok(()),
        }
    }

    /// What an OAuth server said about the token it refused, without the
    /// token.
    pub(crate) fn refusal_detail(&self) -> Option<&str> {
        match &self.state {
            State::OAuth { refusal, .. } => refusal.as_deref(),
            _ => None,
        }
    }

    /// The error for a final reply that is not 235; the caller adds the reply
    /// itself.
    pub(crate) fn refused(&self, code: u16) -> Error {
        let mut message = format!("the server refused the login by {}", self.mechanism);
        if let Some(detail) = self.refusal_detail() {
            message = format!("{message} ({detail})");
        }
        let hint = match (code, self.mechanism.credential_kind()) {
            (400..=499, _) => "the server cannot check logins now; try later",
            (504 | 534, _) => "the server wants another mechanism: change the order or the account",
            (538, _) => "the server wants TLS before a login",
            (_, super::CredentialKind::Token) => {
                "the token is expired, or lacks the right to send mail for this user"
            }
            (_, super::CredentialKind::External) => {
                "the server does not accept this client certificate for this user"
            }
            _ => {
                "check user name and password; many servers want the full address as the user \
                 name, some an application password"
            }
        };
        Error::new(ErrorKind::Auth, Stage::Auth, message)
            .with_hint(hint)
            .with_retryable((400..500).contains(&code))
    }
}

/// Whether the final reply refuses the mechanism and not the login, so that
/// the next mechanism may be tried: 504 not supported, 534 too weak, 432 a
/// transition is needed (RFC 4954 §6). After any other refusal the same
/// password is not tried again, since each failure counts towards a lock-out.
pub(crate) fn refuses_mechanism_only(code: u16) -> bool {
    matches!(code, 432 | 504 | 534)
}

/// What SCRAM says about channel binding (RFC 5802 §6).
fn binding(
    mechanism: Mechanism,
    channel: &ChannelBinding,
    offered: &[Mechanism],
) -> Result<Binding, Error> {
    let bound = Binding::bound(channel);
    if mechanism.binds_channel() {
        return bound.ok_or_else(|| {
            Error::config(format!("{mechanism} needs TLS with channel binding"))
                .with_hint("exclude the -PLUS mechanisms")
        });
    }
    let plus_offered = mechanism.plus().is_some_and(|plus| offered.contains(&plus));
    Ok(if bound.is_some() && !plus_offered { Binding::NotOffered } else { Binding::None })
}

/// RFC 4616: `[authzid] NUL authcid NUL passwd`.
fn plain(user: &str, password: &str) -> Result<SecretBytes, Error> {
    if user.contains('\0') || password.contains('\0') {
        return Err(Error::config("user name and password cannot hold NUL"));
    }
    let mut message = Zeroizing::new(Vec::with_capacity(2 + user.len() + password.len()));
    for part in [user, password] {
        message.push(0);
        message.extend_from_slice(part.as_bytes());
    }
    Ok(message)
}

/// RFC 2195: the user's name and the keyed digest of the challenge, in hex.
fn cram_md5(user: &str, password: &str, challenge: &[u8]) -> SecretBytes {
    let mut mac =
        Hmac::<Md5>::new_from_slice(password.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(challenge);
    let mut message = format!("{user} ");
    for byte in mac.finalize().into_bytes() {
        message.push_str(&format!("{byte:02x}"));
    }
    Zeroizing::new(message.into_bytes())
}

fn mismatch(mechanism: Mechanism) -> Error {
    Error::config(format!("{mechanism} does not take these credentials"))
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;

//! The server's half of every AUTH mechanism, verified for real.
//!
//! One [`Exchange`] per AUTH command; each step takes what the client said,
//! decoded from base64, and answers with a challenge or a verdict (RFC 4954,
//! 5802, 7677, 9266, 7628). Passwords are taken as they are, without SASLprep.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::lock;

const ITERATIONS: u32 = 4096;

/// Who may come in.
pub(crate) struct Accounts {
    pub(crate) passwords: HashMap<String, String>,
    pub(crate) tokens: HashMap<String, String>,
    salt: [u8; 16],
    /// Salted passwords, since thousands of iterations per AUTH would make
    /// the server the bottleneck.
    salted: Mutex<HashMap<(String, bool), Vec<u8>>>,
}

impl Accounts {
    pub(crate) fn new(passwords: HashMap<String, String>, tokens: HashMap<String, String>) -> Self {
        Accounts {
            passwords,
            tokens,
            salt: fastrand::u128(..).to_be_bytes(),
            salted: Mutex::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.passwords.is_empty() && self.tokens.is_empty()
    }

    fn check(&self, user: &str, password: &str) -> Step {
        match self.passwords.get(user) {
            Some(right) if right == password => Step::Accept(user.to_owned()),
            _ => Step::Reject,
        }
    }

    fn salted(&self, user: &str, hash: Hash) -> Option<Vec<u8>> {
        let password = self.passwords.get(user)?;
        let mut cache = lock(&self.salted);
        let salted = cache
            .entry((user.to_owned(), hash == Hash::Sha256))
            .or_insert_with(|| hash.stretch(password.as_bytes(), &self.salt));
        Some(salted.clone())
    }
}

/// What the channel and the client's certificate contribute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channel {
    pub(crate) exporter: Option<Vec<u8>>,
    pub(crate) end_point: Option<Vec<u8>>,
    pub(crate) client_name: Option<String>,
    /// Whether a `-PLUS` mechanism was offered, which makes a client that says
    /// "I could, but you cannot" the victim of a downgrade.
    pub(crate) plus_offered: bool,
}

/// The server's answer to one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Challenge(Vec<u8>),
    Accept(String),
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, data),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, data),
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    fn stretch(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => {
                let mut out = vec![0; 20];
                pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, ITERATIONS, &mut out);
                out
            }
            Hash::Sha256 => {
                let mut out = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ITERATIONS, &mut out);
                out
            }
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// An AUTH command in progress.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: State,
}

#[derive(Debug)]
enum State {
    Plain,
    LoginUser,
    LoginPassword {
        user: String,
    },
    CramStart,
    Cram {
        challenge: String,
    },
    ScramFirst {
        hash: Hash,
        plus: bool,
    },
    ScramFinal {
        hash: Hash,
        user: String,
        expected_binding: Vec<u8>,
        nonce: String,
        auth_message: String,
    },
    ScramEnd {
        user: String,
    },
    XOAuth2,
    OAuthBearer,
    /// The error has been told; whatever the client says, it is refused.
    OAuthRefused,
    External,
}

impl Exchange {
    pub(crate) fn new(mechanism: &str) -> Option<Self> {
        let state = match mechanism {
            "PLAIN" => State::Plain,
            "LOGIN" => State::LoginUser,
            "CRAM-MD5" => State::CramStart,
            "SCRAM-SHA-1" => State::ScramFirst { hash: Hash::Sha1, plus: false },
            "SCRAM-SHA-1-PLUS" => State::ScramFirst { hash: Hash::Sha1, plus: true },
            "SCRAM-SHA-256" => State::ScramFirst { hash: Hash::Sha256, plus: false },
            "SCRAM-SHA-256-PLUS" => State::ScramFirst { hash: Hash::Sha256, plus: true },
            "XOAUTH2" => State::XOAuth2,
            "OAUTHBEARER" => State::OAuthBearer,
            "EXTERNAL" => State::External,
            _ => return None,
        };
        Some(Exchange { state })
    }

    /// The first challenge, for an AUTH without an initial response.
    pub(crate) fn begin(&mut self, host: &str) -> Vec<u8> {
        match &self.state {
            State::LoginUser => b"Username:".to_vec(),
            State::CramStart => {
                let challenge = format!("<{:016x}@{host}>", fastrand::u64(..));
                self.state = State::Cram { challenge: challenge.clone() };
                challenge.into_bytes()
            }
            _ => Vec::new(),
        }
    }

    /// The client's next word; `Reject` also for what makes no sense.
    pub(crate) fn step(&mut self, input: &[u8], accounts: &Accounts, channel: &Channel) -> Step {
        let Ok(input) = std::str::from_utf8(input) else { return Step::Reject };
        // Whatever is not set again below is a refusal for good.
        match std::mem::replace(&mut self.state, State::OAuthRefused) {
            State::Plain => {
                let mut parts = input.split('\0');
                match (parts.next(), parts.next(), parts.next(), parts.next()) {
                    (Some(authzid), Some(user), Some(password), None)
                        if authzid.is_empty() || authzid == user =>
                    {
                        accounts.check(user, password)
                    }
                    _ => Step::Reject,
                }
            }
            State::LoginUser => {
                self.state = State::LoginPassword { user: input.to_owned() };
                Step::Challenge(b"Password:".to_vec())
            }
            State::LoginPassword { user } => accounts.check(&user, input),
            // CRAM-MD5 knows no initial response.
            State::CramStart => Step::Reject,
            State::Cram { challenge } => cram(accounts, &challenge, input),
            State::ScramFirst { hash, plus } => {
                self.scram_first(hash, plus, input, accounts, channel).unwrap_or(Step::Reject)
            }
            State::ScramFinal { hash, user, expected_binding, nonce, auth_message } => {
                let Some(signature) = scram_final(
                    hash,
                    &user,
                    &expected_binding,
                    &nonce,
                    &auth_message,
                    input,
                    accounts,
                ) else {
                    return Step::Reject;
                };
                self.state = State::ScramEnd { user };
                Step::Challenge(format!("v={}", STANDARD.encode(signature)).into_bytes())
            }
            State::ScramEnd { user } if input.is_empty() => Step::Accept(user),
            State::ScramEnd { .. } => Step::Reject,
            State::XOAuth2 => {
                let mut parts = input.split('\x01');
                let user = parts.next().and_then(|part| part.strip_prefix("user="));
                let token = parts.next().and_then(|part| part.strip_prefix("auth=Bearer "));
                self.bearer(user, token, accounts)
            }
            State::OAuthBearer => {
                let mut parts = input.split('\x01');
                let user = parts
                    .next()
                    .and_then(|gs2| gs2.strip_prefix("n,a="))
                    .and_then(|it| it.strip_suffix(','));
                let token = parts.find_map(|part| part.strip_prefix("auth=Bearer "));
                let user = user.map(unescape);
                self.bearer(user.as_deref(), token, accounts)
            }
            State::OAuthRefused => Step::Reject,
            State::External => match &channel.client_name {
                Some(name) if input.is_empty() || input == name => Step::Accept(name.clone()),
                _ => Step::Reject,
            },
        }
    }

    fn bearer(&mut self, user: Option<&str>, token: Option<&str>, accounts: &Accounts) -> Step {
        if let (Some(user), Some(token)) = (user, token)
            && accounts.tokens.get(user).is_some_and(|right| right == token)
        {
            return Step::Accept(user.to_owned());
        }
        // `self.state` is OAuthRefused: the client acknowledges, then 535.
        Step::Challenge(br#"{"status":"401","schemes":"bearer","scope":"mail"}"#.to_vec())
    }

    fn scram_first(
        &mut self,
        hash: Hash,
        plus: bool,
        input: &str,
        accounts: &Accounts,
        channel: &Channel,
    ) -> Option<Step> {
        let (flag, rest) = input.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        let gs2_header = &input[..input.len() - bare.len()];
        let mut fields = bare.split(',');
        let user = unescape(fields.next()?.strip_prefix("n=")?);
        let client_nonce = fields.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        if let Some(authzid) = authzid.strip_prefix("a=")
            && unescape(authzid) != user
        {
            return None;
        }
        let mut expected_binding = gs2_header.as_bytes().to_vec();
        match (plus, flag) {
            (true, "p=tls-exporter") => expected_binding.extend(channel.exporter.as_ref()?),
            (true, "p=tls-server-end-point") => {
                expected_binding.extend(channel.end_point.as_ref()?)
            }
            (false, "n") => {}
            (false, "y") if !channel.plus_offered => {}
            _ => return None,
        }
        if !accounts.passwords.contains_key(&user) {
            return None;
        }
        let nonce = format!("{client_nonce}{:032x}", fastrand::u128(..));
        let first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(accounts.salt));
        let auth_message = format!("{bare},{first}");
        self.state = State::ScramFinal { hash, user, expected_binding, nonce, auth_message };
        Some(Step::Challenge(first.into_bytes()))
    }
}

/// Verifies the client's proof; returns the server's signature.
fn scram_final(
    hash: Hash,
    user: &str,
    expected_binding: &[u8],
    nonce: &str,
    auth_message: &str,
    input: &str,
    accounts: &Accounts,
) -> Option<Vec<u8>> {
    let (without_proof, proof) = input.rsplit_once(",p=")?;
    let mut fields = without_proof.split(',');
    let binding = STANDARD.decode(fields.next()?.strip_prefix("c=")?).ok()?;
    let proof = STANDARD.decode(proof).ok()?;
    if binding != expected_binding || fields.next()?.strip_prefix("r=")? != nonce {
        return None;
    }
    let auth_message = format!("{auth_message},{without_proof}");
    let salted = accounts.salted(user, hash)?;
    let stored_key = hash.digest(&hash.hmac(&salted, b"Client Key"));
    let signature = hash.hmac(&stored_key, auth_message.as_bytes());
    if proof.len() != signature.len() {
        return None;
    }
    let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    if hash.digest(&client_key) != stored_key {
        return None;
    }
    Some(hash.hmac(&hash.hmac(&salted, b"Server Key"), auth_message.as_bytes()))
}

fn cram(accounts: &Accounts, challenge: &str, input: &str) -> Step {
    let Some((user, digest)) = input.rsplit_once(' ') else { return Step::Reject };
    let Some(password) = accounts.passwords.get(user) else { return Step::Reject };
    let right = crate::authority::hex(&mac::<Hmac<Md5>>(password.as_bytes(), challenge.as_bytes()));
    if right == digest { Step::Accept(user.to_owned()) } else { Step::Reject }
}

/// A SCRAM name: `=2C` is a comma, `=3D` an equals sign.
fn unescape(name: &str) -> String {
    name.replace("=2C", ",").replace("=3D", "=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::new(
            HashMap::from([("user".to_owned(), "pencil".to_owned())]),
            HashMap::from([("user".to_owned(), "token".to_owned())]),
        )
    }

    fn one(mechanism: &str, input: &str) -> Step {
        let mut exchange = Exchange::new(mechanism).expect("it is known");
        exchange.step(input.as_bytes(), &accounts(), &Channel::default())
    }

    #[test]
    fn plain_wants_exactly_the_right_password() {
        assert_eq!(one("PLAIN", "\0user\0pencil"), Step::Accept("user".into()));
        assert_eq!(one("PLAIN", "user\0user\0pencil"), Step::Accept("user".into()));
        for wrong in [
            "\0user\0penci",
            "\0usr\0pencil",
            "other\0user\0pencil",
            "\0user",
            "\0user\0pencil\0",
            "",
        ] {
            assert_eq!(one("PLAIN", wrong), Step::Reject, "{wrong:?}");
        }
    }

    #[test]
    fn a_refused_token_is_explained_before_the_refusal() {
        assert_eq!(
            one("XOAUTH2", "user=user\x01auth=Bearer token\x01\x01"),
            Step::Accept("user".into())
        );
        let mut exchange = Exchange::new("XOAUTH2").expect("it is known");
        let (accounts, channel) = (accounts(), Channel::default());
        let step = exchange.step(b"user=user\x01auth=Bearer old\x01\x01", &accounts, &channel);
        assert!(matches!(step, Step::Challenge(_)));
        assert_eq!(exchange.step(b"", &accounts, &channel), Step::Reject);
    }

    #[test]
    fn cram_md5_agrees_with_the_example_of_rfc_2195() {
        let accounts = Accounts::new(
            HashMap::from([("tim".to_owned(), "tanstaaftanstaaf".to_owned())]),
            HashMap::new(),
        );
        let challenge = "<1896.697170952@postoffice.reston.mci.net>";
        let step = cram(&accounts, challenge, "tim b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(step, Step::Accept("tim".into()));
        assert_eq!(
            cram(&accounts, challenge, "tim b913a602c7eda7a495b4e6e7334d3891"),
            Step::Reject
        );
    }

    #[test]
    fn a_client_that_was_lied_to_about_channel_binding_is_refused() {
        let channel = Channel { plus_offered: true, ..Channel::default() };
        let mut exchange = Exchange::new("SCRAM-SHA-256").expect("it is known");
        assert_eq!(exchange.step(b"y,,n=user,r=abc", &accounts(), &channel), Step::Reject);
        let mut exchange = Exchange::new("SCRAM-SHA-256").expect("it is known");
        assert!(matches!(
            exchange.step(b"n,,n=user,r=abc", &accounts(), &channel),
            Step::Challenge(_)
        ));
    }
}

//! The names of the mechanisms, and what each of them needs.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A SASL mechanism, by its name in the IANA registry.
///
/// The order of the variants is the order of preference: strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mechanism {
    /// SCRAM-SHA-256-PLUS (RFC 7677): bound to the TLS connection, so that a
    /// man in the middle with an accepted certificate gains nothing.
    ScramSha256Plus,
    /// SCRAM-SHA-256 (RFC 7677): the password never leaves the client, and
    /// the server proves that it knows it.
    ScramSha256,
    /// SCRAM-SHA-1-PLUS (RFC 5802).
    ScramSha1Plus,
    /// SCRAM-SHA-1 (RFC 5802).
    ScramSha1,
    /// OAUTHBEARER (RFC 7628), with an OAuth 2.0 token.
    OAuthBearer,
    /// XOAUTH2, its widespread predecessor.
    XOAuth2,
    /// CRAM-MD5 (RFC 2195).
    CramMd5,
    /// PLAIN (RFC 4616): the password as it is, protected by TLS alone.
    Plain,
    /// LOGIN: as PLAIN, in two more round trips.
    Login,
    /// EXTERNAL (RFC 4422, appendix A): the TLS client certificate.
    External,
}

impl Mechanism {
    /// Every mechanism, strongest first.
    pub const ALL: &'static [Mechanism] = &[
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha256,
        Mechanism::ScramSha1Plus,
        Mechanism::ScramSha1,
        Mechanism::OAuthBearer,
        Mechanism::XOAuth2,
        Mechanism::CramMd5,
        Mechanism::Plain,
        Mechanism::Login,
        Mechanism::External,
    ];

    /// The name as it stands in AUTH, such as `SCRAM-SHA-256`.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Mechanism::ScramSha1 => "SCRAM-SHA-1",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::XOAuth2 => "XOAUTH2",
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::External => "EXTERNAL",
        }
    }

    /// What the mechanism logs in with.
    pub(crate) fn credential_kind(self) -> CredentialKind {
        match self {
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => CredentialKind::Token,
            Mechanism::External => CredentialKind::External,
            _ => CredentialKind::Password,
        }
    }

    /// Whether the mechanism is bound to the TLS connection.
    pub(crate) fn binds_channel(self) -> bool {
        matches!(self, Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus)
    }

    /// The variant of this SCRAM mechanism that is bound to the connection.
    pub(crate) fn plus(self) -> Option<Mechanism> {
        match self {
            Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => Some(Mechanism::ScramSha256Plus),
            Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => Some(Mechanism::ScramSha1Plus),
            _ => None,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads a name in any case. The error is
/// [`InvalidConfig`](crate::ErrorKind::InvalidConfig).
impl FromStr for Mechanism {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Mechanism::ALL
            .iter()
            .copied()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::config("not a mechanism that this library knows")
                    .with_hint(format!("known are {}", names(Mechanism::ALL)))
            })
    }
}

/// What a login consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    Password,
    Token,
    External,
}

/// The names, with commas between them.
pub(super) fn names(mechanisms: &[Mechanism]) -> String {
    mechanisms.iter().map(|mechanism| mechanism.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_is_found_by_its_name_in_any_case() {
        for &mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().parse::<Mechanism>().unwrap(), mechanism);
            let lower = mechanism.to_string().to_ascii_lowercase();
            assert_eq!(lower.parse::<Mechanism>().unwrap(), mechanism);
        }
    }

    #[test]
    fn an_unknown_mechanism_is_a_config_error_that_lists_the_known_ones() {
        let error = "NTLM".parse::<Mechanism>().unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig);
        assert!(error.hint().unwrap().contains("SCRAM-SHA-256-PLUS"));
    }

    #[test]
    fn the_order_of_preference_is_the_order_of_the_variants() {
        assert!(Mechanism::ALL.is_sorted());
    }
}

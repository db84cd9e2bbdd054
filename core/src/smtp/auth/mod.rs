//! SASL mechanisms for AUTH (RFC 4954).

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN.
    Login,
    /// XOAUTH2.
    XOAuth2,
}

impl std::str::FromStr for Mechanism {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Ok(match s { "PLAIN" => Mechanism::Plain, "LOGIN" => Mechanism::Login, "XOAUTH2" => Mechanism::XOAuth2, _ => return Err(()) })
    }
}

/// Who logs in, and with what.
#[derive(Clone, Debug)]
pub struct Credentials;

/// Which mechanisms may be used, and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthPolicy;

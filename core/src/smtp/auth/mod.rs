//! SASL mechanisms for AUTH (RFC 4954).

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    Plain,
}

/// Who logs in, and with what.
#[derive(Clone, Debug)]
pub struct Credentials;

/// Which mechanisms may be used, and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthPolicy;

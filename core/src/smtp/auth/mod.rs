//! SASL mechanisms for AUTH (RFC 4954), without IO.
//!
//! ```text
//! EHLO's AUTH line ─ select ─→ mechanism ─┐
//! Credentials ─── resolve ───→ secret ────┼→ Exchange ─ 334s ─→ verified 235
//! TLS ────────────────────→ ChannelBinding ┘
//! ```
//!
//! Invariant: a secret leaves only inside an [`Exchange`], over a connection
//! that [`select`] was told is safe for it, and every buffer that holds one is
//! wiped when dropped.

mod credentials;
mod encoding;
mod exchange;
mod mechanism;
mod oauth;
mod scram;
mod select;

pub use credentials::{Credentials, TokenError, TokenProvider};
pub(crate) use credentials::Secret;
pub(crate) use encoding::{MAX_LINE, decode_challenge, encode_line};
pub(crate) use exchange::{Exchange, refuses_mechanism_only};
pub use mechanism::Mechanism;
pub(crate) use mechanism::CredentialKind;
pub(crate) use select::{AuthPolicy, no_mechanism_error, select};

/// What a TLS connection gives SCRAM to bind itself to; empty without TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChannelBinding {
    /// tls-exporter (RFC 9266).
    pub(crate) exporter: Option<[u8; 32]>,
    /// tls-server-end-point (RFC 5929 §4): the hash of the server's
    /// certificate.
    pub(crate) server_end_point: Option<Vec<u8>>,
}

impl ChannelBinding {
    pub(crate) fn is_available(&self) -> bool {
        self.exporter.is_some() || self.server_end_point.is_some()
    }
}

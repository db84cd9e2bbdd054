//! SASL mechanisms for AUTH (RFC 4954), without IO.
//!
//! ```text
//! EHLO's AUTH line ─ select ─→ mechanism ─┐
//! Credentials ─── resolve ───→ secret ────┼→ Exchange ─ 334s ─→ verified 235
//! TLS ────────────────────→ ChannelBinding ┘
//! ```
//!
//! Invariant: a secret leaves only inside an `Exchange`, over a connection
//! that `select` was told is safe for it, and every buffer that holds one is
//! wiped when dropped.

mod credentials;
mod encoding;
mod exchange;
mod mechanism;
mod oauth;
mod scram;
mod select;

#[cfg(test)]
pub(crate) use credentials::Secret;
pub use credentials::{Credentials, TokenError, TokenProvider};
pub(crate) use exchange::{Exchange, refuses_mechanism_only};
pub(crate) use mechanism::CredentialKind;
pub use mechanism::Mechanism;
pub(crate) use select::{AuthPolicy, no_mechanism_error, select};

/// Bytes that are wiped when dropped.
type SecretBytes = zeroize::Zeroizing<Vec<u8>>;

/// What a TLS connection gives SCRAM to bind a login to it, so that it cannot
/// be relayed; empty without TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ChannelBinding {
    /// `tls-exporter` (RFC 9266). TLS 1.3 only: under TLS 1.2 it is safe only
    /// with an extended master secret, which rustls does not report.
    pub(crate) exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929 §4): a hash of the leaf. None when its
    /// signature algorithm has no single hash, such as Ed25519.
    pub(crate) server_end_point: Option<Vec<u8>>,
}

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelBinding")
            .field("exporter", &self.exporter.is_some())
            .field("server_end_point", &self.server_end_point.is_some())
            .finish()
    }
}

impl ChannelBinding {
    pub(crate) fn is_available(&self) -> bool {
        self.exporter.is_some() || self.server_end_point.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_channel_binding_says_only_what_there_is() {
        let channel = ChannelBinding { exporter: Some([77; 32]), server_end_point: None };
        let text = format!("{channel:?}");
        assert!(text.contains("exporter: true") && !text.contains("77"), "{text}");
    }
}

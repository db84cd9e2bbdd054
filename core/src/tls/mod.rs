//! TLS: trust, pins, the captured certificate and our own resumption store.
//!
//! One `TlsContext` serves one mailer: roots are loaded once, and all its
//! handshakes share one verifier and one ticket store. The invariants:
//!
//! - A **full** handshake is judged by path, name and pins; when it fails, the
//!   error of *that* handshake carries the report on what was sent.
//! - A **resumed** handshake rests on a full one, and on nothing older than
//!   the rules of the ticket store allow: TLS itself would go on resuming
//!   after the server's certificate expired, was replaced or lost our trust.
//! - No early data (0-RTT) is ever sent, and nothing is installed globally.
//!
//! ```text
//!   handshake ──> Attempt (one per connection)
//!                  ├─ ServerVerifier writes: leaf, chain, earliest notAfter
//!                  └─ tickets that arrive, during or after, are tagged with it
//! ```

mod attempt;
mod context;
mod failure;
mod options;
mod peer;
mod provider;
mod roots;
mod tickets;
mod verifier;

#[cfg(test)]
mod tests;

pub use options::{ClientIdentity, TlsVersion, TrustRoots};

pub use crate::certificate::SpkiPin;

pub(crate) use context::{Resume, TlsContext};
pub(crate) use failure::read as read_failure;
pub(crate) use options::TlsOptions;
pub(crate) use peer::{Agreed, Peer};
pub(crate) use provider::{provider, random_nonce, signing_key};

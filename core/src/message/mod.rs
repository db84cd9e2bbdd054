//! Messages and envelopes.

/// A mailbox as in RFC 5321 §4.1.2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(String);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reverse-path and recipients (RFC 5321 §2.3.1).
#[derive(Clone, Debug)]
pub struct Envelope;

/// A message to send.
#[derive(Clone, Debug)]
pub struct Message;

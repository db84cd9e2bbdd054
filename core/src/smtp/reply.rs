//! Replies (RFC 5321 §4.2).

use std::fmt;

/// An enhanced status code (RFC 3463), such as `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    /// 2 (success), 4 (transient) or 5 (permanent).
    pub class: u8,
    /// The subject, such as 1 for addresses.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

/// A complete reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply;

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reply")
    }
}

//! DNS records beyond addresses, as a parameter: [`Records`].

use std::fmt::Debug;
use std::io;

use crate::network::BoxFuture;

/// Longest text of the other side that is shown, in characters.
const MAX_TEXT: usize = 200;

/// What DNSSEC says about an answer (RFC 4035 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Proven genuine.
    Secure,
    /// From a zone that is not signed, or not validated.
    Insecure,
    /// Proven forged, or broken.
    Bogus,
}

impl Security {
    /// The stable name: `secure`, `insecure` or `bogus`.
    pub fn as_str(self) -> &'static str {
        match self {
            Security::Secure => "secure",
            Security::Insecure => "insecure",
            Security::Bogus => "bogus",
        }
    }
}

/// Records, and what DNSSEC says about them. No records is an answer too: the
/// name, or the type at that name, does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The records.
    pub records: Vec<T>,
    /// What DNSSEC says, of their absence too.
    pub security: Security,
}

/// A mail exchanger (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// Lower is tried first.
    pub preference: u16,
    /// The host's name without a dot at its end; empty for a null MX
    /// (RFC 7505).
    pub exchange: String,
}

/// A TLSA record (RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage: 2 is DANE-TA, 3 is DANE-EE.
    pub usage: u8,
    /// Selector: 0 the certificate, 1 its key.
    pub selector: u8,
    /// Matching type: 0 exact, 1 SHA-256, 2 SHA-512.
    pub matching: u8,
    /// What must match.
    pub data: Vec<u8>,
}

/// Looks up records. May be called from any task at any time; deadlines are
/// the caller's business.
pub trait Records: Debug + Send + Sync {
    /// The mail exchangers of a domain.
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, io::Result<Answer<Mx>>>;

    /// TLSA records at a name such as `_25._tcp.mail.example.org`.
    fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Answer<Tlsa>>>;

    /// TXT records at a name, each with its strings joined.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Answer<String>>>;
}

/// Text of the other side, safe for one line of a log.
pub(super) fn printable(text: &str) -> String {
    let clean = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    let mut chars = text.chars().map(clean);
    let mut kept: String = chars.by_ref().take(MAX_TEXT).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
}

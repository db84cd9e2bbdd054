//! What the server is told to be: capabilities, limits and refusals. All of it
//! may change while the server runs; a session looks at EHLO and at MAIL.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What EHLO offers. Everything is on by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// CHUNKING, that is BDAT (RFC 3030).
    pub chunking: bool,
    /// SIZE with [`Limits::message_size`] (RFC 1870).
    pub size: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034); when off, replies carry none.
    pub enhanced_status_codes: bool,
    /// REQUIRETLS (RFC 8689); only ever offered under TLS.
    pub require_tls: bool,
    /// STARTTLS (RFC 3207); only ever offered before TLS on that listener.
    pub starttls: bool,
    /// AUTH mechanisms in this order; empty: no AUTH line and no AUTH. The
    /// `-PLUS` ones are only offered under TLS, EXTERNAL only to a client with
    /// a certificate.
    pub auth: Vec<String>,
    /// Further lines, as they are.
    pub extra: Vec<String>,
}

/// All that [`Capabilities::auth`] may name, strongest first.
pub(crate) const MECHANISMS: [&str; 10] = [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "CRAM-MD5",
    "PLAIN",
    "LOGIN",
    "XOAUTH2",
    "OAUTHBEARER",
    "EXTERNAL",
];

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities {
            pipelining: true,
            chunking: true,
            size: true,
            eight_bit_mime: true,
            smtp_utf8: true,
            dsn: true,
            enhanced_status_codes: true,
            require_tls: true,
            starttls: true,
            auth: MECHANISMS.iter().map(|&name| name.to_owned()).collect(),
            extra: Vec::new(),
        }
    }
}

/// What the server puts up with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one message, after un-dot-stuffing: 52,428,800.
    pub message_size: u64,
    /// Open connections; a further one is greeted with 421. No limit unless set.
    pub connections: Option<u64>,
    /// Recipients of one message: 1000.
    pub recipients: usize,
    /// Messages in time: MAIL above it is answered with 451. No limit unless set.
    pub rate: Option<Rate>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { message_size: 52_428_800, connections: None, recipients: 1000, rate: None }
    }
}

/// At most so many transactions in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Transactions.
    pub messages: u32,
    /// Seconds of the window.
    pub seconds: f64,
    /// Answer 421 and close instead of 451.
    #[serde(default)]
    pub close: bool,
}

/// Addresses to refuse, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// An address, without brackets; `*` stands for any run of characters.
    pub pattern: String,
    /// The reply without its line end, as in `550 5.1.1 no such user`.
    pub reply: String,
}

impl Refusal {
    /// Refuses what `pattern` fits with `reply`.
    pub fn new(pattern: impl Into<String>, reply: impl Into<String>) -> Self {
        Refusal { pattern: pattern.into(), reply: reply.into() }
    }
}

/// How replies leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyStyle {
    /// All replies to the commands already read, in one write.
    #[default]
    Grouped,
    /// One write per reply.
    Separate,
    /// One write per byte.
    Bytewise,
}

/// Everything that can be changed while the server runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What EHLO offers under TLS, and on the plain listener.
    pub capabilities: Capabilities,
    /// What EHLO offers on the STARTTLS listener before TLS; `None`: the same
    /// without AUTH.
    pub capabilities_before_tls: Option<Capabilities>,
    /// What the server puts up with.
    pub limits: Limits,
    /// Recipients to refuse; the first that fits counts.
    pub refuse_recipients: Vec<Refusal>,
    /// Senders to refuse; the first that fits counts.
    pub refuse_senders: Vec<Refusal>,
    /// Answer DATA with 354 although every recipient was refused, and the
    /// message with 554.
    pub data_without_recipients: bool,
    /// Believe that bare CR and LF end lines, so that `\n.\n` and its kin end
    /// a message: the server that smuggling needs.
    pub bare_lf_smtp: bool,
    /// How replies leave.
    pub reply_style: ReplyStyle,
    /// Seconds to wait before each write of replies, as a long path would.
    pub reply_latency: f64,
    /// Forget the bodies of received messages and keep only what surrounds
    /// them.
    pub forget_bodies: bool,
    /// Take mail without AUTH although credentials are known.
    pub auth_optional: bool,
}

impl Settings {
    pub(crate) fn latency(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.reply_latency).ok().filter(|wait| !wait.is_zero())
    }
}

/// Finds the refusal for `address`, if any.
pub(crate) fn refusal<'a>(refusals: &'a [Refusal], address: &str) -> Option<&'a str> {
    refusals.iter().find(|it| fits(&it.pattern, address)).map(|it| it.reply.as_str())
}

/// Whether `text` fits `pattern`, in which `*` is any run of characters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_fits_whole_addresses_with_stars_for_any_run() {
        assert!(fits("a@b.example", "a@b.example"));
        assert!(!fits("a@b.example", "aa@b.example"));
        assert!(!fits("a@b.example", "a@b.example.org"));
        assert!(fits("*@b.example", "x@b.example"));
        assert!(fits("no*@*.example", "nobody@b.example"));
        assert!(!fits("no*@*.example", "nobody@b.test"));
        assert!(!fits("aa*aa", "aaa"));
        assert!(fits("*", ""));
    }
}

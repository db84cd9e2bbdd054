//! Replies (RFC 5321 §4.2) and the incremental parser that reads them.
//!
//! The parser takes bytes in any split and gives whole replies. What it is
//! strict about, it is strict about by rule: a line ends with CRLF and nothing
//! else, a code is 200 to 599, all lines of a reply carry the same code, and
//! every size has a limit that is checked *before* bytes are kept. A violation
//! poisons the parser for good: after it, nothing the peer says is believed.
//! Text is taken as it comes; what is not UTF-8 is replaced for display.

use std::fmt;

use memchr::memchr;

/// The longest line that is accepted, CRLF included. RFC 4954 §4 allows
/// 12,288 octets for a challenge; no other reply comes near.
const MAX_LINE: usize = 12_288 + 6;
/// The most lines of one reply.
const MAX_LINES: usize = 128;
/// The most bytes of one reply.
const MAX_REPLY: usize = 64 * 1024;

/// An enhanced status code (RFC 3463), such as `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    /// 2 (success), 4 (persistent transient failure) or 5 (permanent failure).
    pub class: u8,
    /// What it concerns, such as 1 for addresses and 7 for security.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads the code at the start of a reply's text, if there is one.
    fn leading(text: &str) -> Option<Self> {
        let word = text.split(' ').next()?;
        let mut parts = word.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |part: &str| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        if parts.next().is_some() || !matches!(class, "2" | "4" | "5") {
            return None;
        }
        Some(EnhancedCode {
            class: class.parse().ok()?,
            subject: number(subject)?,
            detail: number(detail)?,
        })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A complete reply of the server.
///
/// `Display` shows it on one line, control characters escaped and long text
/// cut, so that it can go to a log as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<EnhancedCode>,
    lines: Vec<String>,
}

impl Reply {
    fn new(code: u16, lines: Vec<String>) -> Self {
        // RFC 2034 §4: the class must agree with the first digit of the code.
        let enhanced = lines
            .first()
            .and_then(|line| EnhancedCode::leading(line))
            .filter(|enhanced| u16::from(enhanced.class) == code / 100);
        Reply { code, enhanced, lines }
    }

    /// The code, 200 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code, when the text starts with one that agrees
    /// with the code.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text of each line after the code, enhanced status code included.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// 2yz: done.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3yz: the server waits for more.
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4yz: may work later.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: will not work as it is.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// 4yz or 5yz.
    pub(crate) fn is_negative(&self) -> bool {
        self.code >= 400
    }

    /// 421: the server is closing the connection (RFC 5321 §3.8).
    pub(crate) fn is_closing(&self) -> bool {
        self.code == 421
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 400;
        write!(f, "{}", self.code)?;
        let mut left = SHOWN;
        for (index, line) in self.lines.iter().enumerate() {
            if line.is_empty() {
                continue;
            }
            f.write_str(if index == 0 { " " } else { " / " })?;
            for character in line.chars() {
                if left == 0 {
                    return f.write_str("…");
                }
                left -= 1;
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    fmt::Write::write_char(f, character)?;
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with the bytes of a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("the server sent {0:?}, which is not an SMTP reply")]
    NotAReply(String),
    #[error("the server sent a reply with code {0:?}, which is not in 200 to 599")]
    CodeOutOfRange(String),
    #[error("the server changed the code from {first} to {then} within one reply")]
    CodesDiffer { first: u16, then: u16 },
    #[error("the server ended a line with a bare LF")]
    BareLf,
    #[error("the server sent a CR that is not followed by LF")]
    BareCr,
    #[error("the server sent a line of more than {MAX_LINE} bytes")]
    LineTooLong,
    #[error("the server sent a reply of more than {MAX_LINES} lines")]
    TooManyLines,
    #[error("the server sent a reply of more than {MAX_REPLY} bytes")]
    ReplyTooLong,
}

/// Reads replies from bytes that arrive in any split.
#[derive(Debug, Default)]
pub(crate) struct ReplyParser {
    /// The line being received, without its LF.
    line: Vec<u8>,
    /// The code of the reply being received, once a line of it is complete.
    code: Option<u16>,
    lines: Vec<String>,
    /// Bytes of the reply being received.
    size: usize,
    poisoned: Option<ReplyError>,
}

impl ReplyParser {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of the next reply. Returns how many were
    /// taken, and the reply if it is complete; call again with the rest.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Reply>), ReplyError> {
        if let Some(error) = &self.poisoned {
            return Err(error.clone());
        }
        self.take(input).inspect_err(|error| self.poisoned = Some(error.clone()))
    }

    /// Whether no part of a reply has been received.
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.code.is_none() && self.poisoned.is_none()
    }

    /// The last thing received of an unfinished reply, for an error text.
    pub(crate) fn unfinished(&self) -> Option<String> {
        if !self.line.is_empty() {
            Some(preview(&self.line))
        } else {
            self.code.map(|code| format!("{code}-{}", self.lines.last().map_or("", String::as_str)))
        }
    }

    fn take(&mut self, input: &[u8]) -> Result<(usize, Option<Reply>), ReplyError> {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            if rest.is_empty() {
                return Ok((taken, None));
            }
            let (part, complete) = match memchr(b'\n', rest) {
                Some(at) => (&rest[..at], true),
                None => (rest, false),
            };
            if self.line.len() + part.len() >= MAX_LINE {
                return Err(ReplyError::LineTooLong);
            }
            self.size += part.len() + usize::from(complete);
            if self.size > MAX_REPLY {
                return Err(ReplyError::ReplyTooLong);
            }
            self.line.extend_from_slice(part);
            taken += part.len() + usize::from(complete);
            self.check_partial()?;
            if complete && let Some(reply) = self.end_line()? {
                return Ok((taken, Some(reply)));
            }
        }
    }

    /// What can be told of a line before it is complete: a stream that does
    /// not even start like a reply is refused at once, not at its end.
    fn check_partial(&self) -> Result<(), ReplyError> {
        let digits = self.line.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let well_formed = digits == self.line.len().min(3)
            && self.line.get(3).is_none_or(|byte| matches!(byte, b' ' | b'-' | b'\r'));
        if !well_formed {
            return Err(ReplyError::NotAReply(preview(&self.line)));
        }
        // A CR may only be the last byte, before the LF.
        match memchr(b'\r', &self.line) {
            Some(at) if at + 1 < self.line.len() => Err(ReplyError::BareCr),
            _ => Ok(()),
        }
    }

    fn end_line(&mut self) -> Result<Option<Reply>, ReplyError> {
        let Some((b'\r', line)) = self.line.split_last() else {
            return Err(ReplyError::BareLf);
        };
        if line.len() < 3 {
            return Err(ReplyError::NotAReply(preview(line)));
        }
        let code = line[..3].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        if !(200..=599).contains(&code) {
            return Err(ReplyError::CodeOutOfRange(preview(&line[..3])));
        }
        if let Some(first) = self.code.filter(|first| *first != code) {
            return Err(ReplyError::CodesDiffer { first, then: code });
        }
        if self.lines.len() == MAX_LINES {
            return Err(ReplyError::TooManyLines);
        }
        let last = line.get(3) != Some(&b'-');
        let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned();
        self.lines.push(text);
        self.line.clear();
        if !last {
            self.code = Some(code);
            return Ok(None);
        }
        self.code = None;
        self.size = 0;
        Ok(Some(Reply::new(code, std::mem::take(&mut self.lines))))
    }
}

/// The start of what the server sent, made safe to show.
fn preview(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    if bytes.len() > SHOWN {
        text.push('…');
    }
    text
}

#[cfg(test)]
pub(crate) fn reply(text: &str) -> Reply {
    let wire = text.replace('\n', "\r\n") + "\r\n";
    ReplyParser::new().feed(wire.as_bytes()).expect("well-formed").1.expect("complete")
}

#[cfg(test)]
#[path = "reply_differential.rs"]
mod differential;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Vec<Reply>, ReplyError> {
        parse_split(bytes, bytes.len().max(1))
    }

    fn parse_split(bytes: &[u8], step: usize) -> Result<Vec<Reply>, ReplyError> {
        let mut parser = ReplyParser::new();
        let mut replies = Vec::new();
        for mut part in bytes.chunks(step) {
            while !part.is_empty() {
                let (taken, reply) = parser.feed(part)?;
                replies.extend(reply);
                part = &part[taken..];
            }
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_the_same_at_every_split() {
        let wire = b"220 mx.example.org ESMTP\r\n250-mx\r\n250-SIZE 100\r\n250 HELP\r\n354\r\n\
                     550 5.1.1 <a@b>: \xff no\r\n250-\r\n250 \r\n";
        let whole = parse(wire).unwrap();
        assert_eq!(whole.len(), 5);
        for step in 1..wire.len() {
            assert_eq!(parse_split(wire, step).unwrap(), whole, "split every {step} bytes");
        }
    }

    #[test]
    fn a_reply_has_code_enhanced_code_and_all_lines() {
        let reply = &parse(b"550-5.7.26 first\r\n550 5.7.26 second\r\n").unwrap()[0];
        assert_eq!(reply.code(), 550);
        assert_eq!(reply.enhanced(), Some(EnhancedCode { class: 5, subject: 7, detail: 26 }));
        assert_eq!(reply.lines(), ["5.7.26 first", "5.7.26 second"]);
        assert!(reply.is_permanent() && reply.is_negative() && !reply.is_transient());
        assert_eq!(reply.to_string(), "550 5.7.26 first / 5.7.26 second");
    }

    #[test]
    fn an_enhanced_code_that_contradicts_the_code_is_not_believed() {
        assert_eq!(reply("250 5.1.1 odd").enhanced(), None);
        assert_eq!(reply("250 2.0 odd").enhanced(), None);
        assert_eq!(reply("250 2.0.0.1 odd").enhanced(), None);
        assert_eq!(reply("250 2.0.1234 odd").enhanced(), None);
        assert_eq!(reply("250 2.0.0").enhanced().unwrap().to_string(), "2.0.0");
    }

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(parse(b"250 ok\n"), Err(ReplyError::BareLf));
        assert_eq!(parse(b"250 o\rk\r\n"), Err(ReplyError::BareCr));
        assert_eq!(parse(b"250 ok\r\r\n"), Err(ReplyError::BareCr));
        assert_eq!(parse(b"250-ok\n250 ok\r\n"), Err(ReplyError::BareLf));
    }

    #[test]
    fn codes_outside_200_to_599_are_not_replies() {
        for code in ["000", "100", "199", "600", "999"] {
            let wire = format!("{code} text\r\n");
            assert_eq!(parse(wire.as_bytes()), Err(ReplyError::CodeOutOfRange(code.into())));
        }
    }

    #[test]
    fn a_code_that_changes_within_a_reply_is_refused() {
        let error = parse(b"250-mx\r\n550 HELP\r\n").unwrap_err();
        assert_eq!(error, ReplyError::CodesDiffer { first: 250, then: 550 });
    }

    #[test]
    fn what_does_not_start_like_a_reply_is_refused_before_its_line_ends() {
        for wire in [&b"HTTP/1.1 400"[..], b"25x", b"2", b"25", b"250_", b"\x15\x03\x01", b"+OK"] {
            let partial_number = wire.iter().all(u8::is_ascii_digit);
            assert_eq!(parse(wire).is_err(), !partial_number, "{wire:?}");
        }
        assert!(matches!(parse(b"25\r\n"), Err(ReplyError::NotAReply(_))));
        assert!(matches!(parse(b"\r\n"), Err(ReplyError::NotAReply(_))));
    }

    #[test]
    fn endless_lines_and_endless_replies_are_cut_off() {
        let mut parser = ReplyParser::new();
        parser.feed(b"250 ").unwrap();
        let error = (0..).find_map(|_| parser.feed(&[b'x'; 1000]).err()).unwrap();
        assert_eq!(error, ReplyError::LineTooLong);
        assert!(parser.line.len() <= MAX_LINE);

        let mut parser = ReplyParser::new();
        let error = (0..).find_map(|_| parser.feed(b"250-x\r\n").err()).unwrap();
        assert_eq!(error, ReplyError::TooManyLines);

        let mut parser = ReplyParser::new();
        let line = format!("250-{}\r\n", "x".repeat(1000));
        let error = (0..).find_map(|_| parser.feed(line.as_bytes()).err()).unwrap();
        assert_eq!(error, ReplyError::ReplyTooLong);
    }

    #[test]
    fn what_fits_a_limit_exactly_is_taken_and_one_more_is_not() {
        let line = |length: usize| format!("250 {}\r\n", "x".repeat(length - 6));
        assert!(ReplyParser::new().feed(line(MAX_LINE).as_bytes()).unwrap().1.is_some());
        let longer = ReplyParser::new().feed(line(MAX_LINE + 1).as_bytes());
        assert_eq!(longer, Err(ReplyError::LineTooLong));

        let lines = |count: usize| "250-x\r\n".repeat(count - 1) + "250 x\r\n";
        assert!(ReplyParser::new().feed(lines(MAX_LINES).as_bytes()).unwrap().1.is_some());
        let more = ReplyParser::new().feed(lines(MAX_LINES + 1).as_bytes());
        assert_eq!(more, Err(ReplyError::TooManyLines));
    }

    #[test]
    fn a_violation_poisons_the_parser_for_good() {
        let mut parser = ReplyParser::new();
        let error = parser.feed(b"250 ok\n").unwrap_err();
        assert_eq!(parser.feed(b"250 ok\r\n"), Err(error));
        assert!(!parser.is_empty());
    }

    #[test]
    fn an_unfinished_reply_is_told_apart_from_silence() {
        let mut parser = ReplyParser::new();
        assert!(parser.is_empty() && parser.unfinished().is_none());
        parser.feed(b"25").unwrap();
        assert_eq!(parser.unfinished().as_deref(), Some("25"));
        parser.feed(b"0-mx\r\n").unwrap();
        assert!(!parser.is_empty());
        assert_eq!(parser.unfinished().as_deref(), Some("250-mx"));
    }

    #[test]
    fn display_escapes_control_characters_and_cuts_long_text() {
        assert_eq!(reply("250 a\u{1b}[31m\tb").to_string(), "250 a\\u{1b}[31m\\tb");
        let long = reply(&format!("250 {}", "x".repeat(5000))).to_string();
        assert!(long.len() < 500 && long.ends_with('…'));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_are_all_taken_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..20,
        ) {
            let _ = parse_split(&bytes, step);
        }

        #[test]
        fn well_formed_replies_survive_any_split(
            code in 200u16..600, lines in proptest::collection::vec("[ -~]{0,80}", 1..10), step in 1usize..50,
        ) {
            let last = lines.len() - 1;
            let wire: String = lines
                .iter()
                .enumerate()
                .map(|(i, line)| format!("{code}{}{line}\r\n", if i == last { ' ' } else { '-' }))
                .collect();
            let replies = parse_split(wire.as_bytes(), step).unwrap();
            prop_assert_eq!(replies.len(), 1);
            prop_assert_eq!(replies[0].lines(), &lines[..]);
        }
    }
}

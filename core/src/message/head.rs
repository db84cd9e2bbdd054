//! The head of a message: its header fields up to the empty line (RFC 5322
//! §2.2), read without touching the body.
//!
//! Line ends are taken here as they are everywhere in this module: CRLF, a
//! lone CR and a lone LF each end a line. So the head is what every server
//! will see as head, and no `Bcc` can hide behind a line end that only others
//! believe in.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::address_list::parse_list;
use super::{Envelope, Mailbox, Recipient};
use crate::Error;

/// Octets that a head may have.
pub(crate) const MAX_HEAD: usize = 1024 * 1024;

/// Finds the end of the head in content that arrives piece by piece.
#[derive(Debug, Default)]
pub(crate) struct HeadFinder {
    /// Where the last line that was looked at begins.
    line: usize,
    /// Up to where it is known to have no end.
    known: usize,
}

/// Where the head ends and the body begins; between them is the empty line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadEnd {
    pub(crate) head: usize,
    pub(crate) body: usize,
}

impl HeadFinder {
    /// Looks at the content so far, which only ever grows. `None`: more is
    /// needed. A message without an empty line is all head.
    ///
    /// # Errors
    /// When the head is longer than 1 MiB.
    pub(crate) fn find(&mut self, content: &[u8], is_all: bool) -> Result<Option<HeadEnd>, Error> {
        while let Some(offset) = memchr2(b'\r', b'\n', &content[self.known..]) {
            let end = self.known + offset;
            self.known = end;
            let next = match content[end..] {
                [b'\r', b'\n', ..] => end + 2,
                // Whether this CR is alone shows with the next byte.
                [b'\r'] if !is_all => return self.check(end).map(|()| None),
                _ => end + 1,
            };
            self.check(end)?;
            if end == self.line {
                return Ok(Some(HeadEnd { head: self.line, body: next }));
            }
            (self.line, self.known) = (next, next);
        }
        self.known = content.len();
        self.check(content.len())?;
        Ok(is_all.then_some(HeadEnd { head: content.len(), body: content.len() }))
    }

    fn check(&self, length: usize) -> Result<(), Error> {
        if length <= MAX_HEAD {
            return Ok(());
        }
        Err(Error::message("the header of the message is longer than 1 MiB")
            .with_hint("an empty line must separate the header from the body"))
    }
}

/// A header field: `name: value`, with its continuation lines.
#[derive(Clone, Debug)]
struct Field {
    name: Range<usize>,
    /// From after the colon to before the last line end.
    value: Range<usize>,
    /// The whole field, without its last line end.
    whole: Range<usize>,
}

/// A head that is known to consist of header fields.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    bytes: &'a [u8],
    fields: Vec<Field>,
}

impl<'a> Head<'a> {
    /// Splits the head into fields.
    ///
    /// # Errors
    /// When it holds NUL, or a line that is not part of a field. A lenient
    /// reader would take such a line for the start of the body, and then a
    /// `Bcc` after it would be sent to everybody.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if memchr(0, bytes).is_some() {
            return Err(Error::message("the header of the message holds a NUL byte")
                .with_hint("encode the message as text before it is sent"));
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut start = 0;
        let mut number = 0;
        while start < bytes.len() {
            number += 1;
            let length = memchr2(b'\r', b'\n', &bytes[start..]).unwrap_or(bytes.len() - start);
            let end = start + length;
            let line = &bytes[start..end];
            match (line.first(), fields.last_mut()) {
                (Some(b' ' | b'\t'), Some(field)) => {
                    field.value.end = end;
                    field.whole.end = end;
                }
                _ => {
                    let (name, value) = field_name(line).ok_or_else(|| not_a_field(number))?;
                    fields.push(Field {
                        name: start..start + name,
                        value: start + value..end,
                        whole: start..end,
                    });
                }
            }
            start = end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
        }
        Ok(Head { bytes, fields })
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| {
            self.bytes[field.name.clone()].eq_ignore_ascii_case(name.as_bytes())
        })
    }

    /// The value of the first field of that name that is not empty, unfolded.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.named(name).map(|field| self.unfolded(field)).find(|value| !value.is_empty())
    }

    fn unfolded(&self, field: &Field) -> String {
        let value = String::from_utf8_lossy(&self.bytes[field.value.clone()]);
        value.replace(['\r', '\n'], "").trim().to_owned()
    }

    /// Blind copies are not sent, and a Date or Message-ID without a value
    /// gives way to a new one.
    fn is_sent(&self, field: &Field) -> bool {
        let name = &self.bytes[field.name.clone()];
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let is_empty = || self.unfolded(field).is_empty();
        !(is("Bcc") || is("Resent-Bcc") || (is("Message-ID") || is("Date")) && is_empty())
    }

    /// Whether a field that is sent shows characters that only SMTPUTF8 allows there
    /// (RFC 6531 §3.4, RFC 6532). Bytes that are not UTF-8 are no part of it.
    pub(crate) fn needs_smtputf8(&self) -> bool {
        self.fields.iter().filter(|field| self.is_sent(field)).any(|field| {
            let field = &self.bytes[field.whole.clone()];
            !field.is_ascii() && std::str::from_utf8(field).is_ok()
        })
    }

    /// The envelope that the header gives: from Sender or else the first of
    /// From, to all of To, Cc and Bcc.
    ///
    /// # Errors
    /// When a field cannot be read, there is no sender or no recipient, or the
    /// message was resent, for then it is not plain who shall get it.
    pub(crate) fn envelope(&self) -> Result<Envelope, Error> {
        if self.fields.iter().any(|f| starts_with(&self.bytes[f.name.clone()], "Resent-")) {
            return Err(Error::message("the message has Resent- fields, which give no envelope")
                .with_hint("give the envelope with the message"));
        }
        let sender = match self.mailboxes("Sender")?.into_iter().next() {
            Some(sender) => sender,
            None => self.mailboxes("From")?.into_iter().next().ok_or_else(|| {
                Error::message("the message has neither Sender nor From")
                    .with_hint("add a From field, or give the envelope with the message")
            })?,
        };
        let mut recipients = Vec::new();
        for name in ["To", "Cc", "Bcc"] {
            recipients.extend(self.mailboxes(name)?);
        }
        Envelope::from_recipients(
            Some(sender.address().clone()),
            recipients.into_iter().map(|mailbox| Recipient::new(mailbox.address().clone())),
        )
    }

    fn mailboxes(&self, name: &str) -> Result<Vec<Mailbox>, Error> {
        let mut mailboxes = Vec::new();
        for field in self.named(name) {
            let read = std::str::from_utf8(&self.bytes[field.value.clone()])
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(parse_list);
            mailboxes.extend(read.map_err(|reason| {
                Error::message(format!("the {name} field cannot be read: {reason}"))
                    .with_hint("correct the field, or give the envelope with the message")
            })?);
        }
        Ok(mailboxes)
    }

    /// The address of the first author, if it can be read.
    pub(crate) fn author(&self) -> Option<Mailbox> {
        self.mailboxes("From").ok()?.into_iter().next()
    }

    /// The head as it is sent: every line ended by CRLF, the blind copies
    /// gone, `extra` fields (whole lines with CRLF) at its end, and the empty
    /// line.
    pub(crate) fn rewritten(&self, extra: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + extra.len() + 64);
        for field in self.fields.iter().filter(|field| self.is_sent(field)) {
            let mut rest = &self.bytes[field.whole.clone()];
            while let Some(end) = memchr2(b'\r', b'\n', rest) {
                out.extend_from_slice(&rest[..end]);
                out.extend_from_slice(b"\r\n");
                rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
            }
            out.extend_from_slice(rest);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(extra.as_bytes());
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// The lengths of a field's name, and of all before its value. White space
/// before the colon is obsolete (RFC 5322 §4.5) but read, lest `Bcc :` stay.
fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some((name.len(), colon + 1))
}

fn starts_with(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn not_a_field(number: usize) -> Error {
    Error::message(format!("line {number} of the message is no header field"))
        .with_hint("a message is header fields (Name: value), an empty line, and the body")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(content: &[u8]) -> (&[u8], &[u8]) {
        let end = HeadFinder::default().find(content, true).unwrap().unwrap();
        (&content[..end.head], &content[end.body..])
    }

    fn sent(head: &str) -> String {
        String::from_utf8(Head::parse(head.as_bytes()).unwrap().rewritten("")).unwrap()
    }

    fn recipients(head: &str) -> Vec<String> {
        let envelope = Head::parse(head.as_bytes()).unwrap().envelope().unwrap();
        envelope.recipients().iter().map(|r| r.address().to_string()).collect()
    }

    #[test]
    fn the_head_ends_at_the_first_empty_line_of_any_kind() {
        for (content, head, body) in [
            (&b"A: b\r\n\r\nbody"[..], &b"A: b\r\n"[..], &b"body"[..]),
            (b"A: b\n\nbody", b"A: b\n", b"body"),
            (b"A: b\r\rbody", b"A: b\r", b"body"),
            (b"A: b\n\r\nbody", b"A: b\n", b"body"),
            (b"A: b\r\r\nbody", b"A: b\r", b"body"),
            (b"\r\nbody", b"", b"body"),
            (b"A: b\r\n", b"A: b\r\n", b""),
            (b"A: b", b"A: b", b""),
            (b"", b"", b""),
            (b"A: b\r\n\r", b"A: b\r\n", b""),
        ] {
            assert_eq!(split(content), (head, body), "{content:?}");
            // Piece by piece, the same end is found.
            let mut finder = HeadFinder::default();
            let found = (0..content.len())
                .find_map(|n| finder.find(&content[..n], false).unwrap())
                .or_else(|| finder.find(content, true).unwrap())
                .unwrap();
            assert_eq!((&content[..found.head], &content[found.body..]), (head, body));
        }
    }

    #[test]
    fn a_head_longer_than_a_mebibyte_is_refused() {
        let long = vec![b'a'; MAX_HEAD + 1];
        assert!(HeadFinder::default().find(&long, false).is_err());
        let many = b"A: b\r\n".repeat(MAX_HEAD / 6 + 1);
        assert!(HeadFinder::default().find(&many, false).is_err());
    }

    #[test]
    fn blind_copies_never_leave_however_they_are_written() {
        for head in [
            "To: a@x.y\r\nBcc: s@x.y\r\nSubject: hi\r\n",
            "To: a@x.y\r\nbCC : s@x.y,\r\n  s@z.y\r\nSubject: hi\r\n",
            "To: a@x.y\nBcc:\n\ts@x.y\nSubject: hi",
            "To: a@x.y\rBcc: s@x.y\rSubject: hi\r",
            "Bcc: s@x.y\r\nTo: a@x.y\r\nResent-Bcc: s@x.y\r\nSubject: hi\r\nBcc: s@x.y\r\n",
        ] {
            assert_eq!(sent(head), "To: a@x.y\r\nSubject: hi\r\n\r\n", "{head:?}");
        }
    }

    #[test]
    fn every_other_field_leaves_as_it_came() {
        let head = "Return-Path: <a@x.y>\r\nSubject: a\r\n  b\r\n\tc\r\nX-Bcc: kept\r\n.x: 1\r\n";
        assert_eq!(sent(head), format!("{head}\r\n"));
    }

    #[test]
    fn a_line_that_is_no_field_is_refused_and_named() {
        for (head, line) in [
            ("hello\r\n", "line 1"),
            ("A: b\r\nFrom ann Sat Nov 21\r\nBcc: s@x.y\r\n", "line 2"),
            (" folded\r\n", "line 1"),
            ("\u{feff}From: a@x.y\r\n", "line 1"),
            (": x\r\n", "line 1"),
            ("A B: x\r\n", "line 1"),
        ] {
            let error = Head::parse(head.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
        assert!(Head::parse(b"A: \0\r\n").unwrap_err().to_string().contains("NUL"));
    }

    #[test]
    fn recipients_are_all_of_to_cc_and_bcc() {
        let head = "From: ann@x.y\r\nTo: a@x.y,\r\n B <b@x.y>\r\nCC: Team: c@x.y;\r\n\
                    bcc: d@x.y\r\nTo: e@x.y, a@x.y\r\n";
        assert_eq!(recipients(head), ["a@x.y", "b@x.y", "e@x.y", "c@x.y", "d@x.y"]);
    }

    #[test]
    fn the_sender_is_sender_or_else_the_first_author() {
        let from = |head: &str| {
            let envelope = Head::parse(head.as_bytes()).unwrap().envelope().unwrap();
            envelope.reverse_path().unwrap().to_string()
        };
        assert_eq!(from("To: a@x.y\nFrom: Ann <ann@x.y>, b@x.y\n"), "ann@x.y");
        assert_eq!(from("To: a@x.y\nFrom: ann@x.y, b@x.y\nSender: s@x.y\n"), "s@x.y");
    }

    #[test]
    fn a_header_that_gives_no_envelope_says_which_field_is_wrong() {
        for (head, named) in [
            ("To: a@x.y\n", "From"),
            ("From: a@x.y\n", "recipient"),
            ("From: a@x.y\nTo: Bob\n", "To"),
            ("From: a@x.y\nTo: b@x.y\nCc: <oops\n", "Cc"),
            ("From: a@x.y\nTo: b@x.y\nResent-To: c@x.y\n", "Resent-"),
        ] {
            let error = Head::parse(head.as_bytes()).unwrap().envelope().unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
            assert!(error.hint().is_some());
        }
    }
}

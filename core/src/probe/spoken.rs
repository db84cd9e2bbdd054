//! What a server speaks, told from its first bytes: [`Spoken`].

use crate::smtp::Reply;
use crate::smtp::reply::ReplyParser;

/// How much of a server's first bytes is kept and looked at.
pub(crate) const LOOKED_AT: usize = 512;

/// How much of it a message shows.
const SHOWN: usize = 60;

/// A protocol, by the first bytes of its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Nothing was said.
    Nothing,
    /// A reply, whole if it fitted.
    Smtp(Option<Reply>),
    /// A TLS record.
    Tls,
    /// Another protocol that has a name.
    Other(&'static str),
    /// Something without a name here.
    Unknown,
}

impl Spoken {
    /// Recognises the protocol whose server begins with `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let named: [(&[u8], &str); 9] = [
            (b"HTTP/", "HTTP"),
            (b"<html", "HTTP"),
            (b"<!doctype", "HTTP"),
            (b"SSH-", "SSH"),
            (b"* OK", "IMAP"),
            (b"* BYE", "IMAP"),
            (b"* PREAUTH", "IMAP"),
            (b"+OK", "POP3"),
            (b"-ERR", "POP3"),
        ];
        let begins = |start: &[u8]| {
            bytes.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        };
        match bytes {
            [] => Spoken::Nothing,
            // A handshake message or an alert, of any version (RFC 8446 §5.1).
            [0x15 | 0x16, 3, ..] => Spoken::Tls,
            [a, b, c, b' ' | b'-', ..] if [a, b, c].iter().all(|byte| byte.is_ascii_digit()) => {
                let whole = ReplyParser::new().feed(bytes);
                Spoken::Smtp(whole.ok().and_then(|(_, reply)| reply))
            }
            _ => match named.iter().find(|(start, _)| begins(start)) {
                Some((_, name)) => Spoken::Other(name),
                None => Spoken::Unknown,
            },
        }
    }

    /// Whether it is text, and so certainly no TLS.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Spoken::Smtp(_) | Spoken::Other(_))
    }
}

/// The first line of what a server said, safe for one line of a log.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let cut = &line[..line.len().min(SHOWN)];
    let ellipsis = if line.len() > SHOWN { "…" } else { "" };
    format!("{}{ellipsis}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_bytes() {
        assert_eq!(Spoken::of(b""), Spoken::Nothing);
        assert_eq!(Spoken::of(b"HTTP/1.1 400 Bad Request\r\n"), Spoken::Other("HTTP"));
        assert_eq!(Spoken::of(b"<!DOCTYPE html>"), Spoken::Other("HTTP"));
        assert_eq!(Spoken::of(b"SSH-2.0-OpenSSH_9.2p1"), Spoken::Other("SSH"));
        assert_eq!(Spoken::of(b"* OK [CAPABILITY IMAP4rev1]"), Spoken::Other("IMAP"));
        assert_eq!(Spoken::of(b"+OK Dovecot ready.\r\n"), Spoken::Other("POP3"));
        assert_eq!(Spoken::of(b"\x16\x03\x03\0\x7a"), Spoken::Tls);
        assert_eq!(Spoken::of(b"\x15\x03\x01\0\x02"), Spoken::Tls);
        assert_eq!(Spoken::of(b"hello there"), Spoken::Unknown);
        assert_eq!(Spoken::of(b"220-mx.exam"), Spoken::Smtp(None));
        let Spoken::Smtp(Some(reply)) = Spoken::of(b"220 mx ESMTP\r\nmore") else {
            panic!("not a reply")
        };
        assert_eq!(reply.to_string(), "220 mx ESMTP");
    }

    #[test]
    fn what_is_shown_is_one_printable_line_of_bounded_length() {
        assert_eq!(shown(b"220 mx\r\n250 x"), "220 mx");
        assert_eq!(shown(b"\x1b[31m\xff"), "\\x1b[31m\\xff");
        assert!(shown(&[b'x'; 4000]).chars().count() <= SHOWN + 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Spoken::of(&bytes);
            prop_assert!(!shown(&bytes).contains(char::is_control));
        }
    }
}

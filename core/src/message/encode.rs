//! From any bytes to lines ended by CRLF, with dots stuffed for DATA
//! (RFC 5321 §4.5.2) or plain for BDAT (RFC 3030).
//!
//! ```text
//!            other byte            CR: emit CRLF
//!  line start ───────▶ in line ───────────────▶ after CR ──LF: drop──▶ line start
//!      ▲                  │ LF: emit CRLF           │ other: as at line start
//!      └──────────────────┘                         ▼
//! ```
//!
//! A line end is emitted as soon as its first byte is seen, so nothing is held
//! back between pieces and any split gives the same bytes. A bare LF or CR
//! never leaves, which is what keeps `\n.\n` and its kin from ending the
//! message on a server that is lax about line ends.

use memchr::memchr2;

/// How the content travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// DATA: a dot is put before each line that begins with one.
    Dot,
    /// BDAT: the content itself.
    Chunk,
}

/// What ends the data after DATA; it follows content that ends with CRLF, or
/// that is empty.
#[cfg(test)]
pub(crate) const END_OF_DATA: &[u8] = b".\r\n";

/// The encoder's state between two pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder {
    at_line_start: bool,
    after_cr: bool,
    /// Octets of content emitted, without stuffed dots.
    emitted: u64,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Encoder { at_line_start: true, after_cr: false, emitted: 0 }
    }

    /// Octets of content emitted so far; stuffed dots do not count.
    pub(crate) fn emitted(&self) -> u64 {
        self.emitted
    }

    /// Appends the encoding of `piece`: at most twice its length.
    pub(crate) fn push(&mut self, piece: &[u8], framing: Framing, out: &mut Vec<u8>) {
        let start = out.len();
        let mut dots = 0;
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            if self.at_line_start && first == b'.' && framing == Framing::Dot {
                out.push(b'.');
                dots += 1;
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                out.extend_from_slice(rest);
                self.at_line_start = false;
                break;
            };
            out.extend_from_slice(&rest[..end]);
            out.extend_from_slice(b"\r\n");
            self.at_line_start = true;
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
        self.emitted += (out.len() - start) as u64 - dots;
    }

    /// Appends `piece` as it is: only for content that a
    /// [`Scan`](super::scan::Scan) has found verbatim as a whole, and that
    /// begins at a line start. Verbatim content is never mixed with other
    /// content inside a line.
    pub(crate) fn push_verbatim(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let Some(&last) = piece.last() else { return };
        out.extend_from_slice(piece);
        self.emitted += piece.len() as u64;
        self.at_line_start = last == b'\n';
        self.after_cr = false;
    }

    /// Ends the last line if it is not.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
            self.emitted += 2;
            self.at_line_start = true;
        }
    }
}

/// Every line end as CRLF, written without cleverness, to hold the encoder
/// against.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn canonical(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend(b"\r\n");
            }
            b'\n' => out.extend(b"\r\n"),
            other => out.push(other),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scan;
    use super::*;
    use proptest::prelude::*;

    const HOSTILE: [&[u8]; 14] = [
        b"",
        b".",
        b"..",
        b"\n.\n",
        b"\r.\r",
        b"\r\n.\n",
        b"\n.\r\n",
        b"\r.\r\n",
        b"\r\n.\r\n",
        b"\n.",
        b"a\r\n.\rb",
        b"a\n\r.\nb",
        b"\r\r\n.\r\n\r",
        b"x\n.\nMAIL FROM:<evil@example.org>\r\n",
    ];

    fn encode(pieces: &[&[u8]], framing: Framing) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut out = Vec::new();
        for piece in pieces {
            encoder.push(piece, framing, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    /// A server as lax as any: a line ends with CRLF, LF or CR, and a lone dot
    /// on a line ends the data. Gives the content and what was left over.
    fn lax_server(wire: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut content = Vec::new();
        let mut rest = wire;
        loop {
            let end = memchr2(b'\r', b'\n', rest).expect("the data must end");
            let after = if rest[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 };
            let line = &rest[..end];
            rest = &rest[after..];
            if line == b"." {
                return (content, rest.to_vec());
            }
            content.extend(line.strip_prefix(b".").unwrap_or(line));
            content.extend(b"\r\n");
        }
    }

    fn check(content: &[u8], at: usize) {
        let (left, right) = content.split_at(at);
        let mut wire = encode(&[left, right], Framing::Dot);
        wire.extend(END_OF_DATA);
        assert_eq!(lax_server(&wire), (canonical(content), Vec::new()), "{content:?} at {at}");
        let chunk = encode(&[left, right], Framing::Chunk);
        assert_eq!(chunk, canonical(content));
        assert_eq!(chunk.len() as u64, Scan::of(content).size());
    }

    #[test]
    fn no_body_ends_the_message_early_even_on_a_lax_server() {
        for content in HOSTILE {
            for at in 0..=content.len() {
                check(content, at);
            }
        }
    }

    #[test]
    fn content_that_ends_its_last_line_gets_no_extra_empty_line() {
        assert_eq!(encode(&[b"a\r\n"], Framing::Dot), b"a\r\n");
        assert_eq!(encode(&[b"a"], Framing::Dot), b"a\r\n");
        assert_eq!(encode(&[b""], Framing::Dot), b"");
        assert_eq!(encode(&[b"a\r"], Framing::Chunk), b"a\r\n");
    }

    #[test]
    fn verbatim_content_is_its_own_encoding() {
        let content = b"one\r\ntwo.\r\n\r\nthree";
        assert!(Scan::of(content).is_verbatim());
        for at in 0..=content.len() {
            let mut encoder = Encoder::new();
            let mut out = Vec::new();
            encoder.push_verbatim(&content[..at], &mut out);
            encoder.push_verbatim(&content[at..], &mut out);
            encoder.finish(&mut out);
            assert_eq!(out, encode(&[content], Framing::Dot));
            assert_eq!(encoder.emitted(), out.len() as u64);
        }
    }

    proptest! {
        #[test]
        fn encoding_decodes_to_the_canonical_content_at_every_split(
            content in prop::collection::vec(prop::sample::select(&b"\r\n..a\xff"[..]), 0..24),
        ) {
            for at in 0..=content.len() {
                check(&content, at);
            }
            if Scan::of(&content).is_verbatim() {
                let mut out = content.clone();
                if !out.is_empty() && !out.ends_with(b"\r\n") { out.extend(b"\r\n"); }
                prop_assert_eq!(encode(&[&content], Framing::Dot), out);
            }
        }
    }
}

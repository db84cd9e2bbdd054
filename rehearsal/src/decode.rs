//! The end of a message in a stream of bytes, and un-dot-stuffing.
//!
//! RFC 5321 §4.5.2, byte by byte, so that any split of the input gives the
//! same message. In the vulnerable personality bare CR and LF end lines too.

/// Decodes one message body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder {
    state: State,
    bare_ends: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    LineStart,
    /// A dot began the line and was held back.
    Dot,
    /// A dot and a CR.
    DotCr,
    /// Within a line.
    Middle,
    /// After a CR within a line.
    Cr,
}

/// How far a [`Decoder`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes of the input that were used.
    pub(crate) used: usize,
    /// The message has ended.
    pub(crate) done: bool,
}

impl Decoder {
    pub(crate) fn new(bare_ends: bool) -> Self {
        Decoder { state: State::LineStart, bare_ends }
    }

    /// Uses up `input` until the end of the message, handing on what belongs
    /// to it.
    pub(crate) fn push(&mut self, input: &[u8], mut out: impl FnMut(&[u8])) -> Progress {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            match self.state {
                State::Middle => {
                    let rest = &input[at..];
                    let end = if self.bare_ends {
                        memchr::memchr2(b'\r', b'\n', rest)
                    } else {
                        memchr::memchr(b'\r', rest)
                    };
                    let Some(end) = end else {
                        out(rest);
                        return Progress { used: input.len(), done: false };
                    };
                    out(&rest[..=end]);
                    at += end;
                    self.state = if rest[end] == b'\n' { State::LineStart } else { State::Cr };
                }
                State::Cr if byte == b'\n' => {
                    out(b"\n");
                    self.state = State::LineStart;
                }
                State::Cr if self.bare_ends => {
                    self.state = State::LineStart;
                    continue;
                }
                State::Cr => {
                    self.state = State::Middle;
                    continue;
                }
                State::LineStart if byte == b'.' => self.state = State::Dot,
                State::LineStart => {
                    self.state = State::Middle;
                    continue;
                }
                State::Dot if byte == b'\r' => self.state = State::DotCr,
                State::Dot if byte == b'\n' && self.bare_ends => {
                    return Progress { used: at + 1, done: true };
                }
                State::Dot => {
                    self.state = State::Middle;
                    continue;
                }
                State::DotCr if byte == b'\n' => return Progress { used: at + 1, done: true },
                // A bare CR ended it: the byte in hand begins what follows.
                State::DotCr if self.bare_ends => return Progress { used: at, done: true },
                State::DotCr => {
                    out(b"\r");
                    self.state = State::Cr;
                    continue;
                }
            }
            at += 1;
        }
        Progress { used: input.len(), done: false }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Decoder;

    /// Decodes in pieces of `step` bytes; the message and what was left over.
    fn decode(input: &[u8], step: usize, bare_ends: bool) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut decoder = Decoder::new(bare_ends);
        let mut message = Vec::new();
        let mut used = 0;
        for piece in input.chunks(step) {
            let progress = decoder.push(piece, |bytes| message.extend_from_slice(bytes));
            used += progress.used;
            if progress.done {
                return Some((message, input[used..].to_vec()));
            }
        }
        None
    }

    /// Dot-stuffs by the book.
    fn stuff(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line_start = true;
        for (index, &byte) in message.iter().enumerate() {
            if line_start && byte == b'.' {
                out.push(b'.');
            }
            out.push(byte);
            line_start = byte == b'\n' && index > 0 && message[index - 1] == b'\r';
        }
        if !line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message() {
        for not_an_end in ["a\n.\n", "a\r.\r", "a\r\n.\n", "a\n.\r\n", "a\r\n.\r"] {
            assert_eq!(decode(not_an_end.as_bytes(), 1, false), None, "{not_an_end:?}");
        }
        assert_eq!(
            decode(b"a\r\n.\r\nMAIL", 1, false),
            Some((b"a\r\n".to_vec(), b"MAIL".to_vec()))
        );
        assert_eq!(decode(b".\r\n", 9, false), Some((vec![], vec![])));
    }

    #[test]
    fn the_vulnerable_server_believes_bare_line_ends() {
        for end in ["\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n", "\r\n.\r\n", "\r\n.\r"] {
            for step in [1, 100] {
                let input = format!("a{end}MAIL");
                let (message, rest) = decode(input.as_bytes(), step, true).expect(end);
                assert!(message.starts_with(b"a"), "{end:?}");
                assert_eq!(rest, b"MAIL", "{end:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_stuffed_message_comes_back_whole_at_any_split(
            text in "[a.\r\n]{0,60}",
            step in 1usize..20,
        ) {
            let stuffed = stuff(text.as_bytes());
            let (message, rest) = decode(&stuffed, step, false).expect("it has an end");
            let mut expected = text.into_bytes();
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(message, expected);
            prop_assert!(rest.is_empty());
        }
    }
}

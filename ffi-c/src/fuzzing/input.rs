//! The bytes of an input, as what calls take.

use std::ffi::c_char;
use std::ptr;

use crate::EVERPOST_NUL;

/// A program, read from its beginning.
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Input { rest: data }
    }

    /// The letter of the next call.
    pub(super) fn call(&mut self) -> Option<u8> {
        let blank = self.rest.iter().take_while(|byte| matches!(byte, b'\n' | b' ')).count();
        self.rest = &self.rest[blank..];
        (!self.rest.is_empty()).then(|| self.byte())
    }

    /// A decision; 0 when there is none.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// One of them.
    pub(super) fn among<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// What stands up to the end of the line.
    pub(super) fn text(&mut self) -> Text {
        let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Text::new(line)
    }
}

/// A text as an argument: bytes, and what is said of their length.
pub(super) struct Text {
    bytes: Option<Box<[u8]>>,
    len: usize,
}

impl Text {
    /// As a line says it: `!` is NULL without length and `?` NULL with one,
    /// `$` ends with a NUL, `%` is said to be longer than memory. In the text
    /// a CR alone stands for a line end.
    fn new(line: &[u8]) -> Text {
        let (form, text) = match line.split_first() {
            Some((form @ (b'!' | b'?' | b'$' | b'%'), text)) => (*form, text),
            _ => (b' ', line),
        };
        let mut bytes = Vec::with_capacity(text.len() + 1);
        for byte in text {
            bytes.push(*byte);
            if *byte == b'\r' {
                bytes.push(b'\n');
            }
        }
        match form {
            b'!' => Text { bytes: None, len: 0 },
            b'?' => Text { bytes: None, len: 7 },
            b'$' => {
                bytes.push(0);
                Text { bytes: Some(bytes.into()), len: EVERPOST_NUL }
            }
            b'%' => Text { bytes: Some(bytes.into()), len: EVERPOST_NUL - 1 },
            _ => Text::of(bytes),
        }
    }

    /// Exactly these bytes.
    pub(super) fn of(bytes: impl Into<Box<[u8]>>) -> Text {
        let bytes = bytes.into();
        Text { len: bytes.len(), bytes: Some(bytes) }
    }

    /// Whether a word is in it.
    pub(super) fn has(&self, word: &str) -> bool {
        let mut parts = self.bytes.iter().flat_map(|bytes| bytes.windows(word.len()));
        parts.any(|part| part == word.as_bytes())
    }

    pub(super) fn bytes(&self) -> *const u8 {
        self.bytes.as_ref().map_or(ptr::null(), |bytes| bytes.as_ptr())
    }

    pub(super) fn data(&self) -> *const c_char {
        self.bytes().cast()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

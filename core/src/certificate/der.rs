//! A small reader of DER (X.690), for what the certificate parsers leave out:
//! the outer shell of signed structures, TLS features and OCSP responses.
//!
//! Invariant: it only ever looks at a part of its input and never panics;
//! whatever is not definite-length DER with one-byte tags is `None`.

use std::time::SystemTime;

use time::{Date, Month, PrimitiveDateTime, Time};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[number]`, constructed: the tag of an explicit field.
pub(super) const fn explicit(number: u8) -> u8 {
    0xa0 | number
}

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

/// One element: its tag, its content, and both with the length between them.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Reader(der)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, whatever it is.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let (tag, after_tag) = self.0.split_first()?;
        // Tags above 30 take more bytes, and nothing read here has one.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, after_length) = after_tag.split_first()?;
        let (length, body) = match *first {
            short @ 0..=0x7f => (usize::from(short), after_length),
            long @ 0x81..=0x83 => {
                let (digits, body) = after_length.split_at_checked(usize::from(long & 0x7f))?;
                let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
                // DER has one way to write a length: the shortest.
                let least = if digits.len() == 1 { 0x80 } else { 1 << (8 * (digits.len() - 1)) };
                if length < least {
                    return None;
                }
                (length, body)
            }
            _ => return None,
        };
        let (content, rest) = body.split_at_checked(length)?;
        let (whole, _) = self.0.split_at_checked(self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Element { tag: *tag, content, whole })
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|element| element.tag == tag).map(|element| element.content)
    }

    /// A reader of the next element, which must have this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.take(tag).map(Reader)
    }

    /// The content of the next element if it has this tag; else nothing is
    /// read.
    pub(super) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.take(tag) } else { None }
    }
}

/// Something signed, as certificates, revocation lists and OCSP responses are:
/// `SEQUENCE { content, algorithm, signature }`.
pub(super) struct Signed<'a> {
    /// What was signed, tag and length included.
    pub(super) message: &'a [u8],
    /// The content of the AlgorithmIdentifier.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    /// What follows the signature.
    pub(super) rest: Reader<'a>,
}

impl<'a> Signed<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(der).enter(SEQUENCE)?;
        let message = fields.any().filter(|element| element.tag == SEQUENCE)?.whole;
        let algorithm = fields.take(SEQUENCE)?;
        let signature = whole_bytes(fields.take(BIT_STRING)?)?;
        Some(Signed { message, algorithm, signature, rest: fields })
    }

    /// As [`read`](Self::read), where nothing follows the signature:
    /// certificates and revocation lists.
    pub(super) fn read_alone(der: &'a [u8]) -> Option<Self> {
        Signed::read(der).filter(|signed| signed.rest.is_empty())
    }
}

/// The bytes of a BIT STRING that has no odd bits.
pub(super) fn whole_bytes(bits: &[u8]) -> Option<&[u8]> {
    bits.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}

/// `20300101000000Z`: GeneralizedTime as RFC 5280 §4.1.2.5.2 has it.
pub(super) fn generalized_time(text: &[u8]) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z").filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| -> Option<u16> {
        let digits = std::str::from_utf8(digits.get(from..to)?).ok()?;
        if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let small = |from: usize| u8::try_from(number(from, from + 2)?).ok();
    let month = Month::try_from(small(4)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6)?).ok()?;
    let time = Time::from_hms(small(8)?, small(10)?, small(12)?).ok()?;
    let moment = PrimitiveDateTime::new(date, time).assume_utc();
    Some(super::when::from_unix(moment.unix_timestamp()))
}

/// A SEQUENCE around `content`: the path library holds names and keys without
/// it.
pub(super) fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![SEQUENCE];
    match digits {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        _ => {
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            der.extend_from_slice(digits);
        }
    }
    der.extend_from_slice(content);
    der
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_never_past_their_end(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let mut read = 0;
            while let Some(element) = reader.any() {
                prop_assert!(element.content.len() < element.whole.len());
                read += element.whole.len();
            }
            prop_assert!(read <= bytes.len());
            let _ = Signed::read(&bytes);
            let _ = generalized_time(&bytes);
        }

        #[test]
        fn a_sequence_reads_back_whatever_its_length(length in 0usize..70_000) {
            let content = vec![7; length];
            let der = sequence(&content);
            let mut reader = Reader::new(&der);
            prop_assert_eq!(reader.take(SEQUENCE), Some(&content[..]));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn an_element_of_another_tag_or_longer_than_the_input_is_refused() {
        assert_eq!(Reader::new(&[INTEGER, 1, 5]).take(SEQUENCE), None);
        assert_eq!(Reader::new(&[INTEGER, 2, 5]).take(INTEGER), None);
        assert_eq!(Reader::new(&[INTEGER, 0x80]).take(INTEGER), None);
        assert_eq!(Reader::new(&[INTEGER, 0x81, 1, 5]).take(INTEGER), None);
        assert_eq!(Reader::new(&[INTEGER, 0x82, 0, 1, 5]).take(INTEGER), None);
        assert_eq!(Reader::new(&[0x1f, 1, 5]).take(0x1f), None);
        let mut reader = Reader::new(&[INTEGER, 1, 5]);
        assert_eq!(reader.optional(SEQUENCE), None);
        assert_eq!(reader.optional(INTEGER), Some(&[5][..]));
    }

    #[test]
    fn a_generalized_time_is_utc_to_the_second_and_nothing_else() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert_eq!(generalized_time(b"20300101000000Z"), Some(moment));
        for text in ["20300101000000", "203001010000Z", "20301301000000Z", "+0300101000000Z"] {
            assert_eq!(generalized_time(text.as_bytes()), None, "{text}");
        }
    }
}

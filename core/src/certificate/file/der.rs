//! Just enough DER to tell formats apart, to see what decrypting would cost
//! and to put keys into PKCS#8 (X.690 §8.1, definite lengths only).

use zeroize::Zeroizing;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// The bit of a tag that says that there are elements inside.
pub(super) const CONSTRUCTED: u8 = 0x20;

/// One element: its tag, what is in it, and all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element at the beginning of `input`, whatever comes after it.
    pub(super) fn first(input: &'a [u8]) -> Option<Self> {
        let (&tag, rest) = input.split_first()?;
        // Tags of several bytes occur in nothing that is read here.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = length(rest)?;
        let content = rest.get(..length)?;
        let whole = &input[..input.len() - rest.len() + length];
        Some(Element { tag, content, whole })
    }

    /// The element that `input` is, with nothing after it.
    pub(super) fn only(input: &'a [u8]) -> Option<Self> {
        Element::first(input).filter(|element| element.whole.len() == input.len())
    }

    /// What is in it, up to what cannot be read.
    pub(super) fn children(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let mut rest = self.content;
        std::iter::from_fn(move || {
            let child = Element::first(rest)?;
            rest = &rest[child.whole.len()..];
            Some(child)
        })
    }

    /// The value of a small, positive INTEGER.
    pub(super) fn number(&self) -> Option<u64> {
        if self.tag != INTEGER || self.content.is_empty() || self.content[0] & 0x80 != 0 {
            return None;
        }
        let digits = match self.content {
            [0, rest @ ..] => rest,
            all => all,
        };
        // What does not fit is more than anybody allows.
        if digits.len() > 8 {
            return Some(u64::MAX);
        }
        Some(digits.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

/// Reads a length, and gives what comes after it.
fn length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = input.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let digits = rest.get(..usize::from(first & 0x7f))?;
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    let length = digits.iter().fold(0u64, |length, digit| length << 8 | u64::from(*digit));
    Some((usize::try_from(length).ok()?, &rest[digits.len()..]))
}

/// How long the element at the beginning of `input` says that it is, header
/// included; `None` when it does not say.
pub(super) fn announced(input: &[u8]) -> Option<usize> {
    let (length, rest) = length(input.get(1..)?)?;
    length.checked_add(input.len() - rest.len())
}

/// Writes an element around `parts`, in one allocation: there may be a key in
/// it, of which no copy must stay behind.
pub(super) fn encode(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length + 2 + size_of::<usize>()));
    out.push(tag);
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let digits = length.to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        // Eight at most.
        out.push(0x80 | (digits.len() - zeros) as u8);
        out.extend_from_slice(&digits[zeros..]);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(content in proptest::collection::vec(any::<u8>(), 0..700)) {
            let (left, right) = content.split_at(content.len() / 2);
            let written = encode(OCTET_STRING, &[left, right]);
            let read = Element::only(&written).map(|element| (element.tag, element.content));
            prop_assert_eq!(read, Some((OCTET_STRING, &content[..])));
            prop_assert_eq!(announced(&written), Some(written.len()));
            prop_assert_eq!(Element::only(&written[..written.len() - 1]), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            if let Some(element) = Element::first(&bytes) {
                prop_assert!(element.whole.len() <= bytes.len());
                prop_assert!(element.children().count() <= bytes.len());
                let _ = element.number();
            }
        }
    }

    #[test]
    fn a_number_is_read_whole_or_as_too_large() {
        let number = |content: &[u8]| Element::only(&encode(INTEGER, &[content]))?.number();
        assert_eq!(number(&[8, 0]), Some(2048));
        assert_eq!(number(&[0, 0xff, 0xff]), Some(65_535));
        assert_eq!(number(&[0x7f; 9]), Some(u64::MAX));
        assert_eq!(number(&[0xff]), None);
        assert_eq!(number(&[]), None);
    }
}

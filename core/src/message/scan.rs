//! One look over content before it is sent: its size on the wire, whether it
//! is 8-bit, whether it holds NUL, whether it can be copied as it is.
//!
//! The look goes by blocks that stay in the nearest cache, so that four
//! vectorised passes cost little more than one. State is carried between
//! blocks: a [`Scan`] fed in pieces equals a scan of the whole.

use memchr::{memchr, memchr_iter};

/// Small enough for the first-level cache.
const BLOCK: usize = 16 * 1024;

/// What is known of the content seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Octets seen.
    seen: u64,
    /// Line ends that are a lone CR or a lone LF.
    bare: u64,
    /// CRs that are not yet known to be followed by LF are counted in `bare`.
    last: Option<u8>,
    eight_bit: bool,
    nul: Option<u64>,
    /// A line begins with a dot; exact only while `bare` is zero.
    leading_dot: bool,
}

impl Scan {
    /// Looks at all of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut scan = Scan::default();
        scan.update(bytes);
        scan
    }

    /// Looks at the next piece.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for block in bytes.chunks(BLOCK) {
            self.block(block);
        }
    }

    fn block(&mut self, block: &[u8]) {
        let (Some(&first), Some(&last)) = (block.first(), block.last()) else { return };
        self.eight_bit |= !block.is_ascii();
        if self.nul.is_none() {
            self.nul = memchr(0, block).map(|at| self.seen + at as u64);
        }
        self.leading_dot |= first == b'.' && matches!(self.last, None | Some(b'\n'));

        // Every CR counts as bare until its LF is seen, and every LF counts
        // unless a CR stands before it.
        let mut bare = self.bare + memchr_iter(b'\r', block).count() as u64;
        for at in memchr_iter(b'\n', block) {
            let before = if at == 0 { self.last } else { Some(block[at - 1]) };
            if before == Some(b'\r') {
                bare -= 1;
            } else {
                bare += 1;
            }
            self.leading_dot |= block.get(at + 1) == Some(&b'.');
        }
        self.bare = bare;
        self.seen += block.len() as u64;
        self.last = Some(last);
    }

    /// Octets of the content once its line ends are CRLF and its last line is
    /// ended; without dot-stuffing, as SIZE counts (RFC 1870 §3).
    pub(crate) fn size(&self) -> u64 {
        let unended = !matches!(self.last, None | Some(b'\r' | b'\n'));
        self.seen + self.bare + if unended { 2 } else { 0 }
    }

    /// Whether an octet above 127 was seen.
    pub(crate) fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Where the first NUL is.
    pub(crate) fn nul(&self) -> Option<u64> {
        self.nul
    }

    /// Whether every line end is CRLF and no line begins with a dot, so that
    /// the content is its own encoding, but for the end of its last line.
    pub(crate) fn is_verbatim(&self) -> bool {
        self.bare == 0 && !self.leading_dot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scan_sees_what_would_have_to_change() {
        for (content, size, verbatim) in [
            (&b""[..], 0, true),
            (b"a", 3, true),
            (b"a\r\n", 3, true),
            (b"a\n", 3, false),
            (b"a\r", 3, false),
            (b"\r\r\n", 4, false),
            (b"\n\r", 4, false),
            (b".", 3, false),
            (b"a\r\n.b\r\n", 7, false),
            (b"a\r\nb.\r\n", 7, true),
        ] {
            let scan = Scan::of(content);
            assert_eq!((scan.size(), scan.is_verbatim()), (size, verbatim), "{content:?}");
        }
        assert!(Scan::of("é".as_bytes()).is_eight_bit());
        assert!(!Scan::of(b"\x7f").is_eight_bit());
        assert_eq!(Scan::of(b"ab\0\0").nul(), Some(2));
    }

    proptest! {
        #[test]
        fn a_scan_in_pieces_equals_a_scan_of_the_whole(
            content in prop::collection::vec(prop::sample::select(&b"\r\n.a\0\xff"[..]), 0..40),
            at in 0usize..40,
        ) {
            let at = at.min(content.len());
            let mut pieces = Scan::default();
            pieces.update(&content[..at]);
            pieces.update(&content[at..]);
            prop_assert_eq!(pieces, Scan::of(&content));
        }
    }
}

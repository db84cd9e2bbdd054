//! One look over content before it is sent: its size on the wire, whether it
//! is 8-bit, whether it holds NUL, whether it can be copied as it is.
//!
//! The look goes by blocks that stay in the nearest cache, so that several
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
        // Content begins with a line, and a pair may span two blocks.
        let mut pairs = Pairs::default();
        pairs.step(self.last.unwrap_or(b'\n'), first);
        pairs.count(block);
        let returns = memchr_iter(b'\r', block).count() as u64;
        let feeds = memchr_iter(b'\n', block).count() as u64;
        self.leading_dot |= pairs.dots;
        // What is one half of a pair is not bare.
        self.bare = self.bare + returns + feeds - 2 * pairs.line_ends;
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

/// Neighbours that mean something together.
#[derive(Default)]
struct Pairs {
    /// CR LF.
    line_ends: u64,
    /// Whether a dot follows an LF.
    dots: bool,
}

/// Octets that are looked at together.
const LANES: usize = 32;

impl Pairs {
    /// A message has a line end every seventy octets or so, and to stop at
    /// each costs more than all else here: this loop has no branch and a
    /// counter for each lane, which lets it be vectorised.
    fn count(&mut self, block: &[u8]) {
        /// As many steps as a counter of eight bits holds.
        const RUN: usize = LANES * u8::MAX as usize;
        let Some(next) = block.get(1..) else { return };
        for (left, right) in block[..next.len()].chunks(RUN).zip(next.chunks(RUN)) {
            let (mut line_ends, mut dots) = ([0; LANES], [0; LANES]);
            let (lefts, left_rest) = left.as_chunks::<LANES>();
            let (rights, right_rest) = right.as_chunks::<LANES>();
            for (left, right) in lefts.iter().zip(rights) {
                for lane in 0..LANES {
                    let (left, right) = (left[lane], right[lane]);
                    line_ends[lane] += u8::from(left == b'\r') & u8::from(right == b'\n');
                    dots[lane] |= u8::from(left == b'\n') & u8::from(right == b'.');
                }
            }
            self.line_ends += line_ends.into_iter().map(u64::from).sum::<u64>();
            self.dots |= dots.contains(&1);
            for (left, right) in left_rest.iter().zip(right_rest) {
                self.step(*left, *right);
            }
        }
    }

    fn step(&mut self, left: u8, right: u8) {
        self.line_ends += u64::from(left == b'\r' && right == b'\n');
        self.dots |= left == b'\n' && right == b'.';
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

    /// One octet after the other.
    fn slowly(content: &[u8]) -> Scan {
        let mut scan = Scan::default();
        content.iter().for_each(|octet| scan.update(&[*octet]));
        scan
    }

    #[test]
    fn lines_are_counted_across_lanes_runs_and_blocks() {
        for width in [1, 30, 31, 32, 33, 255, 8159, 8160, 16_383, 16_384] {
            let line = [&vec![b'x'; width][..], b"\r\n"].concat();
            let mut content = line.repeat(40_000 / line.len() + 2);
            assert_eq!(Scan::of(&content), slowly(&content), "{width}");
            assert!(Scan::of(&content).is_verbatim(), "{width}");
            content[width] = b'-';
            assert!(!Scan::of(&content).is_verbatim(), "{width}: a lone LF");
            content[width] = b'\r';
            content[width + 2] = b'.';
            assert!(!Scan::of(&content).is_verbatim(), "{width}: a dot");
        }
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

//! What it would cost to derive keys from a password, before it is done.
//!
//! Whoever wrote a file chose how many rounds its password goes through, so a
//! hostile one could ask for hours. The rounds of everything that lies open in
//! it are added up first. Keys inside an *encrypted* part of a PFX are not
//! seen; for these the library that reads it allows a million rounds each.

use super::der::{CONSTRUCTED, Element, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

/// The most rounds in one file: some seconds. OpenSSL and Windows write 2,000
/// to 10,000, the largest in use are 600,000.
pub(super) const LIMIT: u64 = 2_000_000;
/// The most memory that scrypt may take, in its units of 128 bytes: 256 MiB.
const SCRYPT_UNITS: u64 = 1 << 21;
/// How deep elements are looked into; real files end at about fifteen.
const DEPTH: u32 = 64;

const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SCRYPT: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";
/// PKCS#5 v1 (RFC 8018 §A.3) and PKCS#12 (RFC 7292 §C): one number follows.
const PBES1: [&[u8]; 2] =
    [b"\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"];

/// Whether deriving every key that lies open in `der` stays within the limit.
pub(super) fn is_bearable(der: &[u8]) -> bool {
    Element::first(der).is_none_or(|element| rounds(&element, DEPTH) <= LIMIT)
}

fn rounds(element: &Element<'_>, depth: u32) -> u64 {
    if depth == 0 {
        return u64::MAX;
    }
    // A PFX has its parts in OCTET STRINGs.
    if element.tag == OCTET_STRING {
        let inner = Element::only(element.content).filter(|inner| inner.tag == SEQUENCE);
        return inner.map_or(0, |inner| rounds(&inner, depth - 1));
    }
    if element.tag & CONSTRUCTED == 0 {
        return 0;
    }
    let own = derivation(element).or_else(|| mac(element)).unwrap_or(0);
    element.children().fold(own, |sum, child| sum.saturating_add(rounds(&child, depth - 1)))
}

/// `SEQUENCE { algorithm, SEQUENCE { salt, … } }`, if it derives a key.
fn derivation(element: &Element<'_>) -> Option<u64> {
    let mut children = element.children();
    let algorithm = children.next().filter(|child| child.tag == OBJECT_IDENTIFIER)?.content;
    let mut parameters = children.next()?.children().skip(1).map(|child| child.number());
    if algorithm == SCRYPT {
        let [cost, block, parallel] = [(); 3].map(|()| parameters.next().flatten());
        let units = cost?.saturating_mul(block?);
        let bearable = units <= SCRYPT_UNITS;
        return Some(if bearable { units.saturating_mul(parallel?) } else { u64::MAX });
    }
    let known = algorithm == PBKDF2
        || PBES1.iter().any(|prefix| {
            algorithm.strip_prefix(*prefix).is_some_and(|last| last.len() == 1 && last[0] < 12)
        });
    parameters.next().flatten().filter(|_| known)
}

/// `SEQUENCE { DigestInfo, salt, rounds }`, as a PFX ends with (RFC 7292 §4).
fn mac(element: &Element<'_>) -> Option<u64> {
    let mut children = element.children();
    let digest = children.next()?;
    let salt = children.next()?;
    let rounds = children.next()?.number()?;
    (digest.tag == SEQUENCE && salt.tag == OCTET_STRING && children.next().is_none())
        .then_some(rounds)
}

#[cfg(test)]
mod tests {
    use super::super::der::{INTEGER, encode};
    use super::*;

    fn derive(algorithm: &[u8], numbers: &[&[u8]]) -> Vec<u8> {
        let salt = encode(OCTET_STRING, &[b"salt"]);
        let numbers: Vec<u8> =
            numbers.iter().flat_map(|number| encode(INTEGER, &[number]).to_vec()).collect();
        let parameters = encode(SEQUENCE, &[&salt, &numbers]);
        encode(SEQUENCE, &[&encode(OBJECT_IDENTIFIER, &[algorithm]), &parameters]).to_vec()
    }

    #[test]
    fn two_thousand_million_rounds_are_seen_before_they_are_done() {
        let (few, many): (&[u8], &[u8]) = (&[8, 0], &[0x7f, 0xff, 0xff, 0xff]);
        let triple_des = [PBES1[1], &[3]].concat();
        for algorithm in [PBKDF2, &triple_des] {
            assert!(is_bearable(&derive(algorithm, &[few])));
            assert!(!is_bearable(&derive(algorithm, &[many])));
        }
        let mac = |number: &[u8]| {
            let digest = encode(SEQUENCE, &[]);
            let salt = encode(OCTET_STRING, &[b"salt"]);
            encode(SEQUENCE, &[&digest, &salt, &encode(INTEGER, &[number])])
        };
        assert!(is_bearable(&mac(few)));
        assert!(!is_bearable(&mac(many)));
    }

    #[test]
    fn many_derivations_that_are_bearable_alone_are_not_together() {
        let one = derive(PBKDF2, &[&[0x0f, 0x42, 0x40]]);
        assert!(is_bearable(&encode(SEQUENCE, &[&one, &one])));
        let hidden = encode(OCTET_STRING, &[&one]);
        assert!(!is_bearable(&encode(SEQUENCE, &[&one, &one, &hidden])));
    }

    #[test]
    fn scrypt_is_limited_in_memory_and_time() {
        let scrypt = |cost: &[u8], parallel: u8| derive(SCRYPT, &[cost, &[8], &[parallel]]);
        assert!(is_bearable(&scrypt(&[0x40, 0], 1)));
        assert!(!is_bearable(&scrypt(&[0x40, 0, 0], 1)));
        assert!(!is_bearable(&scrypt(&[0x40, 0], 100)));
    }

    #[test]
    fn endless_nesting_ends() {
        let deep = (0..2000).fold(Vec::new(), |inner, _| encode(SEQUENCE, &[&inner]).to_vec());
        assert!(!is_bearable(&deep));
    }
}

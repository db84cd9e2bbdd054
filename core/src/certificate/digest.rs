//! SHA-256 names of certificates and keys: [`Fingerprint`] and [`SpkiPin`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a certificate's DER.
///
/// Displayed as 64 lower-case hexadecimal digits; read with or without colons
/// and in either case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Fingerprint(Sha256::digest(der).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The SHA-256 of a public key (its SubjectPublicKeyInfo in DER), as in
/// RFC 7469 §2.4.
///
/// It stays the same when a certificate is renewed with the same key, and may
/// name the key of a server or of an authority above it. Where pins are set,
/// one of them must be in the verified path, in addition to all other checks:
/// set a backup pin of a key that is not in use yet, or a change of key locks
/// its users out. Displayed as
/// `sha256/BASE64`; read as that, as `sha256//BASE64` (curl) or as
/// hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpkiPin([u8; 32]);

impl SpkiPin {
    /// The pin of a SubjectPublicKeyInfo in DER.
    pub fn of(spki: &[u8]) -> Self {
        SpkiPin(Sha256::digest(spki).into())
    }

    /// A pin from its 32 bytes.
    pub fn from_bytes(sha256: [u8; 32]) -> Self {
        SpkiPin(sha256)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Text that is neither a fingerprint nor a pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: expected {expected}")]
pub struct ParseDigestError {
    expected: &'static str,
}

impl FromStr for Fingerprint {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "64 hexadecimal digits, with or without colons";
        hex(text).map(Fingerprint).ok_or(ParseDigestError { expected })
    }
}

impl FromStr for SpkiPin {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "sha256/BASE64, sha256//BASE64 or 64 hexadecimal digits";
        let digest = match text.strip_prefix("sha256/") {
            // A digest may itself begin with a slash: only when the text as it
            // stands is no digest does the slash belong to curl's spelling.
            Some(rest) => base64(rest).or_else(|| rest.strip_prefix('/').and_then(base64)),
            None => hex(text),
        };
        digest.map(SpkiPin).ok_or(ParseDigestError { expected })
    }
}

fn base64(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    let step = match bytes.len() {
        64 => 2,
        95 if bytes.iter().skip(2).step_by(3).all(|byte| *byte == b':') => 3,
        _ => return None,
    };
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(bytes.chunks(step)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        let value = nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(digest)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is told of every message that is sent: not digit by digit.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpkiPin({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_fingerprint_reads_back_from_every_spelling(der: Vec<u8>) {
            let fingerprint = Fingerprint::of(&der);
            let plain = fingerprint.to_string();
            let colons: Vec<String> =
                fingerprint.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
            prop_assert_eq!(plain.parse(), Ok(fingerprint));
            prop_assert_eq!(colons.join(":").parse(), Ok(fingerprint));
        }

        #[test]
        fn a_pin_reads_back_from_every_spelling(bytes: [u8; 32]) {
            let pin = SpkiPin::from_bytes(bytes);
            let hpkp = pin.to_string();
            let curl = hpkp.replacen("sha256/", "sha256//", 1);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(hpkp.parse(), Ok(pin));
            prop_assert_eq!(curl.parse(), Ok(pin));
            prop_assert_eq!(hex.parse(), Ok(pin));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text: String) {
            prop_assert!(text.parse::<Fingerprint>().is_err());
            prop_assert!(text.parse::<SpkiPin>().is_err());
        }
    }

    #[test]
    fn a_pin_that_begins_with_a_slash_is_not_mistaken_for_curls_spelling() {
        let pin = SpkiPin::from_bytes([0xff; 32]);
        assert!(pin.to_string().starts_with("sha256//"));
        assert_eq!(pin.to_string().parse(), Ok(pin));
    }
}

//! Base64 as AUTH uses it (RFC 4954 §4), within its limit on a line.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::SecretBytes;
use crate::{Error, ErrorKind, Stage};

/// The longest line in an AUTH exchange, in octets without CRLF
/// (RFC 4954 §4, item 6).
pub(super) const MAX_LINE: usize = 12_288;

pub(super) const STANDARD: GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// Servers are not all careful with padding; nothing depends on it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One line of the client: the base64 of `raw` and CRLF. An empty response is
/// an empty line.
///
/// # Errors
/// `auth` if the line would be longer than [`MAX_LINE`].
pub(super) fn encode_line(raw: &[u8]) -> Result<SecretBytes, Error> {
    append_line(b"", raw)
}

/// `prefix`, the base64 of `raw`, CRLF; one allocation, so that no copy of a
/// secret stays behind.
pub(super) fn append_line(prefix: &[u8], raw: &[u8]) -> Result<SecretBytes, Error> {
    let length = prefix.len() + raw.len().div_ceil(3) * 4;
    if length > MAX_LINE {
        return Err(Error::new(
            ErrorKind::Auth,
            Stage::Auth,
            format!("the credentials make a line of {length} octets; AUTH allows {MAX_LINE}"),
        )
        .with_hint("use a shorter token or password"));
    }
    let mut line = Zeroizing::new(vec![0; length + 2]);
    line[..prefix.len()].copy_from_slice(prefix);
    let written = STANDARD
        .encode_slice(raw, &mut line[prefix.len()..length])
        .expect("the buffer was sized by the same formula");
    debug_assert_eq!(prefix.len() + written, length);
    line[length..].copy_from_slice(b"\r\n");
    Ok(line)
}

/// The bytes of a challenge: the text of a 334 reply.
///
/// # Errors
/// `protocol` if the text is too long or is not base64.
pub(super) fn decode_challenge(text: &[u8]) -> Result<SecretBytes, Error> {
    let text = text.trim_ascii();
    if text.len() > MAX_LINE {
        return Err(protocol(format!("the server's challenge is longer than {MAX_LINE} octets")));
    }
    LENIENT
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| protocol("the server's challenge is not base64"))
}

pub(super) fn protocol(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Protocol, Stage::Auth, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_at_the_limit_is_encoded_and_one_beyond_it_is_refused() {
        let line = encode_line(&vec![7; MAX_LINE / 4 * 3]).unwrap();
        assert_eq!(line.len(), MAX_LINE + 2);
        let error = encode_line(&vec![7; MAX_LINE / 4 * 3 + 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
    }

    #[test]
    fn a_challenge_beyond_the_limit_is_refused() {
        let error = decode_challenge(&[b'A'; MAX_LINE + 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }

    #[test]
    fn a_challenge_without_padding_and_with_spaces_around_it_is_read() {
        assert_eq!(decode_challenge(b" VXNlcm5hbWU6 ").unwrap().as_slice(), b"Username:");
        assert_eq!(decode_challenge(b"YQ").unwrap().as_slice(), b"a");
        assert!(decode_challenge(b"").unwrap().is_empty());
    }

    #[test]
    fn a_challenge_that_is_not_base64_is_a_protocol_error() {
        assert_eq!(decode_challenge(b"Username:").unwrap_err().kind(), ErrorKind::Protocol);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(raw in proptest::collection::vec(any::<u8>(), 0..600)) {
            let line = encode_line(&raw).unwrap();
            let text = line.strip_suffix(b"\r\n").unwrap();
            let decoded = decode_challenge(text).unwrap();
            prop_assert_eq!(decoded.as_slice(), raw.as_slice());
        }

        #[test]
        fn no_challenge_makes_the_decoder_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_challenge(&text);
        }
    }
}

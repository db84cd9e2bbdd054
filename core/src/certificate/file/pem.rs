//! PEM (RFC 7468): blocks in text, as `openssl` and people write them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::problem::Problem;

/// Padding is often lost in copying, and says nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// One `-----BEGIN LABEL-----` with what follows.
pub(super) struct Block {
    pub(super) label: String,
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// Whether it is encrypted in OpenSSL's old way, by headers (RFC 1421
    /// §4.6).
    pub(super) encrypted: bool,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// Whether there is a block in it.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, BEGIN).is_some()
}

/// The blocks of a text, whatever stands around them.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Block>, Problem> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    let mut blocks = Vec::new();
    while let Some((index, line)) = lines.next() {
        let Some(label) = label(line, BEGIN) else { continue };
        let what = || format!("the block {label} that begins in line {}", index + 1);
        let mut base64 = Zeroizing::new(Vec::new());
        let mut encrypted = false;
        loop {
            let Some((_, line)) = lines.next() else {
                return Err(Problem::damaged(what(), "its end is missing"));
            };
            match line {
                _ if line.starts_with(END) => break,
                _ if line.starts_with(BEGIN) => {
                    return Err(Problem::damaged(what(), "another begins before its end"));
                }
                _ if line.contains(&b':') => encrypted |= line.ends_with(b"ENCRYPTED"),
                _ => {
                    // Grown by hand, so that no outgrown copy of a key stays.
                    if base64.capacity() - base64.len() < line.len() {
                        let capacity = (base64.capacity() * 2).max(4096).max(line.len() * 2);
                        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
                        larger.extend_from_slice(&base64);
                        base64 = larger;
                    }
                    base64.extend_from_slice(line);
                }
            }
        }
        let der = if encrypted {
            Zeroizing::default()
        } else {
            Zeroizing::new(
                LENIENT.decode(&*base64).map_err(|error| Problem::damaged(what(), error))?,
            )
        };
        blocks.push(Block { label, line: index + 1, encrypted, der });
    }
    Ok(blocks)
}

fn label(line: &[u8], before: &[u8]) -> Option<String> {
    let label = line.strip_prefix(before)?.strip_suffix(b"-----")?;
    let known = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let usual = label.len() <= 64 && label.iter().all(known);
    usual.then(|| String::from_utf8_lossy(label).into_owned())
}

/// Writes one block, in lines of 64 characters.
pub(super) fn write(out: &mut Zeroizing<String>, label: &str, der: &[u8]) {
    let base64 = Zeroizing::new(LENIENT.encode(der));
    let size = base64.len() + base64.len() / 64 + 2 * label.len() + 40;
    let mut larger = Zeroizing::new(String::with_capacity(out.len() + size));
    larger.push_str(out);
    larger.push_str("-----BEGIN ");
    larger.push_str(label);
    larger.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // ASCII: every place is the edge of a character.
        let (line, after) = rest.split_at(rest.len().min(64));
        larger.push_str(line);
        larger.push('\n');
        rest = after;
    }
    larger.push_str("-----END ");
    larger.push_str(label);
    larger.push_str("-----\n");
    *out = larger;
}

//! Names and strength of the algorithms that certificates use.

use std::fmt;

use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The hash of a signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashAlgorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl HashAlgorithm {
    /// Whether forging signatures made with it is within reach.
    pub(super) fn is_weak(self) -> bool {
        matches!(self, HashAlgorithm::Md5 | HashAlgorithm::Sha1)
    }
}

/// What a certificate was signed with: a name for people, and the one hash
/// it uses if there is one.
pub(super) fn signature(algorithm: &AlgorithmIdentifier<'_>) -> (String, Option<HashAlgorithm>) {
    use HashAlgorithm::{Md5, Sha1, Sha256, Sha384, Sha512};

    let oid = algorithm.algorithm.to_id_string();
    let (name, hash) = match oid.as_str() {
        "1.2.840.113549.1.1.4" => ("RSA with MD5", Some(Md5)),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => ("RSA with SHA-1", Some(Sha1)),
        "1.2.840.113549.1.1.11" => ("RSA with SHA-256", Some(Sha256)),
        "1.2.840.113549.1.1.12" => ("RSA with SHA-384", Some(Sha384)),
        "1.2.840.113549.1.1.13" => ("RSA with SHA-512", Some(Sha512)),
        "1.2.840.113549.1.1.10" => ("RSA-PSS", pss_hash(algorithm)),
        "1.2.840.10045.4.1" => ("ECDSA with SHA-1", Some(Sha1)),
        "1.2.840.10045.4.3.2" => ("ECDSA with SHA-256", Some(Sha256)),
        "1.2.840.10045.4.3.3" => ("ECDSA with SHA-384", Some(Sha384)),
        "1.2.840.10045.4.3.4" => ("ECDSA with SHA-512", Some(Sha512)),
        "1.3.101.112" => ("Ed25519", None),
        "1.3.101.113" => ("Ed448", None),
        "2.16.840.1.101.3.4.3.17" => ("ML-DSA-44", None),
        "2.16.840.1.101.3.4.3.18" => ("ML-DSA-65", None),
        "2.16.840.1.101.3.4.3.19" => ("ML-DSA-87", None),
        _ => return (oid, None),
    };
    (name.to_owned(), hash)
}

fn pss_hash(algorithm: &AlgorithmIdentifier<'_>) -> Option<HashAlgorithm> {
    let params = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    match params.hash_algorithm_oid().to_id_string().as_str() {
        "1.3.14.3.2.26" => Some(HashAlgorithm::Sha1),
        "2.16.840.1.101.3.4.2.1" => Some(HashAlgorithm::Sha256),
        "2.16.840.1.101.3.4.2.2" => Some(HashAlgorithm::Sha384),
        "2.16.840.1.101.3.4.2.3" => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}

/// What kind of key a certificate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// For people; the object identifier if it has no name here.
    pub(super) name: String,
    /// The size in bits, where that means something.
    pub(super) bits: Option<u32>,
    /// Whether TLS has no use for keys of this kind.
    strange: bool,
}

impl Key {
    /// Whether it is too short, or of a kind that is broken.
    pub(super) fn is_weak(&self) -> bool {
        let least = if self.name == "RSA" { 2048 } else { 256 };
        self.name == "DSA" || self.bits.is_some_and(|bits| bits < least)
    }

    /// Whether TLS clients refuse it, for weakness or strangeness.
    pub(super) fn is_unusable(&self) -> bool {
        self.is_weak() || self.strange
    }
}

/// `RSA-2048`, `ECDSA P-256`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits.filter(|_| self.name == "RSA") {
            Some(bits) => write!(f, "{}-{bits}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What kind of key `spki` is.
pub(super) fn key(spki: &SubjectPublicKeyInfo<'_>) -> Key {
    let oid = spki.algorithm.algorithm.to_id_string();
    let known = |name: &str, bits, strange| Key { name: name.to_owned(), bits, strange };
    match oid.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => known("RSA", rsa_bits(spki), false),
        "1.2.840.10045.2.1" => curve(spki),
        "1.3.101.112" => known("Ed25519", Some(256), false),
        "1.3.101.113" => known("Ed448", Some(456), true),
        "1.2.840.10040.4.1" => known("DSA", None, true),
        "2.16.840.1.101.3.4.3.17" => known("ML-DSA-44", None, false),
        "2.16.840.1.101.3.4.3.18" => known("ML-DSA-65", None, false),
        "2.16.840.1.101.3.4.3.19" => known("ML-DSA-87", None, false),
        other => known(other, None, true),
    }
}

fn rsa_bits(spki: &SubjectPublicKeyInfo<'_>) -> Option<u32> {
    use x509_parser::public_key::PublicKey;

    let PublicKey::RSA(key) = spki.parsed().ok()? else { return None };
    let modulus: &[u8] = key.modulus;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let whole = u32::try_from(modulus.len() - first).ok()?.checked_mul(8)?;
    Some(whole - modulus[first].leading_zeros())
}

fn curve(spki: &SubjectPublicKeyInfo<'_>) -> Key {
    let parameters = spki.algorithm.parameters.as_ref();
    let oid = parameters.and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    let (name, bits, strange) = match oid.as_deref() {
        Some("1.2.840.10045.3.1.7") => ("P-256", Some(256), false),
        Some("1.3.132.0.34") => ("P-384", Some(384), false),
        Some("1.3.132.0.35") => ("P-521", Some(521), false),
        Some("1.2.840.10045.3.1.1") => ("P-192", Some(192), true),
        Some("1.3.132.0.33") => ("P-224", Some(224), true),
        Some("1.3.132.0.10") => ("secp256k1", Some(256), true),
        Some(other) => (other, None, true),
        None => ("an unnamed curve", None, true),
    };
    let on = if name.starts_with(|first: char| first.is_ascii_digit() || first == 'a') {
        "on "
    } else {
        ""
    };
    Key { name: format!("ECDSA {on}{name}"), bits, strange }
}

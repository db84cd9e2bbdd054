//! Names and strength of the algorithms that certificates use.

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

/// What kind of key a certificate holds: a name for people, and its size.
pub(super) fn key(spki: &SubjectPublicKeyInfo<'_>) -> (String, Option<u32>) {
    let oid = spki.algorithm.algorithm.to_id_string();
    let (name, bits) = match oid.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => ("RSA", rsa_bits(spki)),
        "1.2.840.10045.2.1" => return curve(spki),
        "1.3.101.112" => ("Ed25519", Some(256)),
        "1.3.101.113" => ("Ed448", Some(456)),
        "1.2.840.10040.4.1" => ("DSA", None),
        "2.16.840.1.101.3.4.3.17" => ("ML-DSA-44", None),
        "2.16.840.1.101.3.4.3.18" => ("ML-DSA-65", None),
        "2.16.840.1.101.3.4.3.19" => ("ML-DSA-87", None),
        _ => return (oid, None),
    };
    (name.to_owned(), bits)
}

fn rsa_bits(spki: &SubjectPublicKeyInfo<'_>) -> Option<u32> {
    use x509_parser::public_key::PublicKey;

    let PublicKey::RSA(key) = spki.parsed().ok()? else { return None };
    let modulus: &[u8] = key.modulus;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let whole = u32::try_from(modulus.len() - first).ok()?.checked_mul(8)?;
    Some(whole - modulus[first].leading_zeros())
}

fn curve(spki: &SubjectPublicKeyInfo<'_>) -> (String, Option<u32>) {
    let parameters = spki.algorithm.parameters.as_ref();
    let oid = parameters.and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    match oid.as_deref() {
        Some("1.2.840.10045.3.1.7") => ("ECDSA P-256".to_owned(), Some(256)),
        Some("1.3.132.0.34") => ("ECDSA P-384".to_owned(), Some(384)),
        Some("1.3.132.0.35") => ("ECDSA P-521".to_owned(), Some(521)),
        Some("1.3.132.0.10") => ("ECDSA secp256k1".to_owned(), Some(256)),
        Some(other) => (format!("ECDSA on {other}"), None),
        None => ("ECDSA on an unnamed curve".to_owned(), None),
    }
}

//! Whether a key made a signature, apart from any path: [`check`].

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::RawPublicKeyEntity;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm;
use super::der::Signed;

/// What can be said of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// The key made it.
    Good,
    /// The key did not make it.
    Bad,
    /// The key or the algorithm is too weak or too strange to say.
    Unchecked,
}

/// Whether `spki` (DER) made the signature of `signed`.
pub(super) fn check(signed: &Signed<'_>, spki: &[u8]) -> Signature {
    let spki_der = SubjectPublicKeyInfoDer::from(spki);
    let Ok(key) = RawPublicKeyEntity::try_from(&spki_der) else { return Signature::Unchecked };
    let candidates = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .filter(|algorithm| algorithm.signature_alg_id().as_ref() == signed.algorithm);
    let mut verdict = Signature::Unchecked;
    for algorithm in candidates {
        match key.verify_signature(*algorithm, signed.message, signed.signature) {
            Ok(()) => return Signature::Good,
            Err(webpki::Error::InvalidSignatureForPublicKey) => verdict = Signature::Bad,
            Err(_) => {}
        }
    }
    // A short key fails like a forged signature does.
    if verdict == Signature::Bad && is_unusable(spki) { Signature::Unchecked } else { verdict }
}

fn is_unusable(spki: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(spki).is_ok_and(|(_, spki)| algorithm::key(&spki).is_unusable())
}

/// As [`check`] by whichever of `keys` fits best; without any,
/// [`Signature::Unchecked`].
pub(super) fn check_any(signed: &Signed<'_>, keys: &[Vec<u8>]) -> Signature {
    let mut verdicts = keys.iter().map(|spki| check(signed, spki));
    let Some(first) = verdicts.next() else { return Signature::Unchecked };
    verdicts.fold(first, |best, next| match (best, next) {
        (Signature::Good, _) | (_, Signature::Good) => Signature::Good,
        (Signature::Unchecked, _) | (_, Signature::Unchecked) => Signature::Unchecked,
        (Signature::Bad, Signature::Bad) => Signature::Bad,
    })
}

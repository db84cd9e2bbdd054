//! Which certificate is the server's, and what order the others are in.

use super::PrivateKey;
use crate::certificate::Certificate;

/// Puts the leaf first, each issuer after what it issued, and the rest at the
/// end; says whether it was like that already.
pub(super) fn sort(
    certificates: Vec<Certificate>,
    key: Option<&PrivateKey>,
) -> (Vec<Certificate>, bool) {
    let first = leaf(&certificates, key);
    let mut left: Vec<Option<Certificate>> = certificates.into_iter().map(Some).collect();
    let mut sorted: Vec<Certificate> = Vec::with_capacity(left.len());
    let mut places = Vec::with_capacity(left.len());
    let mut next = Some(first);
    while let Some(place) = next {
        let Some(certificate) = left[place].take() else { break };
        let is_root = certificate.is_self_issued();
        next = (!is_root)
            .then(|| {
                let issues = |other: &Certificate| certificate.is_issued_by(other);
                left.iter().position(|other| other.as_ref().is_some_and(issues))
            })
            .flatten();
        sorted.push(certificate);
        places.push(place);
    }
    let in_order = places.into_iter().eq(0..sorted.len());
    sorted.extend(left.into_iter().flatten());
    (sorted, in_order)
}

/// Where the server's own certificate is: it has the key, or issued nothing.
fn leaf(certificates: &[Certificate], key: Option<&PrivateKey>) -> usize {
    let owns_key =
        |certificate: &Certificate| key.is_some_and(|it| it.matches(certificate) == Some(true));
    let issued_none = |certificate: &Certificate| {
        !certificates.iter().any(|other| {
            other.fingerprint() != certificate.fingerprint() && other.is_issued_by(certificate)
        })
    };
    let place = |wanted: &dyn Fn(&Certificate) -> bool| certificates.iter().position(wanted);
    place(&owns_key)
        .or_else(|| place(&|it| !it.is_ca() && issued_none(it)))
        .or_else(|| place(&issued_none))
        .unwrap_or(0)
}

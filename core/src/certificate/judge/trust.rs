//! Trust: whether a path leads to a root, apart from time, name and purpose,
//! and what is missing where none does.

use rustls_pki_types::CertificateDer;
use webpki::Error;

use super::case::{Case, Findings, about};
use super::name::Listed;
use crate::certificate::facts::Certificate;
use crate::certificate::inspect::Inspector;
use crate::certificate::policy::{Root, TrustPolicy};
use crate::certificate::report::TrustVerdict;
use crate::certificate::signature::Signature;
use crate::finding::{Finding, FindingId, Severity};

/// The largest certificate that the path library reads, in bytes.
const MAX_SIZE: usize = 0xffff;

/// By the roots that decide. `known` are intermediates from elsewhere, which
/// tell a missing one from an unknown authority. Comes after strength.
pub(super) fn judge(case: &Case<'_>, known: &[CertificateDer<'_>], findings: &mut Findings) {
    constraints(case, findings);
    let Err(error) = &case.trusted else { return };
    if let Some(reason) = unexplained(case, error) {
        let message = format!("certificate of {} has no valid path: {reason}", case.host);
        findings.add(FindingId::InvalidPath, message);
    }
    let walk = walk(case, case.policy);
    if let Walk::Forged(depth, certificate) = walk {
        let message = format!(
            "a signature in the chain of {} does not fit the key of its issuer: {} was not signed \
             by the {} that it names",
            case.host,
            certificate.short_subject(),
            certificate.short_issuer()
        );
        findings.push(about(FindingId::BadSignature, message, depth, certificate));
    }
    match error {
        Error::UnknownIssuer => unknown_issuer(case, known, findings),
        _ if matches!(walk, Walk::Unknown) => unknown_issuer(case, known, findings),
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
            if !findings.has(FindingId::WeakKey) && !findings.has(FindingId::WeakSignature) =>
        {
            let message = format!(
                "certificate of {} is signed with an algorithm that is not accepted ({})",
                case.host,
                case.leaf.signature_algorithm()
            );
            findings.push(about(FindingId::WeakSignature, message, 0, case.leaf));
        }
        _ => {}
    }
}

/// The reason in words, if no axis has a finding for this error.
fn unexplained(case: &Case<'_>, error: &Error) -> Option<String> {
    match error {
        _ if case.leaf.der().len() > MAX_SIZE => {
            Some("it is larger than 64 KiB, which TLS clients refuse".to_owned())
        }
        Error::UnknownIssuer
        // Signatures: the walk, and strength.
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        // No moment lies inside all validities: time.
        | Error::CertExpired { .. }
        | Error::CertNotValidYet { .. }
        // Purpose.
        | Error::CaUsedAsEndEntity
        | Error::EndEntityUsedAsCa
        | Error::EmptyEkuExtension
        // Constraints.
        | Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::UnsupportedCriticalExtension => None,
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::MalformedExtensions
        | Error::TrailingData(_) => Some(format!("its encoding is damaged ({error})")),
        Error::SignatureAlgorithmMismatch => {
            Some("it names two different algorithms for one signature".to_owned())
        }
        Error::InvalidCertValidity => Some("it ends before it begins".to_owned()),
        Error::UnsupportedCertVersion => {
            Some("it is of X.509 version 1, which TLS clients refuse".to_owned())
        }
        Error::CertDistrusted => Some("its key is known to be compromised".to_owned()),
        Error::MaximumPathDepthExceeded => {
            Some("more authorities stand between it and a root than TLS clients follow".to_owned())
        }
        other => Some(other.to_string()),
    }
}

/// What the authorities on the path, and the certificates themselves, rule
/// out.
fn constraints(case: &Case<'_>, findings: &mut Findings) {
    let host = case.host;
    for (depth, certificate) in case.issued() {
        if let [first, ..] = certificate.unknown_critical() {
            let message = format!(
                "certificate {}, for {host}, has a critical extension that TLS clients do not \
                 know ({first}), so they must refuse it",
                certificate.short_subject()
            );
            let finding = about(FindingId::UnknownExtension, message, depth, certificate);
            findings.push(finding.with("oid", certificate.unknown_critical().join(", ")));
        }
        let Some(limit) = certificate.path_length().filter(|_| depth > 0) else { continue };
        let below = depth - 1;
        if u32::try_from(below).is_ok_and(|below| below > limit) {
            let message = format!(
                "{} may have {limit} authorities below it, and the chain of {host} has {below}",
                certificate.short_subject()
            );
            let finding = about(FindingId::ConstraintViolated, message, depth, certificate);
            findings.push(finding.with("path_length", limit));
        }
    }
    if violates_names(case) {
        let message = format!(
            "an authority in the chain of {host} may not issue for the names of its certificate"
        );
        let finding = about(FindingId::ConstraintViolated, message, 0, case.leaf);
        findings.push(finding.with("names", Listed::of(case.leaf)));
    }
}

/// Whether a name constraint is broken, also below a root that is not trusted.
fn violates_names(case: &Case<'_>) -> bool {
    let is_violation = |error: &Error| matches!(error, Error::NameConstraintViolation);
    match &case.trusted {
        Ok(_) => false,
        Err(error) if is_violation(error) => true,
        Err(_) if case.path.is_empty() => false,
        Err(_) => {
            let top = CertificateDer::from(case.top().der());
            let Ok(anchor) = webpki::anchor_from_trusted_cert(&top) else { return false };
            let assumed = TrustPolicy {
                roots: vec![anchor.to_owned()],
                pins: Vec::new(),
                algorithms: case.policy.algorithms,
            };
            assumed.trusts(&case.ders, case.moment).is_err_and(|error| is_violation(&error))
        }
    }
}

/// Where the signatures lead, whatever dates, purposes and constraints say.
enum Walk<'a> {
    Root(Root),
    /// A root is reached by a signature that is too weak or too strange to
    /// check.
    Unchecked,
    /// Each signature fits, and no root is reached.
    Unknown,
    /// The certificate at this depth was not signed by the one it names.
    Forged(usize, &'a Certificate),
}

fn walk<'a>(case: &Case<'a>, policy: &TrustPolicy) -> Walk<'a> {
    let mut checked = true;
    let reached = |root, checked| if checked { Walk::Root(root) } else { Walk::Unchecked };
    for (depth, certificate) in case.certificates() {
        if let Some(root) = policy.as_root(certificate) {
            if depth > 0 {
                return reached(root, checked);
            }
            // Nothing below it shows that the root's key is behind it.
            if certificate.is_self_issued() {
                return match certificate.signature_by(certificate) {
                    Signature::Good => Walk::Root(root),
                    Signature::Unchecked => Walk::Unchecked,
                    Signature::Bad => Walk::Forged(0, certificate),
                };
            }
        }
        let Some(issuer) = case.path.get(depth) else { break };
        match certificate.signature_by(issuer) {
            Signature::Good => {}
            Signature::Unchecked => checked = false,
            Signature::Bad => return Walk::Forged(depth, certificate),
        }
    }
    let top = case.top();
    // A root that shares its name with a trusted one is another root.
    if top.is_own_issuer() {
        return Walk::Unknown;
    }
    let mut forged = false;
    for root in policy.roots_named(top.issuer_der()) {
        match top.signature_by_key(&root.spki) {
            Signature::Good => return reached(root, checked),
            Signature::Unchecked => return Walk::Unchecked,
            Signature::Bad => forged = true,
        }
    }
    if forged { Walk::Forged(case.path.len(), top) } else { Walk::Unknown }
}

fn unknown_issuer(case: &Case<'_>, known: &[CertificateDer<'_>], findings: &mut Findings) {
    let (host, leaf, top) = (case.host, case.leaf, case.top());
    let (id, message) = if leaf.is_own_issuer() {
        let subject = leaf.short_subject();
        let message = format!("certificate of {host} is self-signed ({subject}) and not trusted");
        (FindingId::SelfSigned, message)
    } else if top.is_own_issuer() {
        let root = top.short_subject();
        let message = format!(
            "certificate of {host} comes from the authority {root}, which is not trusted here"
        );
        (FindingId::PrivateRoot, message)
    } else if leaf.is_self_issued() && case.path.is_empty() {
        let message = format!(
            "certificate of {host} names itself as its issuer ({}), yet another key signed it: \
             server and authority were given one name",
            leaf.short_subject()
        );
        (FindingId::UnknownIssuer, message)
    } else if completes(case, known) || (case.path.is_empty() && !leaf.issuer_urls().is_empty()) {
        let whose = if case.path.is_empty() { "its own" } else { "the last one it sent" };
        let issuer = top.short_issuer();
        let message =
            format!("{host} did not send the certificate of {issuer}, which issued {whose}");
        (FindingId::MissingIntermediate, message)
    } else {
        let message = format!(
            "certificate of {host} leads to {}, which is neither sent nor trusted here",
            top.short_issuer()
        );
        (FindingId::UnknownIssuer, message)
    };
    let mut finding = about(id, message, case.path.len(), top);
    if let Some(key) = top.authority_key_id() {
        finding = finding.with("authority_key_id", key);
    }
    if let Some(url) = top.issuer_urls().first() {
        finding = finding.with("issuer_url", url);
    }
    findings.push(finding);
}

/// Whether intermediates known from elsewhere complete the path.
fn completes(case: &Case<'_>, known: &[CertificateDer<'_>]) -> bool {
    let der = |der: &CertificateDer<'_>| CertificateDer::from(der.to_vec());
    let all: Vec<_> = case.ders.iter().map(der).chain(known.iter().map(der)).collect();
    !known.is_empty() && case.policy.trusts(&all, case.moment).is_ok()
}

/// What each set of roots says, the deciding one first.
pub(super) fn compare(
    case: &Case<'_>,
    inspector: &Inspector,
    findings: &mut Findings,
) -> Vec<TrustVerdict> {
    let decisive = verdict(case, &inspector.decisive_name, &inspector.decisive, true);
    let mut verdicts = vec![decisive.clone()];
    for (name, policy) in &inspector.compared {
        let other = verdict(case, name, policy, false);
        if other.trusted != decisive.trusted {
            findings.push(differ(case, &decisive, &other));
        }
        verdicts.push(other);
    }
    verdicts
}

fn differ(case: &Case<'_>, decisive: &TrustVerdict, other: &TrustVerdict) -> Finding {
    let host = case.host;
    let (message, severity) = match decisive.trusted {
        true => (
            format!(
                "certificate of {host} is trusted by the roots \"{}\" and not by \"{}\": clients \
                 elsewhere may refuse it",
                decisive.roots, other.roots
            ),
            // A private authority is trusted where it was installed, and is
            // meant to be.
            Severity::Info,
        ),
        false => (
            format!(
                "certificate of {host} is not trusted by the roots \"{}\", though it is by \"{}\" \
                 ({}): the first may be out of date",
                decisive.roots,
                other.roots,
                other.root.as_deref().unwrap_or("a root without a name")
            ),
            Severity::Warning,
        ),
    };
    Finding::new(FindingId::TrustStoreDiffers, message)
        .with_severity(severity)
        .with("decisive", &decisive.roots)
        .with("decisive_trusts", decisive.trusted)
        .with("compared", &other.roots)
        .with("compared_trusts", other.trusted)
}

fn verdict(case: &Case<'_>, name: &str, policy: &TrustPolicy, decides: bool) -> TrustVerdict {
    let path = match &case.trusted {
        trusted if decides => trusted.clone(),
        // One root, one answer.
        Ok(path) if policy.holds(&path.root) => Ok(path.clone()),
        _ => policy.trusts(&case.ders, case.moment),
    };
    let root = match path {
        Ok(path) => Some(path.root),
        Err(
            Error::UnknownIssuer
            | Error::InvalidSignatureForPublicKey
            | Error::SignatureAlgorithmMismatch
            | Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
            | Error::CertDistrusted,
        ) => None,
        // The other errors speak of other axes.
        Err(_) => match walk(case, policy) {
            Walk::Root(root) => Some(root),
            Walk::Unchecked | Walk::Unknown | Walk::Forged(..) => None,
        },
    };
    TrustVerdict {
        roots: name.to_owned(),
        trusted: root.is_some(),
        root: root.map(|root| root.display_name()),
        decides,
    }
}

/// Whether a set of public roots trusts the chain. Mozilla's decides where it
/// is at hand: into the system's store companies put roots of their own.
pub(super) fn is_public(verdicts: &[TrustVerdict]) -> bool {
    let says = |name: &str| verdicts.iter().find(|verdict| verdict.roots == name);
    says("mozilla").or_else(|| says("system")).is_some_and(|verdict| verdict.trusted)
}

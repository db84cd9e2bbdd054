//! Strength: keys, signatures, and the proof that the server holds its key.

use super::case::{Case, Findings, about};
use crate::certificate::facts::Certificate;
use crate::finding::{Finding, FindingId};

pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    for (depth, certificate) in case.certificates() {
        if certificate.key().is_unusable() {
            weak_key(certificate, depth, case.host, findings);
        }
    }
    for (depth, certificate) in case.issued() {
        if certificate.has_weak_signature() && !certificate.is_self_issued() {
            let message = format!(
                "certificate of {}, for {}, is signed with {}, which can be forged",
                certificate.short_subject(),
                case.host,
                certificate.signature_algorithm()
            );
            findings.push(
                about(FindingId::WeakSignature, message, depth, certificate)
                    .with("algorithm", certificate.signature_algorithm()),
            );
        }
    }
    weak_root(case, findings);
}

/// A key that nothing can be built on.
pub(super) fn weak_key(
    certificate: &Certificate,
    depth: usize,
    host: &str,
    findings: &mut Findings,
) {
    let key = certificate.key();
    let fault =
        if key.is_weak() { "is too weak" } else { "is of a kind that few TLS clients accept" };
    let message = format!("the {key} key of {}, for {host}, {fault}", certificate.short_subject());
    let finding = about(FindingId::WeakKey, message, depth, certificate);
    findings.push(finding.with("key", key));
}

/// A signature under a root's short key fails as a forged one does.
fn weak_root(case: &Case<'_>, findings: &mut Findings) {
    if case.trusted.is_ok() {
        return;
    }
    let roots: Vec<_> = case.policy.roots_named(case.top().issuer_der()).collect();
    let mut keys = roots.iter().map(|root| root.key());
    let all_weak = keys.all(|key| key.is_some_and(|key| key.is_unusable()));
    // One that was sent along is found like any other certificate.
    if let (true, Some(root), false) = (all_weak, roots.first(), case.top().is_self_issued()) {
        let key = root.key().map_or(String::new(), |key| format!("{key} "));
        let message = format!(
            "the {key}key of the root {}, above {}, cannot be used to check signatures",
            root.display_name(),
            case.host
        );
        findings.push(Finding::new(FindingId::WeakKey, message).with("key", key.trim_end()));
    }
}

/// Whether the server proved, in the handshake, that it holds the key.
pub(super) fn judge_proof(case: &Case<'_>, proven: Option<bool>, findings: &mut Findings) {
    // An unusable key cannot be proved to be held, and is found as such.
    if proven == Some(false) && !case.leaf.key().is_unusable() {
        unproven(case.host, findings);
    }
}

pub(super) fn unproven(host: &str, findings: &mut Findings) {
    let message = format!("{host} did not prove that it holds the key of its certificate");
    findings.add(FindingId::BadSignature, message);
}

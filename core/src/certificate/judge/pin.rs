//! Pins of keys, and fingerprints of leaves.

use super::case::{Case, Findings};
use crate::certificate::digest::{Fingerprint, SpkiPin};
use crate::certificate::policy::Refusal;
use crate::finding::{Finding, FindingId};

/// Whether a pinned key is in the path. An untrusted path is taken as far as
/// it was sent.
pub(super) fn judge(case: &Case<'_>, refusal: Option<&Refusal>, findings: &mut Findings) {
    let pins = &case.policy.pins;
    if pins.is_empty() {
        return;
    }
    let root = case.trusted.as_ref().ok().map(|path| SpkiPin::of(&path.root.spki));
    let held = case.certificates().map(|(_, certificate)| certificate.spki_pin());
    let pinned = held.chain(root).any(|pin| pins.contains(&pin));
    if pinned && !matches!(refusal, Some(Refusal::Unpinned)) {
        return;
    }
    let served = case.leaf.spki_pin();
    let message = format!(
        "no key in the chain of {} is among the {} pinned; the server's key is {served}",
        case.host,
        pins.len(),
    );
    let finding = Finding::new(FindingId::PinMismatch, message);
    findings.push(finding.with("expected", list(pins)).with("served", served));
}

/// Whether the leaf is one of those expected by fingerprint.
pub(super) fn judge_fingerprints(
    case: &Case<'_>,
    expected: &[Fingerprint],
    findings: &mut Findings,
) {
    let served = case.leaf.fingerprint();
    if expected.is_empty() || expected.contains(&served) {
        return;
    }
    let message = format!(
        "{} serves another certificate than the one expected: {served}, issued by {}",
        case.host,
        case.leaf.short_issuer()
    );
    let finding = Finding::new(FindingId::FingerprintMismatch, message);
    findings.push(finding.with("expected", list(expected)).with("served", served));
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

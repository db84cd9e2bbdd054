//! Chain shape: what was sent, in what order, and what too much.

use std::collections::HashSet;

use super::case::{Case, Findings};
use crate::certificate::facts::Certificate;
use crate::finding::{Finding, FindingId, Severity};

/// More certificates than some clients follow: mbed TLS stops at 8
/// intermediates, and the path library used here at 6.
const MANY: usize = 8;

/// More bytes than small clients have room for.
const LARGE: usize = 32 * 1024;

/// How many certificates a message names.
const NAMED: usize = 4;

/// Whether the server's own certificate comes first.
pub(super) fn judge_first(case: &Case<'_>, findings: &mut Findings) {
    let first = &case.chain[0];
    if first.fingerprint() == case.leaf.fingerprint() {
        return;
    }
    let message = format!(
        "the certificates of {} come in the wrong order: {} is first",
        case.host,
        first.short_subject()
    );
    let finding = Finding::new(FindingId::WrongOrder, message);
    findings.push(finding.with("order", order(case.chain.iter())));
}

/// What works all the same, and need not be.
pub(super) fn judge_extras(case: &Case<'_>, findings: &mut Findings) {
    let distinct = duplicates(case, findings);
    out_of_order(case, findings);
    let related = related(case.leaf, &distinct);
    let others: Vec<&Certificate> =
        distinct.iter().copied().filter(|it| it.fingerprint() != case.leaf.fingerprint()).collect();
    let unrelated = others.iter().copied().filter(|it| !related.contains(it.der()));
    extra(
        findings,
        FindingId::UnrelatedCertificate,
        unrelated.collect(),
        &format!("{} sent certificates that do not belong to its chain", case.host),
    );
    // By its signature and not by its name: cross-signed intermediates are
    // called "Root" too.
    let roots = others.iter().copied().filter(|it| related.contains(it.der()));
    extra(
        findings,
        FindingId::RootSent,
        roots.filter(|it| it.is_own_issuer()).collect(),
        &format!("{} sent its root along, which no client needs", case.host),
    );
    large(case, findings);
}

fn duplicates<'a>(case: &Case<'a>, findings: &mut Findings) -> Vec<&'a Certificate> {
    let mut seen = HashSet::new();
    let (distinct, repeated): (Vec<_>, Vec<_>) =
        case.chain.iter().partition(|it| seen.insert(it.fingerprint()));
    let message = format!("{} sent the same certificate more than once", case.host);
    extra(findings, FindingId::DuplicateCertificate, repeated, &message);
    distinct
}

/// Every client here finds its way, but RFC 5246 §7.4.2 demands the order, and
/// some clients hold servers to it.
fn out_of_order(case: &Case<'_>, findings: &mut Findings) {
    let place = |wanted: &&Certificate| {
        case.chain.iter().position(|it| it.fingerprint() == wanted.fingerprint())
    };
    let places: Vec<_> = case.path.iter().filter_map(place).collect();
    let leaf_is_first = case.chain[0].fingerprint() == case.leaf.fingerprint();
    if places.is_sorted() || !leaf_is_first {
        return;
    }
    let message = format!("the intermediate certificates of {} are out of order", case.host);
    let finding = Finding::new(FindingId::WrongOrder, message).with_severity(Severity::Warning);
    findings.push(
        finding
            .with("order", order(case.chain.iter()))
            .with("expected", order(std::iter::once(case.leaf).chain(case.path.iter().copied()))),
    );
}

/// Everything that some path from the leaf could use, by name.
fn related<'a>(leaf: &'a Certificate, sent: &[&'a Certificate]) -> HashSet<&'a [u8]> {
    let mut related = HashSet::from([leaf.der()]);
    let mut names = vec![leaf.issuer_der()];
    while let Some(name) = names.pop() {
        for certificate in sent.iter().filter(|it| it.subject_der() == name) {
            if related.insert(certificate.der()) {
                names.push(certificate.issuer_der());
            }
        }
    }
    related
}

fn large(case: &Case<'_>, findings: &mut Findings) {
    let (count, bytes) = case.size;
    if count <= MANY && bytes <= LARGE {
        return;
    }
    let message = format!(
        "{} sent {count} certificates with {bytes} bytes, which some clients refuse",
        case.host
    );
    let finding = Finding::new(FindingId::LargeChain, message);
    findings.push(finding.with("certificates", count).with("bytes", bytes));
}

fn extra(findings: &mut Findings, id: FindingId, extra: Vec<&Certificate>, message: &str) {
    if extra.is_empty() {
        return;
    }
    let names: Vec<_> = extra.iter().take(NAMED).map(|it| it.short_subject()).collect();
    let more = match extra.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("{message}: {}{more}", names.join(", "));
    let fingerprints = extra.iter().take(NAMED).map(|it| it.fingerprint().to_string());
    let finding = Finding::new(id, message).with("count", extra.len());
    findings.push(finding.with("sha256", fingerprints.collect::<Vec<_>>().join(", ")));
}

fn order<'a>(chain: impl Iterator<Item = &'a Certificate>) -> String {
    chain.map(Certificate::short_subject).collect::<Vec<_>>().join(", ")
}

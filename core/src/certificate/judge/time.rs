//! Time: the leaf, the authorities above it, and the clock they are held
//! against.

use std::time::{Duration, SystemTime};

use super::case::{Case, Findings, about};
use crate::certificate::threshold::{Nearness, Thresholds};
use crate::certificate::when;
use crate::finding::{Finding, FindingId, Severity};

/// When this version was made, in seconds after the Unix epoch (2026-11-01):
/// a clock that shows an earlier time is wrong. To be moved at each release.
const RELEASED: u64 = 1_793_491_200;

/// A certificate this new may have been installed the minute it was issued, so
/// a clock that is a little slow is the likelier fault.
const FRESH: Duration = Duration::from_secs(3_600);

/// Since when (seconds after the Unix epoch) public authorities may issue for
/// so many days at most: Baseline Requirements §6.3.2.
const LIFETIMES: [(u64, u64); 5] = [
    (1_519_862_400, 825), // 2018-03-01
    (1_598_918_400, 398), // 2020-09-01
    (1_773_532_800, 200), // 2026-03-15
    (1_805_068_800, 100), // 2027-03-15
    (1_868_227_200, 47),  // 2029-03-15
];

const DAY: u64 = 86_400;

/// What is outside of its validity.
pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    let now = case.now;
    for (depth, certificate) in case.issued() {
        let whose = case.whose(depth, certificate);
        let (id, message) = if now > certificate.not_after() {
            let end = certificate.not_after();
            let when = format!("{} ({})", when::utc(end), when::relative(end, now));
            (FindingId::Expired, format!("{whose} expired on {when}"))
        } else if now < certificate.not_before() {
            let start = certificate.not_before();
            let when = format!("{} ({})", when::utc(start), when::relative(start, now));
            (FindingId::NotYetValid, format!("{whose} is not valid before {when}"))
        } else {
            continue;
        };
        findings.push(about(id, message, depth, certificate));
    }
    clock(case, findings);
}

/// A leaf that is not valid yet is laid at the local clock's door when that
/// shows a time before this version was made, or when an authority above the
/// leaf is not valid yet either: an authority exists for years before it
/// issues, so one bad certificate cannot explain that, and one bad clock can.
/// A clock that is fast cannot be told from an expired certificate.
fn clock(case: &Case<'_>, findings: &mut Findings) {
    let (leaf, now) = (case.leaf, case.now);
    let Ok(ahead) = leaf.not_before().duration_since(now) else { return };
    if ahead.is_zero() {
        return;
    }
    let released = SystemTime::UNIX_EPOCH + Duration::from_secs(RELEASED);
    let finding = |message| {
        Finding::new(FindingId::ClockSkew, message)
            .with("clock", when::stamp(now))
            .with("not_before", when::stamp(leaf.not_before()))
    };
    let evidence = if now < released {
        format!("before this software was made ({})", when::utc(released))
    } else if case.path.iter().any(|authority| now < authority.not_before()) {
        "before both the certificate and the authority that issued it are valid".to_owned()
    } else if ahead <= FRESH {
        let message = format!(
            "this machine's clock may be slow: certificate of {} becomes valid in {}",
            case.host,
            when::span(ahead)
        );
        return findings.push(finding(message).with_severity(Severity::Warning));
    } else {
        return;
    };
    findings.push(finding(format!(
        "this machine's clock shows {}, which is {evidence}; certificate of {} is valid {} to {}",
        when::utc(now),
        case.host,
        when::utc(leaf.not_before()),
        when::utc(leaf.not_after())
    )));
}

/// What is near its end.
pub(super) fn judge_nearness(case: &Case<'_>, thresholds: &Thresholds, findings: &mut Findings) {
    let now = case.now;
    for (depth, certificate) in case.issued() {
        let end = certificate.not_after();
        if now > end || now < certificate.not_before() {
            continue;
        }
        let (severity, threshold) = match thresholds.judge(certificate, now) {
            Nearness::Far => continue,
            Nearness::Near => (Severity::Warning, thresholds.warning),
            Nearness::Critical => (Severity::Critical, thresholds.critical),
        };
        let message = format!(
            "{} expires on {} ({})",
            case.whose(depth, certificate),
            when::utc(end),
            when::relative(end, now)
        );
        let finding = about(FindingId::Expiring, message, depth, certificate);
        findings.push(finding.with_severity(severity).with("threshold", threshold));
    }
}

/// Whether a public authority issued the leaf for longer than it may.
pub(super) fn judge_lifetime(case: &Case<'_>, findings: &mut Findings) {
    let leaf = case.leaf;
    let Ok(issued) = leaf.not_before().duration_since(SystemTime::UNIX_EPOCH) else { return };
    let Ok(lifetime) = leaf.not_after().duration_since(leaf.not_before()) else { return };
    let limit = LIFETIMES.iter().rev().find(|(since, _)| issued.as_secs() >= *since);
    let Some((_, days)) = limit else { return };
    // Both ends belong to the validity period (RFC 5280 §4.1.2.5).
    if lifetime.as_secs() < days * DAY {
        return;
    }
    let message = format!(
        "certificate of {} is valid for {} days, and public authorities may issue for {days} at \
         most since the date it was issued",
        case.host,
        (lifetime.as_secs() + 1).div_ceil(DAY)
    );
    let finding = about(FindingId::LongLifetime, message, 0, leaf);
    findings.push(finding.with("limit_days", days));
}

//! Revocation: the lists that were given, and the staple.
//!
//! Lists are searched by the facts and not by way of the path search, so that
//! a revoked certificate is found also where the path is untrusted or expired.

use std::time::SystemTime;

use super::case::{Case, Findings, about};
use crate::certificate::facts::Certificate;
use crate::certificate::inspect::Shown;
use crate::certificate::ocsp::{Response, Revocation, Staple, StapleStatus, Unusable};
use crate::certificate::revocation::Crl;
use crate::certificate::signature::Signature;
use crate::certificate::when;
use crate::finding::{Finding, FindingId, Severity};

/// By the revocation lists.
pub(super) fn judge_lists(case: &Case<'_>, lists: &[Crl], findings: &mut Findings) {
    if lists.is_empty() {
        return;
    }
    for (depth, certificate) in case.issued() {
        let keys = case.issuer_keys(depth);
        for list in lists.iter().filter(|list| list.is_for(certificate)) {
            match list.signature_by(&keys) {
                // Without the issuer's key there is nothing to hold it against,
                // and trust says so.
                Signature::Good | Signature::Unchecked => {}
                Signature::Bad => {
                    unusable(case, list, "is not signed by it", findings);
                    continue;
                }
            }
            if let Some(revocation) = list.revokes(certificate) {
                findings.push(revoked(case, depth, certificate, &revocation, "its issuer's list"));
            }
            if let Some(fault) = out_of_date(list.this_update, list.next_update, case.now) {
                unusable(case, list, &fault, findings);
            }
        }
    }
    if !lists.iter().any(|list| list.is_for(case.leaf)) {
        let issuer = case.leaf.short_issuer();
        let message = format!(
            "no revocation list of {issuer} was given, so that of {} nothing is known",
            case.host
        );
        findings.push(Finding::new(FindingId::CrlUnusable, message).with("issuer", issuer));
    }
}

fn unusable(case: &Case<'_>, list: &Crl, fault: &str, findings: &mut Findings) {
    let issuer = list.issuer();
    let message = format!("the revocation list of {issuer}, for {}, {fault}", case.host);
    // The same list may speak of several certificates of the chain.
    if findings.0.iter().any(|finding| finding.message == message) {
        return;
    }
    findings.push(
        Finding::new(FindingId::CrlUnusable, message)
            .with("issuer", issuer)
            .with("this_update", when::stamp(list.this_update)),
    );
}

fn revoked(
    case: &Case<'_>,
    depth: usize,
    certificate: &Certificate,
    revocation: &Revocation,
    source: &str,
) -> Finding {
    let reason = revocation.reason.unwrap_or("unspecified");
    let message = format!(
        "{} was revoked on {} ({}), says {source}; reason: {reason}",
        case.whose(depth, certificate),
        when::utc(revocation.at),
        when::relative(revocation.at, case.now)
    );
    about(FindingId::Revoked, message, depth, certificate)
        .with("revoked_at", when::stamp(revocation.at))
        .with("reason", reason)
}

fn out_of_date(
    this_update: SystemTime,
    next_update: Option<SystemTime>,
    now: SystemTime,
) -> Option<String> {
    let at = |moment| format!("{} ({})", when::utc(moment), when::relative(moment, now));
    match next_update {
        _ if now < this_update => Some(format!("is not valid before {}", at(this_update))),
        Some(next) if now > next => Some(format!("is out of date since {}", at(next))),
        _ => None,
    }
}

/// By the staple. What demands one and has none is only at fault where there
/// was a handshake.
pub(super) fn judge_staple(
    case: &Case<'_>,
    shown: Shown<'_>,
    findings: &mut Findings,
) -> Option<Staple> {
    let (host, leaf) = (case.host, case.leaf);
    let Some(der) = shown.staple.filter(|der| !der.is_empty()) else {
        if leaf.must_staple() && shown.proven.is_some() {
            let message = format!(
                "certificate of {host} demands a stapled OCSP response (must-staple), and the \
                 server sent none"
            );
            findings.push(about(FindingId::StapleMissing, message, 0, leaf));
        }
        return None;
    };
    let mut invalid = |fault: &str| {
        let message = format!("the OCSP response stapled by {host} {fault}");
        // Clients that honour must-staple refuse the server.
        let severity = if leaf.must_staple() { Severity::Critical } else { Severity::Warning };
        findings.push(about(FindingId::StapleInvalid, message, 0, leaf).with_severity(severity));
    };
    let keys = case.issuer_keys(0);
    let response = match Response::read(der, leaf, &keys) {
        Ok(response) => response,
        Err(unusable) => {
            match unusable {
                Unusable::Unreadable => invalid("cannot be read"),
                Unusable::OtherCertificate => invalid("is about another certificate"),
                Unusable::Refused(why) => {
                    invalid(&format!("is a refusal of the responder: {why}"));
                }
            }
            return None;
        }
    };
    let staple = response.staple.clone();
    if response.signature(leaf, &keys, case.now) == Signature::Bad {
        invalid("is not signed by the certificate's issuer");
        return Some(staple);
    }
    if let Some(fault) = out_of_date(staple.this_update, staple.next_update, case.now) {
        invalid(&fault);
    }
    match staple.status {
        StapleStatus::Good => {}
        StapleStatus::Unknown => invalid("says that its issuer does not know the certificate"),
        StapleStatus::Revoked { at, reason } => {
            let revocation = Revocation { at, reason };
            findings.push(revoked(case, 0, leaf, &revocation, "its stapled OCSP response"));
        }
    }
    Some(staple)
}

//! The verdict: every axis on its own, none hiding another.
//!
//! ```text
//!   chain as sent ─> Case (facts, path, moment) ─┬─> time, name, trust, purpose,
//!                                                │   strength, order, pins
//!                                                └─> with an Inspector also: nearness,
//!                                                    lifetime, shape, revocation, stores
//! ```
//!
//! The first group says why a chain is refused, and is all that a mailer asks
//! for; an accepted chain is never judged there. The second group is for those
//! who look.

mod case;
mod name;
mod pin;
mod purpose;
mod revocation;
mod shape;
mod strength;
mod time;
mod trust;

use std::cmp::Reverse;
use std::time::SystemTime;

use rustls_pki_types::{CertificateDer, ServerName};

use self::case::{Case, Findings};
use super::facts::Certificate;
use super::inspect::{Inspector, Shown};
use super::ocsp::Staple;
use super::policy::{Refusal, TrustPolicy};
use super::report::{CertificateReport, TrustVerdict};
use crate::finding::{Finding, FindingId, Severity};

/// How many certificates of a chain are read. No path is half as long.
const MAX_CHAIN: usize = 32;

/// How many unreadable certificates are told of one by one.
const MAX_UNREADABLE: usize = 4;

/// What is to be judged.
#[derive(Clone, Copy)]
pub(crate) struct Judgement<'a> {
    /// What the server sent, leaf first.
    pub(crate) chain: &'a [CertificateDer<'a>],
    /// The name it must be for.
    pub(crate) host: &'a ServerName<'a>,
    pub(crate) policy: &'a TrustPolicy,
    /// The local time.
    pub(crate) now: SystemTime,
}

/// The name that the leaf must be for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    Name(&'a ServerName<'a>),
    /// Text that no certificate can be for.
    Impossible,
    /// Nobody asked.
    Any,
}

/// A chain, and what it is held against.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) sent: &'a [CertificateDer<'a>],
    /// The host in words; empty if nobody asked for a name.
    pub(super) host: &'a str,
    pub(super) wanted: Wanted<'a>,
    pub(super) policy: &'a TrustPolicy,
    pub(super) now: SystemTime,
}

/// The rest of what an [`Inspector`] looks at.
#[derive(Clone, Copy)]
pub(super) struct Beyond<'a> {
    pub(super) inspector: &'a Inspector,
    pub(super) shown: Shown<'a>,
}

/// Judges a chain on every axis that can refuse it.
///
/// - *time*: the leaf, and the authorities on its path.
/// - *name*: by the path library's own rules.
/// - *trust*: at a moment inside all validities and for any purpose, so that
///   neither hides an unknown issuer.
/// - *purpose*, *strength*, *pins*: by the facts.
/// - *clock*: a leaf that is not valid yet is laid at the local clock's door
///   when that is the likelier fault.
///
/// `refusal` is why the chain was not accepted, if it was not: a report on a
/// refused chain always has a critical finding.
pub(crate) fn judge(case: Judgement<'_>, refusal: Option<&Refusal>) -> CertificateReport {
    let host = case.host.to_str();
    let question = Question {
        sent: case.chain,
        host: &host,
        wanted: Wanted::Name(case.host),
        policy: case.policy,
        now: case.now,
    };
    examine(question, refusal, None)
}

/// The report on a server that did not prove, by its handshake signature, that
/// it holds the key of its certificate.
pub(crate) fn judge_unproven(case: Judgement<'_>) -> CertificateReport {
    let host = case.host.to_str();
    let mut findings = Findings::default();
    let chain: Vec<_> =
        case.chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    match chain.first() {
        Some(leaf) if leaf.key().is_unusable() => strength::weak_key(leaf, 0, &host, &mut findings),
        _ => strength::unproven(&host, &mut findings),
    }
    report(&host, chain, findings, Vec::new(), None, case.now)
}

/// Judges a chain, on all axes if `beyond` is given.
pub(super) fn examine(
    question: Question<'_>,
    refusal: Option<&Refusal>,
    beyond: Option<Beyond<'_>>,
) -> CertificateReport {
    let mut findings = Findings::default();
    let (chain, leaf_is_readable) = read(&question, &mut findings);
    let host = match (question.host, chain.first()) {
        ("", Some(leaf)) => leaf.short_subject().to_owned(),
        ("", None) => "the server".to_owned(),
        (host, _) => host.to_owned(),
    };
    let (mut trust, mut staple) = (Vec::new(), None);
    let mut refused = refusal.is_some();
    if leaf_is_readable {
        let case = Case::new(&question, &host, &chain);
        time::judge(&case, &mut findings);
        name::judge(&case, &mut findings);
        shape::judge_first(&case, &mut findings);
        purpose::judge(&case, &mut findings);
        strength::judge(&case, &mut findings);
        let known = beyond.map_or(&[][..], |beyond| &beyond.inspector.intermediates);
        trust::judge(&case, known, &mut findings);
        pin::judge(&case, refusal, &mut findings);
        refused |= !case.serves;
        if let Some(beyond) = beyond {
            (trust, staple) = look_beyond(&case, beyond, &mut findings);
        }
    }
    if refused && findings.0.iter().all(|finding| finding.severity < Severity::Critical) {
        let reason = match refusal {
            Some(Refusal::Path(error)) => format!(": {error}"),
            Some(Refusal::Empty | Refusal::Unpinned) | None => String::new(),
        };
        findings.add(FindingId::InvalidPath, format!("certificate of {host} was refused{reason}"));
    }
    report(&host, chain, findings, trust, staple, question.now)
}

fn look_beyond(
    case: &Case<'_>,
    beyond: Beyond<'_>,
    findings: &mut Findings,
) -> (Vec<TrustVerdict>, Option<Staple>) {
    let Beyond { inspector, shown } = beyond;
    time::judge_nearness(case, &inspector.thresholds, findings);
    shape::judge_extras(case, findings);
    strength::judge_proof(case, shown.proven, findings);
    pin::judge_fingerprints(case, &inspector.fingerprints, findings);
    let verdicts = trust::compare(case, inspector, findings);
    if trust::is_public(&verdicts) {
        time::judge_lifetime(case, findings);
    }
    revocation::judge_lists(case, &inspector.crls, findings);
    let staple = revocation::judge_staple(case, shown, findings);
    (verdicts, staple)
}

/// What can be read of the chain, and whether its first certificate can.
fn read(question: &Question<'_>, findings: &mut Findings) -> (Vec<Certificate>, bool) {
    let whose = match question.host {
        "" => "the server",
        host => host,
    };
    if question.sent.is_empty() {
        findings.add(FindingId::NoCertificate, format!("{whose} sent no certificate"));
    }
    let mut chain = Vec::new();
    let mut leaf_is_readable = false;
    let mut unreadable = 0;
    for (depth, der) in question.sent.iter().enumerate().take(MAX_CHAIN) {
        let error = match Certificate::from_der(der) {
            Ok(certificate) => {
                leaf_is_readable |= depth == 0;
                chain.push(certificate);
                continue;
            }
            Err(error) => error,
        };
        unreadable += 1;
        if unreadable > MAX_UNREADABLE {
            continue;
        }
        let message = match depth {
            0 => format!("certificate of {whose} cannot be read: {}", error.reason()),
            _ => format!("certificate {depth} in the chain of {whose} cannot be read"),
        };
        // Only the leaf is always needed.
        let severity = if depth == 0 { Severity::Critical } else { Severity::Warning };
        let finding = Finding::new(FindingId::Unreadable, message).with_severity(severity);
        findings.push(finding.with("depth", depth).with("error", error.reason()));
    }
    (chain, leaf_is_readable)
}

fn report(
    host: &str,
    chain: Vec<Certificate>,
    findings: Findings,
    trust: Vec<TrustVerdict>,
    staple: Option<Staple>,
    now: SystemTime,
) -> CertificateReport {
    let mut findings = findings.0;
    findings.sort_by_key(|finding| (Reverse(finding.severity), finding.id));
    CertificateReport { host: host.to_owned(), chain, findings, trust, staple, checked_at: now }
}

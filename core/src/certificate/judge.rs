//! The verdict: every axis on its own, none hiding another.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use super::facts::Certificate;
use super::policy::{Refusal, TrustPolicy};
use super::report::CertificateReport;
use super::when;
use crate::finding::{Finding, FindingId, Severity};

/// When this version was made, in seconds after the Unix epoch (2026-11-01):
/// a clock that shows an earlier time is wrong. To be moved at each release.
const RELEASED: u64 = 1_793_491_200;

/// How many names of a certificate a message lists.
const NAMES_LISTED: usize = 8;

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

/// Judges a chain on every axis.
///
/// - *time*: the leaf, and the intermediates it leads to by name.
/// - *name*: by the path library's own rules.
/// - *trust*: at a moment inside all validities and for any purpose, so that
///   neither hides an unknown issuer.
/// - *purpose*, *strength*, *pins*: by the facts.
/// - *clock*: a leaf that is not valid yet is laid at the local clock's door
///   when that shows a time before this version was made, or when an
///   authority above the leaf is not valid yet either: an authority exists
///   for years before it issues, so one bad certificate cannot explain that,
///   and one bad clock can. A clock that is fast cannot be told from an
///   expired certificate.
///
/// `refusal` is why the chain was not accepted, if it was not: a report on a
/// refused chain always has a critical finding.
pub(crate) fn judge(case: Judgement<'_>, refusal: Option<&Refusal>) -> CertificateReport {
    let mut judge = Judge { case, host: case.host.to_str().into_owned(), findings: Vec::new() };
    let mut chain = Vec::new();
    let mut leaf_is_readable = false;
    for (depth, der) in case.chain.iter().enumerate() {
        match Certificate::from_der(der) {
            Ok(certificate) => {
                leaf_is_readable |= depth == 0;
                chain.push(certificate);
            }
            Err(error) => judge.unreadable(depth, &error.to_string()),
        }
    }
    if case.chain.is_empty() {
        let message = format!("{} sent no certificate", judge.host);
        judge.found(FindingId::NoCertificate, message);
    }
    if let Some((leaf, above)) = chain.split_first().filter(|_| leaf_is_readable) {
        judge.all_axes(leaf, &linked(leaf, above), above, refusal);
    }
    if let Some(refusal) = refusal
        && judge.findings.iter().all(|finding| finding.severity < Severity::Critical)
    {
        let reason = match refusal {
            Refusal::Path(error) => format!(": {error}"),
            Refusal::Empty | Refusal::Unpinned => String::new(),
        };
        let message = format!("certificate of {} was refused{reason}", judge.host);
        judge.found(FindingId::InvalidPath, message);
    }
    judge.findings.sort_by_key(|finding| (Reverse(finding.severity), finding.id));
    CertificateReport {
        host: judge.host,
        chain,
        findings: judge.findings,
        trust: Vec::new(),
        checked_at: case.now,
    }
}

/// The report on a server that did not prove, by its handshake signature, that
/// it holds the key of its certificate.
pub(crate) fn judge_unproven(case: Judgement<'_>) -> CertificateReport {
    let mut report = CertificateReport {
        host: case.host.to_str().into_owned(),
        chain: case.chain.iter().filter_map(|der| Certificate::from_der(der).ok()).collect(),
        findings: Vec::new(),
        trust: Vec::new(),
        checked_at: case.now,
    };
    let host = &report.host;
    let finding = match report.leaf() {
        Some(leaf) if leaf.has_weak_key() => Finding::new(FindingId::WeakKey, weak_key(leaf, host)),
        _ => Finding::new(
            FindingId::BadSignature,
            format!("{host} did not prove that it holds the key of its certificate"),
        ),
    };
    report.findings.push(finding);
    report
}

fn weak_key(certificate: &Certificate, host: &str) -> String {
    let key = certificate.key_algorithm();
    let bits = certificate.key_bits().map_or(String::new(), |bits| format!("-{bits}"));
    format!("the {key}{bits} key of {}, for {host}, is too weak", certificate.short_subject())
}

/// The authorities above `leaf`, nearest first, followed by name.
fn linked<'a>(leaf: &'a Certificate, sent: &'a [Certificate]) -> Vec<&'a Certificate> {
    let mut path: Vec<&Certificate> = Vec::new();
    let mut top = leaf;
    while !top.is_self_issued() {
        let next = sent.iter().find(|certificate| {
            top.is_issued_by(certificate) && path.iter().all(|seen| *seen != *certificate)
        });
        let Some(next) = next else { break };
        path.push(next);
        top = next;
    }
    path
}

struct Judge<'a> {
    case: Judgement<'a>,
    host: String,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    fn found(&mut self, id: FindingId, message: String) {
        self.findings.push(Finding::new(id, message));
    }

    fn unreadable(&mut self, depth: usize, reason: &str) {
        let message = match depth {
            0 => format!("certificate of {} cannot be read: {reason}", self.host),
            _ => format!("certificate {depth} in the chain of {} cannot be read", self.host),
        };
        // Only the leaf is always needed.
        let severity = if depth == 0 { Severity::Critical } else { Severity::Warning };
        self.findings.push(Finding::new(FindingId::Unreadable, message).with_severity(severity));
    }

    fn all_axes(
        &mut self,
        leaf: &Certificate,
        path: &[&Certificate],
        sent: &[Certificate],
        refusal: Option<&Refusal>,
    ) {
        let policy = self.case.policy;
        // A path that holds now needs no expired extra certificate.
        let holds_now = policy.trusts(self.case.chain, self.case.now).is_ok();
        self.time(leaf, if holds_now { &[] } else { path });
        self.clock(leaf, path);
        self.name(leaf);
        let trusted = policy.trusts(self.case.chain, moment_inside(leaf, path, self.case.now));
        if let Err(error) = &trusted {
            self.trust(leaf, path, sent, error);
        }
        self.purpose(leaf, path, trusted.is_ok());
        self.strength(leaf, path);
        if !policy.pins.is_empty() {
            let pinned = std::iter::once(leaf.spki_pin())
                .chain(path.iter().map(|certificate| certificate.spki_pin()))
                .chain(trusted.ok())
                .any(|pin| policy.pins.contains(&pin));
            if !pinned || matches!(refusal, Some(Refusal::Unpinned)) {
                let message = format!(
                    "no key in the chain of {} is among the {} pinned; the server's key is {}",
                    self.host,
                    policy.pins.len(),
                    leaf.spki_pin()
                );
                self.found(FindingId::PinMismatch, message);
            }
        }
    }

    fn time(&mut self, leaf: &Certificate, path: &[&Certificate]) {
        let now = self.case.now;
        for (depth, certificate) in std::iter::once(&leaf).chain(path).enumerate() {
            let whose = match depth {
                0 => format!("certificate of {}", self.host),
                // A root that is sent along is judged by the trust store alone.
                _ if certificate.is_self_issued() => continue,
                _ => format!(
                    "intermediate certificate {} in the chain of {}",
                    certificate.short_subject(),
                    self.host
                ),
            };
            if now > certificate.not_after() {
                let end = certificate.not_after();
                let message =
                    format!("{whose} expired on {} ({})", when::utc(end), when::relative(end, now));
                self.found(FindingId::Expired, message);
            } else if now < certificate.not_before() {
                let start = certificate.not_before();
                let message = format!(
                    "{whose} is not valid before {} ({})",
                    when::utc(start),
                    when::relative(start, now)
                );
                self.found(FindingId::NotYetValid, message);
            }
        }
    }

    fn clock(&mut self, leaf: &Certificate, path: &[&Certificate]) {
        let now = self.case.now;
        let released = SystemTime::UNIX_EPOCH + Duration::from_secs(RELEASED);
        let ahead = |certificate: &&Certificate| now < certificate.not_before();
        let evidence = if !ahead(&leaf) {
            return;
        } else if now < released {
            format!("before this software was made ({})", when::utc(released))
        } else if path.iter().any(ahead) {
            "before both the certificate and the authority that issued it are valid".to_owned()
        } else {
            return;
        };
        let message = format!(
            "this machine's clock shows {}, which is {evidence}; certificate of {} is valid {} to {}",
            when::utc(now),
            self.host,
            when::utc(leaf.not_before()),
            when::utc(leaf.not_after())
        );
        self.found(FindingId::ClockSkew, message);
    }

    fn name(&mut self, leaf: &Certificate) {
        let Some(der) = self.case.chain.first() else { return };
        let Ok(end_entity) = EndEntityCert::try_from(der) else { return };
        if end_entity.verify_is_valid_for_subject_name(self.case.host).is_ok() {
            return;
        }
        let addresses = leaf.ip_addresses().iter().map(ToString::to_string);
        let names: Vec<String> = leaf.dns_names().iter().cloned().chain(addresses).collect();
        if names.is_empty() {
            let named = leaf.common_name().map_or(String::new(), |name| {
                format!("; its common name {name} is not looked at by TLS")
            });
            let message = format!("certificate of {} carries no host name{named}", self.host);
            return self.found(FindingId::NoSan, message);
        }
        let more = match names.len().saturating_sub(NAMES_LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let listed = names[..names.len().min(NAMES_LISTED)].join(", ");
        let message = format!("certificate is for {listed}{more}, not for {}", self.host);
        self.found(FindingId::NameMismatch, message);
    }

    fn trust(
        &mut self,
        leaf: &Certificate,
        path: &[&Certificate],
        sent: &[Certificate],
        error: &webpki::Error,
    ) {
        use webpki::Error;

        let host = self.host.clone();
        match error {
            Error::UnknownIssuer => self.unknown_issuer(leaf, path),
            Error::CaUsedAsEndEntity => {
                // Reported as the purpose; whether it is trusted is a question
                // of its own.
                if sent.iter().any(|other| self.is_for_host(other)) {
                    let message = format!(
                        "the certificates of {host} come in the wrong order: {} is first",
                        leaf.short_subject()
                    );
                    self.found(FindingId::WrongOrder, message);
                } else if !self.case.policy.is_root(leaf) {
                    self.unknown_issuer(leaf, path);
                }
            }
            Error::InvalidSignatureForPublicKey => {
                // A weak issuer key fails here too, and is found by strength.
                if !path.iter().any(|certificate| certificate.has_weak_key()) {
                    let message = format!(
                        "a signature in the chain of {host} does not fit the key of its issuer {}",
                        leaf.short_issuer()
                    );
                    self.found(FindingId::BadSignature, message);
                }
            }
            // Found by the time axis: no moment lies inside all validities.
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {}
            // Found by strength.
            Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
                if leaf.has_weak_signature()
                    || path.iter().any(|certificate| certificate.has_weak_signature()) => {}
            Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                let message = format!(
                    "certificate of {host} is signed with an algorithm that is not accepted ({})",
                    leaf.signature_algorithm()
                );
                self.found(FindingId::WeakSignature, message);
            }
            other => {
                let message = format!("certificate of {host} has no valid path: {other}");
                self.found(FindingId::InvalidPath, message);
            }
        }
    }

    fn unknown_issuer(&mut self, leaf: &Certificate, path: &[&Certificate]) {
        let host = &self.host;
        let top = path.last().copied().unwrap_or(leaf);
        let (id, message) = if leaf.is_self_issued() {
            let subject = leaf.short_subject();
            let id = FindingId::SelfSigned;
            (id, format!("certificate of {host} is self-signed ({subject}) and not trusted"))
        } else if top.is_self_issued() {
            let root = top.short_subject();
            let message = format!(
                "certificate of {host} comes from the authority {root}, which is not trusted here"
            );
            (FindingId::PrivateRoot, message)
        } else if path.is_empty() && leaf.names_issuer_url() {
            let message = format!(
                "{host} did not send the certificate of {}, which issued its own",
                leaf.short_issuer()
            );
            (FindingId::MissingIntermediate, message)
        } else {
            let message = format!(
                "certificate of {host} leads to {}, which is neither sent nor trusted here",
                top.short_issuer()
            );
            (FindingId::UnknownIssuer, message)
        };
        self.found(id, message);
    }

    fn purpose(&mut self, leaf: &Certificate, path: &[&Certificate], trusted: bool) {
        let host = &self.host;
        let message = if leaf.is_ca() {
            format!(
                "certificate of {host} is marked as an authority's (CA:TRUE), which some TLS \
                 clients accept from a server and this one does not"
            )
        } else if !leaf.allows_server_auth() {
            let uses = leaf.extended_key_usage().unwrap_or_default().join(", ");
            format!("certificate of {host} is not for servers, only for: {uses}")
        } else if trusted && self.server_path_fails(leaf, path) {
            format!("an authority in the chain of {host} must not issue for servers")
        } else {
            return;
        };
        self.found(FindingId::WrongPurpose, message);
    }

    fn server_path_fails(&self, leaf: &Certificate, path: &[&Certificate]) -> bool {
        let moment = moment_inside(leaf, path, self.case.now);
        self.case.policy.trusts_server(self.case.chain, moment).is_err()
    }

    fn strength(&mut self, leaf: &Certificate, path: &[&Certificate]) {
        for certificate in std::iter::once(&leaf).chain(path) {
            let subject = certificate.short_subject();
            if certificate.has_weak_key() {
                self.found(FindingId::WeakKey, weak_key(certificate, &self.host));
            }
            // What a root says of itself is not relied on.
            if certificate.has_weak_signature() && !certificate.is_self_issued() {
                let message = format!(
                    "certificate of {subject}, for {}, is signed with {}, which can be forged",
                    self.host,
                    certificate.signature_algorithm()
                );
                self.found(FindingId::WeakSignature, message);
            }
        }
    }

    fn is_for_host(&self, certificate: &Certificate) -> bool {
        let der = CertificateDer::from(certificate.der());
        !certificate.is_ca()
            && EndEntityCert::try_from(&der).is_ok_and(|end_entity| {
                end_entity.verify_is_valid_for_subject_name(self.case.host).is_ok()
            })
    }
}

/// A moment at which time is no obstacle: `now` if possible, else the nearest
/// one inside all validities, else inside the leaf's.
fn moment_inside(leaf: &Certificate, path: &[&Certificate], now: SystemTime) -> SystemTime {
    let issued = path.iter().filter(|certificate| !certificate.is_self_issued());
    let (mut start, mut end) = (leaf.not_before(), leaf.not_after());
    for certificate in issued {
        start = start.max(certificate.not_before());
        end = end.min(certificate.not_after());
    }
    if start > end {
        (start, end) = (leaf.not_before(), leaf.not_after());
    }
    now.min(end).max(start)
}

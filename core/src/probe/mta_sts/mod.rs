//! MTA-STS (RFC 8461): record, policy, and whether the servers satisfy it.
//!
//! ```text
//!   _mta-sts.DOMAIN TXT ──> id ──> https://mta-sts.DOMAIN/… ──> MtaStsPolicy
//!   servers of the domain, their certificates ────── judge ──────────┴──> Finding
//! ```
//!
//! Looking up ([`MtaStsReport::fetch`]) and judging ([`MtaStsReport::judge`])
//! are apart: the servers can be probed meanwhile. The policy is only taken by
//! HTTPS with a certificate that holds, without a redirect, within 64 KiB and
//! 60 s (§3.3).

mod fetch;
#[cfg(feature = "http")]
mod https;
mod policy;
mod record;

#[cfg(test)]
#[cfg(feature = "http")]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use policy::{MtaStsMode, MtaStsPolicy, ParseMtaStsPolicyError};

use self::fetch::{Failure, Fetched};
use super::records::{Records, printable};
use crate::TrustRoots;
use crate::certificate::{CertificateReport, Finding, FindingId, Severity};
use crate::clock::Clock;
use crate::finding::Axis;
use crate::network::Network;

/// What MTA-STS says about one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MtaStsReport {
    /// The domain.
    pub domain: String,
    /// The id of its record, if there is one: with it the domain announces a
    /// policy.
    pub id: Option<String>,
    /// The policy, if it could be fetched and read.
    pub policy: Option<MtaStsPolicy>,
    /// How long fetching the policy took, from resolving the name on.
    pub fetch_time: Option<Duration>,
    /// Where other servers send reports on TLS with this domain (TLS-RPT,
    /// RFC 8460): `mailto:` and `https:` addresses.
    pub report_to: Vec<String>,
}

/// How policies are fetched.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "nothing is fetched without HTTP"))]
pub(crate) struct PolicyFetcher {
    pub(crate) network: Arc<dyn Network>,
    /// Whose certificates to trust: the system's roots if empty.
    pub(crate) trust: Vec<TrustRoots>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl MtaStsReport {
    /// Looks up the records of `domain` and fetches its policy. Ends within
    /// 60 s of the answers to its questions. No record is no finding.
    pub(crate) async fn fetch(
        records: &dyn Records,
        fetcher: &PolicyFetcher,
        domain: &str,
    ) -> (Self, Vec<Finding>) {
        let mut report = MtaStsReport {
            domain: domain.to_owned(),
            id: None,
            policy: None,
            fetch_time: None,
            report_to: Vec::new(),
        };
        let (sts_name, rpt_name) = (format!("_mta-sts.{domain}"), format!("_smtp._tls.{domain}"));
        let (sts, rpt) =
            futures_util::future::join(records.txt(&sts_name), records.txt(&rpt_name)).await;
        report.report_to =
            rpt.map(|answer| record::report_addresses(&answer.records)).unwrap_or_default();
        let id = match sts.map(|answer| record::sts_id(&answer.records)) {
            Ok(Ok(Some(id))) => id,
            Ok(Ok(None)) => return (report, Vec::new()),
            Ok(Err(reason)) => {
                let message = format!("the MTA-STS record at {sts_name} cannot be used: {reason}");
                return (report, vec![Finding::new(FindingId::MtaStsInvalid, message)]);
            }
            Err(error) => {
                let message = format!(
                    "the MTA-STS record at {sts_name} cannot be looked up: {}",
                    printable(&error.to_string())
                );
                return (report, vec![Finding::new(FindingId::MtaStsUnreachable, message)]);
            }
        };
        report.id = Some(id);
        let began = Instant::now();
        let fetched = fetcher.policy(domain).await;
        report.fetch_time = Some(began.elapsed());
        let findings = report.take(fetched);
        (report, findings)
    }

    /// Keeps what was fetched, and tells what is wrong with it.
    fn take(&mut self, fetched: Result<Fetched, Failure>) -> Vec<Finding> {
        let url = fetch::url(&self.domain);
        let finding = |id, message: String| vec![Finding::new(id, message).with("url", &url)];
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(Failure::TooLarge) => {
                let message = format!("the MTA-STS policy at {url} is larger than 64 KiB");
                return finding(FindingId::MtaStsInvalid, message);
            }
            Err(Failure::Unreachable(reason)) => {
                let message = format!("the MTA-STS policy at {url} cannot be fetched: {reason}");
                return finding(FindingId::MtaStsUnreachable, message);
            }
        };
        match String::from_utf8_lossy(&fetched.body).parse() {
            Ok(policy) => self.policy = Some(policy),
            Err(ParseMtaStsPolicyError { reason }) => {
                let message = format!("the MTA-STS policy at {url} cannot be used: {reason}");
                return finding(FindingId::MtaStsInvalid, message);
            }
        }
        match fetched.media_type {
            Some(media_type) if media_type.eq_ignore_ascii_case("text/plain") => Vec::new(),
            media_type => {
                let media_type = media_type.unwrap_or_else(|| "of no type".to_owned());
                let message = format!(
                    "the MTA-STS policy at {url} is served as {} and not as text/plain, so that \
                     some senders pass it over",
                    printable(&media_type)
                );
                finding(FindingId::MtaStsInvalid, message)
            }
        }
    }

    /// Whether the servers of the domain satisfy its policy: each must be
    /// named by it, and show a certificate that holds (RFC 8461 §4.2). Servers
    /// of which no certificate was seen are judged by name alone: what kept it
    /// from being seen is a finding elsewhere.
    pub(crate) fn judge(&self, servers: &[(&str, Option<&CertificateReport>)]) -> Vec<Finding> {
        let Some(policy) = &self.policy else { return Vec::new() };
        let (severity, consequence) = match policy.mode {
            MtaStsMode::Enforce => (Severity::Critical, "senders do not deliver to it"),
            MtaStsMode::Testing => {
                (Severity::Warning, "in enforce mode senders would not deliver to it")
            }
            MtaStsMode::None => return Vec::new(),
        };
        let mut findings = Vec::new();
        for (host, certificate) in servers {
            let fault = if !policy.names(host) {
                Some("is not named by".to_owned())
            } else {
                certificate.and_then(broken).map(|finding| {
                    format!("does not satisfy, by its certificate ({}),", finding.id)
                })
            };
            let Some(fault) = fault else { continue };
            let message = format!(
                "{host} {fault} the MTA-STS policy of {} (mode {}): {consequence}",
                self.domain, policy.mode
            );
            let finding = Finding::new(FindingId::MtaStsMismatch, message).with_severity(severity);
            let finding = finding.with("host", host).with("mode", policy.mode);
            findings.push(
                finding
                    .with("mx", policy.mx.iter().take(16).cloned().collect::<Vec<_>>().join(" ")),
            );
        }
        findings
    }
}

/// What makes senders refuse the certificate now. Pins, comparisons and an end
/// that is near are nothing to them.
fn broken(report: &CertificateReport) -> Option<&Finding> {
    report.findings.iter().find(|finding| {
        finding.severity == Severity::Critical
            && !matches!(finding.id, FindingId::Expiring | FindingId::LongLifetime)
            && matches!(
                finding.axis(),
                Axis::Time
                    | Axis::Name
                    | Axis::Trust
                    | Axis::Purpose
                    | Axis::Strength
                    | Axis::Chain
            )
    })
}

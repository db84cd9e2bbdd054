//! What DNS and the web publish about servers, beside what they serve: DANE
//! and MTA-STS, where asked for.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use tokio::time::{Instant, timeout, timeout_at};

use super::mta_sts::{MtaStsReport, PolicyFetcher};
use super::records::Security;
use super::report::ServerReport;
use super::target::Target;
use super::{Probe, dane};
use crate::finding::{Finding, FindingId};

/// What fetching a policy may take beyond the questions for its record
/// (RFC 8461 §3.3).
const FETCH: Duration = Duration::from_secs(60);

/// Judges every address of the server by its TLSA records. `mx` is what DNSSEC
/// said of the MX records that led to it.
pub(super) async fn judge_dane(
    probe: &Probe,
    report: &mut ServerReport,
    port: u16,
    mx: Option<Security>,
    at: SystemTime,
) {
    // Addresses have no records.
    if !probe.options.dane || report.host.parse::<IpAddr>().is_ok() {
        return;
    }
    let Some(records) = probe.records() else { return };
    let until = Instant::now() + probe.options.deadline;
    for address in &mut report.addresses {
        let chain: Vec<CertificateDer<'_>> = address
            .certificate
            .iter()
            .flat_map(|certificate| &certificate.chain)
            .map(|certificate| CertificateDer::from(certificate.der()))
            .collect();
        let judged = dane::dane(&**records, &report.host, port, mx, &chain, at);
        let Ok((verdict, findings)) = timeout_at(until, judged).await else {
            let name = dane::tlsa_name(&report.host, port);
            let message = format!("the TLSA records at {name} were not found in time");
            report.findings.push(Finding::new(FindingId::DaneLookupFailed, message));
            return;
        };
        address.dane = verdict;
        address.findings.extend(findings);
    }
}

/// Fetches the MTA-STS policy of the target's domain.
pub(super) async fn fetch_mta_sts(
    probe: &Probe,
    target: &Target,
) -> (Option<MtaStsReport>, Vec<Finding>) {
    let records = probe.records().filter(|_| probe.options.mta_sts);
    let Some(records) = records else { return (None, Vec::new()) };
    let fetcher = PolicyFetcher {
        network: probe.options.network.clone(),
        trust: probe.options.trust.clone(),
        clock: probe.options.clock.clone(),
    };
    let fetch = MtaStsReport::fetch(&**records, &fetcher, &target.host);
    match timeout(probe.options.deadline + FETCH, fetch).await {
        Ok((report, findings)) => (Some(report), findings),
        Err(_) => {
            let message = format!("the MTA-STS policy of {} was not found in time", target.host);
            (None, vec![Finding::new(FindingId::MtaStsUnreachable, message)])
        }
    }
}

/// Whether the servers satisfy the policy. Only the MX of the domain have to.
pub(super) fn judge_mta_sts(
    target: &Target,
    policy: &MtaStsReport,
    servers: &[ServerReport],
) -> Vec<Finding> {
    if !target.mx {
        return Vec::new();
    }
    let shown: Vec<_> = servers
        .iter()
        .flat_map(|server| {
            let certificates = server.addresses.iter().filter_map(|it| it.certificate.as_ref());
            let unseen = server.addresses.iter().all(|it| it.certificate.is_none());
            let unseen = unseen.then_some((&*server.host, None));
            certificates.map(|report| (&*server.host, Some(report))).chain(unseen)
        })
        .collect();
    policy.judge(&shown)
}

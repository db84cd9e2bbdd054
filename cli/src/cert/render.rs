//! Certificates as JSON.

use std::time::SystemTime;

use everpost::Finding;
use everpost::certificate::Certificate;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::show::Shown;

/// Name and version of what is printed.
pub(super) const SCHEMA: &str = "everpost.cert/1";

/// One file with its verdict.
pub(super) fn shown(shown: &Shown<'_>) -> Value {
    let Shown { path, file, report, trust } = shown;
    let findings: Vec<_> = report.findings.iter().map(finding).collect();
    let chain: Vec<_> = file.chain().iter().map(certificate).collect();
    let verdicts: Vec<_> = report
        .trust
        .iter()
        .filter(|_| *trust)
        .map(|it| json!({ "roots": it.roots, "trusted": it.trusted }))
        .collect();
    json!({
        "file": path.display().to_string(),
        "format": file.format().as_str(),
        "in_order": file.is_in_order(),
        "has_key": file.has_key(),
        "key_matches": file.key_matches(),
        "status": report.status().as_str(),
        "checked_at": moment(report.checked_at),
        "trust": verdicts,
        "findings": findings,
        "chain": chain,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "id": finding.id.as_str(),
        "axis": finding.axis().as_str(),
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "remedy": finding.remedy(),
    })
}

fn certificate(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(),
        "common_name": certificate.common_name(),
        "issuer": certificate.issuer(),
        "dns_names": certificate.dns_names(),
        "ip_addresses": certificate.ip_addresses(),
        "serial": certificate.serial(),
        "not_before": moment(certificate.not_before()),
        "not_after": moment(certificate.not_after()),
        "key_algorithm": certificate.key_algorithm(),
        "key_bits": certificate.key_bits(),
        "signature_algorithm": certificate.signature_algorithm(),
        "is_ca": certificate.is_ca(),
        "extended_key_usage": certificate.extended_key_usage(),
        "sha256": certificate.fingerprint().to_string(),
        "spki_pin": certificate.spki_pin().to_string(),
    })
}

fn moment(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).format(&Rfc3339).ok()
}

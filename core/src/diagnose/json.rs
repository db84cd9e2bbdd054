//! The report as JSON: schema `everpost.diagnosis/1`. A key is always there;
//! what is not known is `null`. Durations are in seconds, moments in RFC 3339.

use serde_json::{Value, json};

use super::report::{DiagnosisReport, Rung};
use crate::certificate::when::rfc3339;
use crate::certificate::{Certificate, CertificateReport};
use crate::finding::Finding;
use crate::smtp::Reply;

/// The name and version of the JSON that [`DiagnosisReport::to_json`] makes.
pub const SCHEMA: &str = "everpost.diagnosis/1";

impl DiagnosisReport {
    /// The whole report.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "endpoint": {
                "host": self.endpoint.host,
                "port": self.endpoint.port,
                "tls": self.endpoint.tls.as_str(),
            },
            "started_at": rfc3339(self.started_at),
            "duration_seconds": self.duration.as_secs_f64(),
            "address": self.address.map(|address| address.to_string()),
            "status": self.status().as_str(),
            "holds": self.holds(),
            "summary": self.summary(),
            "rungs": self.rungs.iter().map(rung).collect::<Vec<_>>(),
            "failed_at": self.failed().map(|rung| rung.step.as_str()),
            "cause": self.cause.as_ref().map(finding),
            "remedy": self.remedy,
            "reply": self.error.as_ref().and_then(|error| error.reply()).map(reply),
            "notes": self.notes.iter().map(finding).collect::<Vec<_>>(),
            "certificate": self.certificate.as_deref().map(certificate),
        })
    }
}

fn rung(rung: &Rung) -> Value {
    json!({
        "step": rung.step.as_str(),
        "outcome": rung.outcome.as_str(),
        "seconds": rung.elapsed.as_secs_f64(),
        "detail": rung.detail,
    })
}

fn finding(finding: &Finding) -> Value {
    let evidence: serde_json::Map<String, Value> =
        finding.evidence.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "id": finding.id.as_str(),
        "axis": finding.axis().as_str(),
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "remedy": finding.remedy(),
        "evidence": evidence,
    })
}

fn reply(reply: &Reply) -> Value {
    json!({
        "code": reply.code(),
        "enhanced": reply.enhanced().map(|code| code.to_string()),
        "lines": reply.lines(),
    })
}

fn certificate(report: &CertificateReport) -> Value {
    json!({
        "host": report.host,
        "checked_at": rfc3339(report.checked_at),
        "status": report.status().as_str(),
        "summary": report.summary(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "chain": report.chain.iter().map(link).collect::<Vec<_>>(),
    })
}

fn link(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(),
        "issuer": certificate.issuer(),
        "dns_names": certificate.dns_names(),
        "serial": certificate.serial(),
        "not_before": rfc3339(certificate.not_before()),
        "not_after": rfc3339(certificate.not_after()),
        "sha256": certificate.fingerprint().to_string(),
    })
}

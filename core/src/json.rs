//! What all reports have in common, as JSON: findings, certificates, replies,
//! and how moments and durations are written.
//!
//! The rules, published in `docs/schema`: keys in snake case, moments in RFC
//! 3339 UTC, durations in seconds. A key is always there; what is not known is
//! `null`. Within a version of a schema keys are only added.

#[cfg(test)]
pub(crate) mod schema;

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::certificate::{Certificate, CertificateReport, Staple, StapleStatus, TrustVerdict};
use crate::finding::{Finding, Severity};
use crate::smtp::{Capabilities, Reply};

impl CertificateReport {
    /// The verdict and the chain as JSON: `certificate` in the reports of
    /// probes and diagnoses.
    pub fn to_json(&self) -> Value {
        json!({
            "host": self.host,
            "checked_at": moment(self.checked_at),
            "status": self.status().as_str(),
            "severity": self.severity().map(Severity::as_str),
            "summary": self.summary(),
            "findings": findings(&self.findings),
            "trust": self.trust.iter().map(trust).collect::<Vec<_>>(),
            "staple": self.staple.as_ref().map(staple),
            "chain": self.chain.iter().map(Certificate::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Certificate {
    /// Every fact as JSON: an element of `chain` in every report.
    pub fn to_json(&self) -> Value {
        json!({
            "version": self.version(),
            "subject": self.subject(),
            "common_name": self.common_name(),
            "issuer": self.issuer(),
            "dns_names": self.dns_names(),
            "ip_addresses": self.ip_addresses(),
            "email_addresses": self.email_addresses(),
            "uris": self.uris(),
            "name_count": self.name_count(),
            "serial": self.serial(),
            "not_before": moment(self.not_before()),
            "not_after": moment(self.not_after()),
            "key_algorithm": self.key_algorithm(),
            "key_bits": self.key_bits(),
            "signature_algorithm": self.signature_algorithm(),
            "is_ca": self.is_ca(),
            "is_self_signed": self.is_self_signed(),
            "path_length": self.path_length(),
            "key_usage": self.key_usage(),
            "extended_key_usage": self.extended_key_usage(),
            "subject_key_id": self.subject_key_id(),
            "authority_key_id": self.authority_key_id(),
            "issuer_urls": self.issuer_urls(),
            "ocsp_urls": self.ocsp_urls(),
            "crl_urls": self.crl_urls(),
            "signed_timestamps": self
                .signed_timestamps()
                .iter()
                .map(|it| json!({ "log_id": it.log_id, "at": moment(it.at) }))
                .collect::<Vec<_>>(),
            "must_staple": self.must_staple(),
            "sha1": self.sha1_fingerprint(),
            "sha256": self.fingerprint().to_string(),
            "spki_pin": self.spki_pin().to_string(),
        })
    }
}

impl Finding {
    /// The finding as JSON, with its axis and remedy.
    pub fn to_json(&self) -> Value {
        let mut evidence = Map::new();
        for (name, value) in &self.evidence {
            match evidence.get_mut(*name) {
                // The same fact of several things, such as names.
                Some(Value::String(text)) => {
                    text.push_str(", ");
                    text.push_str(value);
                }
                _ => _ = evidence.insert((*name).to_owned(), value.as_str().into()),
            }
        }
        json!({
            "id": self.id.as_str(),
            "axis": self.axis().as_str(),
            "severity": self.severity.as_str(),
            "message": self.message,
            "remedy": self.remedy(),
            "evidence": evidence,
        })
    }
}

impl Capabilities {
    /// All of it as JSON, as reports of probes have it.
    pub fn to_json(&self) -> Value {
        let extensions: Vec<_> = self
            .iter()
            .map(|(keyword, parameters)| json!({ "keyword": keyword, "parameters": parameters }))
            .collect();
        json!({
            "domain": self.domain(),
            "extensions": extensions,
            "auth": self.auth_names().collect::<Vec<_>>(),
            "starttls": self.starttls(),
            "max_size": self.max_size(),
        })
    }
}

impl Reply {
    /// Code, enhanced code and lines as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code(),
            "enhanced": self.enhanced().map(|code| code.to_string()),
            "lines": self.lines(),
        })
    }
}

fn trust(verdict: &TrustVerdict) -> Value {
    json!({
        "roots": verdict.roots,
        "trusted": verdict.trusted,
        "decides": verdict.decides,
        "root": verdict.root,
    })
}

fn staple(staple: &Staple) -> Value {
    let (status, at, reason) = match staple.status {
        StapleStatus::Good => ("good", None, None),
        StapleStatus::Revoked { at, reason } => ("revoked", moment(at), reason),
        StapleStatus::Unknown => ("unknown", None, None),
    };
    json!({
        "status": status,
        "revoked_at": at,
        "reason": reason,
        "this_update": moment(staple.this_update),
        "next_update": staple.next_update.and_then(moment),
    })
}

pub(crate) fn findings(findings: &[Finding]) -> Vec<Value> {
    findings.iter().map(Finding::to_json).collect()
}

/// Whole microseconds: what a network is measured in.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// RFC 3339 in UTC, to the millisecond; `null` outside of the years 0 to 9999.
pub(crate) fn moment(at: SystemTime) -> Option<String> {
    let millis = |distance: Duration| i128::try_from(distance.as_millis()).ok();
    let millis = match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => millis(after)?,
        Err(before) => -millis(before.duration())?,
    };
    let at = OffsetDateTime::from_unix_timestamp_nanos(millis.checked_mul(1_000_000)?).ok()?;
    at.format(&Rfc3339).ok()
}

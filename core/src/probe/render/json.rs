//! Reports as JSON: schema `everpost.probe/1`, published as
//! `docs/schema/probe.schema.json`.
//!
//! The rules: keys in snake case, moments in RFC 3339 UTC, durations in
//! seconds, names of findings, axes and statuses as they are in
//! `docs/findings.md`. A key is always there; what is not known is `null`.
//! Within version 1 keys are only added.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Error;
use crate::certificate::{Certificate, CertificateReport, Staple, StapleStatus, TrustVerdict};
use crate::finding::{Finding, Severity};
use crate::probe::{
    AddressReport, DaneRecord, DaneReport, MtaStsPolicy, MtaStsReport, ProbeReport, ServerReport,
    Target, Timings, TlsFacts,
};
use crate::smtp::{Capabilities, Reply};

/// The name and version of the JSON that [`ProbeReport::to_json`] makes.
pub const SCHEMA: &str = "everpost.probe/1";

impl ProbeReport {
    /// The whole report as JSON, in the form of
    /// `docs/schema/probe.schema.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "target": target(&self.target),
            "started_at": moment(self.started_at),
            "judged_at": moment(self.judged_at),
            "duration_seconds": seconds(self.duration),
            "status": self.status().as_str(),
            "severity": self.severity().map(Severity::as_str),
            "summary": self.summary(),
            "findings": findings(&self.findings),
            "servers": self.servers.iter().map(server).collect::<Vec<_>>(),
            "mta_sts": self.mta_sts.as_ref().map(mta_sts),
        })
    }
}

impl CertificateReport {
    /// The verdict and the chain as JSON: `certificate` of a probe's report.
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
    /// Every fact as JSON: an element of `chain` in a probe's report.
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

fn target(target: &Target) -> Value {
    json!({
        "host": target.host,
        "port": target.port,
        "mode": target.mode.as_str(),
        "protocol": target.protocol.as_str(),
        "mx": target.mx,
    })
}

fn server(server: &ServerReport) -> Value {
    json!({
        "host": server.host,
        "preference": server.preference,
        "status": server.status().as_str(),
        "dns_seconds": server.dns.map(seconds),
        "findings": findings(&server.findings),
        "addresses": server.addresses.iter().map(address).collect::<Vec<_>>(),
    })
}

fn address(address: &AddressReport) -> Value {
    json!({
        "ip": address.address.ip().to_string(),
        "port": address.address.port(),
        "mode": address.mode.as_str(),
        "status": address.status().as_str(),
        "timings": timings(&address.timings),
        "greeting": address.greeting.as_ref().map(reply),
        "capabilities_before_tls": address.before_tls.as_ref().map(capabilities),
        "capabilities": address.capabilities.as_ref().map(capabilities),
        "tls": address.tls.as_ref().map(tls),
        "certificate": address.certificate.as_ref().map(CertificateReport::to_json),
        "dane": address.dane.as_ref().map(dane),
        "findings": findings(&address.findings),
        "error": address.error.as_ref().map(error),
    })
}

fn timings(timings: &Timings) -> Value {
    json!({
        "connect_seconds": timings.connect.map(seconds),
        "greeting_seconds": timings.greeting.map(seconds),
        "ehlo_seconds": timings.ehlo.map(seconds),
        "starttls_seconds": timings.starttls.map(seconds),
        "handshake_seconds": timings.handshake.map(seconds),
        "total_seconds": seconds(timings.total),
    })
}

fn tls(tls: &TlsFacts) -> Value {
    json!({
        "protocol": tls.protocol,
        "cipher": tls.cipher,
        "group": tls.group,
        "legacy": tls.legacy,
        "proven": tls.proven,
        "stapled": tls.staple.is_some(),
    })
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

fn capabilities(capabilities: &Capabilities) -> Value {
    let extensions: Vec<_> = capabilities
        .iter()
        .map(|(keyword, parameters)| json!({ "keyword": keyword, "parameters": parameters }))
        .collect();
    json!({
        "domain": capabilities.domain(),
        "extensions": extensions,
        "auth": capabilities.auth_names().collect::<Vec<_>>(),
        "starttls": capabilities.starttls(),
        "max_size": capabilities.max_size(),
    })
}

fn reply(reply: &Reply) -> Value {
    json!({
        "code": reply.code(),
        "enhanced": reply.enhanced().map(|code| code.to_string()),
        "lines": reply.lines(),
    })
}

fn dane(dane: &DaneReport) -> Value {
    let record = |it: &DaneRecord| {
        json!({
            "usage": it.tlsa.usage,
            "selector": it.tlsa.selector,
            "matching": it.tlsa.matching,
            "data": hex(&it.tlsa.data),
            "usable": it.usable,
            "matches": it.matches,
        })
    };
    json!({
        "name": dane.name,
        "security": dane.security.as_str(),
        "records": dane.records.iter().map(record).collect::<Vec<_>>(),
        "matched": dane.matched,
    })
}

fn mta_sts(report: &MtaStsReport) -> Value {
    let policy = |policy: &MtaStsPolicy| {
        json!({
            "mode": policy.mode.as_str(),
            "mx": policy.mx,
            "max_age_seconds": policy.max_age.as_secs(),
        })
    };
    json!({
        "domain": report.domain,
        "id": report.id,
        "policy": report.policy.as_ref().map(policy),
        "fetch_seconds": report.fetch_time.map(seconds),
        "report_to": report.report_to,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn error(error: &Error) -> Value {
    json!({
        "kind": error.kind().as_str(),
        "stage": error.stage().as_str(),
        "message": error.message_text(),
        "hint": error.hint(),
        "reply": error.reply().map(reply),
    })
}

fn findings(findings: &[Finding]) -> Vec<Value> {
    findings.iter().map(Finding::to_json).collect()
}

/// Whole microseconds: what a network is measured in.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// RFC 3339 in UTC, to the millisecond; `null` outside of the years 0 to 9999.
fn moment(at: SystemTime) -> Option<String> {
    let millis = |distance: Duration| i128::try_from(distance.as_millis()).ok();
    let millis = match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => millis(after)?,
        Err(before) => -millis(before.duration())?,
    };
    let at = OffsetDateTime::from_unix_timestamp_nanos(millis.checked_mul(1_000_000)?).ok()?;
    at.format(&Rfc3339).ok()
}

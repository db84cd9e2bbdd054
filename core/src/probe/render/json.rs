//! Reports as JSON: schema `everpost.probe/1`, published as
//! `docs/schema/probe.schema.json`.
//!
//! The rules: keys in snake case, moments in RFC 3339 UTC, durations in
//! seconds, names of findings, axes and statuses as they are in
//! `docs/findings.md`. A key is always there; what is not known is `null`.
//! Within version 1 keys are only added.

use serde_json::{Value, json};

use crate::Error;
use crate::certificate::CertificateReport;
use crate::finding::Severity;
use crate::json::{findings, moment, seconds};
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
        "greeting": address.greeting.as_ref().map(Reply::to_json),
        "capabilities_before_tls": address.before_tls.as_ref().map(Capabilities::to_json),
        "capabilities": address.capabilities.as_ref().map(Capabilities::to_json),
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
        "reply": error.reply().map(Reply::to_json),
    })
}

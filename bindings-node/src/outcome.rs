//! What crosses to JavaScript: failures and reports, as JSON of the schemas
//! that all languages share.

use std::panic::{AssertUnwindSafe, catch_unwind};

use everpost::certificate::{Certificate, CertificateReport};
use everpost::diagnose::DiagnosisReport;
use everpost::mailer::Explanation;
use everpost::probe::ProbeReport;
use everpost::smtp::Reply;
use everpost::{Address, Delivery, Error, ErrorKind, Finding, Receipt, Severity, Stage};
use serde::Serialize;
use serde_json::{Value, json};

use crate::port::Shared;

/// Why a call or an operation failed.
pub(crate) enum Failure {
    /// The core says so.
    Core(Box<Error>),
    /// This layer says so.
    Own { kind: ErrorKind, delivery: Delivery, message: String, hint: &'static str },
}

impl Failure {
    fn own(kind: ErrorKind, message: impl Into<String>, hint: &'static str) -> Self {
        Failure::Own { kind, delivery: Delivery::NotSent, message: message.into(), hint }
    }

    /// The operation was cancelled before it came to its end.
    pub(crate) fn cancelled() -> Self {
        Failure::own(ErrorKind::Cancelled, "the operation was cancelled", "it was aborted")
    }

    /// A part of the message cannot be read.
    pub(crate) fn message(message: impl Into<String>, hint: &'static str) -> Self {
        Failure::own(ErrorKind::InvalidMessage, message, hint)
    }

    /// An argument or an option cannot work.
    pub(crate) fn config(message: impl Into<String>, hint: &'static str) -> Self {
        Failure::own(ErrorKind::InvalidConfig, message, hint)
    }

    /// The machine or this layer failed.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Failure::own(
            ErrorKind::Internal,
            message,
            "the process may have reached a limit on threads or files",
        )
    }

    /// A panic, or a task that was lost: a defect. Of a message that was under
    /// way nothing is known now.
    pub(crate) fn lost(message: bool) -> Self {
        Failure::Own {
            kind: ErrorKind::Internal,
            delivery: if message { Delivery::Unknown } else { Delivery::NotSent },
            message: "the library failed inside an operation".to_owned(),
            hint: "this is a defect of the library: please report it",
        }
    }

    /// As JSON of schema "everpost.error/1", and under `late` the id of the
    /// verdict that may still come.
    pub(crate) fn to_json(&self, shared: &Shared) -> Value {
        match self {
            Failure::Core(error) => {
                let mut json = error.to_json();
                json["late"] = json!(error.late_verdict().map(|verdict| shared.keep(verdict)));
                json
            }
            Failure::Own { .. } => self.to_plain_json(),
        }
    }

    fn to_plain_json(&self) -> Value {
        match self {
            Failure::Core(error) => error.to_json(),
            Failure::Own { kind, delivery, message, hint } => json!({
                "schema": "everpost.error/1",
                "kind": kind.as_str(),
                "stage": Stage::Prepare.as_str(),
                "delivery": delivery.as_str(),
                "retryable": false,
                "message": format!("{kind}: {message}; {hint}"),
                "hint": hint,
                "message_id": null,
                "attempts": 0,
                "reply": null,
                "rejected": [],
                "sender": null,
                "recipients": [],
                "certificate": null,
                "causes": [],
            }),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(Box::new(error))
    }
}

/// A failure as an exception: JavaScript makes its own error of the message.
pub(crate) fn thrown(failure: &Failure) -> napi::Error {
    napi::Error::from_reason(failure.to_plain_json().to_string())
}

/// Does work of the core on JavaScript's thread: no panic leaves it.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> napi::Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure::lost(false)))
        .map_err(|failure| thrown(&failure))
}

/// A receipt with its envelope, as an array in the order in which the class
/// `Receipt` takes it. One is told of every message that is sent, and names
/// would cost most of reading it; no tree of values is built.
#[derive(Serialize)]
struct Told<'a>(
    /* message id */ &'a str,
    ToldReply<'a>,
    /* accepted, unless it is all of them */ Option<Vec<&'a str>>,
    /* rejected */ Vec<(&'a str, ToldReply<'a>)>,
    /* attempts */ u32,
    /* server */ String,
    /* leaf */ Option<String>,
    /* from */ Option<&'a str>,
    /* to */ Vec<&'a str>,
);

/// Code, enhanced status code, lines.
#[derive(Serialize)]
struct ToldReply<'a>(u16, Option<String>, &'a [String]);

impl<'a> From<&'a Reply> for ToldReply<'a> {
    fn from(reply: &'a Reply) -> Self {
        let enhanced = reply.enhanced().map(|code| code.to_string());
        ToldReply(reply.code(), enhanced, reply.lines())
    }
}

pub(crate) fn receipt(receipt: &Receipt) -> String {
    let envelope = receipt.envelope();
    let rejected = receipt.rejected();
    let accepted = || receipt.accepted().iter().map(Address::as_str).collect();
    let told = Told(
        receipt.message_id(),
        receipt.reply().into(),
        (!rejected.is_empty()).then(accepted),
        rejected.iter().map(|it| (it.address.as_str(), (&it.reply).into())).collect(),
        receipt.attempts(),
        receipt.server().to_string(),
        receipt.leaf().map(|leaf| leaf.to_string()),
        envelope.reverse_path().map(Address::as_str),
        envelope.recipients().iter().map(|it| it.address().as_str()).collect(),
    );
    serde_json::to_string(&told).expect("texts and numbers can be written as JSON")
}

/// What a report is made of in every language, and under `details` the whole
/// of it as its schema has it.
struct Parts<'a> {
    status: &'static str,
    summary: String,
    cause: Option<String>,
    remedy: Option<String>,
    fault: Option<&'static str>,
    findings: Vec<&'a Finding>,
    chain: &'a [Certificate],
    details: Value,
}

impl Parts<'_> {
    fn render(self) -> String {
        let first = self.findings.first().filter(|finding| finding.severity > Severity::Info);
        json!({
            "status": self.status,
            "summary": self.summary,
            "cause": self.cause.or_else(|| first.map(|finding| finding.message.clone())),
            "remedy": self.remedy.or_else(|| first.map(|finding| finding.remedy().to_owned())),
            "fault": self.fault,
            "findings": self.findings.iter().map(|it| it.to_json()).collect::<Vec<_>>(),
            "chain": self.chain.iter().map(Certificate::to_json).collect::<Vec<_>>(),
            "details": self.details,
        })
        .to_string()
    }
}

fn chain(report: Option<&CertificateReport>) -> &[Certificate] {
    report.map_or(&[], |report| &report.chain)
}

pub(crate) fn probed(report: &ProbeReport) -> String {
    let mut findings: Vec<_> = report.all_findings().collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.id));
    let first = report.addresses().find_map(|(_, address)| address.certificate.as_ref());
    Parts {
        status: report.status().as_str(),
        summary: report.summary(),
        cause: None,
        remedy: None,
        fault: None,
        findings,
        chain: chain(first),
        details: report.to_json(),
    }
    .render()
}

pub(crate) fn diagnosed(report: &DiagnosisReport) -> String {
    Parts {
        status: report.status().as_str(),
        summary: report.summary(),
        cause: report.cause.as_ref().map(|cause| cause.message.clone()),
        remedy: report.remedy.clone(),
        fault: report.failed().map(|rung| rung.step.as_str()),
        findings: report.cause.iter().chain(&report.notes).collect(),
        chain: chain(report.certificate.as_deref()),
        details: report.to_json(),
    }
    .render()
}

pub(crate) fn explained(explanation: &Explanation) -> String {
    let error = explanation.error.as_ref().or(explanation.last_error.as_ref());
    let report = error.and_then(Error::certificate);
    Parts {
        status: explanation.status().as_str(),
        summary: explanation.summary.clone(),
        cause: error.map(|error| error.message_text().to_owned()),
        remedy: explanation.remedy.clone(),
        fault: Some(explanation.fault.as_str()),
        findings: report.map_or_else(Vec::new, |report| report.findings.iter().collect()),
        chain: chain(report),
        details: explanation.to_json(),
    }
    .render()
}

pub(crate) fn judged(report: &CertificateReport) -> String {
    Parts {
        status: report.status().as_str(),
        summary: report.summary(),
        cause: None,
        remedy: None,
        fault: None,
        findings: report.findings.iter().collect(),
        chain: chain(Some(report)),
        details: report.to_json(),
    }
    .render()
}

//! What became of a message, for people and as JSON.
//!
//! Invariant: nothing shown here comes from the configuration but the
//! endpoint, so no password can be in it.

use std::io::{self, Write};
use std::time::SystemTime;

use everpost::certificate::CertificateReport;
use everpost::smtp::Reply;
use everpost::{Delivery, Endpoint, Error, ErrorKind, Receipt, RejectedRecipient, Stage};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Exit codes, as in the manual.
const NOT_SENT: u8 = 1;
pub(crate) const WRONG: u8 = 2;
const REFUSED: u8 = 3;
const UNKNOWN: u8 = 4;
const IN_PART: u8 = 5;

/// Writes a line. A reader that has gone is no reason to fail: the exit code
/// still says what happened.
pub(crate) fn say(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Reports a receipt.
pub(super) fn accepted(receipt: &Receipt, endpoint: &Endpoint, as_json: bool) -> u8 {
    if as_json {
        say(&mut io::stdout(), &receipt_json(receipt, endpoint).to_string());
    } else {
        let line = format!(
            "accepted by {} ({}): {}; Message-ID {}",
            endpoint.host,
            receipt.server(),
            receipt.reply(),
            receipt.message_id()
        );
        say(&mut io::stdout(), &line);
        for line in refused_lines(receipt.rejected()) {
            say(&mut io::stderr(), &line);
        }
    }
    if receipt.rejected().is_empty() { 0 } else { IN_PART }
}

/// Reports an error, of a message or before there was one.
pub(crate) fn failed(error: &Error, endpoint: Option<&Endpoint>, as_json: bool) -> u8 {
    if as_json {
        say(&mut io::stdout(), &error_json(error, endpoint).to_string());
    } else {
        say(&mut io::stderr(), &error_text(error, endpoint));
    }
    exit_code(error)
}

fn exit_code(error: &Error) -> u8 {
    let wrong = matches!(error.kind(), ErrorKind::InvalidConfig | ErrorKind::InvalidMessage);
    match error.delivery() {
        Delivery::NotSent if wrong => WRONG,
        Delivery::Refused => REFUSED,
        Delivery::Unknown => UNKNOWN,
        _ => NOT_SENT,
    }
}

/// What, where, what is known of the message, and what to do.
fn error_text(error: &Error, endpoint: Option<&Endpoint>) -> String {
    let verdict = match error.delivery() {
        Delivery::Refused => "refused",
        Delivery::Unknown => "delivery unknown",
        _ => "not sent",
    };
    let mut lines = vec![format!("everpost: {verdict}: {}", error.message_text())];
    if let Some(report) = error.certificate() {
        let others = report.findings.iter().skip(1);
        lines.extend(others.map(|finding| format!("  also:     {}", finding.message)));
    }
    lines.extend(refused_lines(error.rejected_recipients()));
    if let Some(endpoint) = endpoint.filter(|_| error.stage() != Stage::Prepare) {
        let tries = match error.attempts() {
            0 | 1 => String::new(),
            attempts => format!(", after {attempts} attempts"),
        };
        lines.push(format!("  where:    {endpoint}, stage {}{tries}", error.stage()));
    }
    if let Some(id) = error.message_id() {
        let known = match error.delivery() {
            Delivery::Refused => "the server will not deliver it",
            Delivery::Unknown => "it may or may not have been delivered; again may be twice",
            _ => "not sent, so sending it again is safe",
        };
        lines.push(format!("  message:  {id}: {known}"));
    }
    if let Some(hint) = error.hint() {
        lines.push(format!("  to do:    {hint}"));
    }
    lines.join("\n")
}

fn refused_lines(rejected: &[RejectedRecipient]) -> impl Iterator<Item = String> {
    rejected.iter().map(|it| format!("  refused:  {}: {}", it.address, it.reply))
}

fn receipt_json(receipt: &Receipt, endpoint: &Endpoint) -> Value {
    let accepted: Vec<_> = receipt.accepted().iter().map(|address| address.as_str()).collect();
    json!({
        "ok": true,
        "delivery": Delivery::Accepted.as_str(),
        "message_id": receipt.message_id(),
        "reply": receipt.reply().to_json(),
        "accepted": accepted,
        "rejected": rejected_json(receipt.rejected()),
        "attempts": receipt.attempts(),
        "endpoint": endpoint.to_string(),
        "server": receipt.server().to_string(),
        "leaf_sha256": receipt.leaf().map(|leaf| leaf.to_string()),
    })
}

fn error_json(error: &Error, endpoint: Option<&Endpoint>) -> Value {
    json!({
        "ok": false,
        "kind": error.kind().as_str(),
        "stage": error.stage().as_str(),
        "delivery": error.delivery().as_str(),
        "retryable": error.is_retryable(),
        "message": error.message_text(),
        "hint": error.hint(),
        "reply": error.reply().map(Reply::to_json),
        "message_id": error.message_id(),
        "accepted": [],
        "rejected": rejected_json(error.rejected_recipients()),
        "attempts": error.attempts(),
        "endpoint": endpoint.map(Endpoint::to_string),
        "certificate": error.certificate().map(CertificateReport::to_json),
    })
}

fn rejected_json(rejected: &[RejectedRecipient]) -> Vec<Value> {
    let object = |it: &RejectedRecipient| json!({ "address": it.address.as_str(), "reply": it.reply.to_json() });
    rejected.iter().map(object).collect()
}

pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time).format(&Rfc3339).ok()
}

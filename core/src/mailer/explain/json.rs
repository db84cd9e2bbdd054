//! The explanation as JSON: schema `everpost.explanation/1`. A key is always
//! there; what is not known is `null`. Moments are in RFC 3339.

use serde_json::{Value, json};

use super::{Explanation, Leaf, Look};
use crate::certificate::when::rfc3339;
use crate::error::Error;
use crate::finding::Finding;

/// The name and version of the JSON that [`Explanation::to_json`] makes.
pub const EXPLANATION_SCHEMA: &str = "everpost.explanation/1";

impl Explanation {
    /// The answer with its evidence.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": EXPLANATION_SCHEMA,
            "at": rfc3339(self.at),
            "fault": self.fault.as_str(),
            "summary": self.summary,
            "remedy": self.remedy,
            "served": self.served.as_ref().map(leaf),
            "addresses": self.looks.iter().map(look).collect::<Vec<_>>(),
            "pooled": self.pooled.iter().map(leaf).collect::<Vec<_>>(),
            "file": self.file.as_ref().map(leaf),
            "error": self.error.as_ref().map(error),
            "last_error": self.last_error.as_ref().map(error),
        })
    }
}

fn look(look: &Look) -> Value {
    json!({
        "address": look.address.map(|address| address.to_string()),
        "leaf": look.leaf.as_ref().map(leaf),
        "error": look.error.as_ref().map(error),
    })
}

fn leaf(leaf: &Leaf) -> Value {
    json!({
        "sha256": leaf.fingerprint.to_string(),
        "serial": leaf.serial,
        "not_before": rfc3339(leaf.not_before),
        "not_after": rfc3339(leaf.not_after),
    })
}

fn error(error: &Error) -> Value {
    let findings =
        error.certificate().map(|report| report.findings.iter().map(finding).collect::<Vec<_>>());
    json!({
        "kind": error.kind().as_str(),
        "stage": error.stage().as_str(),
        "message": error.message_text(),
        "hint": error.hint(),
        "reply": error.reply().map(ToString::to_string),
        "findings": findings,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "id": finding.id.as_str(),
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "remedy": finding.remedy(),
    })
}

//! Certificates as JSON.

use everpost::Finding;
use everpost::certificate::Certificate;
use serde_json::{Value, json};

use super::show::Shown;
use crate::send::report::rfc3339;

/// Name and version of what is printed.
pub(super) const SCHEMA: &str = "everpost.cert/1";

/// One file with its verdict.
pub(super) fn shown(shown: &Shown<'_>) -> Value {
    let Shown { path, file, report, trust } = shown;
    let findings: Vec<_> = report.findings.iter().map(Finding::to_json).collect();
    let chain: Vec<_> = file.chain().iter().map(Certificate::to_json).collect();
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
        "checked_at": rfc3339(report.checked_at),
        "trust": verdicts,
        "findings": findings,
        "chain": chain,
    })
}

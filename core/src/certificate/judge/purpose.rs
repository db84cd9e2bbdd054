//! Purpose: what leaf and authorities may be used for.

use super::case::{Case, Findings, about};
use crate::finding::{FindingId, Severity};

pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    leaf(case, findings);
    for (depth, authority) in case.certificates().skip(1) {
        let subject = authority.short_subject();
        let host = case.host;
        // The root's own extensions are not looked at: it is trusted or not.
        if authority.is_own_issuer() {
            continue;
        }
        let mut found = |message, severity| {
            let finding = about(FindingId::WrongPurpose, message, depth, authority);
            findings.push(finding.with_severity(severity));
        };
        if !authority.is_ca() {
            let message = format!(
                "{subject} must not issue certificates (CA:FALSE), yet the one of {host} comes \
                 from it"
            );
            found(message, Severity::Critical);
        } else if !authority.allows_key_usage("keyCertSign") {
            let message = format!(
                "{subject} may not sign certificates by its key usage, so some TLS clients refuse \
                 the chain of {host}"
            );
            found(message, Severity::Warning);
        }
        if !authority.allows("serverAuth") {
            let uses = authority.extended_key_usage().unwrap_or_default().join(", ");
            let message = format!(
                "an authority in the chain of {host} must not issue for servers: {subject} is \
                 only for {uses}"
            );
            found(message, Severity::Critical);
        }
    }
}

fn leaf(case: &Case<'_>, findings: &mut Findings) {
    let (leaf, host) = (case.leaf, case.host);
    let mut found = |message, severity| {
        findings.push(about(FindingId::WrongPurpose, message, 0, leaf).with_severity(severity));
    };
    if leaf.is_ca() {
        let message = format!(
            "certificate of {host} is marked as an authority's (CA:TRUE), which OpenSSL, .NET and \
             Node accept from a server and this client does not"
        );
        found(message, Severity::Critical);
    }
    if !leaf.allows("serverAuth") {
        let uses = leaf.extended_key_usage().unwrap_or_default().join(", ");
        let message = format!("certificate of {host} is not for servers, only for: {uses}");
        found(message, Severity::Critical);
    }
    if !leaf.is_ca() && !leaf.allows_key_usage("digitalSignature") {
        let message = format!(
            "certificate of {host} may not be used for signatures by its key usage, so that \
             GnuTLS and other strict TLS clients refuse it"
        );
        found(message, Severity::Warning);
    }
}

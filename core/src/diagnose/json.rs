//! The report as JSON: schema `everpost.diagnosis/1`, published as
//! `docs/schema/diagnosis.schema.json`.

use serde_json::{Value, json};

use super::report::{DiagnosisReport, Rung};
use crate::certificate::CertificateReport;
use crate::finding::Finding;
use crate::json::{findings, moment, seconds};
use crate::smtp::Reply;

/// The name and version of the JSON that [`DiagnosisReport::to_json`] makes.
pub const SCHEMA: &str = "everpost.diagnosis/1";

impl DiagnosisReport {
    /// The whole report as JSON, in the form of
    /// `docs/schema/diagnosis.schema.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "endpoint": {
                "host": self.endpoint.host,
                "port": self.endpoint.port,
                "tls": self.endpoint.tls.as_str(),
            },
            "started_at": moment(self.started_at),
            "duration_seconds": seconds(self.duration),
            "address": self.address.map(|address| address.to_string()),
            "status": self.status().as_str(),
            "holds": self.holds(),
            "summary": self.summary(),
            "rungs": self.rungs.iter().map(rung).collect::<Vec<_>>(),
            "failed_at": self.failed().map(|rung| rung.step.as_str()),
            "cause": self.cause.as_ref().map(Finding::to_json),
            "remedy": self.remedy,
            "reply": self.error.as_ref().and_then(|error| error.reply()).map(Reply::to_json),
            "notes": findings(&self.notes),
            "certificate": self.certificate.as_deref().map(CertificateReport::to_json),
        })
    }
}

fn rung(rung: &Rung) -> Value {
    json!({
        "step": rung.step.as_str(),
        "outcome": rung.outcome.as_str(),
        "seconds": seconds(rung.elapsed),
        "detail": rung.detail,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::report::{Outcome, Step};
    use super::*;
    use crate::certificate::testing::{Authority, Leaf, now};
    use crate::certificate::{Certificate, TrustVerdict};
    use crate::finding::FindingId;
    use crate::json::schema;
    use crate::smtp::reply;
    use crate::{Endpoint, Error, ErrorKind, Stage, TlsMode};

    const SCHEMA: &str = include_str!("../../../docs/schema/diagnosis.schema.json");

    fn rung(step: Step, outcome: Outcome) -> Rung {
        let elapsed = Duration::from_micros(1500);
        Rung { step, outcome, elapsed, detail: "as it was".to_owned() }
    }

    fn in_order() -> DiagnosisReport {
        DiagnosisReport {
            endpoint: Endpoint::new("mail.example.org".to_owned(), TlsMode::StartTls),
            started_at: now(),
            duration: Duration::from_millis(12),
            address: Some("[2001:db8::1]:587".parse().unwrap()),
            rungs: vec![rung(Step::Dns, Outcome::Held), rung(Step::Auth, Outcome::Skipped)],
            cause: None,
            remedy: None,
            notes: vec![Finding::new(FindingId::Expiring, "soon").with("not_after", "2030-01-02")],
            certificate: None,
            error: None,
        }
    }

    fn broken() -> DiagnosisReport {
        let root = Authority::root("Root");
        let error = Error::new(ErrorKind::Rejected, Stage::Greeting, "not now")
            .with_reply(reply::reply("421 4.3.2 later"));
        DiagnosisReport {
            address: None,
            rungs: vec![rung(Step::Greeting, Outcome::Failed)],
            cause: Some(Finding::new(FindingId::RateLimited, "not now")),
            remedy: Some("wait".to_owned()),
            notes: Vec::new(),
            certificate: Some(Arc::new(CertificateReport {
                host: "mail.example.org".to_owned(),
                chain: vec![Certificate::from_der(&root.issue(&Leaf::good()).der).unwrap()],
                findings: vec![Finding::new(FindingId::Expired, "it expired")],
                trust: vec![TrustVerdict {
                    roots: "system".to_owned(),
                    trusted: true,
                    decides: true,
                    root: None,
                }],
                staple: None,
                checked_at: UNIX_EPOCH,
            })),
            error: Some(error),
            ..in_order()
        }
    }

    #[test]
    fn the_json_of_every_diagnosis_is_as_the_published_schema_says() {
        for report in [in_order(), broken()] {
            assert_eq!(schema::faults(SCHEMA, &report.to_json()), [""; 0]);
        }
    }

    #[test]
    fn a_diagnosis_that_lost_a_fact_is_no_longer_as_the_schema_says() {
        let mut json = broken().to_json();
        json.as_object_mut().unwrap().remove("remedy");
        json["rungs"][0]["outcome"] = "shaky".into();
        json["certificate"]["chain"][0]["serial"] = 7.into();
        let faults = schema::faults(SCHEMA, &json);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}

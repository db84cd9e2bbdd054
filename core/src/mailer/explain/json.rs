//! The explanation as JSON: schema `everpost.explanation/1`, published as
//! `docs/schema/explanation.schema.json`.

use serde_json::{Value, json};

use super::{Explanation, Leaf, Look};
use crate::error::Error;
use crate::json::{findings, moment};

/// The name and version of the JSON that [`Explanation::to_json`] makes.
pub const EXPLANATION_SCHEMA: &str = "everpost.explanation/1";

impl Explanation {
    /// The answer with its evidence as JSON, in the form of
    /// `docs/schema/explanation.schema.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": EXPLANATION_SCHEMA,
            "at": moment(self.at),
            "status": self.status().as_str(),
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
        "not_before": moment(leaf.not_before),
        "not_after": moment(leaf.not_after),
    })
}

fn error(error: &Error) -> Value {
    let findings = error.certificate().map(|report| findings(&report.findings));
    json!({
        "kind": error.kind().as_str(),
        "stage": error.stage().as_str(),
        "message": error.message_text(),
        "hint": error.hint(),
        "reply": error.reply().map(ToString::to_string),
        "findings": findings,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::certificate::testing::{Authority, now};
    use crate::certificate::{Certificate, CertificateReport, testing};
    use crate::finding::{Finding, FindingId, Status};
    use crate::json::schema;
    use crate::mailer::explain::Fault;
    use crate::smtp::reply;
    use crate::{ErrorKind, Stage};

    const SCHEMA: &str = include_str!("../../../../docs/schema/explanation.schema.json");

    fn well() -> Explanation {
        let der = Authority::root("Root").issue(&testing::Leaf::good()).der;
        let leaf = Leaf::from(&Certificate::from_der(&der).unwrap());
        let address = "192.0.2.1:465".parse().ok();
        Explanation {
            fault: Fault::None,
            summary: "all is well".to_owned(),
            remedy: None,
            served: Some(leaf.clone()),
            pooled: vec![leaf.clone()],
            looks: vec![Look { address, leaf: Some(leaf), error: None }],
            file: None,
            error: None,
            last_error: None,
            at: now(),
        }
    }

    fn bad() -> Explanation {
        let report = CertificateReport {
            host: "mail.example.org".to_owned(),
            chain: Vec::new(),
            findings: vec![Finding::new(FindingId::Expired, "it expired").with("a", "b")],
            trust: Vec::new(),
            staple: None,
            checked_at: now(),
        };
        let error = Error::new(ErrorKind::Certificate, Stage::Handshake, "it expired")
            .with_certificate(Arc::new(report));
        let refused = Error::new(ErrorKind::Auth, Stage::Auth, "refused")
            .with_hint("look at the password")
            .with_reply(reply::reply("535 5.7.8 no"));
        Explanation {
            fault: Fault::Certificate,
            remedy: Some("renew it".to_owned()),
            served: None,
            file: well().served,
            looks: vec![Look { address: None, leaf: None, error: Some(error.clone()) }],
            error: Some(error),
            last_error: Some(refused),
            ..well()
        }
    }

    #[test]
    fn the_json_of_every_explanation_is_as_the_published_schema_says() {
        for explanation in [well(), bad()] {
            assert_eq!(schema::faults(SCHEMA, &explanation.to_json()), [""; 0]);
        }
    }

    #[test]
    fn the_status_tells_whether_mail_gets_through() {
        let status =
            |fault, explanation: Explanation| Explanation { fault, ..explanation }.status();
        assert_eq!(status(Fault::None, well()), Status::Healthy);
        assert_eq!(status(Fault::PoolStale, well()), Status::Healthy);
        assert_eq!(status(Fault::NotLoaded, well()), Status::Degraded);
        assert_eq!(status(Fault::NotLoaded, bad()), Status::Unhealthy);
        assert_eq!(status(Fault::Credentials, well()), Status::Unhealthy);
        assert_eq!(bad().status(), Status::Unhealthy);
    }

    #[test]
    fn an_explanation_that_lost_a_fact_is_no_longer_as_the_schema_says() {
        let mut json = bad().to_json();
        json.as_object_mut().unwrap().remove("file");
        json["fault"] = "somebody".into();
        json["error"]["findings"][0]["severity"] = 1.into();
        let faults = schema::faults(SCHEMA, &json);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}

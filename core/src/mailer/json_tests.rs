//! What mailers tell as JSON, held against `docs/schema`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::certificate::testing::{Authority, now};
use crate::certificate::{Certificate, CertificateReport, Fingerprint, testing};
use crate::error::{Delivery, ErrorKind, Stage};
use crate::finding::{Finding, FindingId};
use crate::json::schema;
use crate::mailer::Retirement;
use crate::mailer::stats::Counters;
use crate::message::Envelope;
use crate::smtp::reply::reply;

const ERROR: &str = include_str!("../../../docs/schema/error.schema.json");
const RECEIPT: &str = include_str!("../../../docs/schema/receipt.schema.json");
const HEALTH: &str = include_str!("../../../docs/schema/health.schema.json");
const STATS: &str = include_str!("../../../docs/schema/stats.schema.json");
const EVENT: &str = include_str!("../../../docs/schema/event.schema.json");

const KINDS: [ErrorKind; 15] = [
    ErrorKind::InvalidConfig,
    ErrorKind::InvalidMessage,
    ErrorKind::Dns,
    ErrorKind::Connect,
    ErrorKind::Timeout,
    ErrorKind::Tls,
    ErrorKind::Certificate,
    ErrorKind::Auth,
    ErrorKind::Rejected,
    ErrorKind::Unsupported,
    ErrorKind::Protocol,
    ErrorKind::DeliveryUnknown,
    ErrorKind::Cancelled,
    ErrorKind::Closed,
    ErrorKind::Internal,
];

const STAGES: [Stage; 18] = [
    Stage::Prepare,
    Stage::Checkout,
    Stage::Dns,
    Stage::Connect,
    Stage::Proxy,
    Stage::Handshake,
    Stage::Greeting,
    Stage::Ehlo,
    Stage::StartTls,
    Stage::Auth,
    Stage::Idle,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Body,
    Stage::EndOfData,
    Stage::Reset,
    Stage::Quit,
];

fn leaf() -> Leaf {
    Leaf {
        fingerprint: Fingerprint::of(b"leaf"),
        serial: "01".into(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(86_400),
    }
}

fn error() -> Error {
    Error::new(ErrorKind::Connect, Stage::Connect, "refused")
}

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.com", "c@example.com"]).unwrap()
}

fn rejected_one() -> RejectedRecipient {
    RejectedRecipient {
        address: "c@example.com".parse().unwrap(),
        reply: reply("550 5.1.1 no such user"),
    }
}

/// An error with everything that an error can have.
fn full_error() -> Error {
    let der = Authority::root("Root").issue(&testing::Leaf::good()).der;
    let report = CertificateReport {
        host: "mail.example.org".to_owned(),
        chain: vec![Certificate::from_der(&der).unwrap()],
        findings: vec![Finding::new(FindingId::Expired, "it expired").with("a", "b")],
        trust: Vec::new(),
        staple: None,
        checked_at: now(),
    };
    Error::new(ErrorKind::Certificate, Stage::Handshake, "it expired")
        .with_certificate(Arc::new(report))
        .with_hint("renew it")
        .with_reply(reply("454 4.7.0 no"))
        .with_rejected(vec![rejected_one()])
        .with_attempts(2)
        .with_delivery(Delivery::Unknown)
        .with_context("<id@example.org>", &envelope())
        .with_source(error())
}

fn receipt() -> Receipt {
    Receipt {
        message_id: "<id@example.org>".to_owned(),
        envelope: envelope(),
        reply: reply("250 2.0.0 queued"),
        accepted: vec!["b@example.com".parse().unwrap()],
        rejected: vec![rejected_one()],
        attempts: 1,
        server: "192.0.2.1:465".parse().unwrap(),
        leaf: Some(Fingerprint::of(b"leaf")),
    }
}

fn every_event() -> Vec<Event> {
    let message_id = || "<id@example.org>".to_owned();
    let late = |delivery, text: &str| Event::LateVerdict {
        message_id: message_id(),
        delivery,
        reply: reply(text),
    };
    vec![
        Event::Rotated { old: leaf(), new: leaf() },
        Event::RolledBack { current: leaf(), seen: leaf() },
        Event::Retired { reason: Retirement::Age, age: Duration::from_millis(1500) },
        Event::Retried { message_id: message_id(), attempt: 2, error: error() },
        Event::Expiring { leaf: leaf(), critical: true },
        Event::Unhealthy { error: full_error() },
        Event::Recovered,
        Event::DeliveryUnknown { message_id: message_id(), error: full_error() },
        late(Delivery::Accepted, "250 2.0.0 queued"),
        late(Delivery::Refused, "554 5.6.0 never"),
    ]
}

#[test]
fn every_event_says_its_name_its_schema_and_one_line() {
    for event in every_event() {
        let json = event.to_json();
        assert_eq!(json["schema"], "everpost.event/1");
        assert_eq!(json["event"], event.name());
        assert_eq!(json["text"], event.to_string());
        assert_eq!(json["message_id"].as_str(), event.message_id());
        assert!(!event.to_string().contains('\n'), "{event}");
    }
}

#[test]
fn an_error_holds_what_its_accessors_tell() {
    let cause = Error::new(ErrorKind::Tls, Stage::Handshake, "alert");
    let json = error().with_hint("look there").with_source(cause).to_json();
    assert_eq!(json["kind"], "connect");
    assert_eq!(json["delivery"], "not_sent");
    assert_eq!(json["retryable"], true);
    assert_eq!(json["hint"], "look there");
    assert_eq!(json["causes"][0].as_str().map(|text| text.contains("alert")), Some(true));
    assert!(json["reply"].is_null() && json["certificate"].is_null());
}

#[test]
fn the_json_of_every_error_is_as_the_published_schema_says() {
    assert_eq!(schema::faults(ERROR, &full_error().to_json()), [""; 0]);
    for kind in KINDS {
        for stage in STAGES {
            let error = Error::new(kind, stage, "it went wrong");
            assert_eq!(schema::faults(ERROR, &error.to_json()), [""; 0]);
        }
    }
}

#[test]
fn the_json_of_receipts_health_and_counters_is_as_the_published_schemas_say() {
    let plain = Receipt { leaf: None, rejected: Vec::new(), ..receipt() };
    for receipt in [receipt(), plain] {
        assert_eq!(schema::faults(RECEIPT, &receipt.to_json()), [""; 0]);
    }
    for health in [
        Health::Healthy,
        Health::Degraded { leaf: leaf(), critical: true },
        Health::Unhealthy { error: full_error(), since: now() },
    ] {
        assert_eq!(schema::faults(HEALTH, &health.to_json()), [""; 0]);
    }
    let counters = Counters::default();
    counters.retired(Retirement::Rotated);
    assert_eq!(schema::faults(STATS, &counters.snapshot().to_json()), [""; 0]);
}

#[test]
fn the_json_of_every_event_is_as_the_published_schema_says() {
    for event in every_event() {
        assert_eq!(schema::faults(EVENT, &event.to_json()), [""; 0], "{event}");
    }
}

#[test]
fn what_lost_a_fact_is_no_longer_as_the_schemas_say() {
    let mut lost = full_error().to_json();
    lost["kind"] = "bad_luck".into();
    lost["rejected"][0]["reply"]["code"] = 99.into();
    lost.as_object_mut().unwrap().remove("hint");
    assert_eq!(schema::faults(ERROR, &lost).len(), 3);

    let mut event = Event::Rotated { old: leaf(), new: leaf() }.to_json();
    event.as_object_mut().unwrap().remove("old");
    assert_eq!(schema::faults(EVENT, &event).len(), 1);
    event["event"] = "eclipsed".into();
    assert_eq!(schema::faults(EVENT, &event).len(), 1, "no such event");
}

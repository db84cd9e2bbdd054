use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::certificate::{CertificateReport, Finding, Fingerprint};
use crate::{Stage, TlsMode};

const DAY: Duration = Duration::from_secs(86_400);

fn today() -> SystemTime {
    SystemTime::UNIX_EPOCH + 20_000 * DAY
}

/// Issued so many days ago, for 90 days.
fn leaf(days_ago: u32) -> Leaf {
    let not_before = today() - days_ago * DAY;
    Leaf {
        fingerprint: Fingerprint::of(&days_ago.to_be_bytes()),
        serial: format!("{days_ago:02x}"),
        not_before,
        not_after: not_before + 90 * DAY,
    }
}

fn look(last: u8, leaf: Leaf, error: Option<Error>) -> Look {
    let address = Some(([192, 0, 2, last], 465).into());
    Look { address, leaf: Some(leaf), error }
}

fn bad(id: FindingId) -> Error {
    let report = CertificateReport {
        host: "mail.example.org".into(),
        chain: Vec::new(),
        findings: vec![Finding::new(id, "no good")],
        trust: Vec::new(),
        staple: None,
        checked_at: today(),
    };
    Error::new(ErrorKind::Certificate, Stage::Handshake, "no good")
        .with_hint("mend it")
        .with_certificate(Arc::new(report))
}

fn lost() -> Error {
    Error::new(ErrorKind::Connect, Stage::Connect, "gone")
}

struct Case {
    looks: Vec<Look>,
    pooled: Vec<Leaf>,
    file: Option<Leaf>,
    last_error: Option<Error>,
}

fn case(looks: Vec<Look>) -> Case {
    Case { looks, pooled: Vec::new(), file: None, last_error: None }
}

impl Case {
    fn weigh(self) -> Explanation {
        let Case { looks, pooled, file, last_error } = self;
        let mut endpoint = Endpoint::new("mail.example.org", TlsMode::Implicit);
        endpoint.port = 465;
        let (unreached, at) = (None, today());
        weigh(Evidence { endpoint: &endpoint, looks, unreached, pooled, file, last_error, at })
    }
}

#[test]
fn a_pool_is_stale_only_for_leaves_that_no_address_serves() {
    let looks = vec![look(1, leaf(5), None)];
    let stale = Case { pooled: vec![leaf(70), leaf(5)], ..case(looks.clone()) }.weigh();
    assert_eq!(stale.fault, Fault::PoolStale);
    assert!(stale.summary.contains("1 of 2 pooled"), "{stale}");
    assert_eq!(Case { pooled: vec![leaf(5)], ..case(looks) }.weigh().fault, Fault::None);
}

#[test]
fn a_bad_certificate_on_every_address_is_the_servers() {
    let looks = || vec![look(1, leaf(95), Some(bad(FindingId::Expired)))];
    let explanation = Case { pooled: vec![leaf(95)], ..case(looks()) }.weigh();
    assert_eq!(explanation.fault, Fault::Certificate);
    assert_eq!(explanation.remedy.as_deref(), Some("mend it"));
    assert!(explanation.error.is_some());
    let dead = vec![look(2, leaf(95), Some(lost())), looks().remove(0)];
    assert_eq!(case(dead).weigh().fault, Fault::Certificate, "a certificate tells more");
}

#[test]
fn a_newer_file_that_no_address_serves_was_not_loaded() {
    let expired = || vec![look(1, leaf(95), Some(bad(FindingId::Expired)))];
    let renewed = Case { file: Some(leaf(2)), ..case(expired()) }.weigh();
    assert_eq!(renewed.fault, Fault::NotLoaded);
    assert!(renewed.summary.contains("serial 5f") && renewed.summary.contains("serial 02"));
    // Before the old one ends too.
    let looks = vec![look(1, leaf(60), None)];
    let early = Case { file: Some(leaf(2)), ..case(looks.clone()) }.weigh();
    assert_eq!(early.fault, Fault::NotLoaded);
    // An old file, one of the future, or one that is served.
    for file in [leaf(80), leaf(60)] {
        assert_eq!(Case { file: Some(file), ..case(looks.clone()) }.weigh().fault, Fault::None);
    }
    let older = Case { file: Some(leaf(80)), ..case(looks) }.weigh();
    assert!(older.summary.contains("another certificate"), "{older}");
    // An expired file does not excuse an expired server.
    let both = Case { file: Some(leaf(92)), ..case(expired()) }.weigh();
    assert_eq!(both.fault, Fault::Certificate);
}

#[test]
fn addresses_that_lag_behind_are_named() {
    let looks = vec![look(1, leaf(5), None), look(2, leaf(70), None), look(3, leaf(5), None)];
    let explanation = Case { pooled: vec![leaf(70)], ..case(looks) }.weigh();
    assert_eq!(explanation.fault, Fault::SomeAddresses);
    assert!(explanation.summary.contains("only 2 of 3"), "{explanation}");
    assert!(explanation.summary.ends_with("behind: 192.0.2.2"), "{explanation}");
    assert_eq!(explanation.served, Some(leaf(5)));
}

#[test]
fn addresses_that_fail_beside_good_ones_are_named() {
    let looks = vec![look(1, leaf(5), None), look(2, leaf(95), Some(bad(FindingId::Expired)))];
    let explanation = Case { file: Some(leaf(5)), ..case(looks) }.weigh();
    assert_eq!(explanation.fault, Fault::SomeAddresses);
    assert!(explanation.summary.contains("1 of 2") && explanation.summary.contains("192.0.2.2"));
    assert_eq!(explanation.served, Some(leaf(5)), "an accepted leaf before all");
}

#[test]
fn an_address_out_of_reach_counts_unless_its_whole_family_is() {
    let away = |address: &str| Look {
        address: Some(address.parse().unwrap()),
        leaf: None,
        error: Some(lost()),
    };
    let beside = |away| vec![look(1, leaf(5), None), away];
    let explanation = case(beside(away("192.0.2.2:465"))).weigh();
    assert_eq!(explanation.fault, Fault::SomeAddresses);
    assert!(explanation.remedy.unwrap().contains("DNS"));
    let explanation = case(beside(away("[2001:db8::1]:465"))).weigh();
    assert_eq!(explanation.fault, Fault::None);
    assert!(explanation.summary.contains("IPv6 addresses cannot be reached"));
    let stale = Case { pooled: vec![leaf(70)], ..case(beside(away("192.0.2.2:465"))) }.weigh();
    assert_eq!(stale.fault, Fault::PoolStale, "the pool's own trouble before a dead node");
}

#[test]
fn the_clock_is_blamed_only_where_no_address_is_good() {
    let skewed = || look(1, leaf(5), Some(bad(FindingId::ClockSkew)));
    assert_eq!(case(vec![skewed()]).weigh().fault, Fault::Clock);
    let mixed = case(vec![skewed(), look(2, leaf(5), None)]).weigh();
    assert_eq!(mixed.fault, Fault::SomeAddresses);
}

#[test]
fn the_last_session_tells_what_a_look_cannot() {
    let looks = || vec![look(1, leaf(5), None)];
    let after = |kind, stage| {
        let last_error = Some(Error::new(kind, stage, "no").with_hint("do"));
        Case { last_error, ..case(looks()) }.weigh()
    };
    assert_eq!(after(ErrorKind::Auth, Stage::Auth).fault, Fault::Credentials);
    assert_eq!(after(ErrorKind::Timeout, Stage::Greeting).fault, Fault::Network);
    assert_eq!(after(ErrorKind::Rejected, Stage::Greeting).fault, Fault::Server);
    let recovered = after(ErrorKind::Certificate, Stage::Handshake);
    assert_eq!(recovered.fault, Fault::None);
    assert!(recovered.summary.contains("healthy again"), "{recovered}");
}

#[test]
fn a_name_without_addresses_is_the_networks_fault() {
    let endpoint = Endpoint::new("mail.example.org", TlsMode::Implicit);
    let unreached = Some(Error::new(ErrorKind::Dns, Stage::Dns, "no such name"));
    let explanation = weigh(Evidence {
        endpoint: &endpoint,
        looks: Vec::new(),
        unreached,
        pooled: vec![leaf(5)],
        file: None,
        last_error: None,
        at: today(),
    });
    assert_eq!(explanation.fault, Fault::Network);
    assert!(explanation.error.is_some() && explanation.served.is_none());
}

#[test]
fn the_json_holds_the_evidence() {
    let looks = vec![look(1, leaf(95), Some(bad(FindingId::Expired)))];
    let json = Case { file: Some(leaf(2)), ..case(looks) }.weigh().to_json();
    assert_eq!(json["schema"], "everpost.explanation/1");
    assert_eq!(json["fault"], "not_loaded");
    assert_eq!(json["addresses"][0]["address"], "192.0.2.1:465");
    assert_eq!(json["addresses"][0]["error"]["findings"][0]["id"], "expired");
    assert_eq!(json["file"]["serial"], "02");
    assert!(json["last_error"].is_null());
}

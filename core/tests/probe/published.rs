//! What DNS publishes about a server, beside what the server serves.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use everpost::network::BoxFuture;
use everpost::probe::{Answer as DnsAnswer, Mx, ProbeBuilder, Records, Security, Target, Tlsa};
use everpost::{FindingId, Status};
use everpost_rehearsal::{Listener, Rehearsal, Rotate};
use tokio::time::Instant;

use crate::peer::{Answer, World};
use crate::support::Memory;
use crate::{finding, ids, only, probe, run};

const DOMAIN: &str = "example.org";
const HOST: &str = "mx.example.org";

/// What a zone holds; `None`: it never answers.
#[derive(Clone, Debug, Default)]
struct Zone {
    tlsa: Vec<Tlsa>,
    txt: Vec<String>,
    mute: bool,
}

impl Zone {
    fn answer<T: Send + 'static>(
        &self,
        records: Vec<T>,
    ) -> BoxFuture<'static, io::Result<DnsAnswer<T>>> {
        let mute = self.mute;
        Box::pin(async move {
            if mute {
                std::future::pending::<()>().await;
            }
            Ok(DnsAnswer { records, security: Security::Secure })
        })
    }
}

impl Records for Zone {
    fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<DnsAnswer<Mx>>> {
        let mx = Mx { preference: 10, exchange: HOST.to_owned() };
        Box::pin(async move { Ok(DnsAnswer { records: vec![mx], security: Security::Secure }) })
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<DnsAnswer<Tlsa>>> {
        assert_eq!(name, "_25._tcp.mx.example.org");
        self.answer(self.tlsa.clone())
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<DnsAnswer<String>>> {
        let asked = name == "_mta-sts.example.org";
        self.answer(if asked { self.txt.clone() } else { Vec::new() })
    }
}

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().host(HOST).build().unwrap())
}

fn over(server: &Arc<Rehearsal>, zone: Zone) -> ProbeBuilder {
    let answer = Answer::Network(Memory::to(server, Listener::StartTls));
    let world = World::default().with(HOST, "192.0.2.1", answer);
    probe(server).network(Arc::new(world)).records(Arc::new(zone))
}

fn key_of(server: &Rehearsal) -> Tlsa {
    Tlsa { usage: 3, selector: 1, matching: 1, data: server.leaf().spki_sha256.to_vec() }
}

#[tokio::test]
async fn tlsa_records_are_held_against_every_address_where_asked_for() {
    let server = server();
    let zone = Zone { tlsa: vec![key_of(&server)], ..Zone::default() };
    let target = Target::mx_of(DOMAIN);
    let report = run(over(&server, zone.clone()), &target).await;
    assert_eq!(only(&report).dane, None);
    let report = run(over(&server, zone.clone()).dane(true), &target).await;
    assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
    assert_eq!(only(&report).dane.as_ref().unwrap().matched, Some(true));

    server.rotate(Rotate::default()).await.unwrap();
    let report = run(over(&server, zone).dane(true), &target).await;
    assert_eq!(ids(&report), [FindingId::DaneMismatch]);
    assert_eq!(only(&report).dane.as_ref().unwrap().matched, Some(false));
}

#[tokio::test]
async fn a_policy_that_is_announced_and_cannot_be_fetched_is_told() {
    let server = server();
    let target = Target::mx_of(DOMAIN);
    let report = run(over(&server, Zone::default()).mta_sts(true), &target).await;
    assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
    assert_eq!(report.mta_sts.as_ref().unwrap().id, None);

    let zone = Zone { txt: vec!["v=STSv1; id=20260101;".to_owned()], ..Zone::default() };
    let report = run(over(&server, zone.clone()), &target).await;
    assert_eq!(report.mta_sts, None);
    let report = run(over(&server, zone).mta_sts(true), &target).await;
    assert_eq!(ids(&report), [FindingId::MtaStsUnreachable]);
    assert_eq!(report.mta_sts.as_ref().unwrap().id.as_deref(), Some("20260101"));
}

#[tokio::test(start_paused = true)]
async fn records_that_never_come_cost_no_more_than_the_deadline() {
    let server = server();
    let zone = Zone { mute: true, ..Zone::default() };
    let began = Instant::now();
    let builder = over(&server, zone).dane(true).deadline(Duration::from_secs(10));
    let report = run(builder, &Target::mx_of(DOMAIN)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let found = finding(&report, FindingId::DaneLookupFailed);
    assert!(found.message.contains("not found in time"), "{}", found.message);
    assert!(only(&report).certificate.is_some());
}

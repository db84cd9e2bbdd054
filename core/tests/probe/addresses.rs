//! Many addresses of a name, many servers of a domain.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use everpost::network::BoxFuture;
use everpost::probe::{Answer as DnsAnswer, Mx, ProbeMode, Records, Security, Target, Tlsa};
use everpost::{FindingId, Severity, Status};
use everpost_rehearsal::{Chain, Listener, Rehearsal, Rotate};
use tokio::time::Instant;

use crate::peer::{Answer, World, over, speaking};
use crate::support::Memory;
use crate::{ended_by, finding, ids, probe, run};

const HOST: &str = "mail.example.org";

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().host(HOST).build().unwrap())
}

fn served_by(server: &Arc<Rehearsal>) -> Answer {
    Answer::Network(Memory::to(server, Listener::Implicit))
}

fn refused() -> Answer {
    Answer::Error(io::ErrorKind::ConnectionRefused)
}

fn implicit() -> Target {
    Target::new(HOST, 465)
}

// --- Which addresses ---------------------------------------------------------------

#[tokio::test]
async fn one_address_is_enough_unless_all_are_asked_for() {
    let server = server();
    let network = Memory::to(&server, Listener::Implicit);
    let answer = || Answer::Network(network.clone());
    let world = World::default()
        .with(HOST, "192.0.2.1", answer())
        .with(HOST, "192.0.2.2", answer())
        .with(HOST, "2001:db8::3", answer());
    let world = Arc::new(world);
    let report = run(probe(&server).network(world.clone()), &implicit()).await;
    assert_eq!((report.addresses().count(), network.connections()), (1, 1));

    let report = run(probe(&server).network(world).all_addresses(true), &implicit()).await;
    let shown: Vec<String> =
        report.addresses().map(|(_, address)| address.address.ip().to_string()).collect();
    assert_eq!(shown, ["192.0.2.1", "192.0.2.2", "2001:db8::3"]);
    assert_eq!(network.connections(), 4);
    assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
    assert!(report.servers[0].dns.is_some());
}

#[tokio::test(start_paused = true)]
async fn addresses_that_take_no_connection_are_passed_over_and_told() {
    let server = server();
    let world = World::default()
        .with(HOST, "2001:db8::1", Answer::Error(io::ErrorKind::NetworkUnreachable))
        .with(HOST, "192.0.2.1", refused())
        .with(HOST, "192.0.2.2", Answer::Silence)
        .with(HOST, "192.0.2.3", served_by(&server))
        .with(HOST, "192.0.2.4", refused());
    let began = Instant::now();
    let report = run(probe(&server).network(Arc::new(world)), &implicit()).await;
    assert!(began.elapsed() <= Duration::from_secs(5));
    assert_eq!(report.addresses().count(), 4);
    assert_eq!(report.status(), Status::Degraded, "{:?}", ids(&report));
    let some = finding(&report, FindingId::SomeUnreachable);
    assert!(some.message.contains("2 of 4") && some.message.contains("192.0.2.2"), "{some:?}");
    // No route is this machine's fault, and other addresses do.
    assert_eq!(finding(&report, FindingId::Unreachable).severity, Severity::Info);
    assert_eq!(finding(&report, FindingId::Refused).severity, Severity::Warning);
    assert_eq!(finding(&report, FindingId::Silent).severity, Severity::Warning);
}

#[tokio::test(start_paused = true)]
async fn without_any_connection_each_way_to_fail_is_critical_and_told_apart() {
    let cases = [
        (refused(), FindingId::Refused, "nothing listens on port 465"),
        (Answer::Silence, FindingId::Silent, "did not answer within 10s"),
        (Answer::Error(io::ErrorKind::TimedOut), FindingId::Silent, "did not answer"),
        (Answer::Error(io::ErrorKind::HostUnreachable), FindingId::Unreachable, "be reached"),
        (Answer::Error(io::ErrorKind::PermissionDenied), FindingId::Unreachable, "this machine"),
    ];
    for (answer, id, text) in cases {
        let world = World::default().with(HOST, "192.0.2.1", answer);
        let report =
            run(over(Arc::new(world)).deadline(Duration::from_secs(10)), &implicit()).await;
        ended_by(&report, id, text);
        assert_eq!(ids(&report), [id]);
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_are_probed_at_the_same_time_each_once_and_not_without_end() {
    let deadline = Duration::from_secs(10);
    let silent =
        |world: World, last: u8| world.with(HOST, &format!("192.0.2.{last}"), Answer::Silence);
    let few = (1..=8).chain(1..=8).fold(World::default(), silent);
    let began = Instant::now();
    let builder = |world| over(Arc::new(world)).deadline(deadline).all_addresses(true);
    let report = run(builder(few), &implicit()).await;
    assert_eq!((report.addresses().count(), began.elapsed()), (8, deadline));

    let refusing = |world: World, last: u8| world.with(HOST, &format!("192.0.2.{last}"), refused());
    let many = (1..=100).fold(World::default(), refusing);
    assert_eq!(run(builder(many), &implicit()).await.addresses().count(), 32);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_finding() {
    let world = Arc::new(World::default());
    let report = run(over(world.clone()), &implicit()).await;
    assert_eq!(ids(&report), [FindingId::DnsFailed]);
    let found = finding(&report, FindingId::DnsFailed);
    assert_eq!(found.message, "mail.example.org does not resolve: no such name");
    let report = run(over(world), &Target::new("no name", 465)).await;
    assert_eq!(ids(&report), [FindingId::DnsFailed]);
}

#[tokio::test]
async fn a_given_address_takes_the_place_of_the_name_s_own() {
    let server = server();
    let world = World::default().with("other.test", "192.0.2.9", served_by(&server));
    let builder = probe(&server).network(Arc::new(world));
    let report = run(builder.connect_to("192.0.2.9".parse().unwrap()), &implicit()).await;
    assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
    assert_eq!(report.servers[0].dns, None);
}

// --- Differences ---------------------------------------------------------------------

#[tokio::test]
async fn addresses_that_serve_different_certificates_are_told_with_serials() {
    let server = server();
    let rotate = Rotate { share: Some(0.5), ..Rotate::default() };
    let world = || {
        World::default().with(HOST, "192.0.2.1", served_by(&server)).with(
            HOST,
            "192.0.2.2",
            served_by(&server),
        )
    };
    let old = server.leaf();
    let new = server.rotate(rotate).await.unwrap();
    let builder = || probe(&server).network(Arc::new(world())).all_addresses(true);
    let report = run(builder(), &implicit()).await;
    let found = finding(&report, FindingId::AddressesDiffer);
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.message.contains(&old.serial) && found.message.contains(&new.serial));
    assert!(found.message.contains("192.0.2.1: serial"), "{}", found.message);

    // If only some of them are bad, clients fail now and then.
    let bad = Rotate { chain: Chain::Expired, share: Some(0.5), ..Rotate::default() };
    server.rotate(bad).await.unwrap();
    let report = run(builder(), &implicit()).await;
    let found = finding(&report, FindingId::AddressesDiffer);
    assert_eq!(found.severity, Severity::Critical);
}

// --- MX ------------------------------------------------------------------------------

#[derive(Clone, Debug)]
struct Zone(Result<(), io::ErrorKind>, Vec<Mx>, Security);

impl Records for Zone {
    fn mx<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, io::Result<DnsAnswer<Mx>>> {
        assert_eq!(domain, "example.org");
        let answer = DnsAnswer { records: self.1.clone(), security: self.2 };
        let failed = self.0.err().map(|kind| io::Error::new(kind, "SERVFAIL"));
        Box::pin(async move { failed.map_or(Ok(answer), Err) })
    }

    fn tlsa<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<DnsAnswer<Tlsa>>> {
        unreachable!("nobody asked for DANE")
    }

    fn txt<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<DnsAnswer<String>>> {
        unreachable!("nobody asked for MTA-STS")
    }
}

fn zone(exchangers: &[(u16, &str)]) -> Zone {
    let record = |(preference, exchange): &(u16, &str)| Mx {
        preference: *preference,
        exchange: (*exchange).to_owned(),
    };
    Zone(Ok(()), exchangers.iter().map(record).collect(), Security::Insecure)
}

fn world(names: &[&str]) -> Arc<World> {
    let peer = || speaking("220 mx\r\n", &[("EHLO", "250 mx\r\n"), ("QUIT", "221 x\r\n")]);
    let add = |world: World, name: &&str| world.with(name, "192.0.2.7", Answer::Network(peer()));
    Arc::new(names.iter().fold(World::default(), add))
}

#[tokio::test]
async fn every_mx_is_probed_on_its_own_in_the_order_of_preference() {
    let zone = zone(&[(20, "b.test"), (10, "A.test."), (30, "b.test"), (20, "gone.test")]);
    let builder = over(world(&["a.test", "b.test"])).records(Arc::new(zone));
    let report = run(builder, &Target::mx_of("example.org")).await;
    let seen: Vec<_> =
        report.servers.iter().map(|server| (&*server.host, server.preference)).collect();
    assert_eq!(seen, [("a.test", Some(10)), ("b.test", Some(20)), ("gone.test", Some(20))]);
    let found: Vec<_> =
        report.servers.iter().map(|it| it.all_findings().next().unwrap().id).collect();
    let missing = FindingId::StarttlsMissing;
    assert_eq!(found, [missing, missing, FindingId::DnsFailed]);
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_mail_server() {
    let builder = over(world(&["example.org"])).records(Arc::new(zone(&[])));
    let report = run(builder, &Target::mx_of("example.org")).await;
    assert_eq!((&*report.servers[0].host, report.servers[0].preference), ("example.org", None));
    assert_eq!(ids(&report), [FindingId::StarttlsMissing]);

    let builder = over(world(&[])).records(Arc::new(zone(&[])));
    let report = run(builder, &Target::mx_of("example.org")).await;
    assert_eq!(ids(&report), [FindingId::NoMx]);
}

#[tokio::test]
async fn a_null_mx_a_forged_one_and_one_that_cannot_be_looked_up_are_told_apart() {
    let mx = Target::mx_of("example.org");
    let report = run(over(world(&["example.org"])).records(Arc::new(zone(&[(0, "")]))), &mx).await;
    assert_eq!(ids(&report), [FindingId::NoMx]);
    assert!(report.servers.is_empty());

    let bogus = Zone(Ok(()), zone(&[(1, "a.test")]).1, Security::Bogus);
    let report = run(over(world(&["a.test"])).records(Arc::new(bogus)), &mx).await;
    assert_eq!(ids(&report), [FindingId::DnsFailed]);

    let failing = Zone(Err(io::ErrorKind::Other), Vec::new(), Security::Insecure);
    let report = run(over(world(&[])).records(Arc::new(failing)), &mx).await;
    assert!(finding(&report, FindingId::DnsFailed).message.contains("SERVFAIL"));
}

#[tokio::test]
async fn the_mode_of_the_target_goes_for_every_server() {
    let server = server();
    let answer = Answer::Network(Memory::to(&server, Listener::Implicit));
    let world = World::default().with(HOST, "192.0.2.1", answer);
    let builder = probe(&server).network(Arc::new(world)).records(Arc::new(zone(&[(1, HOST)])));
    let target = Target::mx_of("example.org").with_mode(ProbeMode::Implicit);
    let report = run(builder, &target).await;
    assert_eq!(report.status(), Status::Healthy, "{:?}", report.first_finding());
}

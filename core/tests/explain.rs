//! "Is it the server, or is it us?": each answer, against real servers.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use everpost::certificate::CertificateFile;
use everpost::mailer::{ExplainOptions, Explanation, Fault};
use everpost::network::{BoxFuture, Network, Stream};
use everpost::{Clock, Credentials, Mailer, MailerBuilder, TlsMode, TrustRoots};
use everpost_rehearsal::{Chain, LeafInfo, Listener, Rehearsal, Rotate};

const PASSWORD: &str = "canary-7d1";

fn server() -> Arc<Rehearsal> {
    Arc::new(Rehearsal::builder().credentials("app", PASSWORD).build().unwrap())
}

fn mailer(server: &Arc<Rehearsal>) -> MailerBuilder {
    support::in_memory(server, TlsMode::Implicit)
        .credentials(Credentials::password("app", PASSWORD))
}

fn file(leaf: &LeafInfo) -> ExplainOptions {
    let text = BASE64_STANDARD.encode(&leaf.der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    ExplainOptions::default()
        .certificate_file(CertificateFile::parse(pem.as_bytes(), None).unwrap())
}

/// A name with an address for each server.
struct Fleet(Vec<Arc<Rehearsal>>);

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fleet")
    }
}

impl Network for Fleet {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let address =
            move |last: usize| SocketAddr::from(([192, 0, 2, u8::try_from(last).unwrap()], port));
        Box::pin(async move { Ok((0..self.0.len()).map(address).collect()) })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let IpAddr::V4(ip) = address.ip() else { panic!("no such address") };
        let server = &self.0[usize::from(ip.octets()[3])];
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(server.serve_stream(far, Listener::Implicit));
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Stream>) })
    }
}

/// The fleet with one more address, which never takes a connection.
#[derive(Debug)]
struct WithSilent(Fleet);

impl Network for WithSilent {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let mut addresses = self.0.resolve(host, port).await?;
            addresses.push(SocketAddr::from(([198, 51, 100, 1], port)));
            Ok(addresses)
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        if address.ip() == IpAddr::from([198, 51, 100, 1]) {
            return Box::pin(std::future::pending());
        }
        self.0.connect(address, bind)
    }
}

fn of_fleet(servers: &[&Arc<Rehearsal>]) -> Mailer {
    let network = Fleet(servers.iter().map(|server| Arc::clone(server)).collect());
    let roots = servers.iter().map(|server| TrustRoots::Pem(server.ca_pem().into()));
    let builder = Mailer::builder("localhost")
        .network(Arc::new(network))
        .credentials(Credentials::password("app", PASSWORD));
    roots.fold(builder, MailerBuilder::trust).build().unwrap()
}

fn assert_fault(explanation: &Explanation, fault: Fault) {
    assert_eq!(explanation.fault, fault, "{explanation}");
    let json = explanation.to_json();
    assert_eq!(json["fault"], fault.as_str());
    for text in [explanation.to_string(), format!("{explanation:?}"), json.to_string()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_server_in_order_and_its_pool_are_well() {
    let server = server();
    let mailer = mailer(&server).build().unwrap();
    support::send(&mailer, "1@x").await.unwrap();
    let explanation = mailer.explain_with(file(&server.leaf())).await;
    assert_fault(&explanation, Fault::None);
    assert_eq!(explanation.pooled.len(), 1);
    assert_eq!(explanation.served, explanation.file);
    assert_eq!(explanation.looks.len(), 1);
}

#[tokio::test]
async fn a_renewal_that_is_on_disk_only_was_not_loaded() {
    let server = server();
    let mailer = mailer(&server).build().unwrap();
    let renewed = server.rotate(Rotate::default()).await.unwrap();
    server.rollback().unwrap();
    assert_fault(&mailer.explain_with(file(&renewed)).await, Fault::NotLoaded);
    // Whatever the served one is good for.
    server.present(Chain::Expired).await.unwrap();
    assert_fault(&mailer.explain().await, Fault::Certificate);
    assert_fault(&mailer.explain_with(file(&renewed)).await, Fault::NotLoaded);
}

#[tokio::test]
async fn one_node_that_was_forgotten_is_told_from_a_bad_server() {
    let (good, forgotten) = (server(), server());
    let mailer = of_fleet(&[&good, &forgotten]);
    forgotten.present(Chain::Expired).await.unwrap();
    let explanation = mailer.explain().await;
    assert_fault(&explanation, Fault::SomeAddresses);
    assert!(explanation.summary.contains("1 of 2 addresses"), "{explanation}");
    assert!(explanation.summary.contains("(192.0.2.1)"), "{explanation}");
    assert_eq!(explanation.served.unwrap().fingerprint.as_bytes(), &good.leaf().sha256);
    good.present(Chain::Expired).await.unwrap();
    assert_fault(&mailer.explain().await, Fault::Certificate);
}

#[tokio::test]
async fn a_look_costs_one_connection_per_address_and_logs_in_nowhere() {
    let (one, two) = (server(), server());
    let mailer = of_fleet(&[&one, &two]);
    mailer.explain().await;
    for server in [one, two] {
        let stats = server.stats();
        assert_eq!((stats.connections, stats.auth_ok + stats.auth_failed), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_takes_no_connection_holds_nobody_up_for_more_than_ten_seconds() {
    let server = server();
    let network = WithSilent(Fleet(vec![Arc::clone(&server)]));
    let mailer = mailer(&server).network(Arc::new(network)).build().unwrap();
    let started = tokio::time::Instant::now();
    let explanation = mailer.explain().await;
    assert_eq!((explanation.looks.len(), started.elapsed().as_secs()), (2, 10));
    assert!(explanation.served.is_some(), "{explanation}");
}

#[derive(Debug)]
struct Behind(Duration);

impl Clock for Behind {
    fn now(&self) -> SystemTime {
        SystemTime::now() - self.0
    }
}

#[tokio::test]
async fn a_clock_that_is_years_behind_is_blamed_and_not_the_certificate() {
    let server = server();
    let clock = Arc::new(Behind(Duration::from_secs(20 * 365 * 86_400)));
    let mailer = mailer(&server).clock(clock).build().unwrap();
    assert_fault(&mailer.explain().await, Fault::Clock);
}

#[tokio::test]
async fn a_refused_login_is_the_credentials_fault() {
    let server = server();
    let mailer = support::in_memory(&server, TlsMode::Implicit)
        .credentials(Credentials::password("app", format!("wrong-{PASSWORD}")))
        .build()
        .unwrap();
    support::send(&mailer, "1@x").await.unwrap_err();
    let explanation = mailer.explain().await;
    assert_fault(&explanation, Fault::Credentials);
    assert!(explanation.error.is_none() && explanation.last_error.is_some());
    assert!(explanation.summary.contains("healthy and refused the login"), "{explanation}");
}

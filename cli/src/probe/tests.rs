//! The crowd and the table, over a network of our own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser as _;
use everpost::network::{BoxFuture, Network, Stream, Tcp};
use everpost::probe::{Answer, Mx, Probe, ProbeReport, Records, Security, Tlsa};
use everpost::{Status, TrustRoots};
use everpost_rehearsal::{Chain, Rehearsal};
use tokio::sync::Barrier;

use super::args::ProbeArgs;
use super::progress::Progress;
use super::state::State;
use super::{each, format, targets};
use crate::args::{Args, Command};

fn args(line: &str) -> ProbeArgs {
    let words = ["everpost", "probe"].into_iter().chain(line.split(' '));
    match Args::parse_from(words).command {
        Command::Probe(args) => *args,
        other => panic!("{other:?}"),
    }
}

/// Refuses connections, once so many are tried at the same time.
#[derive(Debug)]
struct Crowd {
    barrier: Barrier,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Network for Crowd {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Tcp.resolve(host, port)
    }

    fn connect<'a>(
        &'a self,
        _: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.barrier.wait().await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            Err(io::ErrorKind::ConnectionRefused.into())
        })
    }
}

#[tokio::test]
async fn as_many_targets_are_probed_at_a_time_as_asked_for_and_no_more() {
    let barrier = Barrier::new(4);
    let crowd = Arc::new(Crowd { barrier, now: 0.into(), most: 0.into() });
    let probe = Probe::builder().trust(TrustRoots::Mozilla).network(crowd.clone()).build().unwrap();
    let list: Vec<String> = (1..=40).map(|port| format!("127.0.0.1:{port}")).collect();
    let targets = targets::targets(&args(&list.join(" "))).unwrap();
    let mut told = Vec::new();
    let mut progress = Progress::new(targets.len());
    each(probe, targets, 4, &mut progress, |report| told.push(report.target.to_string())).await;
    assert_eq!(told, list);
    assert_eq!(crowd.most.load(Ordering::SeqCst), 4);
}

/// A domain with two mail exchangers: the first has a good server at two
/// addresses and a bad one at a third, the second nothing.
#[derive(Debug)]
struct Domain {
    good: SocketAddr,
    bad: SocketAddr,
}

impl Network for Domain {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let addresses: &[[u8; 4]] = match host {
                "localhost" => &[[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 9]],
                _ => &[[192, 0, 2, 100]],
            };
            Ok(addresses.iter().map(|ip| SocketAddr::from((*ip, port))).collect())
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        bind: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        match address.ip().to_string().as_str() {
            "192.0.2.9" => Tcp.connect(self.bad, bind),
            "192.0.2.100" => Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) }),
            _ => Tcp.connect(self.good, bind),
        }
    }
}

impl Records for Domain {
    fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<Mx>>> {
        let mx = |preference, exchange: &str| Mx { preference, exchange: exchange.to_owned() };
        let records = vec![mx(10, "localhost"), mx(20, "mx2.example.org")];
        Box::pin(async { Ok(Answer { records, security: Security::Insecure }) })
    }

    fn tlsa<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<Tlsa>>> {
        Box::pin(async { Ok(Answer { records: Vec::new(), security: Security::Insecure }) })
    }

    fn txt<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Answer<String>>> {
        Box::pin(async { Ok(Answer { records: Vec::new(), security: Security::Insecure }) })
    }
}

async fn report_on_a_domain(args: &ProbeArgs) -> ProbeReport {
    let good = Rehearsal::builder().start().await.unwrap();
    let bad = Rehearsal::builder().start().await.unwrap();
    bad.present(Chain::Expired).await.unwrap();
    let domain = Domain { good: good.starttls_addr(), bad: bad.starttls_addr() };
    let domain = Arc::new(domain);
    let builder = Probe::builder().network(domain.clone()).records(domain).all_addresses(true);
    let both = [good.ca_pem(), bad.ca_pem()].concat();
    let probe = builder.trust(TrustRoots::Pem(both.into())).build().unwrap();
    probe.run(&targets::targets(args).unwrap()[0]).await
}

/// The column in which the right side begins.
const RIGHT: usize = 27;

#[tokio::test]
async fn a_table_tells_each_exchanger_each_address_and_each_finding_once() {
    let args = args("--mx example.org --all-addresses");
    let report = report_on_a_domain(&args).await;
    assert_eq!(report.status(), Status::Unhealthy);
    let table = format::new(&args).report(report, State::Critical);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "✗ MX of example.org:25  unhealthy");
    assert_eq!(lines[1], "  ✗ localhost  unhealthy  preference 10");
    let at = |text: &str| {
        let found = lines.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("{text}: {table}"))
    };
    let [first, second, third] = ["  192.0.2.1 ", "  192.0.2.2 ", "  192.0.2.9 "].map(at);
    assert!(first < second && second < third, "{table}");
    assert_eq!(lines[second + 1].trim(), "the same certificate", "{table}");
    assert!(lines[first + 1].contains("█████ ") && lines[third + 1].contains("░░░░░ "), "{table}");
    let refused = at("✗ refused");
    assert!(at("✗ mx2.example.org  unhealthy  preference 20") < refused, "{table}");
    assert!(at("✗ addresses-differ") > third && at("✗ expired") < refused, "{table}");
    assert_eq!(table.matches("✗ expired").count(), 1);
    for line in &lines {
        assert!(unicode_width::UnicodeWidthStr::width(*line) <= 100, "{line}");
    }
    for line in lines.iter().filter(|line| line.contains('→')) {
        assert_eq!(line.find('→'), Some(RIGHT), "remedies stand below their message: {line}");
    }
}

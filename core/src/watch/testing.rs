//! Reports made by hand, a prober that plays them, and a clock that goes with
//! tokio's.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::config::{Config, Entry};
use super::event::Event;
use super::prober::Prober;
use super::{Watch, WatchBuilder};
use crate::certificate::testing::{Authority, Leaf, now};
use crate::certificate::{Certificate, CertificateReport};
use crate::clock::Clock;
use crate::network::BoxFuture;
use crate::probe::{AddressReport, ProbeReport, ServerReport, Target, Timings, TlsFacts};
use crate::{Finding, FindingId, Severity, TlsMode};

/// A leaf of `authority`, valid for these days.
pub(crate) fn leaf(authority: &Authority, from: i64, to: i64) -> Certificate {
    let leaf = Leaf::between(day(from), day(to));
    Certificate::from_der(&authority.issue(&leaf).der).unwrap()
}

/// A leaf with a larger key.
pub(crate) fn large_leaf(authority: &Authority, from: i64, to: i64) -> Certificate {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let leaf = Leaf::between(day(from), day(to));
    Certificate::from_der(&authority.sign(&leaf, &key)).unwrap()
}

/// So many days after the tests' present.
pub(crate) fn day(days: i64) -> SystemTime {
    let distance = Duration::from_secs(days.unsigned_abs() * 86_400);
    if days < 0 { now() - distance } else { now() + distance }
}

/// A report on one host, with a leaf (or none) for each of its addresses.
pub(crate) fn report(at: SystemTime, leaves: &[Option<&Certificate>]) -> ProbeReport {
    let target = Target::new("mail.example.org", 465);
    let address = |(index, leaf): (usize, &Option<&Certificate>)| AddressReport {
        address: SocketAddr::from(([192, 0, 2, index as u8 + 1], 465)),
        mode: TlsMode::Implicit,
        timings: Timings::default(),
        greeting: None,
        before_tls: None,
        capabilities: None,
        tls: leaf.map(|_| TlsFacts {
            protocol: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
            group: None,
            legacy: false,
            proven: true,
            staple: None,
        }),
        certificate: leaf.map(|leaf| CertificateReport {
            host: target.host.clone(),
            chain: vec![leaf.clone()],
            findings: Vec::new(),
            trust: Vec::new(),
            staple: None,
            checked_at: at,
        }),
        dane: None,
        findings: Vec::new(),
        error: None,
    };
    let server = ServerReport {
        host: target.host.clone(),
        preference: None,
        dns: None,
        addresses: leaves.iter().enumerate().map(address).collect(),
        findings: Vec::new(),
    };
    ProbeReport {
        target,
        started_at: at,
        judged_at: at,
        duration: Duration::from_millis(12),
        servers: vec![server],
        mta_sts: None,
        findings: Vec::new(),
    }
}

/// The same with something found at the host.
pub(crate) fn with(mut report: ProbeReport, id: FindingId, severity: Severity) -> ProbeReport {
    let finding = Finding::new(id, format!("{id} was found")).with_severity(severity);
    report.servers[0].findings.push(finding);
    report
}

/// The names of events.
pub(crate) fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// A clock that goes with tokio's, from the tests' present on.
#[derive(Debug)]
pub(crate) struct PausedClock(Instant);

impl PausedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(PausedClock(Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> SystemTime {
        now() + self.0.elapsed()
    }
}

/// What a script answers to the nth probe (from 0) of the endpoint at an index.
type Answer = dyn Fn(usize, usize) -> ProbeReport + Send + Sync;

/// Plays reports, and notes when it was asked.
#[derive(Clone)]
pub(crate) struct Script {
    answer: Arc<Answer>,
    takes: Duration,
    log: Arc<Mutex<Vec<Played>>>,
}

/// One probe: of which endpoint, from when to when.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) index: usize,
    pub(crate) host: String,
    pub(crate) from: Instant,
    pub(crate) to: Option<Instant>,
}

impl Script {
    pub(crate) fn new(
        answer: impl Fn(usize, usize) -> ProbeReport + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        Script { answer, takes: Duration::from_millis(20), log: Arc::default() }
    }

    pub(crate) fn taking(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// What was played so far.
    pub(crate) fn log(&self) -> Vec<Played> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn watch(&self, config: Config) -> Watch {
        self.build(Watch::builder(config))
    }

    pub(crate) fn build(&self, builder: WatchBuilder) -> Watch {
        builder.clock(PausedClock::new()).build_with(Box::new(self.clone())).unwrap()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Prober for Script {
    fn probe<'a>(&'a self, index: usize, entry: &'a Entry) -> BoxFuture<'a, ProbeReport> {
        Box::pin(async move {
            let (turn, nth) = {
                let mut log = self.log.lock().unwrap();
                let nth = log.iter().filter(|played| played.index == index).count();
                let host = entry.target.host.clone();
                log.push(Played { index, host, from: Instant::now(), to: None });
                (log.len() - 1, nth)
            };
            sleep(self.takes).await;
            self.log.lock().unwrap()[turn].to = Some(Instant::now());
            (self.answer)(index, nth)
        })
    }
}

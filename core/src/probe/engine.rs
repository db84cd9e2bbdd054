//! From a target to its report: names to servers, servers to addresses,
//! addresses to visits.
//!
//! Everything is bounded: how many servers and addresses are looked at, how
//! many at a time, and how long each of them may take.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::future;
use futures_util::stream::{self, StreamExt as _};
use rustls_pki_types::ServerName;
use tokio::time::{Instant, timeout};

use super::records::{Answer, Mx, Security};
use super::report::{AddressReport, ProbeReport, ServerReport};
use super::target::Target;
use super::visit::{Case, Visit};
use super::{Probe, compare, published};
use crate::finding::{Finding, FindingId};

/// How many MX of a domain are probed, and how many at a time.
const MAX_SERVERS: usize = 16;
const SERVERS_AT_ONCE: usize = 4;

/// How many addresses of a name are probed, and how many at a time.
const MAX_ADDRESSES: usize = 32;
const ADDRESSES_AT_ONCE: usize = 8;

/// How long an address may leave the connection unanswered while others are
/// still to be tried: time for the third packet.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// A server to probe.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    host: String,
    preference: Option<u16>,
    /// The domain has no MX and is its own mail server (RFC 5321 §5.1).
    implied: bool,
    /// What DNSSEC said of the MX records, where they were asked for.
    proven: Option<Security>,
}

pub(super) async fn run(probe: &Probe, target: &Target) -> ProbeReport {
    let began = Instant::now();
    let started_at = probe.options.clock.now();
    // A moment that the platform cannot hold is none to judge for.
    let judged_at = started_at.checked_add(probe.options.judge_after).unwrap_or(started_at);
    let mut findings: Vec<Finding> = probe.notes.clone();
    let servers = match servers(probe, target).await {
        Ok(servers) => servers,
        Err(finding) => {
            findings.push(finding);
            Vec::new()
        }
    };
    let probing = stream::iter(servers)
        .map(|it| Box::pin(server(probe, target, it, judged_at)))
        .buffered(SERVERS_AT_ONCE)
        .collect::<Vec<ServerReport>>();
    let (servers, (mta_sts, fetched)) =
        future::join(probing, published::fetch_mta_sts(probe, target)).await;
    findings.extend(fetched);
    let policy = mta_sts.iter();
    findings.extend(policy.flat_map(|it| published::judge_mta_sts(target, it, &servers)));
    ProbeReport {
        target: target.clone(),
        started_at,
        judged_at,
        duration: began.elapsed(),
        servers,
        mta_sts,
        findings,
    }
}

/// The servers of the target, the most preferred first.
async fn servers(probe: &Probe, target: &Target) -> Result<Vec<Server>, Finding> {
    let domain = &target.host;
    if !target.mx {
        return Ok(vec![Server {
            host: domain.clone(),
            preference: None,
            implied: false,
            proven: None,
        }]);
    }
    let failed = |text: String| Finding::new(FindingId::DnsFailed, text);
    let records = probe.records().ok_or_else(|| {
        failed(format!("the MX records of {domain} cannot be looked up: nothing is set to do so"))
    })?;
    let deadline = probe.options.deadline;
    match timeout(deadline, records.mx(domain)).await {
        Ok(Ok(answer)) => exchangers(domain, answer),
        Ok(Err(error)) => {
            Err(failed(format!("the MX records of {domain} cannot be looked up: {error}")))
        }
        Err(_) => Err(failed(format!("the MX records of {domain} were not found in {deadline:?}"))),
    }
}

/// The servers that an answer means (RFC 5321 §5.1, RFC 7505).
fn exchangers(domain: &str, answer: Answer<Mx>) -> Result<Vec<Server>, Finding> {
    if answer.security == Security::Bogus {
        let text = format!("DNSSEC says that the MX records of {domain} are forged or broken");
        return Err(Finding::new(FindingId::DnsFailed, text));
    }
    let proven = Some(answer.security);
    let mut records = answer.records;
    if records.is_empty() {
        return Ok(vec![Server {
            host: domain.to_owned(),
            preference: None,
            implied: true,
            proven,
        }]);
    }
    records.sort();
    let mut servers: Vec<Server> = Vec::new();
    for Mx { preference, exchange } in records {
        let host = exchange.trim_end_matches('.').to_ascii_lowercase();
        if !host.is_empty() && servers.iter().all(|known| known.host != host) {
            servers.push(Server { host, preference: Some(preference), implied: false, proven });
        }
    }
    if servers.is_empty() {
        let text = format!("{domain} takes no mail: its MX is the null MX");
        return Err(Finding::new(FindingId::NoMx, text));
    }
    servers.truncate(MAX_SERVERS);
    Ok(servers)
}

async fn server(probe: &Probe, target: &Target, server: Server, at: SystemTime) -> ServerReport {
    let Server { host, preference, implied, proven } = server;
    let began = Instant::now();
    let mut report =
        ServerReport { host, preference, dns: None, addresses: Vec::new(), findings: Vec::new() };
    let found = addresses(probe, &report.host, target.port).await;
    report.dns = probe.options.connect_to.is_none().then(|| began.elapsed());
    let found = name(probe, &report.host).and_then(|name| Ok((name, found?)));
    match found {
        Ok((name, addresses)) => {
            let case = Case { probe, target, host: &report.host, name: &name, at };
            report.addresses = visit(case, addresses).await;
        }
        Err(text) if implied => {
            let text = format!("{} takes no mail: it has no MX, and {text}", report.host);
            report.findings.push(Finding::new(FindingId::NoMx, text));
        }
        Err(text) => report.findings.push(Finding::new(FindingId::DnsFailed, text)),
    }
    published::judge_dane(probe, &mut report, target.port, proven, at).await;
    report.findings.extend(compare::unreachable(&report.host, &mut report.addresses));
    report.findings.extend(compare::between(&report.host, &report.addresses));
    report
}

/// The name to send to the server.
fn name(probe: &Probe, host: &str) -> Result<ServerName<'static>, String> {
    let name = probe.options.sni.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned())
        .map_err(|_| format!("{:?} is no host name and no IP address", name))
}

async fn addresses(probe: &Probe, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let options = &probe.options;
    if let Some(ip) = options.connect_to {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let resolved = match timeout(options.deadline, options.network.resolve(host, port)).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(error)) => return Err(format!("{host} does not resolve: {error}")),
        Err(_) => return Err(format!("{host} was not resolved within {:?}", options.deadline)),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in resolved {
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(format!("{host} has no address")),
        false => Ok(addresses),
    }
}

/// Visits every address, or each until one takes the connection.
async fn visit(case: Case<'_>, addresses: Vec<SocketAddr>) -> Vec<AddressReport> {
    let deadline = case.probe.options.deadline;
    if case.probe.options.all_addresses {
        return stream::iter(addresses)
            .map(|address| async move { one(case, address, deadline).await.0 })
            .buffered(ADDRESSES_AT_ONCE)
            .collect()
            .await;
    }
    let mut reports = Vec::new();
    let mut waiting = addresses.into_iter().peekable();
    while let Some(address) = waiting.next() {
        let patience = match waiting.peek() {
            Some(_) => CONNECT_PATIENCE.min(deadline),
            None => deadline,
        };
        let (report, connected) = one(case, address, patience).await;
        reports.push(report);
        if connected {
            break;
        }
    }
    reports
}

/// One address; and whether it took the connection.
async fn one(case: Case<'_>, address: SocketAddr, patience: Duration) -> (AddressReport, bool) {
    let mut visit = Visit::new(case, address);
    let connected = match visit.connect(patience).await {
        Some(stream) => {
            visit.run(stream).await;
            true
        }
        None => false,
    };
    (visit.finish(), connected)
}

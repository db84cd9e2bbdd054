//! A probe sees what the server serves now, tells what is wrong on every
//! axis, and ends whatever the server does.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod hostile;
mod peer;
mod published;
mod served;
mod words;

use std::time::Duration;

use everpost::probe::{AddressReport, Probe, ProbeBuilder, ProbeMode, ProbeReport, Target};
use everpost::{Finding, FindingId, Status, TrustRoots};
use everpost_rehearsal::Rehearsal;
use support::soon;

/// Trusts the server's authority, and expects its name.
fn probe(server: &Rehearsal) -> ProbeBuilder {
    Probe::builder()
        .trust(TrustRoots::Pem(server.ca_pem().into_bytes()))
        .verify_name(server.host())
        .deadline(Duration::from_secs(10))
}

/// The listener of the server that goes with the mode.
fn target(server: &Rehearsal, mode: ProbeMode) -> Target {
    let address = match mode {
        ProbeMode::Implicit => server.implicit_addr(),
        _ => server.starttls_addr(),
    };
    Target::new(address.ip().to_string(), address.port()).with_mode(mode)
}

async fn run(probe: ProbeBuilder, target: &Target) -> ProbeReport {
    soon(probe.build().unwrap().run(target)).await
}

/// The report on the only address.
fn only(report: &ProbeReport) -> &AddressReport {
    let mut addresses = report.addresses();
    let (_, address) = addresses.next().unwrap();
    assert!(addresses.next().is_none());
    address
}

fn finding(report: &ProbeReport, id: FindingId) -> &Finding {
    let found = report.all_findings().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("no {id} in {:#?}", ids(report)))
}

fn ids(report: &ProbeReport) -> Vec<FindingId> {
    report.all_findings().map(|finding| finding.id).collect()
}

/// The one critical finding, that ended the probe, is `id`, and its message
/// holds `text`.
fn ended_by(report: &ProbeReport, id: FindingId, text: &str) {
    assert_eq!(report.status(), Status::Unhealthy);
    let first = report.first_finding().unwrap();
    assert_eq!(first.id, id, "{first:?}");
    assert!(first.message.contains(text), "{}", first.message);
    assert!(!first.message.contains(char::is_control), "{}", first.message);
    assert!(only(report).error.is_some());
}

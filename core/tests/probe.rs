//! A probe sees what the server serves now, tells what is wrong on every
//! axis, and ends whatever the server does.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use everpost::probe::{AddressReport, Probe, ProbeBuilder, ProbeMode, ProbeReport, Target};
use everpost::{FindingId, Status, TlsMode, TrustRoots};
use everpost_rehearsal::{Chain, Closed, Rehearsal, Rotate};
use support::soon;

const MODES: [ProbeMode; 2] = [ProbeMode::Implicit, ProbeMode::StartTls];

fn probe(server: &Rehearsal) -> ProbeBuilder {
    Probe::builder()
        .trust(TrustRoots::Pem(server.ca_pem().into_bytes()))
        .verify_name(server.host())
        .deadline(Duration::from_secs(10))
}

fn target(server: &Rehearsal, mode: ProbeMode) -> Target {
    let address = match mode {
        ProbeMode::Implicit => server.implicit_addr(),
        _ => server.starttls_addr(),
    };
    Target::new(address.ip().to_string(), address.port()).with_mode(mode)
}

async fn run(probe: &ProbeBuilder, target: &Target) -> ProbeReport {
    soon(probe.clone().build().unwrap().run(target)).await
}

fn only(report: &ProbeReport) -> &AddressReport {
    let mut addresses = report.addresses();
    let (_, address) = addresses.next().unwrap();
    assert!(addresses.next().is_none());
    address
}

fn ids(report: &ProbeReport) -> Vec<FindingId> {
    report.all_findings().map(|finding| finding.id).collect()
}

// --- What is served --------------------------------------------------------

#[tokio::test]
async fn a_healthy_server_is_healthy_by_one_connection_with_all_facts() {
    let server = Rehearsal::builder().start().await.unwrap();
    for mode in MODES {
        let before = server.stats().connections;
        let report = run(&probe(&server), &target(&server, mode)).await;
        assert_eq!(report.status(), Status::Healthy, "{mode}: {:?}", report.first_finding());
        let address = only(&report);
        let tls = address.tls.as_ref().unwrap();
        assert!(tls.proven && !tls.legacy && tls.protocol == "TLSv1.3", "{tls:?}");
        assert!(tls.group.is_some());
        assert_eq!(address.mode == TlsMode::Implicit, mode == ProbeMode::Implicit);
        assert_eq!(address.before_tls.is_some(), mode == ProbeMode::StartTls);
        assert!(address.greeting.is_some() && address.capabilities.is_some());
        let timings = address.timings;
        let steps = [timings.connect, timings.greeting, timings.ehlo, timings.handshake];
        assert!(steps.iter().all(|step| step.is_some_and(|it| it <= timings.total)));
        assert_eq!(timings.starttls.is_some(), mode == ProbeMode::StartTls);
        let leaf = address.certificate.as_ref().unwrap().leaf().unwrap();
        assert_eq!(leaf.der(), server.leaf().der);
        assert_eq!(server.stats().connections, before + 1);
    }
    server.wait_closed().await;
    assert!(server.connections().iter().all(|log| log.closed == Some(Closed::Quit)));
}

//! What a probe shows of a server.

use everpost::certificate::CertificateFile;
use everpost::probe::{AddressReport, Probe, ProbeBuilder, Target};
use everpost::{FindingId, Severity, TlsMode};

use crate::authority::{Authority, Leaf};
use crate::server::Server;

pub async fn served<S: Server>() {
    let authority = Authority::new();
    let leaf = authority.issue(30);
    let server = S::start(&leaf, true).await;
    for (port, mode) in server.place().ports() {
        let report = probe(&authority, port, mode, Some(server.place().on_disk())).await;
        assert_eq!(shown(&report), leaf.der, "{mode}");
        assert_eq!(bad(&report), [], "{mode}");
        let tls = report.tls.expect("a handshake");
        assert!(tls.proven && !tls.legacy, "{tls:?}");
        assert_eq!(report.before_tls.is_some(), mode == TlsMode::StartTls);
        assert!(report.capabilities.is_some_and(|inside| inside.pipelining()));
    }
}

pub async fn expired<S: Server>() {
    let authority = Authority::new();
    let leaf = authority.issue_expired();
    let server = S::start(&leaf, true).await;
    for (port, mode) in server.place().ports() {
        let report = probe(&authority, port, mode, None).await;
        assert_eq!(shown(&report), leaf.der, "{mode}");
        assert_eq!(bad(&report), [FindingId::Expired], "{mode}");
    }
}

/// One probe of one port, as `everpost probe --trust … [--compare …]` does it.
pub async fn probe(
    authority: &Authority,
    port: u16,
    mode: TlsMode,
    file: Option<CertificateFile>,
) -> AddressReport {
    let mut builder = Probe::builder().trust(authority.trust());
    if let Some(file) = file {
        builder = builder.compare(file);
    }
    run(builder, port, mode).await
}

pub async fn run(builder: ProbeBuilder, port: u16, mode: TlsMode) -> AddressReport {
    let probe = builder.build().unwrap();
    let report = probe.run(&Target::new("127.0.0.1", port).with_mode(mode.into())).await;
    let mut addresses = report.servers.into_iter().flat_map(|server| server.addresses);
    addresses.next().unwrap_or_else(|| panic!("nothing was probed: {:?}", report.findings))
}

/// The leaf that was served.
pub fn shown(report: &AddressReport) -> Vec<u8> {
    let leaf = report.certificate.as_ref().and_then(|certificate| certificate.leaf());
    leaf.unwrap_or_else(|| panic!("no certificate: {report:#?}")).der().to_vec()
}

/// What is critical.
pub fn bad(report: &AddressReport) -> Vec<FindingId> {
    let critical = report.all_findings().filter(|finding| finding.severity == Severity::Critical);
    critical.map(|finding| finding.id).collect()
}

/// Whether the report shows this leaf.
pub fn shows(report: &AddressReport, leaf: &Leaf) -> bool {
    shown(report) == leaf.der
}

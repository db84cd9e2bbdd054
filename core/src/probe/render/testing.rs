//! Reports made by hand, for tests.

use std::net::SocketAddr;
use std::time::Duration;

use crate::certificate::testing::{Authority, Leaf, days, now};
use crate::certificate::{Certificate, CertificateReport, Staple, StapleStatus, TrustVerdict};
use crate::finding::{Finding, FindingId, Severity};
use crate::probe::{
    AddressReport, DaneRecord, DaneReport, MtaStsMode, MtaStsPolicy, MtaStsReport, ProbeReport,
    Security, ServerReport, Target, Timings, TlsFacts, Tlsa,
};
use crate::{Error, ErrorKind, Stage, TlsMode};

/// A report on `target` with these servers.
pub(super) fn report(target: &str, servers: Vec<ServerReport>) -> ProbeReport {
    ProbeReport {
        target: target.parse::<Target>().unwrap(),
        started_at: now(),
        judged_at: now() + days(14),
        duration: Duration::from_micros(12_345),
        servers,
        mta_sts: None,
        findings: Vec::new(),
    }
}

pub(super) fn server(host: &str, addresses: Vec<AddressReport>) -> ServerReport {
    ServerReport {
        host: host.to_owned(),
        preference: None,
        dns: Some(Duration::from_millis(2)),
        addresses,
        findings: Vec::new(),
    }
}

/// An address that did not answer.
pub(super) fn dead(address: &str) -> AddressReport {
    AddressReport {
        address: address.parse::<SocketAddr>().unwrap(),
        mode: TlsMode::Implicit,
        timings: Timings { total: Duration::from_millis(1), ..Timings::default() },
        greeting: None,
        before_tls: None,
        capabilities: None,
        tls: None,
        certificate: None,
        dane: None,
        findings: vec![Finding::new(FindingId::Refused, "192.0.2.1 refuses connections")],
        error: Some(Error::new(ErrorKind::Connect, Stage::Connect, "connection refused")),
    }
}

/// An address that served the leaf of `leaf` under an intermediate.
pub(super) fn alive(address: &str, leaf: &Leaf) -> AddressReport {
    let root = Authority::root("Root");
    let intermediate = root.intermediate("Intermediate");
    let chain = [intermediate.issue(leaf).der, intermediate.der()];
    AddressReport {
        timings: Timings {
            connect: Some(Duration::from_micros(150)),
            handshake: Some(Duration::from_micros(1_700)),
            total: Duration::from_millis(3),
            ..Timings::default()
        },
        tls: Some(TlsFacts {
            protocol: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            group: Some("X25519MLKEM768".to_owned()),
            legacy: false,
            proven: true,
            staple: None,
        }),
        certificate: Some(CertificateReport {
            host: "mail.example.org".to_owned(),
            chain: chain.iter().map(|der| Certificate::from_der(der).unwrap()).collect(),
            findings: Vec::new(),
            trust: vec![TrustVerdict {
                roots: "system".to_owned(),
                trusted: true,
                decides: true,
                root: Some("Test Root".to_owned()),
            }],
            staple: Some(Staple {
                status: StapleStatus::Revoked { at: now(), reason: Some("superseded") },
                this_update: now(),
                next_update: None,
            }),
            checked_at: now(),
        }),
        findings: Vec::new(),
        error: None,
        ..dead(address)
    }
}

/// As [`alive`], found to have expired and to be of an unknown issuer.
pub(super) fn expired(address: &str) -> AddressReport {
    let mut address = alive(address, &Leaf::expired());
    let report = address.certificate.as_mut().unwrap();
    report.trust[0].trusted = false;
    report.findings = vec![
        Finding::new(FindingId::Expired, "it expired").with("not_after", "2029-12-31"),
        Finding::new(FindingId::UnknownIssuer, "nobody knows its issuer"),
    ];
    address
}

/// One report with a bit of everything.
pub(super) fn full() -> ProbeReport {
    let mut good = alive("192.0.2.1:465", &Leaf::good());
    good.dane = Some(DaneReport {
        name: "_25._tcp.mail.example.org".to_owned(),
        security: Security::Secure,
        records: vec![DaneRecord {
            tlsa: Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0xab; 32] },
            usable: true,
            matches: true,
        }],
        matched: Some(true),
    });
    good.findings = vec![
        Finding::new(FindingId::AuthBeforeTls, "AUTH \"early\"")
            .with_severity(Severity::Info)
            .with("mechanism", "PLAIN")
            .with("mechanism", "LOGIN"),
    ];
    let both = vec![good, expired("[2001:db8::1]:465"), dead("192.0.2.2:465")];
    let mut first = server("mx1.example.org", both);
    first.preference = Some(10);
    first.findings = vec![Finding::new(FindingId::AddressesDiffer, "not one certificate")];
    let mut report = report("example.org:25", vec![first, server("mx2.example.org", Vec::new())]);
    report.target.mx = true;
    report.mta_sts = Some(MtaStsReport {
        domain: "example.org".to_owned(),
        id: Some("1".to_owned()),
        policy: Some(MtaStsPolicy {
            mode: MtaStsMode::Enforce,
            mx: vec!["*.example.org".to_owned()],
            max_age: Duration::from_secs(86_400),
        }),
        fetch_time: Some(Duration::from_millis(120)),
        report_to: vec!["mailto:tls@example.org".to_owned()],
    });
    report
}

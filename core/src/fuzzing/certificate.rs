//! Certificates as a server sends them.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::certificate::{Certificate, CertificateReport, Fingerprint, Inspector};
use crate::{FindingId, TrustRoots};

/// An authority whose key exists no more, so that nothing new can be under it.
const ROOT: &[u8] = include_bytes!("root.der");
/// The SHA-256 of every certificate that there is of it: root, intermediate
/// and leaf.
const GENUINE: [&str; 3] = [
    "ddd6dd9df596c341340c142d8b95885c3f55fbebd592c07746e7bd2c44a3944c",
    "d4483dce837a14c26555d6bf7649b9fa412058eb8e323b46f8b8fc1442ba9334",
    "f3a915d3e021938d45fc3848f93be8cdf50e088b4208fdafc28cb90fdc4c2291",
];
/// 2026-12-15 00:00:00 UTC, when they are valid.
const NOW: u64 = 1_797_292_800;

const HOSTS: [&str; 6] =
    ["mail.example.org", "192.0.2.1", "2001:db8::1", "*.example.org", "a b\r\n", ""];

/// The first byte is a host, the rest a chain: certificates in DER, one after
/// the other. Holds:
///
/// - what is read of a certificate is printable, in bounds, and read again;
/// - no chain is trusted but one whose leaf the authority really signed;
/// - a report lists the worst first, in lines that can go into a log.
pub fn certificate(mut data: &[u8]) {
    let host = HOSTS[super::choice(&mut data) % HOSTS.len()];
    let chain = split(data);
    for der in &chain {
        if let Ok(certificate) = Certificate::from_der(der) {
            facts(&certificate, der);
        }
    }
    for days in [0, 400] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + days * 86_400);
        let report = inspector().inspect(&chain, host, now);
        judged(&report, &chain);
    }
}

fn inspector() -> &'static Inspector {
    static INSPECTOR: OnceLock<Inspector> = OnceLock::new();
    INSPECTOR.get_or_init(|| {
        let roots = TrustRoots::load(&[TrustRoots::Pem(ROOT.to_vec())]);
        Inspector::new(&roots.expect("the root is a certificate"))
    })
}

/// By the length that each says it has; a last one may be anything.
fn split(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    while !data.is_empty() {
        let size = match data {
            [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            [0x30, 0x81, size, ..] => 3 + usize::from(*size),
            _ => data.len(),
        };
        let (one, rest) = data.split_at(size.min(data.len()));
        chain.push(one.to_vec());
        data = rest;
    }
    chain
}

fn facts(certificate: &Certificate, der: &[u8]) {
    assert_eq!(certificate.der(), der);
    assert_eq!(certificate.fingerprint(), Fingerprint::of(der));
    let names = certificate.dns_names().iter().map(String::as_str);
    let texts = [certificate.subject(), certificate.issuer()].into_iter();
    for text in texts.chain(certificate.common_name()).chain(names) {
        one_line(text);
        assert!(text.chars().count() <= 201, "{text}");
    }
    one_line(&certificate.to_string());
    one_line(&format!("{certificate:?}"));
    let again = Certificate::from_der(certificate.der());
    assert_eq!(again.as_ref(), Ok(certificate));
}

fn judged(report: &CertificateReport, chain: &[Vec<u8>]) {
    let is_genuine = |der: &Vec<u8>| GENUINE.contains(&Fingerprint::of(der).to_string().as_str());
    if report.trust.iter().any(|verdict| verdict.trusted) {
        // Where an authority's stands in its place, the leaf comes later.
        let misplaced = report.findings.iter().any(|it| it.id == FindingId::WrongOrder);
        let mut leaves = chain.iter().take(if misplaced { chain.len() } else { 1 });
        assert!(leaves.any(is_genuine), "{report}");
    }
    if chain.first().is_none_or(|leaf| Certificate::from_der(leaf).is_err()) {
        assert!(!report.findings.is_empty(), "{report}");
    }
    assert!(report.chain.len() <= chain.len());
    assert!(report.findings.windows(2).all(|pair| pair[0].severity >= pair[1].severity));
    one_line(&report.summary());
    for finding in &report.findings {
        one_line(&finding.message);
        finding.evidence.iter().for_each(|(_, value)| one_line(value));
    }
    report.to_string().lines().for_each(one_line);
}

fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

//! What a probe saw and what it means: [`ProbeReport`].
//!
//! Facts outlive failures: whatever was captured before something went wrong
//! is in the report, and so is what went wrong.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::dane::DaneReport;
use super::mta_sts::MtaStsReport;
use super::target::Target;
use crate::certificate::CertificateReport;
use crate::finding::{Finding, Severity, Status};
use crate::smtp::{Capabilities, Reply};
use crate::{Error, TlsMode};

/// How long each step took; `None`: not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// The TCP connection.
    pub connect: Option<Duration>,
    /// From the connection (or the end of an implicit handshake) to the whole
    /// greeting.
    pub greeting: Option<Duration>,
    /// EHLO, the last one.
    pub ehlo: Option<Duration>,
    /// STARTTLS, to its reply.
    pub starttls: Option<Duration>,
    /// The TLS handshake.
    pub handshake: Option<Duration>,
    /// Everything, from the connection on.
    pub total: Duration,
}

/// What TLS was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// `TLSv1.3`, `TLSv1.2`; for a server that only a hand-made hello reached,
    /// `TLSv1.1`, `TLSv1.0` or `SSLv3` too.
    pub protocol: String,
    /// The cipher suite by its IANA name.
    pub cipher: String,
    /// The key exchange group by its IANA name, where one was agreed on.
    pub group: Option<String>,
    /// Whether only a hand-made hello got an answer: the handshake was not
    /// finished, and the server did not prove that it holds its key.
    pub legacy: bool,
    /// Whether the server proved, by its handshake signature, that it holds
    /// the key of its certificate.
    pub proven: bool,
    /// The stapled OCSP response in DER, as sent.
    pub staple: Option<Vec<u8>>,
}

/// One address, by one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddressReport {
    /// Where the connection went.
    pub address: SocketAddr,
    /// How TLS came about: as asked for, or as seen in auto mode.
    pub mode: TlsMode,
    /// How long each step took.
    pub timings: Timings,
    /// The greeting.
    pub greeting: Option<Reply>,
    /// What EHLO offered before TLS.
    pub before_tls: Option<Capabilities>,
    /// What EHLO offered inside TLS.
    pub capabilities: Option<Capabilities>,
    /// What TLS was agreed on.
    pub tls: Option<TlsFacts>,
    /// The chain and the verdict on it.
    pub certificate: Option<CertificateReport>,
    /// DANE, where asked for.
    pub dane: Option<DaneReport>,
    /// What was found apart from the certificate.
    pub findings: Vec<Finding>,
    /// What ended the probe of this address early, if anything did.
    pub error: Option<Error>,
}

impl AddressReport {
    /// Everything that was found: the certificate's findings too.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let certificate = self.certificate.iter().flat_map(|report| &report.findings);
        self.findings.iter().chain(certificate)
    }

    /// The status of this address in one word.
    pub fn status(&self) -> Status {
        Status::of(self.all_findings())
    }
}

/// One host: the target itself, or one MX of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerReport {
    /// The host's name, or the IP address.
    pub host: String,
    /// The MX preference (RFC 5321 §5.1), where it is one.
    pub preference: Option<u16>,
    /// How long it took to resolve the name.
    pub dns: Option<Duration>,
    /// Each address that was probed, in the resolver's order.
    pub addresses: Vec<AddressReport>,
    /// What was found about the host as a whole.
    pub findings: Vec<Finding>,
}

impl ServerReport {
    /// Everything that was found, about host and addresses.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let below = self.addresses.iter().flat_map(AddressReport::all_findings);
        self.findings.iter().chain(below)
    }

    /// The status of this host in one word.
    pub fn status(&self) -> Status {
        Status::of(self.all_findings())
    }
}

/// What a probe of one target saw.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProbeReport {
    /// What was probed.
    pub target: Target,
    /// When it began, by the local clock.
    pub started_at: SystemTime,
    /// The moment the verdicts are for: [`started_at`](Self::started_at), or
    /// later where asked for.
    pub judged_at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Each host, in the order of preference; one unless MX were asked for.
    pub servers: Vec<ServerReport>,
    /// MTA-STS of the domain, where asked for.
    pub mta_sts: Option<MtaStsReport>,
    /// What was found about the target as a whole.
    pub findings: Vec<Finding>,
}

impl ProbeReport {
    /// Everything that was found, anywhere.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let below = self.servers.iter().flat_map(ServerReport::all_findings);
        self.findings.iter().chain(below)
    }

    /// Every address of every server.
    pub fn addresses(&self) -> impl Iterator<Item = (&ServerReport, &AddressReport)> {
        self.servers
            .iter()
            .flat_map(|server| server.addresses.iter().map(move |address| (server, address)))
    }

    /// The worst severity; `None` when nothing was found.
    pub fn severity(&self) -> Option<Severity> {
        self.all_findings().map(|finding| finding.severity).max()
    }

    /// The status in one word.
    pub fn status(&self) -> Status {
        Status::of(self.all_findings())
    }

    /// What explains most: the worst finding, and of those the first in the
    /// order of [`FindingId`](crate::FindingId).
    pub fn first_finding(&self) -> Option<&Finding> {
        self.all_findings().min_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.id))
    }

    /// One line: what is wrong before all, or that all is well.
    pub fn summary(&self) -> String {
        if let Some(finding) = self.first_finding() {
            return finding.message.clone();
        }
        let certificates = self.addresses().filter_map(|(_, address)| address.certificate.as_ref());
        let first = certificates.min_by_key(|report| report.leaf().map(|leaf| leaf.not_after()));
        match first {
            Some(report) => report.summary(),
            None => format!("nothing was found against {}", self.target),
        }
    }
}

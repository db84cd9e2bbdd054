//! DANE for SMTP (RFC 7672): TLSA records, and whether a chain fits them.
//!
//! The verdict is pure: answer, chain and moment are passed in. Its invariants:
//! only records that DNSSEC proves decide anything; a record of usage 3 looks
//! at the leaf alone, and at neither its dates nor its names (RFC 7671 §5.1);
//! one of usage 2 demands a path from the leaf to the certificate it names,
//! valid now and for the host (RFC 7671 §5.2); the others mean nothing between
//! mail servers (RFC 7672 §3.1.3).
//!
//! The name asked for is made of the host as given. Where the host is an alias,
//! RFC 7672 §2.2.2 would have its target tried first; mail exchangers must be
//! no aliases (RFC 5321 §5.1), so this is left out.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256, Sha512};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::records::{Answer, Records, Security, Tlsa, printable};
use crate::finding::{Finding, FindingId};

/// How many records are looked at: a zone may hold thousands.
const MAX_RECORDS: usize = 64;

/// How many records a finding lists.
const MAX_LISTED: usize = 8;

/// What DANE says about one server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DaneReport {
    /// The name asked for: `_25._tcp.mail.example.org`.
    pub name: String,
    /// What DNSSEC says of the answer.
    pub security: Security,
    /// The records, and what each says of the chain; the first 64 of them.
    pub records: Vec<DaneRecord>,
    /// Whether one of them fits the chain; `None` if there is none that can be
    /// used, or no chain. Only a secure answer makes this count.
    pub matched: Option<bool>,
}

/// One TLSA record beside a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DaneRecord {
    /// The record.
    pub tlsa: Tlsa,
    /// Whether mail clients can use it: usage 2 or 3, a known selector and
    /// matching type, and data that can be right.
    pub usable: bool,
    /// Whether the chain fits it.
    pub matches: bool,
}

/// The name under which TLSA records of a server are (RFC 6698 §3).
pub(crate) fn tlsa_name(host: &str, port: u16) -> String {
    format!("_{port}._tcp.{host}")
}

/// Asks for the TLSA records of a server and judges `chain` (leaf first; empty
/// if none was seen) by them.
///
/// `mx` is what DNSSEC said of the MX records that led to the host, if any
/// did. No report: the host is an address, which has no such records, or the
/// question got no answer, which the finding tells. Deadlines are the caller's
/// business.
pub(crate) async fn dane(
    records: &dyn Records,
    host: &str,
    port: u16,
    mx: Option<Security>,
    chain: &[CertificateDer<'_>],
    at: SystemTime,
) -> (Option<DaneReport>, Vec<Finding>) {
    if host.parse::<IpAddr>().is_ok() {
        return (None, Vec::new());
    }
    let name = tlsa_name(host, port);
    let answer = match records.tlsa(&name).await {
        Ok(answer) => answer,
        Err(error) => return (None, vec![lookup_failed(&name, &error)]),
    };
    let (report, mut findings) = judge(&answer, &name, host, chain, at);
    let published = !report.records.is_empty() && report.security == Security::Secure;
    if published && mx.is_some_and(|mx| mx != Security::Secure) {
        findings.push(mx_insecure(&name));
    }
    (Some(report), findings)
}

/// Judges `chain`, leaf first, by the answer to the question for `name`.
pub(crate) fn judge(
    answer: &Answer<Tlsa>,
    name: &str,
    host: &str,
    chain: &[CertificateDer<'_>],
    at: SystemTime,
) -> (DaneReport, Vec<Finding>) {
    let case = Case::new(chain, host, at);
    let record = |tlsa: &Tlsa| {
        let usable = is_usable(tlsa);
        DaneRecord { tlsa: tlsa.clone(), usable, matches: usable && case.fits(tlsa) }
    };
    let records: Vec<_> = answer.records.iter().take(MAX_RECORDS).map(record).collect();
    let usable = records.iter().any(|record| record.usable);
    let matched = (usable && !chain.is_empty()).then(|| records.iter().any(|it| it.matches));
    let report = DaneReport { name: name.to_owned(), security: answer.security, records, matched };
    let findings = findings(&report, &case);
    (report, findings)
}

/// What the report means. At most one finding: each speaks for all records.
fn findings(report: &DaneReport, case: &Case<'_>) -> Vec<Finding> {
    let DaneReport { name, records, .. } = report;
    let count = records.len();
    let finding = match (report.security, report.matched) {
        (Security::Bogus, _) => {
            let message = format!("DNSSEC refutes the answer for the TLSA records at {name}");
            Finding::new(FindingId::DaneBogus, message)
        }
        _ if records.is_empty() => return Vec::new(),
        (Security::Insecure, matched) => {
            let also =
                if matched == Some(false) { ", and none of them fits the chain" } else { "" };
            let message = format!(
                "{} at {name} {} not protected by DNSSEC and so ignored{also}",
                plural(count),
                if count == 1 { "is" } else { "are" }
            );
            Finding::new(FindingId::DaneInsecure, message)
        }
        (Security::Secure, None) if case.chain.is_empty() => return Vec::new(),
        (Security::Secure, None) => {
            let message =
                format!("{} at {name}, and none that mail servers can use", plural(count));
            Finding::new(FindingId::DaneUnusable, message)
        }
        (Security::Secure, Some(false)) => mismatch(report, case),
        (Security::Secure, Some(true)) => {
            let stale = records.iter().filter(|it| it.usable && !it.matches).count();
            if stale == 0 {
                return Vec::new();
            }
            let message = format!(
                "{stale} of {} at {name} {} not fit the chain and the rest do",
                plural(count),
                if stale == 1 { "does" } else { "do" }
            );
            Finding::new(FindingId::DaneRollover, message)
        }
    };
    let listed = records.iter().take(MAX_LISTED);
    let finding = finding.with("name", name);
    vec![listed.fold(finding, |finding, record| finding.with("published", &record.tlsa))]
}

fn mismatch(report: &DaneReport, case: &Case<'_>) -> Finding {
    let DaneReport { name, records, .. } = report;
    let would_match = case.leaf_record();
    let mut message = match records.as_slice() {
        [only] => format!("the TLSA record {} at {name} does not fit the chain", only.tlsa.head()),
        all => format!("none of {} TLSA records at {name} fits the chain", all.len()),
    };
    // The record fits, and the rest of what usage 2 demands does not.
    let named = records.iter().filter(|it| it.usable).find_map(|it| case.refusal(&it.tlsa));
    if let Some(reason) = named {
        message.push_str(&format!(": it names a certificate of the chain, but {reason}"));
    }
    if let Some(record) = &would_match {
        message.push_str(&format!("; the server's key needs {record}"));
    }
    let finding = Finding::new(FindingId::DaneMismatch, message);
    match would_match {
        Some(record) => finding.with("would_match", record),
        None => finding,
    }
}

fn lookup_failed(name: &str, error: &std::io::Error) -> Finding {
    let message = format!(
        "the TLSA records at {name} cannot be looked up: {}",
        printable(&error.to_string())
    );
    Finding::new(FindingId::DaneLookupFailed, message).with("name", name)
}

fn mx_insecure(name: &str) -> Finding {
    let message = format!(
        "the TLSA records at {name} are proven by DNSSEC and the MX records that lead there are \
         not, so that mail servers ignore them"
    );
    Finding::new(FindingId::DaneInsecure, message).with("name", name)
}

fn plural(count: usize) -> String {
    format!("{count} TLSA record{}", if count == 1 { "" } else { "s" })
}

/// RFC 7672 §3.1: usages 2 and 3, and only what can be understood.
fn is_usable(tlsa: &Tlsa) -> bool {
    let length_fits = match tlsa.matching {
        0 => !tlsa.data.is_empty(),
        1 => tlsa.data.len() == 32,
        2 => tlsa.data.len() == 64,
        _ => false,
    };
    matches!(tlsa.usage, 2 | 3) && tlsa.selector <= 1 && length_fits
}

/// A certificate as selectors see it: whole, and its key (empty if it cannot
/// be read).
struct Selected<'a> {
    whole: &'a [u8],
    key: Vec<u8>,
}

impl<'a> Selected<'a> {
    fn new(der: &'a [u8]) -> Self {
        let key = match X509Certificate::from_der(der) {
            Ok((_, parsed)) => parsed.public_key().raw.to_vec(),
            Err(_) => Vec::new(),
        };
        Selected { whole: der, key }
    }

    fn fits(&self, tlsa: &Tlsa) -> bool {
        let content = if tlsa.selector == 0 { self.whole } else { &self.key };
        let data = tlsa.data.as_slice();
        !content.is_empty()
            && match tlsa.matching {
                0 => content == data,
                1 => Sha256::digest(content)[..] == *data,
                _ => Sha512::digest(content)[..] == *data,
            }
    }
}

/// The chain to judge, for whom and when.
struct Case<'a> {
    chain: &'a [CertificateDer<'a>],
    selected: Vec<Selected<'a>>,
    host: &'a str,
    at: SystemTime,
}

impl<'a> Case<'a> {
    fn new(chain: &'a [CertificateDer<'a>], host: &'a str, at: SystemTime) -> Self {
        let selected = chain.iter().map(|der| Selected::new(der)).collect();
        Case { chain, selected, host, at }
    }

    /// Whether the chain fits a usable record.
    fn fits(&self, tlsa: &Tlsa) -> bool {
        match tlsa.usage {
            3 => self.selected.first().is_some_and(|leaf| leaf.fits(tlsa)),
            _ => self.anchors(tlsa).any(|anchor| self.leads_to(&anchor).is_ok()),
        }
    }

    /// Why a record that names a certificate of the chain does not hold.
    fn refusal(&self, tlsa: &Tlsa) -> Option<String> {
        if tlsa.usage != 2 {
            return None;
        }
        self.anchors(tlsa).find_map(|anchor| self.leads_to(&anchor).err())
    }

    /// The certificates that a record of usage 2 names: those sent above the
    /// leaf, and its own data if that is a whole certificate.
    fn anchors<'b>(&'b self, tlsa: &'b Tlsa) -> impl Iterator<Item = CertificateDer<'b>> {
        let sent = self.selected.iter().skip(1).filter(|it| it.fits(tlsa)).map(|it| it.whole);
        let whole = (tlsa.selector == 0 && tlsa.matching == 0).then_some(&tlsa.data[..]);
        sent.chain(whole).map(CertificateDer::from)
    }

    /// Whether there is a path from the leaf to `anchor`, good for the host.
    fn leads_to(&self, anchor: &CertificateDer<'_>) -> Result<(), String> {
        let (leaf, others) = self.chain.split_first().ok_or("nothing was sent")?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| "the leaf cannot be read")?;
        let anchor = webpki::anchor_from_trusted_cert(anchor)
            .map_err(|_| "that certificate cannot be read")?;
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            others,
            UnixTime::since_unix_epoch(since),
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(|error| match error {
            webpki::Error::CertExpired { .. } => "a certificate below it has expired".to_owned(),
            webpki::Error::CertNotValidYet { .. } => {
                "a certificate below it is not valid yet".to_owned()
            }
            webpki::Error::UnknownIssuer => "no path leads from the leaf to it".to_owned(),
            other => format!("the path to it is refused ({other})"),
        })?;
        let host = ServerName::try_from(self.host).map_err(|_| "the host is no name")?;
        leaf.verify_is_valid_for_subject_name(&host)
            .map_err(|_| format!("the leaf is not for {}", self.host))
    }

    /// The record that the leaf's key would fit, the form to publish first
    /// (RFC 7672 §3.1.1).
    fn leaf_record(&self) -> Option<Tlsa> {
        let leaf = self.selected.first().filter(|leaf| !leaf.key.is_empty())?;
        let data = Sha256::digest(&leaf.key).to_vec();
        Some(Tlsa { usage: 3, selector: 1, matching: 1, data })
    }
}

impl Tlsa {
    /// The three numbers: `3 1 1`.
    fn head(&self) -> String {
        format!("{} {} {}", self.usage, self.selector, self.matching)
    }
}

/// As in a zone file: `3 1 1` and the data in hexadecimal, cut after 64 bytes.
impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.head())?;
        self.data.iter().take(64).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if self.data.len() > 64 { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "dane_tests.rs"]
mod tests;

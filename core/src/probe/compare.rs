//! What is served, beside what is on disk, in a pool, and at the other
//! addresses.
//!
//! Each fresh connection of a tool shows one certificate; whether the server,
//! the file or the caller's own pool is behind the others only shows beside
//! each other.

use std::fmt;

use super::ending::Place;
use super::report::AddressReport;
use crate::certificate::{Certificate, utc};
use crate::finding::{Finding, FindingId, Severity, Status};

/// How many addresses a message lists; the evidence has all.
const LISTED: usize = 4;

/// What tells one certificate from another for a person.
struct Card<'a>(&'a Certificate);

impl fmt::Display for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Card(leaf) = self;
        let (from, to) = (utc(leaf.not_before()), utc(leaf.not_after()));
        write!(f, "serial {}, valid from {from} until {to}", leaf.serial())
    }
}

/// Holds what is served against the certificate in a file.
pub(super) fn with_file(
    place: &Place,
    served: &Certificate,
    file: &Certificate,
) -> Option<Finding> {
    if served.der() == file.der() {
        return None;
    }
    let newer = file.not_before() > served.not_before() && share_a_name(served, file);
    let finding = if newer {
        let text = format!(
            "{place} still serves an older certificate ({}) than the one in the file ({})",
            Card(served),
            Card(file)
        );
        Finding::new(FindingId::NotLoaded, text)
    } else {
        let text = format!(
            "{place} serves another certificate ({}) than the one in the file ({})",
            Card(served),
            Card(file)
        );
        Finding::new(FindingId::OtherCertificate, text)
    };
    let same_key = served.spki_pin() == file.spki_pin();
    Some(
        finding
            .with("served", served.fingerprint())
            .with("served_not_before", utc(served.not_before()))
            .with("file", file.fingerprint())
            .with("file_not_before", utc(file.not_before()))
            .with("same_key", same_key),
    )
}

/// Whether two certificates may be two issues of one: a renewal carries the
/// names on, or most of them.
fn share_a_name(one: &Certificate, other: &Certificate) -> bool {
    let dns = one
        .dns_names()
        .iter()
        .any(|name| other.dns_names().iter().any(|renewed| renewed.eq_ignore_ascii_case(name)));
    let ip = one.ip_addresses().iter().any(|ip| other.ip_addresses().contains(ip));
    let common = one.common_name().is_some_and(|name| other.common_name() == Some(name));
    dns || ip || common
}

/// Holds what is served against the leaves that connections of a pool were
/// made with.
#[allow(dead_code, reason = "for explaining a mailer")]
pub(crate) fn with_pool<'a>(
    host: &str,
    served: &Certificate,
    pooled: impl IntoIterator<Item = &'a Certificate>,
) -> Option<Finding> {
    let stale: Vec<&Certificate> =
        pooled.into_iter().filter(|leaf| leaf.der() != served.der()).collect();
    let first = stale.first()?;
    let count = stale.len();
    let text = format!(
        "{count} of the pool's connections to {host} were made with another certificate ({}) \
         than it serves now ({})",
        Card(first),
        Card(served)
    );
    let finding = Finding::new(FindingId::PoolStale, text).with("served", served.fingerprint());
    Some(stale.iter().fold(finding, |finding, leaf| finding.with("pooled", leaf.fingerprint())))
}

/// Holds the addresses of one host against each other.
pub(super) fn between(host: &str, addresses: &[AddressReport]) -> Option<Finding> {
    let shown: Vec<(&AddressReport, &Certificate, Status)> = addresses
        .iter()
        .filter_map(|address| {
            let certificate = address.certificate.as_ref()?;
            Some((address, certificate.leaf()?, certificate.status()))
        })
        .collect();
    let (_, first, _) = shown.first()?;
    if shown.iter().all(|(_, leaf, _)| leaf.der() == first.der()) {
        return None;
    }
    let line = |(address, leaf, _): &(&AddressReport, &Certificate, Status)| {
        format!("{}: {}", address.address.ip(), Card(leaf))
    };
    let mut list = shown.iter().take(LISTED).map(line).collect::<Vec<_>>().join("; ");
    if shown.len() > LISTED {
        list.push_str(&format!("; and {} more", shown.len() - LISTED));
    }
    let bad = shown.iter().filter(|(_, _, status)| *status == Status::Unhealthy).count();
    let text = format!("the addresses of {host} serve different certificates: {list}");
    let finding = Finding::new(FindingId::AddressesDiffer, text);
    let finding = shown.iter().fold(finding, |finding, it| finding.with("address", line(it)));
    // Some clients fail and some do not, which is the hardest to find.
    let mixed = bad > 0 && bad < shown.len();
    Some(if mixed { finding.with_severity(Severity::Critical) } else { finding })
}

/// Whether no connection to the address could be made.
fn is_unconnected(report: &AddressReport) -> bool {
    report.timings.connect.is_none()
}

/// Says which addresses take no connection, where others do. Clients go on to
/// the next address, so that each alone is less than critical then; and no
/// route is the fault of this machine, more often than not.
pub(super) fn unreachable(host: &str, addresses: &mut [AddressReport]) -> Option<Finding> {
    if addresses.iter().all(is_unconnected) {
        return None;
    }
    let total = addresses.len();
    let mut missing = Vec::new();
    for report in addresses.iter_mut().filter(|report| is_unconnected(report)) {
        for finding in &mut report.findings {
            finding.severity = match finding.id {
                FindingId::Unreachable => Severity::Info,
                _ => {
                    missing.push(report.address.ip());
                    Severity::Warning
                }
            };
        }
    }
    let list = missing.iter().take(LISTED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = missing.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!(
        "{} of {total} addresses of {host} take no connection: {list}{more}",
        missing.len()
    );
    let finding = Finding::new(FindingId::SomeUnreachable, text);
    let finding = missing.iter().fold(finding, |finding, ip| finding.with("address", ip));
    (!missing.is_empty()).then_some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, Leaf, days, now};

    fn certificate(leaf: &Leaf) -> Certificate {
        Certificate::from_der(&Authority::root("Test Root").issue(leaf).der).unwrap()
    }

    fn place() -> Place {
        let address = "192.0.2.1:465".parse().unwrap();
        Place { host: "mail.example.org".to_owned(), address }
    }

    fn compared(served: &Certificate, file: &Certificate) -> Option<FindingId> {
        with_file(&place(), served, file).map(|finding| finding.id)
    }

    #[test]
    fn only_a_newer_file_for_one_of_the_names_is_a_renewal() {
        let old = certificate(&Leaf::good());
        let from = now() - days(1);
        let new = certificate(&Leaf::between(from, now() + days(89)));
        let other = certificate(&Leaf { from, ..Leaf::named("other.example.org") });
        assert_eq!(compared(&old, &old), None);
        assert_eq!(compared(&old, &new), Some(FindingId::NotLoaded));
        assert_eq!(compared(&new, &old), Some(FindingId::OtherCertificate));
        assert_eq!(compared(&old, &other), Some(FindingId::OtherCertificate));
    }

    #[test]
    fn a_renewal_may_change_the_case_of_a_name_and_add_others() {
        let old = certificate(&Leaf::good());
        let names = vec!["imap.example.org".to_owned(), "MAIL.example.org".to_owned()];
        let common_name = "imap.example.org".to_owned();
        let renewed = Leaf { names, common_name, from: now() - days(1), ..Leaf::good() };
        assert_eq!(compared(&old, &certificate(&renewed)), Some(FindingId::NotLoaded));
    }

    #[test]
    fn a_pool_is_stale_only_where_a_leaf_differs_from_the_served_one() {
        let served = certificate(&Leaf::good());
        let old = certificate(&Leaf::expired());
        assert_eq!(with_pool("mail.example.org", &served, []), None);
        assert_eq!(with_pool("mail.example.org", &served, [&served, &served]), None);
        let found = with_pool("mail.example.org", &served, [&served, &old, &old]).unwrap();
        assert_eq!(found.id, FindingId::PoolStale);
        assert!(found.message.starts_with("2 of the pool's connections"), "{}", found.message);
    }

    #[test]
    fn a_place_is_shown_with_the_address_unless_it_is_its_own_name() {
        assert_eq!(place().to_string(), "mail.example.org:465 (192.0.2.1)");
        let at = |host: &str, address: &str| {
            Place { host: host.to_owned(), address: address.parse().unwrap() }.to_string()
        };
        assert_eq!(at("192.0.2.1", "192.0.2.1:25"), "192.0.2.1:25");
        assert_eq!(at("2001:db8::1", "[2001:db8::1]:25"), "[2001:db8::1]:25");
        assert_eq!(at("2001:db8::1", "[2001:db8::2]:25"), "[2001:db8::1]:25 (2001:db8::2)");
    }
}

//! Weighing the evidence: [`weigh`]. Pure.
//!
//! What explains most comes first: the clock before the certificates that it
//! makes look bad, a renewal that was not loaded before the certificate that
//! is served in its place, the server before the pool.

use std::time::SystemTime;

use super::{Explanation, Fault, Leaf, Look};
use crate::certificate::{FindingId, when};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// What is known.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) looks: Vec<Look>,
    /// Why there are no looks.
    pub(super) unreached: Option<Error>,
    pub(super) pooled: Vec<Leaf>,
    pub(super) file: Option<Leaf>,
    pub(super) last_error: Option<Error>,
    pub(super) at: SystemTime,
}

/// Who is at fault, in a sentence, and what to do.
struct Verdict {
    fault: Fault,
    summary: String,
    remedy: Option<String>,
}

impl Verdict {
    fn new(fault: Fault, summary: String, remedy: &str) -> Self {
        Verdict { fault, summary, remedy: Some(remedy.to_owned()) }
    }
}

pub(super) fn weigh(evidence: Evidence<'_>) -> Explanation {
    let verdict = evidence
        .outage()
        .or_else(|| evidence.clock())
        .or_else(|| evidence.not_loaded())
        .or_else(|| evidence.some_addresses())
        .or_else(|| evidence.bad_everywhere())
        .or_else(|| evidence.stale_pool())
        .or_else(|| evidence.last_session())
        .or_else(|| evidence.some_unreachable())
        .unwrap_or_else(|| evidence.all_well());
    let error = evidence.telling_error().cloned();
    Explanation {
        fault: verdict.fault,
        summary: verdict.summary,
        remedy: verdict.remedy,
        served: evidence.newest().cloned(),
        error: error.or(evidence.unreached),
        pooled: evidence.pooled,
        looks: evidence.looks,
        file: evidence.file,
        last_error: evidence.last_error,
        at: evidence.at,
    }
}

impl Evidence<'_> {
    fn good(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| look.error.is_none())
    }

    fn errors(&self) -> impl Iterator<Item = &Error> {
        self.looks.iter().filter_map(|look| look.error.as_ref())
    }

    fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.looks.iter().filter_map(|look| look.leaf.as_ref())
    }

    /// A certificate tells more than a connection that failed.
    fn telling_error(&self) -> Option<&Error> {
        self.errors().min_by_key(|error| error.certificate().is_none())
    }

    /// The newest leaf that is served, an accepted one before all.
    fn newest(&self) -> Option<&Leaf> {
        let looks = self.looks.iter().filter(|look| look.leaf.is_some());
        let newest = looks.max_by_key(|look| {
            (look.error.is_none(), look.leaf.as_ref().map(|leaf| leaf.not_before))
        });
        newest.and_then(|look| look.leaf.as_ref())
    }

    /// Not even an address.
    fn outage(&self) -> Option<Verdict> {
        self.unreached.as_ref().map(blame)
    }

    fn clock(&self) -> Option<Verdict> {
        let skewed = |error: &&Error| {
            error.certificate().is_some_and(|report| report.has(FindingId::ClockSkew))
        };
        // One node with a certificate of the future is the node's fault.
        let good = self.good().next().is_some();
        self.errors().find(skewed).filter(|_| !good).map(blame)
    }

    /// The file is newer than what every address serves.
    fn not_loaded(&self) -> Option<Verdict> {
        let file = self.file.as_ref()?;
        let valid = |leaf: &Leaf| leaf.not_before <= self.at && self.at < leaf.not_after;
        let served = self.newest()?;
        let elsewhere = self.leaves().any(|leaf| leaf == file);
        let newer = file.not_before > served.not_before || !valid(served);
        if elsewhere || !newer || !valid(file) {
            return None;
        }
        let summary = format!(
            "{} still serves {}, while the file holds {}: renewed on disk and not loaded",
            self.endpoint,
            self.describe(served),
            self.describe(file)
        );
        Some(Verdict::new(Fault::NotLoaded, summary, FindingId::NotLoaded.remedy()))
    }

    /// Some addresses are in order, and some serve something else.
    fn some_addresses(&self) -> Option<Verdict> {
        self.good().next()?;
        let failed: Vec<&Look> =
            self.looks.iter().filter(|look| look.error.as_ref().is_some_and(is_answer)).collect();
        if let Some(verdict) = self.unusable(&failed) {
            return Some(verdict);
        }
        let new = self.newest()?;
        let behind: Vec<&Look> =
            self.good().filter(|look| look.leaf.as_ref() != Some(new)).collect();
        if behind.is_empty() {
            return None;
        }
        let summary = format!(
            "only {} of {} addresses of {} serve the newest certificate, {}; behind: {}",
            self.good().count() - behind.len(),
            self.looks.len(),
            self.endpoint,
            self.describe(new),
            listed(&behind)
        );
        Some(Verdict::new(Fault::SomeAddresses, summary, FindingId::AddressesDiffer.remedy()))
    }

    /// The sentence on addresses that failed beside good ones.
    fn unusable(&self, failed: &[&Look]) -> Option<Verdict> {
        let errors = failed.iter().filter_map(|look| look.error.as_ref());
        let error = errors.min_by_key(|error| error.certificate().is_none())?;
        let summary = format!(
            "{} of {} addresses of {} cannot be used ({}): {}",
            failed.len(),
            self.looks.len(),
            self.endpoint,
            listed(failed),
            error.message_text()
        );
        let remedy = match error.certificate() {
            Some(_) => FindingId::AddressesDiffer.remedy(),
            None => FindingId::SomeUnreachable.remedy(),
        };
        Some(Verdict::new(Fault::SomeAddresses, summary, remedy))
    }

    /// Addresses out of reach, of a family that others show to work from here.
    fn some_unreachable(&self) -> Option<Verdict> {
        let failed: Vec<&Look> = self
            .looks
            .iter()
            .filter(|look| look.error.is_some() && self.good().any(|good| same_family(good, look)))
            .collect();
        self.unusable(&failed)
    }

    fn bad_everywhere(&self) -> Option<Verdict> {
        if self.good().next().is_some() {
            return None;
        }
        self.telling_error().map(blame)
    }

    /// The server is well from here on.
    fn stale_pool(&self) -> Option<Verdict> {
        let served = self.newest()?;
        let is_served = |leaf: &Leaf| self.leaves().any(|served| served == leaf);
        let stale: Vec<&Leaf> = self.pooled.iter().filter(|leaf| !is_served(leaf)).collect();
        let oldest = stale.iter().min_by_key(|leaf| leaf.not_before)?;
        let summary = format!(
            "{} is healthy; {} of {} pooled connections carry an earlier certificate, {}, and the \
             server has {} now",
            self.endpoint,
            stale.len(),
            self.pooled.len(),
            self.describe(oldest),
            self.describe(served)
        );
        Some(Verdict::new(
            Fault::PoolStale,
            summary,
            "nothing to do: they are retired before their next use",
        ))
    }

    /// What the last session failed with, although a fresh look does not.
    fn last_session(&self) -> Option<Verdict> {
        let error = self.last_error.as_ref()?;
        let text = error.message_text();
        let (fault, summary) = match error.kind() {
            ErrorKind::Auth => (
                Fault::Credentials,
                format!("{} is healthy and refused the login: {text}", self.endpoint),
            ),
            ErrorKind::Certificate | ErrorKind::Tls => {
                let summary = format!(
                    "{} is healthy again; the last session failed before: {text}",
                    self.endpoint
                );
                let remedy = "nothing to do: the next send opens a new session";
                return Some(Verdict::new(Fault::None, summary, remedy));
            }
            kind => {
                let fault = fault_of(kind);
                let summary = format!(
                    "{} answers a fresh look, yet the last session failed: {text}",
                    self.endpoint
                );
                (fault, summary)
            }
        };
        Some(Verdict { fault, summary, remedy: error.hint().map(str::to_owned) })
    }

    fn all_well(&self) -> Verdict {
        let mut summary = match self.pooled.len() {
            0 => format!("{} is healthy", self.endpoint),
            1 => format!("{} is healthy, and so is the pooled connection", self.endpoint),
            count => format!("{} is healthy, and so are {count} pooled connections", self.endpoint),
        };
        if let Some(leaf) = self.newest() {
            summary.push_str(&format!("; it serves {}", self.describe(leaf)));
        }
        let strange = self.file.as_ref().filter(|file| self.leaves().all(|leaf| leaf != *file));
        if let Some(file) = strange.filter(|_| self.newest().is_some()) {
            summary.push_str(&format!(
                "; the file holds another certificate, {}, and not a newer one",
                self.describe(file)
            ));
        }
        if let Some(away) = self.looks.iter().find(|look| look.error.is_some()) {
            let family = match away.address {
                Some(address) if address.is_ipv6() => "IPv6",
                _ => "IPv4",
            };
            summary.push_str(&format!("; its {family} addresses cannot be reached from here"));
        }
        Verdict { fault: Fault::None, summary, remedy: None }
    }

    /// `serial 05a1, valid until 2026-12-01 10:00 UTC (in 10 days)`.
    fn describe(&self, leaf: &Leaf) -> String {
        let until = match self.at < leaf.not_after {
            true => "valid until",
            false => "expired at",
        };
        format!(
            "serial {}, {until} {} ({})",
            leaf.serial,
            when::utc(leaf.not_after),
            when::relative(leaf.not_after, self.at)
        )
    }
}

/// The first few addresses, failed ones first by their order.
fn listed(looks: &[&Look]) -> String {
    let mut shown: Vec<String> = looks
        .iter()
        .filter_map(|look| look.address)
        .take(4)
        .map(|address| address.ip().to_string())
        .collect();
    if looks.len() > shown.len() {
        shown.push(format!("{} more", looks.len() - shown.len()));
    }
    shown.join(", ")
}

/// Whether the server answered, and it was no good.
fn is_answer(error: &Error) -> bool {
    fault_of(error.kind()) != Fault::Network
}

fn same_family(one: &Look, other: &Look) -> bool {
    let is_v6 = |look: &Look| look.address.map(|address| address.is_ipv6());
    is_v6(one) == is_v6(other)
}

fn blame(error: &Error) -> Verdict {
    let clock = error.certificate().is_some_and(|report| report.has(FindingId::ClockSkew));
    let fault = if clock { Fault::Clock } else { fault_of(error.kind()) };
    Verdict {
        fault,
        summary: error.message_text().to_owned(),
        remedy: error.hint().map(str::to_owned),
    }
}

fn fault_of(kind: ErrorKind) -> Fault {
    match kind {
        ErrorKind::Certificate => Fault::Certificate,
        ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Timeout => Fault::Network,
        ErrorKind::Auth => Fault::Credentials,
        _ => Fault::Server,
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;

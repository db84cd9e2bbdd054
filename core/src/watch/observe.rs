//! What a report means beside what was seen before: pure, from a state and a
//! report to a new state and the changes.
//!
//! The invariant: what was told is in the state, so that the same report seen
//! again changes nothing and tells nothing, also after a restart.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::config::Entry;
use super::event::{Event, EventKind};
use super::state::{AddressState, EndpointState, LastProbe, Leaf, Note, ServerState};
use crate::certificate::{Thresholds, when};
use crate::probe::{AddressReport, ProbeReport, ServerReport};
use crate::{FindingId, Severity, Status};

/// How many findings are kept of one probe.
const MAX_NOTES: usize = 50;

/// Takes a report into the state and returns what is new, in the order of
/// cause and effect.
pub(super) fn observe(
    state: &mut EndpointState,
    entry: &Entry,
    report: &ProbeReport,
) -> Vec<Event> {
    // To the second, as the state file has it.
    let now = when::from_unix(when::to_unix(report.started_at));
    let status = report.status();
    let before = state.last.as_ref().map(|last| (last.status, last.since));
    let mut changes = Vec::new();

    state.probes += 1;
    // A name that does not resolve for once does not end its history.
    if !report.servers.is_empty() {
        state.servers.retain(|known| report.servers.iter().any(|it| it.host == known.host));
    }
    for seen in &report.servers {
        let index = state.servers.iter().position(|known| known.host == seen.host);
        let index = index.unwrap_or_else(|| {
            state.servers.push(ServerState::of(&seen.host));
            state.servers.len() - 1
        });
        let mut look = Look { now, thresholds: &entry.thresholds, changes: Vec::new() };
        look.at(&mut state.servers[index], seen);
        let named = report.servers.len() > 1 || seen.host != report.target.host;
        changes.extend(look.changes.into_iter().map(|change| change.of(&seen.host, named)));
    }
    let summary = summary(state, report);
    let rotated = changes.iter().filter(|change| change.kind == EventKind::Rotated).count();
    state.rotations += rotated as u64;

    let explained = changes.iter().any(|change| change.severity >= Severity::Warning);
    changes.extend(turn(before, report, &summary, now, explained));
    state.last = Some(LastProbe {
        at: now,
        milliseconds: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        status,
        since: before.filter(|(was, _)| *was == status).map_or(now, |(_, since)| since),
        summary,
        findings: notes(report),
    });
    changes.into_iter().map(|change| change.event(state, now, status)).collect()
}

/// One line: what is wrong before all, and of a healthy endpoint how long its
/// certificate lasts.
fn summary(state: &EndpointState, report: &ProbeReport) -> String {
    match (report.status(), state.earliest()) {
        (Status::Healthy, Some((_, leaf))) => {
            format!("certificate by {}, valid until {}", leaf.issuer, when::utc(leaf.not_after))
        }
        _ => report.summary(),
    }
}

/// The worst first, each once.
fn notes(report: &ProbeReport) -> Vec<Note> {
    let mut findings: Vec<_> = report.all_findings().collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.id));
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.id, &finding.message)));
    findings.into_iter().take(MAX_NOTES).map(Note::from).collect()
}

/// What a change of status is, if it is one. Where another change explains why
/// it is degraded, that is not told a second time.
fn turn(
    before: Option<(Status, SystemTime)>,
    report: &ProbeReport,
    summary: &str,
    now: SystemTime,
    explained: bool,
) -> Option<Change> {
    let status = report.status();
    let remedy = report.first_finding().map(|finding| finding.remedy());
    let worse = |kind, severity| {
        let mut change = Change::new(kind, severity, summary.to_owned());
        change.remedy = remedy;
        Some(change)
    };
    match (before, status) {
        (Some((was, _)), _) if was == status => None,
        (Some((was, since)), _) if status < was => {
            let span = when::span(now.duration_since(since).unwrap_or_default());
            let message = match status {
                Status::Healthy => format!("healthy again after {span} {was}"),
                _ => format!("{status} after {span} {was}: {summary}"),
            };
            Some(Change::new(EventKind::Recovered, Severity::Info, message))
        }
        (_, Status::Unhealthy) => worse(EventKind::Unhealthy, Severity::Critical),
        (_, Status::Degraded) if explained => None,
        (_, Status::Degraded) => worse(EventKind::Degraded, Severity::Warning),
        (_, Status::Healthy) => {
            let message = format!("healthy at first sight: {summary}");
            Some(Change::new(EventKind::FirstSeen, Severity::Info, message))
        }
    }
}

/// A change, before it is known of which endpoint.
struct Change {
    kind: EventKind,
    severity: Severity,
    message: String,
    remedy: Option<&'static str>,
    server: Option<String>,
    old: Option<Leaf>,
    new: Option<Leaf>,
}

impl Change {
    fn new(kind: EventKind, severity: Severity, message: String) -> Self {
        Change { kind, severity, message, remedy: None, server: None, old: None, new: None }
    }

    fn between(mut self, old: Option<&Leaf>, new: &Leaf) -> Self {
        self.old = old.cloned();
        self.new = Some(new.clone());
        self
    }

    /// Of this host, which the message names unless it is plain which is meant.
    fn of(mut self, host: &str, named: bool) -> Self {
        if named {
            self.message = format!("{host}: {}", self.message);
        }
        self.server = Some(host.to_owned());
        self
    }

    fn event(self, state: &EndpointState, at: SystemTime, status: Status) -> Event {
        Event {
            kind: self.kind,
            at,
            endpoint: state.name.clone(),
            target: state.target.clone(),
            tags: state.tags.clone(),
            server: self.server,
            severity: self.severity,
            status,
            message: self.message,
            remedy: self.remedy.map(str::to_owned),
            old: self.old,
            new: self.new,
        }
    }
}

/// One look at one host.
struct Look<'a> {
    now: SystemTime,
    thresholds: &'a Thresholds,
    changes: Vec<Change>,
}

impl Look<'_> {
    fn at(&mut self, server: &mut ServerState, report: &ServerReport) {
        server.addresses = report.addresses.iter().map(address).collect();
        let certificates = report.addresses.iter().filter_map(|it| it.certificate.as_ref());
        let leaves = certificates.filter_map(|it| it.leaf()).map(|it| Leaf::new(it, self.now));
        let leaves: Vec<Leaf> = leaves.collect();
        // Of two that begin at the same moment, the one not seen before.
        let newest = leaves
            .iter()
            .max_by_key(|leaf| (leaf.not_before, server.leaf(&leaf.fingerprint).is_none()));
        if let Some(newest) = newest {
            self.generation(server, newest);
            server.current = Some(newest.fingerprint.clone());
            leaves.iter().for_each(|leaf| server.see(leaf));
            let lifetime = newest.not_after.duration_since(newest.not_before).unwrap_or_default();
            let before_end = |time: Duration| newest.not_after.checked_sub(time);
            server.warning_at = before_end(self.thresholds.warning.of(lifetime));
            server.critical_at = before_end(self.thresholds.critical.of(lifetime));
            self.agreement(server, &leaves, newest);
        }
        self.expiry(server, report);
    }

    /// Tells whether the newest leaf moves the generation, or is behind it.
    fn generation(&mut self, server: &mut ServerState, newest: &Leaf) {
        let Some(old) = server.newest_leaf().cloned() else {
            server.generation = Some(newest.fingerprint.clone());
            return;
        };
        if old.fingerprint == newest.fingerprint {
            return;
        }
        let is_older = newest.not_before < old.not_before;
        if is_older || server.leaf(&newest.fingerprint).is_some() {
            if !server.told.rolled_back.contains(&newest.fingerprint) {
                server.told.rolled_back.push(newest.fingerprint.clone());
                self.changes.push(rolled_back(&old, newest));
            }
            return;
        }
        server.generation = Some(newest.fingerprint.clone());
        server.told.rolled_back.clear();
        let message = format!(
            "new certificate by {}, valid until {} ({}); the one before {}",
            newest.issuer,
            when::utc(newest.not_after),
            when::relative(newest.not_after, self.now),
            rest(&old, self.now),
        );
        let mut tell = |kind, message| {
            let change = Change::new(kind, Severity::Info, message).between(Some(&old), newest);
            self.changes.push(change);
        };
        tell(EventKind::Rotated, message);
        if old.issuer != newest.issuer {
            let (was, is) = (&old.issuer, &newest.issuer);
            tell(EventKind::IssuerChanged, format!("the issuer is now {is}; it was {was}"));
        }
        if old.key != newest.key {
            let (was, is) = (&old.key, &newest.key);
            tell(EventKind::KeyTypeChanged, format!("the key is now {is}; it was {was}"));
        }
    }

    /// Tells when addresses begin to serve different leaves.
    fn agreement(&mut self, server: &mut ServerState, leaves: &[Leaf], newest: &Leaf) {
        let other = leaves.iter().find(|leaf| leaf.fingerprint != newest.fingerprint);
        if let Some(other) = other
            && !server.told.differing
        {
            let is_newest =
                |it: &&AddressState| it.fingerprint.as_ref() == Some(&newest.fingerprint);
            let with_leaf = server.addresses.iter().filter(|it| it.fingerprint.is_some());
            let (current, behind): (Vec<_>, Vec<_>) = with_leaf.partition(is_newest);
            let list: Vec<&str> = behind.iter().take(5).map(|it| &*it.address).collect();
            let message = format!(
                "{} of {} addresses serve an older certificate, valid until {}: {}{}",
                behind.len(),
                behind.len() + current.len(),
                when::utc(other.not_after),
                list.join(", "),
                if behind.len() > list.len() { ", …" } else { "" },
            );
            let mut change = Change::new(EventKind::AddressesDiffer, Severity::Warning, message);
            change.remedy = Some(FindingId::AddressesDiffer.remedy());
            self.changes.push(change.between(Some(other), newest));
        }
        server.told.differing = other.is_some();
    }

    /// Tells when the current leaf comes near its end, and when critically so.
    fn expiry(&mut self, server: &mut ServerState, report: &ServerReport) {
        let expiring = report.all_findings().filter(|it| it.id == FindingId::Expiring);
        let Some(finding) = expiring.max_by_key(|finding| finding.severity) else { return };
        let Some(leaf) = server.current_leaf().cloned() else { return };
        let critical = finding.severity == Severity::Critical;
        let told = server.told.expiring.as_ref();
        if told.is_some_and(|(of, was)| *of == leaf.fingerprint && (*was || !critical)) {
            return;
        }
        server.told.expiring = Some((leaf.fingerprint.clone(), critical));
        let mut change =
            Change::new(EventKind::Expiring, finding.severity, finding.message.clone());
        change.remedy = Some(finding.remedy());
        self.changes.push(change.between(None, &leaf));
    }
}

fn rolled_back(newest: &Leaf, seen: &Leaf) -> Change {
    let message = format!(
        "back on an older certificate, valid from {} until {}; the newest one seen is valid from {}",
        when::utc(seen.not_before),
        when::utc(seen.not_after),
        when::utc(newest.not_before),
    );
    let mut change = Change::new(EventKind::RolledBack, Severity::Warning, message);
    change.remedy = Some(
        "reload the mail server, or find the node behind this name that still has the older file",
    );
    change.between(Some(newest), seen)
}

/// How much of its life a leaf had left when it was replaced.
fn rest(leaf: &Leaf, now: SystemTime) -> String {
    match leaf.not_after.duration_since(now) {
        Ok(left) => format!("had {} left", when::span(left)),
        Err(_) => format!("expired {}", when::relative(leaf.not_after, now)),
    }
}

fn address(report: &AddressReport) -> AddressState {
    let leaf = report.certificate.as_ref().and_then(|it| it.leaf());
    AddressState {
        address: report.address.to_string(),
        status: report.status(),
        protocol: report.tls.as_ref().map(|tls| tls.protocol.clone()),
        cipher: report.tls.as_ref().map(|tls| tls.cipher.clone()),
        fingerprint: leaf.map(|leaf| leaf.fingerprint().to_string()),
    }
}

#[cfg(test)]
mod tests;

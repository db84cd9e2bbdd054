//! What a watch has seen: [`State`], which survives restarts.

mod store;

use std::collections::VecDeque;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub(super) use self::store::{Loaded, load, save};
use super::config::{Config, Entry};
use super::event::Event;
use super::text::{moment, severity, status};
use crate::certificate::Certificate;
use crate::{Finding, Severity, Status};

/// How many leaves are remembered of a server.
const MAX_LEAVES: usize = 40;

/// How many events are remembered in all.
const MAX_EVENTS: usize = 100;

/// What has been seen, of every endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct State {
    /// Each endpoint, in the order of the configuration.
    pub endpoints: Vec<EndpointState>,
    /// The newest events, oldest first.
    pub events: VecDeque<Event>,
}

/// What has been seen of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EndpointState {
    /// What it is called.
    pub name: String,
    /// What is probed, as `host:port`.
    pub target: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The last probe, if there was one.
    pub last: Option<LastProbe>,
    /// Each host that was seen: the target's, or its mail exchangers.
    pub servers: Vec<ServerState>,
    /// How many probes there were.
    pub probes: u64,
    /// How many rotations.
    pub rotations: u64,
}

/// The last probe of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastProbe {
    /// When it began.
    #[serde(with = "moment")]
    pub at: SystemTime,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// How the endpoint is.
    #[serde(with = "status")]
    pub status: Status,
    /// Since when it is like that.
    #[serde(with = "moment")]
    pub since: SystemTime,
    /// One line: what is wrong before all, or that all is well.
    pub summary: String,
    /// What was found; the worst first.
    pub findings: Vec<Note>,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// The name of the finding.
    pub id: String,
    /// How bad it is.
    #[serde(with = "severity")]
    pub severity: Severity,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl From<&Finding> for Note {
    fn from(finding: &Finding) -> Self {
        Note {
            id: finding.id.as_str().to_owned(),
            severity: finding.severity,
            message: finding.message.clone(),
            remedy: finding.remedy().to_owned(),
        }
    }
}

/// What has been seen of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerState {
    /// The host's name, or the IP address.
    pub host: String,
    /// Each address, as the last probe saw it.
    pub addresses: Vec<AddressState>,
    /// Every leaf that was seen, in the order of appearance.
    pub leaves: Vec<Leaf>,
    /// The fingerprint of the newest leaf at the last probe that saw one.
    pub current: Option<String>,
    /// The fingerprint of the newest leaf ever: only a rotation moves it.
    pub generation: Option<String>,
    /// From when on the current leaf is near its end.
    #[serde(with = "moment::option", default)]
    pub warning_at: Option<SystemTime>,
    /// From when on that is critical.
    #[serde(with = "moment::option", default)]
    pub critical_at: Option<SystemTime>,
    /// What has been told, and is not told again.
    #[serde(default)]
    pub(super) told: Told,
}

/// Which changes have been told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    /// The leaf that nears its end, and whether critically so.
    pub(super) expiring: Option<(String, bool)>,
    /// That addresses differ.
    pub(super) differing: bool,
    /// Older leaves that the server went back to in this generation.
    pub(super) rolled_back: Vec<String>,
}

/// One address, as the last probe saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressState {
    /// The address and port.
    pub address: String,
    /// How it is.
    #[serde(with = "status")]
    pub status: Status,
    /// The version of TLS.
    pub protocol: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
    /// SHA-256 of the leaf it serves.
    pub fingerprint: Option<String>,
}

/// One leaf certificate, and when it was served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Leaf {
    /// SHA-256 over its DER, in hexadecimal.
    pub fingerprint: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// The common name of its issuer, or all of the issuer's name.
    pub issuer: String,
    /// Its key, such as `ECDSA P-256` or `RSA 2048`.
    pub key: String,
    /// When it became valid.
    #[serde(with = "moment")]
    pub not_before: SystemTime,
    /// When it ends being valid.
    #[serde(with = "moment")]
    pub not_after: SystemTime,
    /// When it was first seen here.
    #[serde(with = "moment")]
    pub first_seen: SystemTime,
    /// When it was last seen here.
    #[serde(with = "moment")]
    pub last_seen: SystemTime,
}

impl Leaf {
    pub(super) fn new(certificate: &Certificate, now: SystemTime) -> Self {
        let algorithm = certificate.key_algorithm();
        let key = match certificate.key_bits() {
            Some(bits) if algorithm == "RSA" => format!("RSA {bits}"),
            _ => algorithm.to_owned(),
        };
        Leaf {
            fingerprint: certificate.fingerprint().to_string(),
            serial: certificate.serial().to_owned(),
            issuer: common_name(certificate.issuer()).to_owned(),
            key,
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            first_seen: now,
            last_seen: now,
        }
    }
}

/// The common name within a distinguished name, or all of it.
fn common_name(name: &str) -> &str {
    let Some((_, rest)) = name.split_once("CN=") else { return name };
    rest.split(", ").next().filter(|name| !name.is_empty()).unwrap_or(name)
}

impl ServerState {
    pub(super) fn of(host: &str) -> Self {
        ServerState { host: host.to_owned(), ..ServerState::default() }
    }

    /// The leaf with this fingerprint.
    pub fn leaf(&self, fingerprint: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.fingerprint == fingerprint)
    }

    /// The leaf that was served at the last probe that saw one.
    pub fn current_leaf(&self) -> Option<&Leaf> {
        self.leaf(self.current.as_deref()?)
    }

    pub(super) fn newest_leaf(&self) -> Option<&Leaf> {
        self.leaf(self.generation.as_deref()?)
    }

    /// Notes that a leaf was seen.
    pub(super) fn see(&mut self, seen: &Leaf) {
        let known = self.leaves.iter_mut().find(|leaf| leaf.fingerprint == seen.fingerprint);
        match known {
            Some(leaf) => leaf.last_seen = seen.last_seen,
            None => self.leaves.push(seen.clone()),
        }
        // What is served or was newest is kept, however old.
        while self.leaves.len() > MAX_LEAVES {
            let keep = [&self.current, &self.generation];
            let spare = self.leaves.iter().position(|leaf| {
                leaf.fingerprint != seen.fingerprint
                    && keep.iter().all(|kept| kept.as_ref() != Some(&leaf.fingerprint))
            });
            match spare {
                Some(index) => drop(self.leaves.remove(index)),
                None => break,
            }
        }
    }
}

impl EndpointState {
    pub(super) fn new(entry: &Entry) -> Self {
        EndpointState {
            name: entry.name.clone(),
            target: entry.target.to_string(),
            tags: entry.tags.clone(),
            last: None,
            servers: Vec::new(),
            probes: 0,
            rotations: 0,
        }
    }

    /// How it is; `None` before the first probe.
    pub fn status(&self) -> Option<Status> {
        self.last.as_ref().map(|last| last.status)
    }

    /// The leaf that ends first, and its host.
    pub fn earliest(&self) -> Option<(&ServerState, &Leaf)> {
        let leaves = self.servers.iter().filter_map(|it| Some((it, it.current_leaf()?)));
        leaves.min_by_key(|(_, leaf)| leaf.not_after)
    }
}

impl State {
    /// What is known of the endpoints of `config`: what was saved, where it is
    /// of the same target.
    pub(super) fn for_config(mut self, config: &Config) -> Self {
        let of = |entry: &Entry| {
            let fresh = EndpointState::new(entry);
            let known = self.endpoints.iter().position(|it| it.name == fresh.name);
            match known.map(|index| self.endpoints.swap_remove(index)) {
                Some(known) if known.target == fresh.target => {
                    EndpointState { tags: fresh.tags, ..known }
                }
                _ => fresh,
            }
        };
        self.endpoints = config.entries.iter().map(of).collect();
        self.events.truncate(MAX_EVENTS);
        self
    }

    pub(super) fn remember(&mut self, event: &Event) {
        self.events.push_back(event.clone());
        while self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    /// How many endpoints are like this.
    pub fn count(&self, status: Status) -> usize {
        self.endpoints.iter().filter(|it| it.status() == Some(status)).count()
    }

    /// The worst status; `None` while no endpoint has been probed.
    pub fn status(&self) -> Option<Status> {
        self.endpoints.iter().filter_map(EndpointState::status).max()
    }

    /// What is known of the endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointState> {
        self.endpoints.iter().find(|it| it.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_called_by_its_common_name() {
        assert_eq!(common_name("C=US, O=Let's Encrypt, CN=R12"), "R12");
        assert_eq!(common_name("CN=E7, O=x"), "E7");
        assert_eq!(common_name("O=nobody"), "O=nobody");
        assert_eq!(common_name("CN="), "CN=");
    }
}

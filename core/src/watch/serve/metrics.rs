//! `/metrics` in Prometheus' text format.
//!
//! Facts of a certificate stay for as long as its endpoint is watched, also
//! when it has expired or the server can no longer be reached: an alert must
//! not fall silent at the moment it is for.

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::Status;
use crate::certificate::when;
use crate::watch::courier::Counts;
use crate::watch::event::EventKind;
use crate::watch::state::{EndpointState, Leaf, ServerState, State};

const STATUSES: [Status; 3] = [Status::Healthy, Status::Degraded, Status::Unhealthy];

/// All families, each with its help and type once.
pub(super) fn render(state: &State, counts: &Counts, now: SystemTime) -> String {
    let mut out = Text(String::new());
    totals(&mut out, state, counts);
    probes(&mut out, state);
    certificates(&mut out, state, now);
    out.0
}

fn totals(out: &mut Text, state: &State, counts: &Counts) {
    out.family("everpost_watch_endpoints", "gauge", "Endpoints by status.");
    for status in STATUSES {
        let labels = [("status", status.as_str())];
        out.sample("everpost_watch_endpoints", &labels, state.count(status) as f64);
    }
    let unknown = state.endpoints.iter().filter(|it| it.last.is_none()).count();
    out.sample("everpost_watch_endpoints", &[("status", "unknown")], unknown as f64);
    let help = "Changes told since the start, by kind.";
    out.family("everpost_watch_events_total", "counter", help);
    for kind in EventKind::ALL {
        let labels = [("event", kind.as_str())];
        out.sample("everpost_watch_events_total", &labels, counts.events(*kind) as f64);
    }
    let help = "Events that hook or webhook did not take.";
    out.family("everpost_watch_delivery_failures_total", "counter", help);
    for (via, failed) in counts.failed() {
        out.sample("everpost_watch_delivery_failures_total", &[("via", via)], failed as f64);
    }
}

fn probes(out: &mut Text, state: &State) {
    let probed = || state.endpoints.iter().filter_map(|it| Some((it, it.last.as_ref()?)));
    out.family("probe_success", "gauge", "Whether nothing critical was found.");
    for (it, last) in probed() {
        let success = f64::from(u8::from(last.status != Status::Unhealthy));
        out.sample("probe_success", &[("target", &it.name)], success);
    }
    out.family("probe_duration_seconds", "gauge", "How long the last probe took.");
    for (it, last) in probed() {
        let seconds = last.milliseconds as f64 / 1000.0;
        out.sample("probe_duration_seconds", &[("target", &it.name)], seconds);
    }
    let help = "The status in three words: 1 for the one that holds.";
    out.family("everpost_probe_status", "gauge", help);
    for (it, last) in probed() {
        for status in STATUSES {
            let labels = [("target", &*it.name), ("status", status.as_str())];
            let holds = f64::from(u8::from(last.status == status));
            out.sample("everpost_probe_status", &labels, holds);
        }
    }
    let help = "Since when the status is what it is.";
    out.family("everpost_watch_status_since_timestamp_seconds", "gauge", help);
    for (it, last) in probed() {
        let labels = [("target", &*it.name)];
        out.sample("everpost_watch_status_since_timestamp_seconds", &labels, unix(last.since));
    }
    out.family(
        "everpost_watch_last_probe_timestamp_seconds",
        "gauge",
        "When the last probe began.",
    );
    for (it, last) in probed() {
        let labels = [("target", &*it.name)];
        out.sample("everpost_watch_last_probe_timestamp_seconds", &labels, unix(last.at));
    }
    out.family("everpost_watch_probes_total", "counter", "Probes of the endpoint.");
    for it in &state.endpoints {
        out.sample("everpost_watch_probes_total", &[("target", &it.name)], it.probes as f64);
    }
    out.family("everpost_watch_rotations_total", "counter", "Rotations of its certificates.");
    for it in &state.endpoints {
        out.sample("everpost_watch_rotations_total", &[("target", &it.name)], it.rotations as f64);
    }
    out.family("everpost_watch_findings", "gauge", "How often something is found at the moment.");
    for (it, last) in probed() {
        let mut seen: Vec<(&str, &str)> =
            last.findings.iter().map(|note| (&*note.id, note.severity.as_str())).collect();
        seen.sort_unstable();
        for same in seen.chunk_by(|one, other| one == other) {
            let (id, severity) = same[0];
            let labels = [("target", &*it.name), ("id", id), ("severity", severity)];
            out.sample("everpost_watch_findings", &labels, same.len() as f64);
        }
    }
}

fn certificates(out: &mut Text, state: &State, now: SystemTime) {
    let help = "When the first of the current certificates ends.";
    out.family("probe_ssl_earliest_cert_expiry", "gauge", help);
    for it in &state.endpoints {
        if let Some((_, leaf)) = it.earliest() {
            let labels = [("target", &*it.name)];
            out.sample("probe_ssl_earliest_cert_expiry", &labels, unix(leaf.not_after));
        }
    }
    tls(out, state);
    let current = || state.endpoints.iter().flat_map(current_leaves);
    let mut each = |name, help, value: &dyn Fn(&Leaf) -> f64| {
        out.family(name, "gauge", help);
        for (it, server, leaf) in current() {
            out.sample(name, &[("target", &it.name), ("server", &server.host)], value(leaf));
        }
    };
    let help = "When the current certificate ends.";
    each("everpost_watch_certificate_not_after_timestamp_seconds", help, &|it| unix(it.not_after));
    let help = "When the current certificate began.";
    each("everpost_watch_certificate_not_before_timestamp_seconds", help, &|it| {
        unix(it.not_before)
    });
    let help = "How much of its life the current certificate has left, 0 once it has expired.";
    each("everpost_watch_certificate_lifetime_remaining_ratio", help, &|it| remaining(it, now));
    let help = "When the current certificate was first seen.";
    each("everpost_watch_certificate_first_seen_timestamp_seconds", help, &|it| {
        unix(it.first_seen)
    });
    out.family("everpost_watch_certificate_info", "gauge", "What the current certificate is.");
    for (it, server, leaf) in current() {
        let labels = [
            ("target", &*it.name),
            ("server", &server.host),
            ("issuer", &leaf.issuer),
            ("key", &leaf.key),
            ("serialnumber", &leaf.serial),
            ("fingerprint_sha256", &leaf.fingerprint),
        ];
        out.sample("everpost_watch_certificate_info", &labels, 1.0);
    }
    let help = "Addresses of a server by whether they serve the newest certificate.";
    out.family("everpost_watch_addresses", "gauge", help);
    for it in &state.endpoints {
        for server in &it.servers {
            let (mut newest, mut other, mut none) = (0, 0, 0);
            for address in &server.addresses {
                match &address.fingerprint {
                    Some(it) if Some(it) == server.generation.as_ref() => newest += 1,
                    Some(_) => other += 1,
                    None => none += 1,
                }
            }
            for (word, count) in [("newest", newest), ("other", other), ("none", none)] {
                let labels = [("target", &*it.name), ("server", &*server.host), ("on", word)];
                out.sample("everpost_watch_addresses", &labels, f64::from(count));
            }
        }
    }
}

/// Version and cipher, of the server whose certificate ends first.
fn tls(out: &mut Text, state: &State) {
    let first = |it: &EndpointState| {
        let (server, _) = it.earliest()?;
        let address = server.addresses.iter().find(|it| it.protocol.is_some())?;
        Some((it.name.clone(), address.protocol.clone()?, address.cipher.clone()?))
    };
    let seen: Vec<_> = state.endpoints.iter().filter_map(first).collect();
    out.family("probe_tls_version_info", "gauge", "The TLS version.");
    for (name, protocol, _) in &seen {
        // As Go spells it, and so blackbox_exporter.
        let version = protocol.replace("TLSv", "TLS ");
        out.sample("probe_tls_version_info", &[("target", name), ("version", &version)], 1.0);
    }
    out.family("probe_tls_cipher_info", "gauge", "The cipher suite.");
    for (name, _, cipher) in &seen {
        out.sample("probe_tls_cipher_info", &[("target", name), ("cipher", cipher)], 1.0);
    }
}

fn current_leaves(
    it: &EndpointState,
) -> impl Iterator<Item = (&EndpointState, &ServerState, &Leaf)> {
    it.servers.iter().filter_map(move |server| Some((it, server, server.current_leaf()?)))
}

fn unix(moment: SystemTime) -> f64 {
    when::to_unix(moment) as f64
}

fn remaining(leaf: &Leaf, now: SystemTime) -> f64 {
    let life = leaf.not_after.duration_since(leaf.not_before).unwrap_or_default();
    let left = leaf.not_after.duration_since(now).unwrap_or_default();
    if life.is_zero() { 0.0 } else { (left.as_secs_f64() / life.as_secs_f64()).min(1.0) }
}

/// Lines of the text format.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

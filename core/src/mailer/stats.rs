//! Counters, and their Prometheus form.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::event::Retirement;
use crate::error::Delivery;

/// The counters of a mailer at one moment, all since it was built unless said
/// otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that the server accepted.
    pub accepted: u64,
    /// Messages that the server refused.
    pub refused: u64,
    /// Messages reported as unknown.
    pub unknown: u64,
    /// Messages that failed without having been sent.
    pub not_sent: u64,
    /// Verdicts that came after their sender had stopped waiting.
    pub late_verdicts: u64,
    /// Attempts beyond the first of a message.
    pub retries: u64,
    /// Sessions opened.
    pub opened: u64,
    /// Attempts to open a session that failed.
    pub open_failures: u64,
    /// Full TLS handshakes.
    pub full_handshakes: u64,
    /// Resumed TLS handshakes.
    pub resumed_handshakes: u64,
    /// Rotations seen.
    pub rotations: u64,
    /// Connections retired, by reason.
    pub retired: Vec<(Retirement, u64)>,
    /// Now: connections open or being opened.
    pub connections: u64,
    /// Now: connections parked.
    pub idle: u64,
    /// Now: messages waiting for a connection.
    pub queued: u64,
}

impl Stats {
    /// The counters in Prometheus' text exposition format (0.0.4), with
    /// `endpoint` as a label. The names are part of the interface.
    pub fn to_prometheus(&self, endpoint: &str) -> String {
        let endpoint: String = endpoint
            .chars()
            .flat_map(|c| match c {
                '\\' => vec!['\\', '\\'],
                '"' => vec!['\\', '"'],
                '\n' => vec!['\\', 'n'],
                c => vec![c],
            })
            .collect();
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, rows: &[(&str, &str, u64)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (label, value, count) in rows {
                let label =
                    if label.is_empty() { String::new() } else { format!(",{label}=\"{value}\"") };
                let _ = writeln!(out, "{name}{{endpoint=\"{endpoint}\"{label}}} {count}");
            }
        };
        family(
            "everpost_messages_total",
            "counter",
            "Messages by what became of them.",
            &[
                ("delivery", "accepted", self.accepted),
                ("delivery", "refused", self.refused),
                ("delivery", "unknown", self.unknown),
                ("delivery", "not_sent", self.not_sent),
            ],
        );
        let plain = |count| [("", "", count)];
        let counters = [
            (
                "everpost_late_verdicts_total",
                "Verdicts after the sender stopped waiting.",
                self.late_verdicts,
            ),
            ("everpost_retries_total", "Attempts beyond the first.", self.retries),
            ("everpost_sessions_opened_total", "Sessions opened.", self.opened),
            (
                "everpost_session_failures_total",
                "Sessions that could not be opened.",
                self.open_failures,
            ),
            ("everpost_rotations_total", "Certificate rotations seen.", self.rotations),
        ];
        for (name, help, count) in counters {
            family(name, "counter", help, &plain(count));
        }
        family(
            "everpost_handshakes_total",
            "counter",
            "TLS handshakes.",
            &[("kind", "full", self.full_handshakes), ("kind", "resumed", self.resumed_handshakes)],
        );
        let retired: Vec<_> = self
            .retired
            .iter()
            .map(|(reason, count)| ("reason", reason.as_str(), *count))
            .collect();
        family("everpost_connections_retired_total", "counter", "Connections retired.", &retired);
        family(
            "everpost_connections",
            "gauge",
            "Connections by state.",
            &[
                ("state", "idle", self.idle),
                ("state", "busy", self.connections.saturating_sub(self.idle)),
            ],
        );
        family("everpost_queued_messages", "gauge", "Messages waiting.", &plain(self.queued));
        out
    }
}

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    not_sent: AtomicU64,
    pub(crate) late_verdicts: Counter,
    pub(crate) retries: Counter,
    pub(crate) opened: Counter,
    pub(crate) open_failures: Counter,
    pub(crate) full_handshakes: Counter,
    pub(crate) resumed_handshakes: Counter,
    pub(crate) rotations: Counter,
    retired: [AtomicU64; Retirement::ALL.len()],
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn delivered(&self, delivery: Delivery) {
        let counter = match delivery {
            Delivery::Accepted => &self.accepted,
            Delivery::Refused => &self.refused,
            Delivery::Unknown => &self.unknown,
            Delivery::NotSent => &self.not_sent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retired(&self, reason: Retirement) {
        self.retired[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Everything that counts up; the pool adds what is now.
    pub(crate) fn snapshot(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            accepted: get(&self.accepted),
            refused: get(&self.refused),
            unknown: get(&self.unknown),
            not_sent: get(&self.not_sent),
            late_verdicts: self.late_verdicts.get(),
            retries: self.retries.get(),
            opened: self.opened.get(),
            open_failures: self.open_failures.get(),
            full_handshakes: self.full_handshakes.get(),
            resumed_handshakes: self.resumed_handshakes.get(),
            rotations: self.rotations.get(),
            retired: Retirement::ALL.map(|r| (r, get(&self.retired[r as usize]))).to_vec(),
            ..Stats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_text_has_every_family_and_escapes_its_label() {
        let counters = Counters::default();
        counters.delivered(Delivery::Accepted);
        counters.retired(Retirement::Rotated);
        let text = counters.snapshot().to_prometheus("a\"b\\c");
        assert!(text.contains(
            "everpost_messages_total{endpoint=\"a\\\"b\\\\c\",delivery=\"accepted\"} 1\n"
        ));
        assert!(text.contains(",reason=\"rotated\"} 1\n"));
        for line in text.lines() {
            assert!(line.starts_with("# ") || line.starts_with("everpost_"), "{line}");
        }
    }
}

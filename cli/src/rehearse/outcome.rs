//! How a run ended: numbers, a sentence, and JSON.

use std::time::Duration;

use everpost::mailer::Stats;
use serde_json::{Value, json};

use super::tally::Reckoning;
use super::view::times;

/// A run that is over.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) sum: Reckoning,
    pub(super) stats: Stats,
    /// Made by the server.
    pub(super) rotations: u64,
    /// Seen by the mailer.
    pub(super) noticed: u64,
    pub(super) took: Duration,
    /// What the first sends that went wrong were told.
    pub(super) errors: Vec<String>,
    pub(super) interrupted: bool,
}

impl Outcome {
    pub(super) fn seconds(&self) -> f64 {
        self.took.as_secs_f64()
    }

    /// Messages a second.
    pub(super) fn rate(&self) -> f64 {
        self.sum.messages as f64 / self.seconds().max(1e-6)
    }

    /// What a newcomer wants to know.
    pub(super) fn verdict(&self) -> String {
        let sum = &self.sum;
        let rotated = times(self.rotations);
        if !sum.is_good() {
            let mut faults = Vec::new();
            for (count, what) in [
                (sum.lost, "lost"),
                (sum.doubled, "delivered twice"),
                (sum.misreported, "reported as not delivered and delivered all the same"),
                (sum.failed, "given up"),
            ] {
                if count > 0 {
                    faults.push(format!("{count} {what}"));
                }
            }
            return format!(
                "NOT as promised: of {} messages, {}. Please report this with the lines above.",
                sum.messages,
                faults.join(", ")
            );
        }
        let begun = if self.interrupted { "Interrupted. Until then " } else { "" };
        if sum.unknown() == 0 {
            let each = if self.interrupted { "each" } else { "Each" };
            return format!(
                "{begun}{each} of {} messages arrived exactly once, while the server's certificate \
                 was replaced {rotated}.",
                sum.messages
            );
        }
        let count = if self.interrupted { "" } else { "No message was lost or doubled: " };
        format!(
            "{begun}{count}{} of {} messages arrived exactly once while the server's certificate \
             was replaced {rotated}; for {} the connection broke just before the server's answer, \
             and everpost said so instead of guessing.",
            sum.delivered,
            sum.messages,
            sum.unknown()
        )
    }

    pub(super) fn json(&self) -> Value {
        let Reckoning { messages, delivered, lost, doubled, failed, misreported, .. } = self.sum;
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        json!({
            "ok": self.sum.is_good() && !self.interrupted,
            "messages": messages,
            "delivered": delivered,
            "lost": lost,
            "doubled": doubled,
            "unknown": self.sum.unknown(),
            "unknown_delivered": self.sum.unknown_delivered,
            "unknown_not_delivered": self.sum.unknown_not_delivered,
            "failed": failed,
            "misreported": misreported,
            "rotations": self.rotations,
            "rotations_noticed": self.noticed,
            "handshakes": self.stats.full_handshakes + self.stats.resumed_handshakes,
            "handshakes_full": self.stats.full_handshakes,
            "handshakes_resumed": self.stats.resumed_handshakes,
            "retries": self.stats.retries,
            "connections": self.stats.opened,
            "p50_ms": ms(self.sum.p50),
            "p99_ms": ms(self.sum.p99),
            "max_ms": ms(self.sum.max),
            "seconds": ms(self.took) / 1e3,
            "messages_per_second": self.rate().round(),
            "errors": self.errors,
            "interrupted": self.interrupted,
            "verdict": self.verdict(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(sum: Reckoning, interrupted: bool) -> Outcome {
        Outcome {
            sum,
            stats: Stats::default(),
            rotations: 2,
            noticed: 2,
            took: Duration::from_secs(1),
            errors: Vec::new(),
            interrupted,
        }
    }

    #[test]
    fn the_verdict_names_what_went_wrong_and_never_praises_it() {
        let good = Reckoning { messages: 9, delivered: 9, ..Reckoning::default() };
        let text = outcome(good, false).verdict();
        assert!(text.starts_with("Each of 9 messages arrived exactly once"), "{text}");
        assert!(text.contains("twice"), "{text}");
        let bad = Reckoning { messages: 9, delivered: 8, lost: 1, ..good };
        let text = outcome(bad, false).verdict();
        assert!(text.contains("1 lost") && !text.contains("exactly once"), "{text}");
        assert_eq!(outcome(bad, false).json()["ok"], false);
        assert_eq!(outcome(good, true).json()["ok"], false);
        let unknown = Reckoning { messages: 9, delivered: 8, unknown_delivered: 1, ..good };
        let text = outcome(unknown, false).verdict();
        assert!(text.contains("for 1 the connection broke"), "{text}");
        assert_eq!(outcome(unknown, false).json()["ok"], true);
    }
}

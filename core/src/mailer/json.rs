//! What a mailer tells, as JSON and as sentences, the same in every language.
//!
//! Keys are in snake case, moments in RFC 3339 UTC, durations in seconds. A
//! key is always there; what is not known is `null`. Within a version of a
//! schema keys are only added.

use std::error::Error as _;
use std::fmt;

use serde_json::{Value, json};

use super::event::{Event, Leaf};
use super::health::Health;
use super::receipt::{Receipt, RejectedRecipient};
use super::stats::Stats;
use crate::certificate::when::rfc3339;
use crate::error::Error;
use crate::message::Address;
use crate::smtp::Reply;

impl Error {
    /// Everything known, as JSON: schema `everpost.error/1`.
    pub fn to_json(&self) -> Value {
        let envelope = self.envelope();
        let recipients = envelope.map_or(&[][..], |envelope| envelope.recipients());
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        json!({
            "schema": "everpost.error/1",
            "kind": self.kind().as_str(),
            "stage": self.stage().as_str(),
            "delivery": self.delivery().as_str(),
            "retryable": self.is_retryable(),
            "message": self.to_string(),
            "hint": self.hint(),
            "message_id": self.message_id(),
            "attempts": self.attempts(),
            "reply": self.reply().map(Reply::to_json),
            "rejected": self.rejected_recipients().iter().map(rejected).collect::<Vec<_>>(),
            "sender": envelope.and_then(|it| it.reverse_path()).map(Address::as_str),
            "recipients": recipients.iter().map(|it| it.address().as_str()).collect::<Vec<_>>(),
            "certificate": self.certificate().map(|report| report.to_json()),
            "causes": causes,
        })
    }
}

impl Receipt {
    /// The whole receipt as JSON: schema `everpost.receipt/1`.
    pub fn to_json(&self) -> Value {
        json!({
            "schema": "everpost.receipt/1",
            "message_id": self.message_id(),
            "reply": self.reply().to_json(),
            "accepted": self.accepted().iter().map(Address::as_str).collect::<Vec<_>>(),
            "rejected": self.rejected().iter().map(rejected).collect::<Vec<_>>(),
            "attempts": self.attempts(),
            "server": self.server().to_string(),
            "leaf": self.leaf().map(|leaf| leaf.to_string()),
        })
    }
}

impl Health {
    /// The same as JSON: schema `everpost.health/1`.
    pub fn to_json(&self) -> Value {
        let (leaf_of, critical, error, since) = match self {
            Health::Healthy => (None, false, None, None),
            Health::Degraded { leaf, critical } => (Some(leaf), *critical, None, None),
            Health::Unhealthy { error, since } => (None, false, Some(error), Some(*since)),
        };
        json!({
            "schema": "everpost.health/1",
            "status": self.as_str(),
            "leaf": leaf_of.map(leaf),
            "critical": critical,
            "error": error.map(Error::to_json),
            "since": since.and_then(rfc3339),
        })
    }
}

impl Stats {
    /// The counters as JSON: schema `everpost.stats/1`.
    pub fn to_json(&self) -> Value {
        let retired: serde_json::Map<String, Value> = self
            .retired
            .iter()
            .map(|(reason, count)| (reason.as_str().to_owned(), json!(count)))
            .collect();
        json!({
            "schema": "everpost.stats/1",
            "accepted": self.accepted,
            "refused": self.refused,
            "unknown": self.unknown,
            "not_sent": self.not_sent,
            "late_verdicts": self.late_verdicts,
            "retries": self.retries,
            "opened": self.opened,
            "open_failures": self.open_failures,
            "full_handshakes": self.full_handshakes,
            "resumed_handshakes": self.resumed_handshakes,
            "rotations": self.rotations,
            "retired": retired,
            "connections": self.connections,
            "idle": self.idle,
            "queued": self.queued,
        })
    }
}

impl Event {
    /// The Message-ID of the message it is about, if it is about one.
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Event::Retried { message_id, .. }
            | Event::DeliveryUnknown { message_id, .. }
            | Event::LateVerdict { message_id, .. } => Some(message_id),
            _ => None,
        }
    }

    /// The event as JSON: schema `everpost.event/1`. What each has beside
    /// `event` and `text` depends on its name.
    pub fn to_json(&self) -> Value {
        let mut told = match self {
            Event::Rotated { old, new } => json!({ "old": leaf(old), "new": leaf(new) }),
            Event::RolledBack { current, seen } => {
                json!({ "current": leaf(current), "seen": leaf(seen) })
            }
            Event::Retired { reason, age } => {
                json!({ "reason": reason.as_str(), "age": age.as_secs_f64() })
            }
            Event::Retried { message_id, attempt, error } => {
                json!({ "message_id": message_id, "attempt": attempt, "error": error.to_json() })
            }
            Event::Expiring { leaf: at_end, critical } => {
                json!({ "leaf": leaf(at_end), "critical": critical })
            }
            Event::Unhealthy { error } => json!({ "error": error.to_json() }),
            Event::Recovered => json!({}),
            Event::DeliveryUnknown { message_id, error } => {
                json!({ "message_id": message_id, "error": error.to_json() })
            }
            Event::LateVerdict { message_id, delivery, reply: verdict } => json!({
                "message_id": message_id,
                "delivery": delivery.as_str(),
                "reply": verdict.to_json(),
            }),
        };
        told["schema"] = json!("everpost.event/1");
        told["event"] = json!(self.name());
        told["text"] = json!(self.to_string());
        told
    }
}

/// One line for a log.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |leaf: &Leaf| rfc3339(leaf.not_after).unwrap_or_else(|| "never".to_owned());
        match self {
            Event::Rotated { old, new } => write!(
                f,
                "the server's certificate was renewed: {} after {}, valid until {}",
                new.serial,
                old.serial,
                until(new)
            ),
            Event::RolledBack { current, seen } => write!(
                f,
                "the server showed an older certificate, {}, than {}: a node lags behind, or a \
                 renewal was taken back",
                seen.serial, current.serial
            ),
            Event::Retired { reason, age } => {
                write!(
                    f,
                    "a connection of {:.1} s was retired: {}",
                    age.as_secs_f64(),
                    reason.as_str()
                )
            }
            Event::Retried { message_id, attempt, error } => {
                write!(f, "{message_id} was not sent, attempt {attempt} begins: {error}")
            }
            Event::Expiring { leaf, critical } => {
                let how = if *critical { "is about to expire" } else { "expires soon" };
                write!(f, "the server's certificate {} {how}: {}", leaf.serial, until(leaf))
            }
            Event::Unhealthy { error } => write!(f, "the endpoint cannot be used: {error}"),
            Event::Recovered => f.write_str("the endpoint can be used again"),
            Event::DeliveryUnknown { message_id, error } => write!(f, "{message_id}: {error}"),
            Event::LateVerdict { message_id, delivery, reply } => {
                write!(f, "{message_id} was {delivery} after all: {reply}")
            }
        }
    }
}

fn leaf(leaf: &Leaf) -> Value {
    json!({
        "sha256": leaf.fingerprint.to_string(),
        "serial": leaf.serial,
        "not_before": rfc3339(leaf.not_before),
        "not_after": rfc3339(leaf.not_after),
    })
}

fn rejected(recipient: &RejectedRecipient) -> Value {
    json!({ "address": recipient.address.as_str(), "reply": recipient.reply.to_json() })
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;

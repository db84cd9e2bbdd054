//! The promises as invariants over a whole history.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use everpost::{Delivery, ErrorKind};
use everpost_rehearsal::Received;

use crate::history::{History, Outcome, Sent};
use crate::net::Ledger;
use crate::plan::{GRACE, Plan};

/// A client, as far as it concerns what it may be told.
#[derive(Clone, Debug)]
pub struct Client {
    pub knows_new_root: bool,
    /// It would rather have a message twice than never.
    pub resends: bool,
    /// It limits its sends itself.
    pub hurries: bool,
    /// Its messages may leave in one flight with their envelope, so that
    /// replies to that may come although the one that counts is lost.
    pub chunks: bool,
    pub ledger: Arc<Ledger>,
}

/// How often each thing happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    pub messages: u64,
    pub accepted: u64,
    pub refused: u64,
    pub not_sent: u64,
    pub unknown: u64,
    /// Of those unknown: their connection was lost.
    pub lost: u64,
    /// Of those unknown: the server had them.
    pub unknown_kept: u64,
    pub left: u64,
    pub late: u64,
    pub connections: u64,
    /// Of those: they were lost, and may have been waiting for a verdict.
    pub losses: u64,
    /// Sends that had no excuse to fail.
    pub calm: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
        self.lost += other.lost;
        self.unknown_kept += other.unknown_kept;
        self.left += other.left;
        self.late += other.late;
        self.connections += other.connections;
        self.losses += other.losses;
        self.calm += other.calm;
    }
}

/// What the checker found.
#[derive(Debug, Default)]
pub struct Findings {
    pub counts: Counts,
    /// The same for the same seed.
    pub hash: u64,
    pub violations: Vec<String>,
}

/// Holds what the callers were told against the copies that the servers hold.
pub fn check(
    plan: &Plan,
    clients: &[Client],
    history: &History,
    copies: &HashMap<String, Vec<Received>>,
) -> Findings {
    let mut found = Findings::default();
    let mut hasher = DefaultHasher::new();
    let mut lost = vec![0_u64; clients.len()];
    for (id, sent) in history.sent().iter() {
        let held = copies.get(id).map_or(&[][..], Vec::as_slice);
        let intact = held.iter().all(|copy| is_intact(copy, sent));
        let held = held.len();
        let client = &clients[sent.client];
        let mut fail = |what: &str| {
            let violation = format!("{id}: {what}; {held} copies; {}", describe(sent));
            found.violations.push(violation);
        };
        found.counts.messages += 1;
        if !intact {
            fail("delivered with another content or envelope");
        }
        if held > 1 && !client.resends {
            fail("delivered twice");
        }
        let told = told(sent);
        match told {
            Some(Delivery::Accepted) if held == 0 => fail("accepted and lost"),
            Some(Delivery::NotSent) if held > 0 => fail("not sent, and yet delivered"),
            Some(Delivery::Refused) if held > 0 => fail("refused, and yet delivered"),
            Some(Delivery::Refused) if !is_injected(sent) => fail("refused for nothing"),
            None => fail("its send never ended"),
            _ => {}
        }
        let calm = is_calm(plan, client, sent);
        if calm && told == Some(Delivery::NotSent) && !excused(client, sent) {
            fail("failed though nothing was wrong");
        }
        match sent.late {
            Some(Delivery::Accepted) if held == 0 => fail("accepted late, and lost"),
            Some(Delivery::Refused) if held > 0 => fail("refused late, and yet delivered"),
            Some(_) if !sent.told_unknown => fail("a late verdict on what was not unknown"),
            _ => {}
        }

        let counts = &mut found.counts;
        counts.calm += u64::from(calm);
        counts.late += u64::from(sent.late.is_some());
        counts.left += u64::from(matches!(sent.ended, Some((_, Outcome::Left))));
        match told {
            Some(Delivery::Accepted) => counts.accepted += 1,
            Some(Delivery::Refused) => counts.refused += 1,
            Some(Delivery::Unknown) => {
                counts.unknown += 1;
                counts.unknown_kept += u64::from(held > 0);
                if by_loss(sent) {
                    counts.lost += 1;
                    lost[sent.client] += 1;
                }
            }
            _ => counts.not_sent += 1,
        }
        let ended = sent.ended.as_ref().map(|(at, _)| at);
        (id, sent.began, ended, told, sent.late, held).hash(&mut hasher);
    }
    for (number, (client, lost)) in clients.iter().zip(lost).enumerate() {
        let ledger = &client.ledger;
        found.counts.connections += ledger.opened();
        (ledger.opened(), ledger.lost(), ledger.unanswered()).hash(&mut hasher);
        let most = if client.chunks { ledger.lost() } else { ledger.unanswered() };
        found.counts.losses += most;
        if lost > most {
            found.violations.push(format!(
                "client {number}: {lost} messages are unknown by a lost connection, and only \
                 {most} connections were lost that could have been waiting for a verdict"
            ));
        }
    }
    for id in copies.keys().filter(|id| !history.sent().contains_key(*id)) {
        found.violations.push(format!("{id}: delivered, and nobody sent it"));
    }
    found.hash = hasher.finish();
    found
}

/// Whether a copy is what was sent, byte for byte, to whom it was sent.
fn is_intact(copy: &Received, sent: &Sent) -> bool {
    copy.data == sent.content.as_bytes()
        && copy.recipients == [sent.recipient.as_str()]
        && copy.envelope_from == "app@example.org"
}

/// What the caller knew in the end: by result or, for one who left, by event.
fn told(sent: &Sent) -> Option<Delivery> {
    let (_, outcome) = sent.ended.as_ref()?;
    Some(match outcome {
        Outcome::Accepted => Delivery::Accepted,
        Outcome::Failed(error) => error.delivery(),
        Outcome::Left if sent.told_unknown => Delivery::Unknown,
        Outcome::Left => Delivery::NotSent,
    })
}

/// Whether it is unknown because the connection was lost, and not because the
/// caller did not wait.
fn by_loss(sent: &Sent) -> bool {
    match &sent.ended {
        Some((_, Outcome::Failed(error))) => error.late_verdict().is_none(),
        _ => false,
    }
}

/// Whether nothing was wrong from some time before it began until it ended.
fn is_calm(plan: &Plan, client: &Client, sent: &Sent) -> bool {
    let Some((ended, _)) = sent.ended else { return false };
    !plan.troubles.iter().any(|trouble| {
        let concerns = trouble.client.is_none_or(|number| number == sent.client)
            && !(trouble.new_root && client.knows_new_root);
        concerns && trouble.from <= ended && sent.began < trouble.to + GRACE
    })
}

/// Whether a refusal is one that the plan injects; the servers have no other.
fn is_injected(sent: &Sent) -> bool {
    match &sent.ended {
        Some((_, Outcome::Failed(error))) => {
            error.reply().is_some_and(|reply| matches!(reply.code(), 421 | 451))
        }
        _ => false,
    }
}

/// Whether the caller itself ended it.
fn excused(client: &Client, sent: &Sent) -> bool {
    match &sent.ended {
        Some((_, Outcome::Left)) => true,
        Some((_, Outcome::Failed(error))) => client.hurries && error.kind() == ErrorKind::Timeout,
        _ => false,
    }
}

fn describe(sent: &Sent) -> String {
    let outcome = match &sent.ended {
        None => "no end".to_owned(),
        Some((at, Outcome::Accepted)) => format!("accepted at {}", time(*at)),
        Some((at, Outcome::Left)) => format!("its caller left at {}", time(*at)),
        Some((at, Outcome::Failed(error))) => {
            format!("failed at {} after {} attempts: {error}", time(*at), error.attempts())
        }
    };
    let unknown = if sent.told_unknown { ", told unknown" } else { "" };
    format!("client {}, begun at {}, {outcome}{unknown}", sent.client, time(sent.began))
}

/// A time into the simulation, as in the plan.
pub fn time(at: Duration) -> String {
    format!("{:.3} s", at.as_secs_f64())
}

//! Which rotation happens when.
//!
//! Rotation *k* of *R* is due when *k·N/(R+1)* of the *N* messages have ended,
//! by count and not by time, so that a run of any size has all of them. Those
//! marks cut the stream into segments; a message of segment *s* may leave once
//! rotation *s − 1* is over. So rotation *s* happens amid sends, and the
//! stream never outruns it by more than one segment.

use clap::ValueEnum;

/// A way to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A new leaf in place; earlier TLS sessions can still be resumed, which
    /// hides the new leaf
    KeptTickets,
    /// A new leaf and new ticket keys in place: no earlier session resumes
    FreshTickets,
    /// A new leaf by a restart: listeners closed, connections ended (with a
    /// 421, RST, FIN or close_notify, in turn)
    Restart,
    /// A new leaf, and a wave of 421s: idle connections are told to go, busy
    /// ones at their next MAIL
    #[value(name = "wave-421")]
    Wave421,
    /// A new leaf, and a connection cut at a random byte
    Cut,
}

impl Kind {
    /// The name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::KeptTickets => "kept-tickets",
            Kind::FreshTickets => "fresh-tickets",
            Kind::Restart => "restart",
            Kind::Wave421 => "wave-421",
            Kind::Cut => "cut",
        }
    }
}

/// The whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    messages: u64,
    rotations: u64,
    kinds: Vec<Kind>,
}

impl Plan {
    /// `kinds` take turns; empty means all.
    pub(crate) fn new(messages: u32, rotations: u32, kinds: &[Kind]) -> Self {
        let kinds = if kinds.is_empty() { Kind::value_variants() } else { kinds };
        Plan { messages: messages.into(), rotations: rotations.into(), kinds: kinds.to_vec() }
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    pub(crate) fn rotations(&self) -> u64 {
        self.rotations
    }

    /// How many messages have ended when rotation `number` (from 1) is due;
    /// all of them for one beyond the last.
    pub(crate) fn mark(&self, number: u64) -> u64 {
        (self.messages * number / (self.rotations + 1)).min(self.messages)
    }

    /// How rotation `number` is done, and which time it is that this kind has
    /// its turn, from 0.
    pub(crate) fn kind(&self, number: u64) -> (Kind, u64) {
        let count = self.kinds.len() as u64;
        let index = (number - 1) % count;
        // An index below the length of a slice fits.
        (self.kinds[index as usize], (number - 1) / count)
    }

    /// How many rotations must be over before the message with this index
    /// (from 0) leaves.
    pub(crate) fn rotations_before(&self, index: u64) -> u64 {
        // The largest k with mark(k) <= index.
        let segment = ((index + 1) * (self.rotations + 1) - 1) / self.messages;
        segment.min(self.rotations).saturating_sub(1)
    }

    /// Messages of one segment, at least 1.
    pub(crate) fn segment(&self) -> u64 {
        (self.messages / (self.rotations + 1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_never_more_than_one_segment_ahead_of_the_rotations() {
        for (messages, rotations) in [(1, 1), (3, 7), (5, 5), (200, 5), (5000, 20), (7, 0)] {
            let plan = Plan::new(messages, rotations, &[]);
            for index in 0..plan.messages() {
                let passed =
                    (1..=plan.rotations()).filter(|number| plan.mark(*number) <= index).count();
                let expected = (passed as u64).saturating_sub(1);
                assert_eq!(
                    plan.rotations_before(index),
                    expected,
                    "{messages} {rotations} {index}"
                );
            }
        }
    }

    #[test]
    fn a_rotation_never_waits_for_a_message_that_waits_for_it() {
        for (messages, rotations) in [(1, 1), (3, 7), (200, 5), (5000, 20)] {
            let plan = Plan::new(messages, rotations, &[]);
            for number in 1..=plan.rotations() {
                let leaving = (0..plan.messages())
                    .filter(|index| plan.rotations_before(*index) < number)
                    .count();
                assert!(leaving as u64 >= plan.mark(number + 1).min(plan.messages()));
            }
        }
    }

    #[test]
    fn kinds_take_turns() {
        let plan = Plan::new(10, 5, &[Kind::Cut, Kind::Restart]);
        let turns: Vec<_> = (1..=4).map(|number| plan.kind(number)).collect();
        assert_eq!(turns, [(Kind::Cut, 0), (Kind::Restart, 0), (Kind::Cut, 1), (Kind::Restart, 1)]);
        for kind in Kind::value_variants() {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
        }
    }
}

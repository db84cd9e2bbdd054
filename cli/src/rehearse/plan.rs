//! Which rotation happens when.
//!
//! *R* rotations cut the stream of *N* messages into *R + 1* segments, at
//! *k·N/(R+1)*: by count and not by time, so that a run of any size has all of
//! them. Segment *k* (but the first, 0) has rotation *k* in its midst:
//!
//! ```text
//! ├──── ¼ ────┤strike├──── ½ ────┤noticed├──── ¼ ────┤all ended├─ next segment
//! ```
//!
//! Sends go on while the server rotates; the last quarter leaves when the
//! mailer has noticed, so that there is something for a fault to strike. As
//! the next segment begins when this one has ended, every message meets one
//! rotation at most, as in life, where they are weeks apart; several within
//! one back-off could use up its attempts.

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

    /// The index of the first message of a segment; the number of messages
    /// for the one beyond the last.
    pub(crate) fn mark(&self, segment: u64) -> u64 {
        (self.messages * segment / (self.rotations + 1)).min(self.messages)
    }

    fn quarter(&self, segment: u64) -> u64 {
        (self.mark(segment + 1) - self.mark(segment)) / 4
    }

    /// How many messages have ended when rotation `number` (from 1) is due.
    pub(crate) fn due(&self, number: u64) -> u64 {
        self.mark(number) + self.quarter(number)
    }

    /// How rotation `number` is done, and which time it is that this kind has
    /// its turn, from 0.
    pub(crate) fn kind(&self, number: u64) -> (Kind, u64) {
        let count = self.kinds.len() as u64;
        let index = (number - 1) % count;
        // An index below the length of a slice fits.
        (self.kinds[index as usize], (number - 1) / count)
    }

    /// The step that must have been made before the message with this index
    /// (from 0) leaves.
    pub(crate) fn step_before(&self, index: u64) -> u64 {
        // The largest k with mark(k) <= index.
        let segment = ((index + 1) * (self.rotations + 1) - 1) / self.messages;
        match segment.min(self.rotations) {
            0 => 0,
            it if index < self.mark(it + 1) - self.quarter(it) => Plan::over(it - 1),
            it => Plan::noticed(it),
        }
    }

    /// The step that is made when the mailer has noticed a rotation.
    pub(crate) fn noticed(number: u64) -> u64 {
        2 * number - 1
    }

    /// The step that is made when all sends that met a rotation have ended.
    pub(crate) fn over(number: u64) -> u64 {
        2 * number
    }

    /// Messages of one segment, at least 1.
    pub(crate) fn segment(&self) -> u64 {
        (self.messages / (self.rotations + 1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: [(u32, u32); 7] = [(1, 1), (3, 3), (5, 5), (40, 3), (200, 5), (5000, 20), (7, 0)];

    #[test]
    fn no_message_leaves_before_the_rotations_of_earlier_segments_are_over() {
        for (messages, rotations) in RUNS {
            let plan = Plan::new(messages, rotations, &[]);
            for index in 0..plan.messages() {
                let begun = (1..=plan.rotations()).filter(|it| plan.mark(*it) <= index).count();
                let earlier = (begun as u64).saturating_sub(1);
                let step = plan.step_before(index);
                assert!(step >= Plan::over(earlier), "{messages} {rotations} {index}");
                assert!(step <= Plan::over(earlier) + 1, "{messages} {rotations} {index}");
            }
        }
    }

    #[test]
    fn a_rotation_never_waits_for_a_message_that_waits_for_it() {
        for (messages, rotations) in RUNS {
            let plan = Plan::new(messages, rotations, &[]);
            let free = |step: u64| {
                (0..plan.messages()).filter(|index| plan.step_before(*index) <= step).count() as u64
            };
            for number in 1..=plan.rotations() {
                assert!(free(Plan::over(number - 1)) >= plan.due(number));
                assert!(free(Plan::noticed(number)) >= plan.mark(number + 1));
            }
            // The first message leaves at once: with it the sentinel starts.
            assert_eq!(plan.step_before(0), 0);
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

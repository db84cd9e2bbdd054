//! Generations: which leaf an endpoint serves now (design: rotation).
//!
//! Only full handshakes count, since a resumed session reports the leaf of the
//! handshake it rests on. The generation moves forward only, to a leaf with a
//! later notBefore: fleets rotate node by node, and a laggard must not make
//! the pool flap.

use std::collections::HashSet;

use tokio::time::Instant;

use super::event::Leaf;
use crate::certificate::Fingerprint;

/// The newest leaf seen, and since when.
#[derive(Clone, Debug)]
struct Current {
    leaf: Leaf,
    since: Instant,
}

/// What a full handshake showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// The first leaf of all.
    First,
    /// The leaf of the current generation.
    Same,
    /// A newer one: the generation has moved.
    Rotated { old: Leaf },
    /// An older one, seen for the first time in this generation.
    RolledBack { current: Leaf },
    /// An older one, seen before.
    Laggard,
}

/// The generation of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    current: Option<Current>,
    laggards: HashSet<Fingerprint>,
}

impl Generation {
    /// Notes the leaf of a full handshake that was made at `now`.
    pub(crate) fn observe(&mut self, leaf: &Leaf, now: Instant) -> Observation {
        let Some(current) = &self.current else {
            self.current = Some(Current { leaf: leaf.clone(), since: now });
            return Observation::First;
        };
        if leaf.fingerprint == current.leaf.fingerprint {
            Observation::Same
        } else if leaf.not_before > current.leaf.not_before {
            let old = current.leaf.clone();
            self.current = Some(Current { leaf: leaf.clone(), since: now });
            self.laggards.clear();
            Observation::Rotated { old }
        } else if self.laggards.len() < 64 && self.laggards.insert(leaf.fingerprint) {
            Observation::RolledBack { current: current.leaf.clone() }
        } else {
            Observation::Laggard
        }
    }

    /// Whether a connection made at `opened` with `leaf` is of an earlier
    /// generation. One made after the rotation never is, whatever it carries.
    pub(crate) fn has_left_behind(&self, leaf: Fingerprint, opened: Instant) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| leaf != current.leaf.fingerprint && opened < current.since)
    }

    /// The newest leaf seen.
    pub(crate) fn leaf(&self) -> Option<&Leaf> {
        self.current.as_ref().map(|current| &current.leaf)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;

    fn leaf(number: u8, issued: u64) -> Leaf {
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        Leaf {
            fingerprint: Fingerprint::of(&[number]),
            serial: number.to_string(),
            not_before: at(issued),
            not_after: at(issued + 47),
        }
    }

    #[test]
    fn a_newer_leaf_moves_the_generation_and_leaves_older_connections_behind() {
        let mut generation = Generation::default();
        let start = Instant::now();
        let rotated = start + Duration::from_secs(10);
        assert_eq!(generation.observe(&leaf(1, 100), start), Observation::First);
        assert_eq!(generation.observe(&leaf(1, 100), start), Observation::Same);
        let old = leaf(1, 100);
        assert_eq!(generation.observe(&leaf(2, 140), rotated), Observation::Rotated { old });
        assert!(generation.has_left_behind(leaf(1, 100).fingerprint, start));
        assert!(!generation.has_left_behind(leaf(2, 140).fingerprint, start));
    }

    #[test]
    fn a_connection_made_after_the_rotation_is_never_stale_for_an_older_leaf() {
        let mut generation = Generation::default();
        let start = Instant::now();
        generation.observe(&leaf(1, 100), start);
        generation.observe(&leaf(2, 140), start + Duration::from_secs(10));
        let later = start + Duration::from_secs(11);
        assert!(!generation.has_left_behind(leaf(1, 100).fingerprint, later));
    }

    #[test]
    fn an_older_leaf_never_moves_the_generation_and_is_told_once() {
        let mut generation = Generation::default();
        let start = Instant::now();
        generation.observe(&leaf(2, 140), start);
        let current = leaf(2, 140);
        let told = Observation::RolledBack { current };
        assert_eq!(generation.observe(&leaf(1, 100), start), told);
        assert_eq!(generation.observe(&leaf(1, 100), start), Observation::Laggard);
        assert_eq!(generation.leaf(), Some(&leaf(2, 140)));
        // The same moment is not newer either.
        assert_ne!(generation.observe(&leaf(3, 140), start), Observation::First);
        assert_eq!(generation.leaf(), Some(&leaf(2, 140)));
    }

    proptest! {
        #[test]
        fn a_fleet_that_alternates_moves_the_generation_at_most_once_per_leaf(
            seen in proptest::collection::vec(0u8..6, 1..200),
        ) {
            let mut generation = Generation::default();
            let now = Instant::now();
            let moves = seen
                .iter()
                .filter(|n| {
                    let seen = generation.observe(&leaf(**n, u64::from(**n)), now);
                    matches!(seen, Observation::Rotated { .. })
                })
                .count();
            prop_assert!(moves < 6);
        }
    }
}

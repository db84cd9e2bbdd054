//! The server's own limit on connections, as far as its refusals show it.
//!
//! A 421 in place of the greeting may mean "too many connections", or that the
//! server restarts; codes and texts do not tell them apart. So the first one
//! is believed for a moment only, and longer each time that the next attempt
//! proves it right.

use std::time::Duration;

use tokio::time::Instant;

/// How long the first refusal is believed.
const FIRST: Duration = Duration::from_secs(1);
/// The longest that any is.
const LONGEST: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ServerLimit {
    believed: Option<Believed>,
}

#[derive(Clone, Copy, Debug)]
struct Believed {
    most: usize,
    until: Instant,
    pause: Duration,
}

impl ServerLimit {
    /// Notes a refusal while so many connections were open.
    pub(crate) fn refused(&mut self, open: usize, now: Instant) {
        let pause = match self.believed {
            // Still in force: attempts that were under way say nothing new.
            Some(believed) if now < believed.until => believed.pause,
            // Confirmed by the first attempt after it.
            Some(believed) if now < believed.until + believed.pause => {
                (believed.pause * 2).min(LONGEST)
            }
            _ => FIRST,
        };
        self.believed = Some(Believed { most: open.max(1), until: now + pause, pause });
    }

    /// How many connections may be open, of those that our own limit allows.
    pub(crate) fn of(&self, own: usize, now: Instant) -> usize {
        match self.believed {
            Some(believed) if now < believed.until => believed.most.min(own),
            _ => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_refusal_is_believed_for_a_moment_and_a_confirmed_one_for_longer() {
        let mut limit = ServerLimit::default();
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        assert_eq!(limit.of(5, start), 5);
        limit.refused(2, start);
        assert_eq!(limit.of(5, at(0.9)), 2);
        assert_eq!(limit.of(1, at(0.9)), 1);
        assert_eq!(limit.of(5, at(1.0)), 5);
        limit.refused(3, at(1.1));
        assert_eq!(limit.of(5, at(3.0)), 3);
        assert_eq!(limit.of(5, at(3.2)), 5);
        // Long after, it is a new story.
        limit.refused(3, at(100.0));
        assert_eq!(limit.of(5, at(101.1)), 5);
    }

    #[test]
    fn refusals_of_one_moment_count_once_and_the_pause_has_an_end() {
        let mut limit = ServerLimit::default();
        let start = Instant::now();
        for _ in 0..10 {
            limit.refused(0, start);
        }
        assert_eq!(limit.of(5, start), 1);
        assert_eq!(limit.of(5, start + FIRST), 5);
        let mut now = start;
        for _ in 0..20 {
            now = limit.believed.unwrap().until;
            limit.refused(4, now);
        }
        assert_eq!(limit.of(5, now + LONGEST - FIRST), 4);
        assert_eq!(limit.of(5, now + LONGEST), 5);
    }
}

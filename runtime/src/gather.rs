//! [`gathered`]: waking another thread once for many results.

use tokio::task::yield_now;

/// With so many results at hand a thread is woken whatever else may come.
const ENOUGH: usize = 16;
/// How often nothing may have come before no more is waited for. Between two
/// looks the runtime asks once for events, and does what they bring.
const LOOKS: usize = 3;

/// Waits until it is worth while to wake the thread that takes results: when
/// enough are at hand, when none is missing, or when no more come. `count` is
/// of those at hand and those still missing.
///
/// Waking costs two changes of threads, and on a busy machine the woken thread
/// takes the processor at once: without this, each result would be carried over
/// alone. No time passes here but that of work that was ready to be done.
/// Runs on the runtime.
pub async fn gathered(count: impl Fn() -> (usize, usize)) {
    let mut before = 0;
    let mut looks = 0;
    loop {
        let (at_hand, missing) = count();
        looks = if at_hand == before { looks + 1 } else { 0 };
        if at_hand >= ENOUGH || missing == 0 || looks > LOOKS {
            return;
        }
        before = at_hand;
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{block_on, spawn};

    /// How often `count` was asked, and what it said last, when each time one
    /// more result of `all` is there, up to `come`.
    fn looked(come: usize, all: usize) -> (usize, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let task = spawn(async move {
            gathered(|| {
                let at_hand = (counter.fetch_add(1, Ordering::Relaxed) + 1).min(come);
                (at_hand, all - at_hand)
            })
            .await;
        });
        block_on(task.unwrap()).unwrap().unwrap();
        let asked = asked.load(Ordering::Relaxed);
        (asked, asked.min(come))
    }

    #[test]
    fn one_result_of_one_waits_for_nothing() {
        assert_eq!(looked(1, 1), (1, 1));
    }

    #[test]
    fn as_long_as_results_come_they_are_waited_for() {
        assert_eq!(looked(8, 8), (8, 8));
    }

    #[test]
    fn a_result_that_does_not_come_is_not_waited_for_long() {
        assert_eq!(looked(5, 8), (5 + LOOKS + 1, 5));
    }

    #[test]
    fn results_without_end_are_carried_over_all_the_same() {
        assert_eq!(looked(1000, 1000), (ENOUGH, ENOUGH));
    }
}

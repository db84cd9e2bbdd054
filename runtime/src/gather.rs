//! [`when_gathered`]: waking another thread once for many results.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::yield_now;

/// With so many results at hand a thread is woken whatever else may come.
const ENOUGH: usize = 16;
/// How often nothing may have come before no more is waited for. Between two
/// looks the runtime asks once for events, and does what they bring.
const LOOKS: usize = 3;
/// After this long no more is waited for: other work, such as handshakes, is
/// keeping the processor.
const LONGEST: Duration = Duration::from_millis(1);

/// Calls `wake` when it is worth while to wake the thread that takes results:
/// when enough are at hand, when none is missing, or when no more come. `count`
/// is of those at hand and those still missing.
///
/// It is called once, whatever happens: before this function returns, on a
/// thread that is none of the runtime's; and at the latest when the runtime
/// ends.
///
/// Waking costs two changes of threads, and on a busy machine the woken thread
/// takes the processor at once: without this, each result would be carried over
/// alone. No time passes here but that of work that was ready to be done, and
/// after a millisecond of it no more is waited for.
pub fn when_gathered(
    count: impl Fn() -> (usize, usize) + Send + 'static,
    wake: impl FnOnce() + Send + 'static,
) {
    let wake = AtEnd(Some(wake));
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            let begin = Instant::now();
            gathered(count, || begin.elapsed()).await;
            drop(wake);
        });
    }
}

/// Calls when it is dropped.
struct AtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

async fn gathered(count: impl Fn() -> (usize, usize), elapsed: impl Fn() -> Duration) {
    let mut before = 0;
    let mut looks = 0;
    loop {
        let (at_hand, missing) = count();
        looks = if at_hand == before { looks + 1 } else { 0 };
        let over = at_hand >= ENOUGH || missing == 0 || looks > LOOKS;
        if over || elapsed() > LONGEST {
            return;
        }
        before = at_hand;
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::{block_on, spawn};

    /// How many results of `all` are at hand in the end, when at each look there
    /// is one more, up to `come`, and how often was looked. A look takes `each`.
    fn looked(come: usize, all: usize, each: Duration) -> (usize, usize) {
        let looks = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&looks);
        let task = spawn(async move {
            let count = || {
                let at_hand = (counter.fetch_add(1, Ordering::Relaxed) + 1).min(come);
                (at_hand, all - at_hand)
            };
            let elapsed = || each * u32::try_from(counter.load(Ordering::Relaxed)).unwrap();
            gathered(count, elapsed).await;
        });
        block_on(task.unwrap()).unwrap().unwrap();
        let looks = looks.load(Ordering::Relaxed);
        (looks.min(come), looks)
    }

    #[test]
    fn the_call_comes_once_from_the_runtime_and_from_outside() {
        let (tell, told) = mpsc::channel();
        let call = move || {
            let tell = tell.clone();
            when_gathered(|| (1, 1), move || tell.send(()).unwrap());
        };
        call();
        assert_eq!(told.try_recv(), Ok(()), "there is nothing to wait with");
        block_on(spawn(async move { call() }).unwrap()).unwrap().unwrap();
        // Then the only ends of the channel that could tell are gone.
        assert_eq!((told.recv(), told.recv()), (Ok(()), Err(mpsc::RecvError)));
    }

    #[test]
    fn a_runtime_that_ends_first_calls_all_the_same() {
        let (tell, told) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { when_gathered(|| (1, 1), move || tell.send(()).unwrap()) });
        assert!(told.try_recv().is_err());
        drop(runtime);
        assert_eq!(told.try_recv(), Ok(()));
    }

    #[test]
    fn one_result_of_one_waits_for_nothing() {
        assert_eq!(looked(1, 1, Duration::ZERO), (1, 1));
    }

    #[test]
    fn as_long_as_results_come_they_are_waited_for() {
        assert_eq!(looked(8, 8, Duration::ZERO), (8, 8));
    }

    #[test]
    fn a_result_that_does_not_come_is_not_waited_for_long() {
        assert_eq!(looked(5, 8, Duration::ZERO), (5, 5 + LOOKS + 1));
    }

    #[test]
    fn results_without_end_are_carried_over_all_the_same() {
        assert_eq!(looked(1000, 1000, Duration::ZERO), (ENOUGH, ENOUGH));
    }

    #[test]
    fn other_work_that_takes_long_puts_no_result_off() {
        assert_eq!(looked(8, 8, LONGEST / 2), (3, 3));
    }
}

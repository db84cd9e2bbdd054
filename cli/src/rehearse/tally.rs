//! What each send was told, and the reckoning with what the server holds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use everpost::{Delivery, Error, Receipt};
use tokio::sync::watch;

/// Errors of each sort whose text is kept.
const KEPT: usize = 3;

/// The books of a run, kept while it lasts. Bounded: five bytes a message.
#[derive(Debug)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
    ended: watch::Sender<u64>,
    in_flight: AtomicU64,
    /// The slowest send since it was last asked for, in microseconds.
    slowest: AtomicU64,
}

#[derive(Debug, Default)]
struct Pages {
    /// By the number of the message; `None`: not ended.
    told: Vec<Option<Delivery>>,
    micros: Vec<u32>,
    failures: Vec<String>,
    unknowns: Vec<String>,
}

/// A send under way; ends being one when dropped.
#[derive(Debug)]
pub(crate) struct Flight<'a>(&'a Ledger);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ledger {
    pub(crate) fn new(messages: u64) -> Self {
        let told = (0..messages).map(|_| None).collect();
        Ledger {
            pages: Mutex::new(Pages { told, ..Pages::default() }),
            ended: watch::Sender::new(0),
            in_flight: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Nothing under this lock can panic halfway.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A send begins.
    pub(crate) fn take_off(&self) -> Flight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight(self)
    }

    /// The send of message `index` has ended.
    pub(crate) fn land(&self, index: u64, took: Duration, result: &Result<Receipt, Error>) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.slowest.fetch_max(micros.into(), Ordering::Relaxed);
        let told = match result {
            Ok(_) => Delivery::Accepted,
            Err(error) => error.delivery(),
        };
        {
            let mut pages = self.pages();
            if let Some(slot) = usize::try_from(index).ok().and_then(|i| pages.told.get_mut(i)) {
                *slot = Some(told);
            }
            pages.micros.push(micros);
            if let Err(error) = result {
                let list = match told {
                    Delivery::Unknown => &mut pages.unknowns,
                    _ => &mut pages.failures,
                };
                if list.len() < KEPT {
                    list.push(line(error));
                }
            }
        }
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// How many sends have ended.
    pub(crate) fn ended(&self) -> u64 {
        *self.ended.borrow()
    }

    /// Waits until so many sends have ended.
    pub(crate) async fn wait_ended(&self, count: u64) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended >= count).await;
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The slowest send since the last call.
    pub(crate) fn take_slowest(&self) -> Duration {
        Duration::from_micros(self.slowest.swap(0, Ordering::Relaxed))
    }

    /// What the first few sends that failed were told, then the first few
    /// that ended unknown.
    pub(crate) fn errors(&self) -> Vec<String> {
        let pages = self.pages();
        [pages.failures.as_slice(), &pages.unknowns].concat()
    }

    /// Compares what was told with what the server holds: `name` gives the
    /// Message-ID of a number, without brackets.
    pub(crate) fn reckon(
        &self,
        held: &HashMap<String, usize>,
        name: impl Fn(u64) -> String,
    ) -> Reckoning {
        let pages = self.pages();
        let mut sum = Reckoning::default();
        for (index, told) in (0..).zip(&pages.told) {
            let Some(told) = told else { continue };
            let copies = held.get(&name(index)).copied().unwrap_or(0);
            sum.messages += 1;
            sum.doubled += u64::from(copies > 1);
            match (told, copies) {
                (Delivery::Accepted, 0) => sum.lost += 1,
                (Delivery::Accepted, _) => sum.delivered += 1,
                (Delivery::Unknown, 0) => sum.unknown_not_delivered += 1,
                (Delivery::Unknown, _) => sum.unknown_delivered += 1,
                (_, copies) => {
                    sum.failed += 1;
                    sum.misreported += u64::from(copies > 0);
                }
            }
        }
        let mut micros = pages.micros.clone();
        drop(pages);
        micros.sort_unstable();
        sum.p50 = percentile(&micros, 50);
        sum.p99 = percentile(&micros, 99);
        sum.max = percentile(&micros, 100);
        sum
    }
}

/// An error in one line.
fn line(error: &Error) -> String {
    format!(
        "{} {}: {}; {} (attempts: {})",
        error.message_id().unwrap_or("?"),
        error.delivery(),
        error.kind(),
        error.message_text(),
        error.attempts()
    )
}

/// Nearest rank.
fn percentile(sorted: &[u32], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    Duration::from_micros(sorted.get(rank - 1).copied().unwrap_or(0).into())
}

/// The books closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reckoning {
    /// Sends that ended.
    pub(crate) messages: u64,
    /// Accepted, and held.
    pub(crate) delivered: u64,
    /// Accepted, and not held.
    pub(crate) lost: u64,
    /// Held more than once, whatever was told.
    pub(crate) doubled: u64,
    /// Told unknown, and held.
    pub(crate) unknown_delivered: u64,
    /// Told unknown, and not held.
    pub(crate) unknown_not_delivered: u64,
    /// Told not sent or refused.
    pub(crate) failed: u64,
    /// Of those, held all the same.
    pub(crate) misreported: u64,
    /// Half of the sends were faster.
    pub(crate) p50: Duration,
    /// 99 % of the sends were faster.
    pub(crate) p99: Duration,
    /// The slowest send.
    pub(crate) max: Duration,
}

impl Reckoning {
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown_delivered + self.unknown_not_delivered
    }

    /// Whether every promise was kept and every message dealt with.
    pub(crate) fn is_good(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fates: &[Delivery]) -> Ledger {
        let ledger = Ledger::new(fates.len() as u64 + 1);
        ledger.pages().told.iter_mut().zip(fates).for_each(|(slot, fate)| *slot = Some(*fate));
        ledger
    }

    #[test]
    fn what_was_told_is_held_against_what_is_there() {
        use Delivery::{Accepted, NotSent, Refused, Unknown};
        let ledger = told(&[Accepted, Accepted, Accepted, Unknown, Unknown, NotSent, Refused]);
        let held = HashMap::from([("0", 1), ("2", 2), ("3", 1), ("6", 1)]);
        let held = held.into_iter().map(|(id, copies)| (id.to_owned(), copies)).collect();
        let sum = ledger.reckon(&held, |index| index.to_string());
        let expected = Reckoning {
            messages: 7,
            delivered: 2,
            lost: 1,
            doubled: 1,
            unknown_delivered: 1,
            unknown_not_delivered: 1,
            failed: 2,
            misreported: 1,
            ..Reckoning::default()
        };
        assert_eq!(sum, expected);
        assert!(!sum.is_good());
    }

    #[test]
    fn a_message_told_unknown_and_held_twice_is_doubled() {
        let held = HashMap::from([("0".to_owned(), 2)]);
        assert_eq!(told(&[Delivery::Unknown]).reckon(&held, |i| i.to_string()).doubled, 1);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<u32> = (1..=200).collect();
        let at = |percent| percentile(&sorted, percent).as_micros();
        assert_eq!((at(50), at(99), at(100)), (100, 198, 200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
        assert_eq!(percentile(&[7], 99), Duration::from_micros(7));
    }
}

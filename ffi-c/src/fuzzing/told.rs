//! Callbacks, and the account of them: a `user_data` is a number, behind which
//! nothing lies, so that a callback too many is counted and does no harm.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::read;
use crate::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

static ACCOUNT: Mutex<Account> =
    Mutex::new(Account { last: 0, tallies: BTreeMap::new(), fault: None });
static CHANGED: Condvar = Condvar::new();

struct Account {
    last: usize,
    tallies: BTreeMap<usize, Tally>,
    /// What a callback found wrong.
    fault: Option<String>,
}

/// How often a callback came.
#[derive(Default)]
struct Tally {
    /// The one that ends it.
    ended: u32,
    /// Those for each message of a batch.
    each: Vec<u32>,
}

/// What may call back, by the number that it was given.
#[derive(Clone, Copy)]
pub(super) struct Expected(usize);

impl Expected {
    /// One that calls back for `messages` before it ends.
    pub(super) fn with(messages: usize) -> Expected {
        let mut account = account();
        account.last += 1;
        let number = account.last;
        account.tallies.insert(number, Tally { ended: 0, each: vec![0; messages] });
        Expected(number)
    }

    pub(super) fn user_data(self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }

    /// It was not begun: nothing was or will be called.
    pub(super) fn never(self) {
        let tally = account().tallies.remove(&self.0).unwrap_or_default();
        assert!(tally.ended == 0 && tally.each.iter().all(|told| *told == 0), "told all the same");
    }

    /// Waits for its end.
    pub(super) fn wait(self) {
        let until = Instant::now() + PATIENCE;
        let mut account = account();
        while account.tallies.get(&self.0).is_some_and(|tally| tally.ended == 0) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "what was begun never called back");
            let waited = CHANGED.wait_timeout(account, left);
            account = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// It has ended: once, and told of each message once.
    pub(super) fn settle(self) {
        let mut account = account();
        let tally = account.tallies.remove(&self.0).unwrap_or_default();
        let fault = account.fault.take();
        drop(account);
        assert_eq!(fault, None);
        assert_eq!(tally.ended, 1, "one callback");
        assert!(tally.each.iter().all(|told| *told == 1), "one for each: {:?}", tally.each);
    }
}

fn account() -> MutexGuard<'static, Account> {
    ACCOUNT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a callback after it has looked at what it was given. A panic stays
/// here, and is told when the program ends.
fn told(user_data: *mut c_void, look: impl FnOnce(), count: impl FnOnce(&mut Tally)) {
    let looked = catch_unwind(AssertUnwindSafe(look));
    let mut account = account();
    if let Err(panic) = looked {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        account.fault = Some(text.unwrap_or_else(|| "a callback panicked".to_owned()));
    }
    match account.tallies.get_mut(&user_data.addr()) {
        Some(tally) => count(tally),
        None => account.fault = Some("a callback came after its last".to_owned()),
    }
    CHANGED.notify_all();
}

fn look_at_error(error: *mut everpost_error) {
    read::error(error);
    unsafe { everpost_error_free(error) }
}

fn end(tally: &mut Tally) {
    tally.ended += 1;
}

pub(super) unsafe extern "C" fn send(
    user_data: *mut c_void,
    receipt: *mut everpost_receipt,
    error: *mut everpost_error,
) {
    let look = || {
        assert!(receipt.is_null() && !error.is_null(), "nobody accepts");
        look_at_error(error);
    };
    // It has ended when what it asks to be gathered for has come.
    told(user_data, look, |_| {});
    unsafe { everpost_gather(Some(dropped), user_data, ptr::null_mut()) };
}

pub(super) unsafe extern "C" fn text(
    user_data: *mut c_void,
    text: *mut everpost_text,
    error: *mut everpost_error,
) {
    let look = || {
        assert!(text.is_null() && !error.is_null(), "nobody offers anything");
        look_at_error(error);
    };
    told(user_data, look, end);
}

pub(super) unsafe extern "C" fn each(
    user_data: *mut c_void,
    index: usize,
    receipt: *mut everpost_receipt,
    error: *mut everpost_error,
) {
    let look = || {
        assert!(receipt.is_null() && !error.is_null(), "nobody accepts");
        look_at_error(error);
    };
    told(user_data, look, |tally| match tally.each.get_mut(index) {
        Some(told) if tally.ended == 0 => *told += 1,
        // Beyond the messages, or after the end.
        _ => tally.ended += 2,
    });
}

pub(super) unsafe extern "C" fn done(user_data: *mut c_void, error: *mut everpost_error) {
    told(user_data, || look_at_done(error), end);
}

fn look_at_done(error: *mut everpost_error) {
    if !error.is_null() {
        look_at_error(error);
    }
}

pub(super) unsafe extern "C" fn report(
    user_data: *mut c_void,
    report: *mut everpost_report,
    error: *mut everpost_error,
) {
    let look = || {
        assert!(report.is_null() != error.is_null(), "one of the two");
        look_at_done(error);
        read::report(report);
        unsafe { everpost_report_free(report) }
    };
    told(user_data, look, end);
}

pub(super) unsafe extern "C" fn event(user_data: *mut c_void, event: *const everpost_event) {
    let look = || unsafe {
        assert!(read::view(everpost_event_name(event)).is_some());
        assert!(read::view(everpost_event_message(event)).is_some());
        assert!(read::view(everpost_event_json(event)).is_some());
        let _ = read::view(everpost_event_message_id(event));
        let _ = everpost_event_missed(event);
    };
    // After the last one nothing comes.
    told(user_data, look, |tally| tally.ended *= 2);
}

pub(super) unsafe extern "C" fn token(_: *mut c_void, request: *mut everpost_token_request) {
    let reason = "nobody asks";
    unsafe { everpost_token_refuse(request, reason.as_ptr().cast(), reason.len()) }
}

pub(super) unsafe extern "C" fn dropped(user_data: *mut c_void) {
    told(user_data, || {}, end);
}

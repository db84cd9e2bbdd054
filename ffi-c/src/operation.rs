//! Operations: work under way that calls back exactly once.
//!
//! ```text
//! start ─▶ spawn ─▶ work, caught ─▶ Completion ─▶ callback
//! cancel(id) ─▶ token ─┘
//! ```
//!
//! An id is a number that is never used twice in a process: it needs no
//! release, and an old one does no harm. Invariant: a [`Completion`] calls
//! back once, whatever happens to the task that holds it.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use everpost_runtime::{PerProcess, block_on, handle};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, everpost_error};
use crate::guard::{self, UserData, everpost_done_fn, value};
use crate::status::everpost_status;

static LAST_ID: AtomicU64 = AtomicU64::new(0);
/// What is under way in this process: a child has none of its parent's.
static UNDER_WAY: PerProcess<UnderWay> = PerProcess::new();
/// How many have ended, of this process and of its parents.
static ENDED: AtomicUsize = AtomicUsize::new(0);
/// Whether tasks are being dropped on purpose.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Kept until the process ends: a tree, since one that is empty holds nothing.
#[derive(Default)]
struct UnderWay {
    tokens: Mutex<BTreeMap<u64, CancellationToken>>,
    ended: Notify,
}

impl UnderWay {
    fn tokens(&self) -> MutexGuard<'_, BTreeMap<u64, CancellationToken>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, id: u64) {
        self.tokens().remove(&id);
        self.ended.notify_waiters();
    }

    /// Cancels everything, until nothing is under way.
    async fn drain(&self) {
        loop {
            let ended = self.ended.notified();
            let tokens: Vec<_> = self.tokens().values().cloned().collect();
            if tokens.is_empty() {
                return;
            }
            tokens.iter().for_each(CancellationToken::cancel);
            ended.await;
        }
    }
}

fn under_way() -> &'static UnderWay {
    UNDER_WAY.get_or_init(UnderWay::default)
}

/// How many operations have ended so far.
pub(crate) fn ended() -> usize {
    ENDED.load(Ordering::Relaxed)
}

/// How many are under way.
pub(crate) fn under_way_now() -> usize {
    under_way().tokens().len()
}

/// What an operation is about, for the day it is lost.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// A message: of one that is lost nothing is known.
    Message,
    /// Anything else.
    Other,
}

/// The obligation to call back: once, and also when it is dropped.
pub(crate) struct Completion<T, F: FnOnce(Result<T, Failure>)> {
    id: u64,
    about: About,
    done: Option<F>,
    result: std::marker::PhantomData<fn(T)>,
}

impl<T, F: FnOnce(Result<T, Failure>)> Completion<T, F> {
    pub(crate) fn new(id: u64, about: About, done: F) -> Self {
        Completion { id, about, done: Some(done), result: std::marker::PhantomData }
    }

    /// Calls back. From here on the operation is no longer under way.
    pub(crate) fn complete(mut self, result: Result<T, Failure>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<T, Failure>) {
        if let Some(done) = self.done.take() {
            under_way().remove(self.id);
            ENDED.fetch_add(1, Ordering::Relaxed);
            value((), || done(result));
        }
    }
}

impl<T, F: FnOnce(Result<T, Failure>)> Drop for Completion<T, F> {
    fn drop(&mut self) {
        if self.done.is_some() {
            let on_purpose = ENDING.load(Ordering::Acquire) || std::thread::panicking();
            let lost = matches!(self.about, About::Message);
            self.finish(Err(Failure::panicked("to bring an operation to its end", lost)));
            debug_assert!(on_purpose, "an operation was dropped before its completion");
        }
    }
}

/// Starts work that ends early, with `EVERPOST_CANCELLED`, when it is
/// cancelled: it is dropped then.
pub(crate) fn start<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    done: impl FnOnce(Result<T, Failure>) + Send + 'static,
) -> Result<u64, Failure> {
    let until = |cancelled: CancellationToken| async move {
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(Failure::cancelled()),
            result = work => result,
        }
    };
    start_until(About::Other, until, done)
}

/// Starts work that is told when it is cancelled, and says itself what came
/// of it.
pub(crate) fn start_until<T, W>(
    about: About,
    work: impl FnOnce(CancellationToken) -> W,
    done: impl FnOnce(Result<T, Failure>) + Send + 'static,
) -> Result<u64, Failure>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let runtime = handle()?;
    let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
    let cancelled = CancellationToken::new();
    under_way().tokens().insert(id, cancelled.clone());
    let completion = Completion::new(id, about, done);
    let work = AssertUnwindSafe(work(cancelled)).catch_unwind();
    runtime.spawn(async move {
        let lost = matches!(about, About::Message);
        let result = work.await;
        completion.complete(
            result.unwrap_or_else(|_| Err(Failure::panicked("inside an operation", lost))),
        );
    });
    Ok(id)
}

/// Does work on this thread, and waits for it.
pub(crate) fn wait<T>(
    about: About,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let lost = matches!(about, About::Message);
    block_on(AssertUnwindSafe(work).catch_unwind())?
        .unwrap_or_else(|_| Err(Failure::panicked("inside an operation", lost)))
}

/// As the callback of an operation that has no result.
pub(crate) fn call_done(
    done: everpost_done_fn,
    user_data: UserData,
) -> Result<impl FnOnce(Result<(), Failure>) + Send + 'static, Failure> {
    let done = done.ok_or_else(|| Failure::null("done"))?;
    Ok(move |result: Result<(), Failure>| {
        let error = result.err().map_or(ptr::null_mut(), everpost_error::owned);
        // SAFETY: the caller gave the two together, for this one call.
        unsafe { done(user_data.get(), error) }
    })
}

/// Cancels an operation: true if it was still under way. Its callback runs
/// all the same, once, with `EVERPOST_CANCELLED`, or with what had happened by
/// then: of a message that was already handed over, `EVERPOST_DELIVERY_UNKNOWN`
/// or a receipt. Any number is allowed; from any thread, also from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn everpost_cancel(operation: u64) -> bool {
    value(false, || {
        let token = under_way().tokens().get(&operation).cloned();
        token.inspect(CancellationToken::cancel).is_some()
    })
}

/// Cancels what is under way, waits up to `timeout_ms` for its callbacks, and
/// ends the threads of the library. For programs that want none of them left,
/// before they unload it or exit; a later call starts them anew. No other call
/// may be under way.
///
/// Errors: `EVERPOST_WRONG_THREAD`; `EVERPOST_TIMEOUT` if callbacks were still
/// to come. Those come while the threads end, at the latest.
#[unsafe(no_mangle)]
pub extern "C" fn everpost_shutdown(timeout_ms: u64) -> everpost_status {
    let body = || {
        let timeout = Duration::from_millis(timeout_ms);
        let started = Instant::now();
        let ended = block_on(async { tokio::time::timeout(timeout, under_way().drain()).await })?;
        ENDING.store(true, Ordering::Release);
        let result = everpost_runtime::shutdown(timeout.saturating_sub(started.elapsed()));
        ENDING.store(false, Ordering::Release);
        result?;
        ended.map_err(|_| Failure::late())
    };
    // SAFETY: NULL is allowed.
    unsafe { guard::call(ptr::null_mut(), body) }
}

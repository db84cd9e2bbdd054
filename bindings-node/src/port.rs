//! [`Port`]: the way back to one thread of JavaScript.
//!
//! What is done is written, as JSON, behind what was done before it; the
//! thread is woken for all that comes together, and takes it by one call. So
//! under load the cost of waking is shared by many.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use everpost::TokenError;
use everpost::mailer::LateVerdict;
use everpost_runtime::when_gathered;
use futures_util::FutureExt as _;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::outcome::{Failure, receipt, thrown};

/// Calls `deliver`, and keeps no process alive by itself.
type Wake = ThreadsafeFunction<(), (), FnArgs<(String,)>, Status, false, true>;
/// What became of an operation: JSON, or why it failed.
pub(crate) type Outcome = Result<String, Failure>;

/// The native side of one thread of JavaScript.
#[napi]
pub struct Port {
    pub(crate) shared: Arc<Shared>,
}

/// What a [`Port`] and the tasks that report to it share.
#[derive(Default)]
pub(crate) struct Shared {
    wake: OnceLock<Wake>,
    queue: Mutex<Queue>,
    /// Operations whose result JavaScript has not taken. It is changed on
    /// JavaScript's thread alone, and while it is above 0 the process lives.
    pending: AtomicUsize,
    cancels: Mutex<HashMap<i64, CancellationToken>>,
    tokens: Mutex<HashMap<i64, oneshot::Sender<Result<String, TokenError>>>>,
    verdicts: Mutex<HashMap<i64, LateVerdict>>,
    last: AtomicI64,
}

#[derive(Default)]
struct Queue {
    /// An array of JSON, begun and not closed.
    json: String,
    /// How many of its elements are results of operations.
    results: usize,
    /// JavaScript's thread has ended.
    closed: bool,
}

/// All that these locks guard is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[napi]
impl Port {
    /// `deliver` takes an array as JSON: `[id, true, result]` and
    /// `[id, false, error]` for operations, and `[0, what, …]` for notices.
    #[napi(constructor)]
    pub fn new(deliver: Function<'_, FnArgs<(String,)>, ()>) -> napi::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = Arc::downgrade(&shared);
        let wake = deliver
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |context| {
                let Some(shared) = weak.upgrade() else {
                    return Ok(FnArgs::from(("[]".to_owned(),)));
                };
                let (json, results) = shared.take();
                shared.release(&context.env, results);
                Ok(FnArgs::from((json,)))
            })?;
        // It was made two statements ago: nobody has set it.
        let _ = shared.wake.set(wake);
        Ok(Port { shared })
    }

    /// Cancels an operation that was started as one that can be. Its result
    /// comes all the same.
    #[napi]
    pub fn cancel(&self, id: i64) {
        if let Some(token) = lock(&self.shared.cancels).get(&id) {
            token.cancel();
        }
    }

    /// Answers a request for a token: with the token, or with why there is
    /// none.
    #[napi]
    pub fn answer(&self, request: i64, token: Option<String>, refusal: Option<String>) {
        if let Some(answer) = lock(&self.shared.tokens).remove(&request) {
            let refused = || refusal.unwrap_or_else(|| "there is no token".to_owned()).into();
            // Nobody waits any more when the session was given up.
            let _ = answer.send(token.ok_or_else(refused));
        }
    }

    /// Waits for the verdict on a message of unknown delivery.
    #[napi]
    pub fn late_verdict(&self, env: &Env, id: i64, verdict: i64) -> napi::Result<()> {
        let late = lock(&self.shared.verdicts).get(&verdict).cloned();
        self.shared.start(env, id, true, false, move |_| async move {
            let verdict = match late {
                Some(late) => late.await,
                None => None,
            };
            Ok(match verdict {
                None => "null".to_owned(),
                Some(Ok(taken)) => format!("{{\"receipt\":{}}}", receipt(&taken)),
                Some(Err(error)) => json!({ "error": error.to_json() }).to_string(),
            })
        })
    }

    /// Nobody will ask for this verdict any more.
    #[napi]
    pub fn forget(&self, verdict: i64) {
        lock(&self.shared.verdicts).remove(&verdict);
    }
}

impl Shared {
    /// Starts an operation: `work` is told when it is cancelled, and dropped
    /// then unless it is about a message, which says itself what came of it.
    pub(crate) fn start<W>(
        self: &Arc<Self>,
        env: &Env,
        id: i64,
        cancellable: bool,
        message: bool,
        work: impl FnOnce(CancellationToken) -> W,
    ) -> napi::Result<()>
    where
        W: Future<Output = Outcome> + Send + 'static,
    {
        let cancelled = CancellationToken::new();
        if cancellable {
            lock(&self.cancels).insert(id, cancelled.clone());
        }
        // In a box from the beginning: it is large, and moved several times.
        let work = Box::pin(work(cancelled.clone()));
        let until = (cancellable && !message).then_some(cancelled);
        let completion =
            Completion { shared: Arc::clone(self), id, cancellable, message, reported: false };
        self.hold(env);
        // The completion, if it is dropped with the task, has reported it.
        let spawned = everpost_runtime::spawn(carry_out(work, until, completion));
        spawned.map(drop).map_err(|error| thrown(&Failure::internal(error.to_string())))
    }

    /// An id for what JavaScript is to come back with.
    pub(crate) fn next_id(&self) -> i64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Asks JavaScript for a token of a mailer.
    pub(crate) async fn token(
        self: &Arc<Self>,
        mailer: i64,
        refresh: bool,
    ) -> Result<String, TokenError> {
        let (answer, answered) = oneshot::channel();
        let request = self.next_id();
        lock(&self.tokens).insert(request, answer);
        self.tell(&json!([0, "token", mailer, request, refresh]));
        answered.await.unwrap_or_else(|_| Err("the program has ended".into()))
    }

    /// Keeps a verdict that may still come, and says under which id.
    pub(crate) fn keep(&self, verdict: LateVerdict) -> i64 {
        let id = self.next_id();
        lock(&self.verdicts).insert(id, verdict);
        id
    }

    /// Tells JavaScript something that it did not ask for.
    pub(crate) fn tell(self: &Arc<Self>, notice: &Value) {
        self.post(false, |json| json.push_str(&notice.to_string()));
    }

    fn post(self: &Arc<Self>, is_result: bool, write: impl FnOnce(&mut String)) {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return;
        }
        let first = queue.json.is_empty();
        queue.json.push(if first { '[' } else { ',' });
        write(&mut queue.json);
        queue.results += usize::from(is_result);
        drop(queue);
        if first {
            let (counts, wakes) = (Arc::clone(self), Arc::clone(self));
            when_gathered(move || counts.count(), move || wakes.wake());
        }
    }

    /// The results that are queued, and those that are still to come.
    fn count(&self) -> (usize, usize) {
        let queued = lock(&self.queue).results;
        (queued, self.pending.load(Ordering::Relaxed).saturating_sub(queued))
    }

    /// Has JavaScript's thread take what is queued.
    fn wake(&self) {
        let Some(wake) = self.wake.get() else { return };
        if wake.call((), ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
            *lock(&self.queue) = Queue { closed: true, ..Queue::default() };
            // Whoever waits for JavaScript waits in vain.
            lock(&self.tokens).clear();
        }
    }

    /// All that is queued, and how many results are in it.
    fn take(&self) -> (String, usize) {
        let mut queue = lock(&self.queue);
        let results = std::mem::take(&mut queue.results);
        let mut json = std::mem::take(&mut queue.json);
        json.push_str(if json.is_empty() { "[]" } else { "]" });
        (json, results)
    }

    /// An operation begins: the process lives until its result is taken.
    fn hold(&self, env: &Env) {
        if self.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            self.refer(env, true);
        }
    }

    fn release(&self, env: &Env, results: usize) {
        if results > 0 && self.pending.fetch_sub(results, Ordering::Relaxed) == results {
            self.refer(env, false);
        }
    }

    fn refer(&self, env: &Env, alive: bool) {
        let Some(wake) = self.wake.get() else { return };
        wake.handle.with_read_aborted(|aborted| {
            if aborted {
                return;
            }
            let raw = wake.handle.get_raw();
            // SAFETY: there is an `Env` on the thread of JavaScript alone, and
            // a function is not freed while this lock is held and it is not
            // aborted. That a reference cannot be counted is no harm.
            unsafe {
                if alive {
                    napi::sys::napi_ref_threadsafe_function(env.raw(), raw);
                } else {
                    napi::sys::napi_unref_threadsafe_function(env.raw(), raw);
                }
            }
        });
    }
}

/// Does the work, until it is cancelled, and reports what came of it.
async fn carry_out(
    work: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    cancelled: Option<CancellationToken>,
    completion: Completion,
) {
    let message = completion.message;
    let work = AssertUnwindSafe(work).catch_unwind();
    let outcome = match cancelled {
        None => work.await,
        Some(cancelled) => tokio::select! {
            biased;
            () = cancelled.cancelled() => Ok(Err(Failure::cancelled())),
            outcome = work => outcome,
        },
    };
    completion.complete(outcome.unwrap_or_else(|_| Err(Failure::lost(message))));
}

/// The obligation to report: once, and also when it is dropped.
struct Completion {
    shared: Arc<Shared>,
    id: i64,
    cancellable: bool,
    message: bool,
    reported: bool,
}

impl Completion {
    fn complete(mut self, outcome: Outcome) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        if self.cancellable {
            lock(&self.shared.cancels).remove(&self.id);
        }
        let (worked, told) = match outcome {
            Ok(json) => (true, json),
            Err(failure) => (false, failure.to_json(&self.shared).to_string()),
        };
        let head = format!("[{},{worked},", self.id);
        self.shared.post(true, |json| {
            json.reserve(head.len() + told.len() + 2);
            json.push_str(&head);
            json.push_str(&told);
            json.push(']');
        });
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.report(Err(Failure::lost(self.message)));
    }
}

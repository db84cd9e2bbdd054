//! [`wait_for`]: driving a future on a thread that has to look up now and then.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::{RunError, handle, is_runtime_thread, log};

/// Wakes a thread that waits for a future. One for all futures of a thread:
/// being woken for one that has ended costs the next a look in vain.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

thread_local! {
    static UNPARK: Arc<Unpark> =
        Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
}

/// Drives a future on this thread for up to `time`; the runtime drives its IO
/// and timers. When it is pending then, the caller may look after something
/// else, such as signals, and call again.
///
/// # Errors
/// [`RunError::WrongThread`] on a thread of this or another tokio runtime;
/// [`RunError::Start`].
pub fn wait_for<F: Future>(
    mut future: Pin<&mut F>,
    time: Duration,
) -> Result<Poll<F::Output>, RunError> {
    if is_runtime_thread() {
        return Err(RunError::WrongThread);
    }
    let handle = handle()?;
    let _context = handle.enter();
    let end = Instant::now() + time;
    let unpark = UNPARK.with(Arc::clone);
    let waker = Waker::from(Arc::clone(&unpark));
    let mut poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
    tracing::dispatcher::with_default(log::dispatch(), || {
        loop {
            if let Poll::Ready(output) = poll() {
                return Ok(Poll::Ready(output));
            }
            while !unpark.woken.swap(false, Ordering::Acquire) {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(Poll::Pending);
                }
                thread::park_timeout(left);
            }
        }
    })
}

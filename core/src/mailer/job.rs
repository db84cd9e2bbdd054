//! A message on its way through the pool.
//!
//! The caller holds a [`Ticket`], a worker holds the [`Job`]. Between them
//! stands one atomic, [`Phase`]: the worker *commits* right before the write
//! that may deliver, the caller *cancels*, and only one of the two can win. So
//! a caller that gives up knows at once whether its message was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::{Notify, oneshot};

use super::receipt::Receipt;
use crate::error::Error;
use crate::message::Prepared;

/// The result of a send.
pub(crate) type Verdict = Result<Receipt, Error>;

const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const COMMITTED: u8 = 2;
const CANCELLED: u8 = 3;

/// Where a job stands between its caller and its worker.
#[derive(Debug, Default)]
struct Phase {
    state: AtomicU8,
    /// The caller no longer waits.
    abandoned: AtomicBool,
    /// Woken then.
    woken: Notify,
}

impl Phase {
    fn step(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::Acquire) == state
    }
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) message: Arc<Prepared>,
    /// Connections tried so far.
    pub(crate) attempts: u32,
    /// Those of them that count against the limit: a connection that had been
    /// used before and turned out stale does not.
    pub(crate) charged: u32,
    /// An earlier attempt may have delivered it.
    doubted: bool,
    phase: Arc<Phase>,
    done: oneshot::Sender<Verdict>,
}

/// The caller's end. Dropping it cancels the job, or, where that is too late,
/// leaves the worker to listen for the late verdict.
#[derive(Debug)]
pub(crate) struct Ticket {
    phase: Arc<Phase>,
    done: Option<oneshot::Receiver<Verdict>>,
}

/// What became of a cancellation.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// The message will not be sent.
    NotSent,
    /// It may have been sent; the answer may still come.
    TooLate(LateVerdict),
}

/// A job and the ticket to it.
pub(crate) fn ticketed(message: Arc<Prepared>) -> (Job, Ticket) {
    let phase = Arc::new(Phase::default());
    let (sender, receiver) = oneshot::channel();
    let job = Job {
        message,
        attempts: 0,
        charged: 0,
        doubted: false,
        phase: Arc::clone(&phase),
        done: sender,
    };
    (job, Ticket { phase, done: Some(receiver) })
}

impl Job {
    /// Takes the job out of the queue; false if it was cancelled there.
    pub(crate) fn take(&self) -> bool {
        // One that is sent again by choice is committed even in line.
        self.phase.step(QUEUED, TAKEN) || !self.phase.is(CANCELLED)
    }

    /// The last moment before the message may be delivered; false if the
    /// caller cancelled. A message that is sent again by choice stays
    /// committed.
    pub(crate) fn commit(&self) -> bool {
        self.phase.step(TAKEN, COMMITTED) || self.phase.is(COMMITTED)
    }

    /// Takes a commitment back: the server has provably not accepted. Where
    /// an earlier attempt is in doubt, nothing is proved by that.
    pub(crate) fn uncommit(&self) {
        if !self.doubted {
            self.phase.step(COMMITTED, TAKEN);
        }
    }

    /// Notes that this attempt may have delivered, and is followed by another.
    pub(crate) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Whether an earlier attempt may have delivered it.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Puts a job that was taken, but not committed, back into line.
    pub(crate) fn untake(&self) {
        self.phase.step(TAKEN, QUEUED);
    }

    /// Whether the caller no longer waits.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.phase.abandoned.load(Ordering::Acquire)
    }

    /// Waits until the caller no longer waits.
    pub(crate) async fn abandoned(&self) {
        if !self.is_abandoned() {
            self.phase.woken.notified().await;
        }
    }

    /// Gives the verdict.
    pub(crate) fn finish(self, verdict: Verdict) {
        // The caller may be gone; a late verdict is told as an event then.
        let _ = self.done.send(verdict);
    }
}

impl Ticket {
    /// Waits for the verdict; `None` if the worker vanished with its runtime.
    pub(crate) async fn verdict(&mut self) -> Option<Verdict> {
        match &mut self.done {
            Some(done) => done.await.ok(),
            None => None,
        }
    }

    /// Whether a worker has the job.
    pub(crate) fn is_taken(&self) -> bool {
        !self.phase.is(QUEUED)
    }

    /// Cancels the job if it still waits in line.
    pub(crate) fn cancel_queued(&self) -> bool {
        self.phase.step(QUEUED, CANCELLED)
    }

    /// Whether the message may have been sent.
    pub(crate) fn is_committed(&self) -> bool {
        self.phase.is(COMMITTED)
    }

    /// Stops the job if that is still possible.
    pub(crate) fn cancel(mut self) -> Cancelled {
        let stopped = self.stop();
        match self.done.take() {
            Some(done) if !stopped => Cancelled::TooLate(LateVerdict { done: done.shared() }),
            _ => Cancelled::NotSent,
        }
    }

    fn stop(&self) -> bool {
        let stopped = self.phase.step(QUEUED, CANCELLED) || self.phase.step(TAKEN, CANCELLED);
        self.phase.abandoned.store(true, Ordering::Release);
        self.phase.woken.notify_one();
        stopped
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Harmless after the verdict.
        self.stop();
    }
}

/// The verdict on a message whose delivery was reported unknown while its
/// connection is still being listened to.
///
/// A future: it resolves to the result that the send would have had, or to
/// `None` if the connection ended without an answer. Clones share the answer.
/// It may take as long as the end-of-data deadline (600 s unless set).
#[derive(Clone, Debug)]
pub struct LateVerdict {
    done: Shared<oneshot::Receiver<Verdict>>,
}

impl Future for LateVerdict {
    type Output = Option<Result<Receipt, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.done.poll_unpin(cx).map(|verdict| match verdict {
            Ok(Err(error)) if error.delivery() == crate::Delivery::Unknown => None,
            Ok(verdict) => Some(verdict),
            Err(_) => None,
        })
    }
}

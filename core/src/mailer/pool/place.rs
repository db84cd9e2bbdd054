//! A worker's place in the pool, and its way to the next message.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Parked, Pool};
use crate::mailer::job::Job;

/// A worker's place in the pool; given back when dropped, however the worker
/// ends.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) pool: Arc<Pool>,
    pub(crate) id: u64,
    pub(super) starting: bool,
    pub(super) held: bool,
}

impl Place {
    /// The worker has a session and takes from the queue from now on.
    pub(crate) fn started(&mut self) {
        if std::mem::take(&mut self.starting) {
            self.pool.state().starting -= 1;
        }
    }

    /// The worker is about to open a session on behalf of the queue.
    pub(crate) fn starts(&mut self) {
        if !self.starting {
            self.starting = true;
            self.pool.state().starting += 1;
        }
    }

    /// Takes the next message, or parks; `Err` is the receiver to wait on.
    pub(crate) fn next_or_park(&self) -> Result<Job, oneshot::Receiver<Job>> {
        let mut state = self.pool.state();
        while let Some(job) = state.queue.pop_front() {
            if job.take() {
                return Ok(job);
            }
        }
        let (hand_over, receiver) = oneshot::channel();
        state.parked.push_back(Parked { worker: self.id, hand_over });
        Err(receiver)
    }

    /// Ends parking. A message that was handed over in the meantime is
    /// returned.
    pub(crate) fn unpark(&self, receiver: &mut oneshot::Receiver<Job>) -> Option<Job> {
        self.pool.state().parked.retain(|parked| parked.worker != self.id);
        // Under the lock nobody hands over, so this sees all there is.
        receiver.try_recv().ok()
    }

    /// Gives the place back while the worker still waits for a verdict that
    /// nobody waits for. False if too many do.
    pub(crate) fn linger(&mut self) -> bool {
        let mut state = self.pool.state();
        if state.lingering >= self.pool.config.pool.max_connections.max(1) {
            return false;
        }
        if std::mem::take(&mut self.held) {
            state.lingering += 1;
            state.workers -= 1;
        }
        drop(state);
        self.pool.start_workers();
        true
    }
}

/// Only counts: it may run while the runtime goes down, where nothing can be
/// started.
impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if self.starting {
            state.starting -= 1;
        }
        if self.held {
            state.workers -= 1;
        } else {
            state.lingering -= 1;
        }
        state.open.retain(|(id, _)| *id != self.id);
        state.parked.retain(|parked| parked.worker != self.id);
    }
}

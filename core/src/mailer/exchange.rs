//! Messages over one connection: one after the other, or chained.
//!
//! The loop here moves bytes and watches three things at once: the server, the
//! deadline of what is being waited for, and the callers, who may leave at any
//! time. What a message's fate is, only the
//! [`conversation`](crate::smtp::conversation) says.
//!
//! A caller that leaves before its message is committed stops it, which costs
//! the connection once a command has been sent; but what is owed to a message
//! before it on the same connection is read first. One that leaves later
//! leaves the connection *lingering*: its place in the pool is free again, and
//! the verdict is still listened for.

mod ending;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::event::{Event, Retirement};
use super::job::Job;
use super::plan::plan;
use super::pool::{Place, Pool};
use super::verdict::{conclude, receipt};
use super::worker::Connection;
use crate::error::{Delivery, Error, Stage};
use crate::message::{Framing, Source, slow_reader};
use crate::session::Loss;
use crate::smtp::conversation::{Content, Outcome, TransactionId};

/// How much is encoded ahead of the network.
const BLOCK: usize = 64 * 1024;

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything is answered; the connection may carry more.
    Clean,
    /// The connection is of no further use.
    Spent { retry: Option<Retry>, reason: Retirement },
    /// The place in the pool has been given up meanwhile.
    Lingered,
}

/// A message that is to be tried again on a fresh connection.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) job: Job,
    pub(crate) error: Error,
    /// The connection had been used before, so its end says nothing about the
    /// server.
    pub(crate) at_once: bool,
}

/// A message under way.
#[derive(Debug)]
struct Active {
    id: TransactionId,
    /// `None` once the message has gone elsewhere and only its commands are
    /// left to be answered.
    job: Option<Job>,
    content: Content,
    source: Option<Source>,
    /// Its caller has left, and that has been dealt with.
    left: bool,
}

struct Exchange<'a> {
    pool: &'a std::sync::Arc<Pool>,
    place: &'a mut Place,
    connection: &'a mut Connection,
    /// The connection has carried a message before the one at the front.
    reused: bool,
    active: VecDeque<Active>,
    retry: Option<Retry>,
    lingering: bool,
    /// No further message: what is owed is read and the connection closed.
    ending: bool,
    deadline: Deadline,
}

/// Waits until a rate limit lets the message go; false if its caller leaves.
pub(crate) async fn wait_for_rate(pool: &Pool, job: &Job) -> bool {
    while let Err(until) = pool.reserve_start() {
        tokio::select! {
            biased;
            () = sleep_until(until) => {}
            () = job.abandoned() => return false,
        }
    }
    true
}

/// Sends a message, and any that wait in line behind it, over a connection
/// that is clean.
pub(crate) async fn run(
    pool: &std::sync::Arc<Pool>,
    place: &mut Place,
    connection: &mut Connection,
    job: Job,
) -> End {
    let reused = connection.messages > 0;
    let mut exchange = Exchange {
        pool,
        place,
        connection,
        reused,
        active: VecDeque::with_capacity(2),
        retry: None,
        lingering: false,
        ending: false,
        deadline: Deadline::new(),
    };
    exchange.begin(job);
    exchange.drive().await
}

impl Exchange<'_> {
    async fn drive(mut self) -> End {
        loop {
            if let Err(error) = self.fill().await {
                return self.source_failed(error);
            }
            self.chain();
            if !self.may_commit() {
                return self.cut();
            }
            if self.connection.session.conversation.is_clean() {
                if self.lingering {
                    return End::Lingered;
                }
                if self.retry.is_some() || self.ending {
                    return self.spent(Retirement::Failed);
                }
                return End::Clean;
            }
            match self.turn().await {
                Turn::Moved => self.settle(),
                Turn::Lost(loss) => {
                    self.settle();
                    return self.lost(loss);
                }
                Turn::Left(index) => {
                    if !self.leave(index) {
                        return self.cut();
                    }
                }
            }
            if self.is_deserted() {
                return self.cut();
            }
        }
    }

    /// Starts a transaction for a message, unless the server cannot take it.
    fn begin(&mut self, mut job: Job) {
        job.attempts += 1;
        let session = &mut self.connection.session;
        let encrypted = session.peer.is_some();
        let (pool, capabilities) = (self.pool, &session.capabilities);
        match plan(&job.message, capabilities, encrypted, &pool.config, pool.manners()) {
            Ok(plan) => {
                let content = plan.content();
                let id = session.conversation.begin(plan);
                self.connection.messages += 1;
                self.active.push_back(Active {
                    id,
                    job: Some(job),
                    content,
                    source: None,
                    left: false,
                });
            }
            Err(error) => conclude(pool, job, Err(error)),
        }
    }

    /// Lets the next message in line ride behind this one, on a connection
    /// that is still fit to be used.
    fn chain(&mut self) {
        while self.active.len() == 1
            && !self.lingering
            && !self.ending
            && self.retry.is_none()
            && self.connection.session.conversation.can_begin()
            && self.pool.config.pool.rate_limit.is_none()
            && self.pool.retirement(&self.connection.standing()).is_none()
        {
            match self.pool.next_job() {
                Some(job) => self.begin(job),
                None => return,
            }
        }
    }

    /// Encodes content into the output, up to one block ahead.
    async fn fill(&mut self) -> Result<(), Error> {
        let conversation = &mut self.connection.session.conversation;
        let Some((id, content)) = conversation.wants_content() else { return Ok(()) };
        if conversation.pending_output() >= BLOCK {
            return Ok(());
        }
        let Some(active) = self.active.iter_mut().find(|active| active.id == id) else {
            return Ok(());
        };
        let Some(job) = active.job.as_ref().filter(|job| !job.is_abandoned()) else {
            // Nobody wants this content sent; `turn` will notice.
            return Ok(());
        };
        let source = match &mut active.source {
            Some(source) => source,
            none => none.insert(job.message.open().await?),
        };
        let framing = match content {
            Content::Data => Framing::Dot,
            Content::Chunk { .. } => Framing::Chunk,
        };
        let mut buffer = conversation.lend_buffer();
        let before = buffer.len();
        let limit = before + BLOCK;
        let result = match source.fill_now(framing, &mut buffer, limit) {
            Some(result) => result,
            None => {
                let patience = self.pool.config.deadlines.data_block;
                let fill = source.fill(framing, &mut buffer, limit);
                timeout(patience, fill)
                    .await
                    .unwrap_or_else(|_| Err(slow_reader(Stage::Body, patience)))
            }
        };
        let appended = buffer.len() - before;
        conversation.return_buffer(buffer, appended);
        if result? {
            active.source = None;
            conversation.end_content().map_err(|mismatch| {
                Error::message(mismatch.to_string())
                    .with_hint("the message changed while it was being sent")
            })?;
        }
        Ok(())
    }

    /// Asks the caller of a message whose end-of-data is about to be written;
    /// false if that caller has left.
    fn may_commit(&self) -> bool {
        let Some(id) = self.connection.session.conversation.about_to_commit() else { return true };
        let active = self.active.iter().find(|active| active.id == id);
        active.and_then(|active| active.job.as_ref()).is_some_and(Job::commit)
    }

    /// Waits for the server, the deadline or a caller.
    async fn turn(&mut self) -> Turn {
        let (deadline, limit) = self.deadline.of(&self.connection.session, self.pool);
        let (first, second) = (waiting(&self.active, 0), waiting(&self.active, 1));
        tokio::select! {
            biased;
            turn = self.connection.session.turn() => match turn {
                Ok(()) => Turn::Moved,
                Err(loss) => Turn::Lost(loss),
            },
            () = left(first) => Turn::Left(0),
            () = left(second) => Turn::Left(1),
            () = sleep_until(deadline) => Turn::Lost(Loss::Timeout(limit)),
            () = self.pool.closing.cancelled(), if self.lingering => Turn::Lost(Loss::Closed),
        }
    }

    /// Deals with a caller that has left; false if the connection is to be cut.
    fn leave(&mut self, index: usize) -> bool {
        let conversation = &self.connection.session.conversation;
        self.active[index].left = true;
        let committed = conversation.delivery(self.active[index].id) == Some(Delivery::Unknown);
        if index > 0 {
            // What is owed to the message before it is read first.
            self.ending = true;
            return true;
        }
        if !committed {
            return false;
        }
        if !self.place.linger() {
            return false;
        }
        self.lingering = true;
        self.put_back_from(1);
        true
    }

    /// Whether messages are under way, none of which anybody waits for.
    fn is_deserted(&self) -> bool {
        let conversation = &self.connection.session.conversation;
        let deserted = |active: &Active| match &active.job {
            Some(_) => active.left && conversation.delivery(active.id) != Some(Delivery::Unknown),
            None => true,
        };
        !self.active.is_empty() && self.active.iter().all(deserted)
    }

    /// Hands out what the server has decided.
    fn settle(&mut self) {
        while let Some((id, outcome)) = self.connection.session.conversation.next_outcome() {
            let Some(index) = self.active.iter().position(|active| active.id == id) else {
                continue;
            };
            let Some(active) = self.active.remove(index) else { continue };
            let Some(job) = active.job else { continue };
            match outcome {
                Outcome::Accepted { reply, recipients } => {
                    self.reused = true;
                    let receipt = receipt(&job, &self.connection.session, reply, recipients);
                    conclude(self.pool, job, Ok(receipt));
                }
                Outcome::Refused { stage, reply, recipients } => {
                    drop(active.source);
                    self.refused(job, active.content, stage, reply, recipients);
                }
            }
        }
    }
}

/// Counts and tells that a message is tried again.
pub(crate) fn note_retry(pool: &Pool, job: &Job, error: Error) {
    pool.counters.retries.add();
    tracing::debug!(message_id = job.message.message_id(), %error, "trying again");
    pool.tell(Event::Retried {
        message_id: job.message.message_id().to_owned(),
        attempt: job.attempts + 1,
        error,
    });
}

/// What a turn brought.
enum Turn {
    Moved,
    Lost(Loss),
    /// The caller of the message at this index has left.
    Left(usize),
}

/// The message at `index`, unless its caller's leaving has been dealt with.
fn waiting(active: &VecDeque<Active>, index: usize) -> Option<&Job> {
    active.get(index).filter(|active| !active.left)?.job.as_ref()
}

/// Waits until the caller of a message leaves.
async fn left(job: Option<&Job>) {
    match job {
        Some(job) => job.abandoned().await,
        None => std::future::pending().await,
    }
}

/// The deadline of what is being waited for: set anew whenever a reply is
/// complete or a block is written, never by single bytes of a reply.
#[derive(Debug)]
struct Deadline {
    mark: Option<((Stage, u64), bool)>,
    at: Instant,
    limit: Duration,
}

impl Deadline {
    fn new() -> Self {
        Deadline { mark: None, at: Instant::now(), limit: Duration::ZERO }
    }

    fn of(&mut self, session: &crate::session::Session, pool: &Pool) -> (Instant, Duration) {
        let conversation = &session.conversation;
        let deadlines = &pool.config.deadlines;
        let mark = (conversation.progress(), conversation.awaits_verdict());
        if self.mark != Some(mark) {
            self.mark = Some(mark);
            let ((stage, _), awaits_verdict) = mark;
            self.limit = match stage {
                Stage::Body => deadlines.data_block,
                Stage::EndOfData => deadlines.end_of_data,
                // The envelope of a message in one flight, which is answered
                // when the server likes: giving up early makes duplicates.
                _ if awaits_verdict => deadlines.end_of_data,
                _ => deadlines.command,
            };
            self.at = Instant::now() + self.limit;
        }
        (self.at, self.limit)
    }
}

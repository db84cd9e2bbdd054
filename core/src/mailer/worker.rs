//! A worker: one place in the pool, one connection at a time.
//!
//! ```text
//!   open ──▶ job? ──▶ fit to use? ──▶ exchange ──▶ clean? ──▶ job?
//!    ▲        │ none      │ no            │ lost              │ none
//!    │       park         └──▶ retire     └──▶ retry          park
//!    └───────────────────────────┴──────────────┘
//! ```
//!
//! A worker that holds a message to be tried again opens the fresh connection
//! for it itself; one that opens for the queue charges a failure to whoever
//! has waited longest.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::event::Retirement;
use super::exchange::{self, End, Retry};
use super::health::is_verdict;
use super::job::Job;
use super::pool::{Place, Pool, Standing};
use super::verdict::conclude;
use crate::error::{Error, ErrorKind, Stage};
use crate::session::Session;
use crate::smtp::conversation::Conversation;
use crate::tls::Resume;

/// How long a QUIT may take, in the background.
pub(super) const QUIT_PATIENCE: Duration = Duration::from_secs(5);

/// A session with its history in the pool.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: Session,
    /// Messages begun on it.
    pub(crate) messages: u32,
}

impl Connection {
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing {
            peer: self.session.peer.as_ref(),
            opened_at: self.session.opened_at,
            messages: self.messages,
        }
    }
}

/// Works until there is nothing to do and the connection is gone.
pub(crate) async fn run(place: Place) {
    let pool = Arc::clone(&place.pool);
    let worker = Worker { place, pool: Arc::clone(&pool), connection: None };
    if AssertUnwindSafe(worker.work()).catch_unwind().await.is_err() {
        // The message it held has been answered by what was committed.
        tracing::error!("a worker of the mailer panicked; its connection is closed");
    }
    pool.start_workers();
}

struct Worker {
    place: Place,
    pool: Arc<Pool>,
    connection: Option<Connection>,
}

impl Worker {
    async fn work(mut self) {
        let mut held: Option<Job> = None;
        let mut resume = Resume::Allow;
        loop {
            if self.connection.is_none() {
                match self.open(resume, &mut held).await {
                    Opened::Ready => resume = Resume::Allow,
                    Opened::Again => continue,
                    Opened::NotNeeded => return,
                }
            }
            if held.is_none() {
                held = self.wait_for_job().await;
            }
            let Some(job) = held.take() else { return };
            self.retire_if_unfit().await;
            let Some(connection) = &mut self.connection else {
                held = Some(job);
                continue;
            };
            if !exchange::wait_for_rate(&self.pool, &job).await {
                continue;
            }
            match exchange::run(&self.pool, &mut self.place, connection, job).await {
                End::Clean => {}
                End::Spent { retry, reason } => {
                    self.retire(reason);
                    if let Some(retry) = retry {
                        resume = Resume::Never;
                        held = self.prepare_retry(retry).await;
                    }
                }
                End::Lingered => return self.retire(Retirement::Failed),
            }
        }
    }

    /// Opens a connection, for the message held or for the queue.
    async fn open(&mut self, resume: Resume, held: &mut Option<Job>) -> Opened {
        if held.is_none() {
            self.place.starts();
            if self.pool.is_idle() {
                return Opened::NotNeeded;
            }
        }
        let opening = open(&self.pool, resume);
        let result = match held {
            Some(job) => tokio::select! {
                biased;
                result = opening => result,
                () = job.abandoned() => {
                    *held = None;
                    return Opened::Again;
                }
            },
            None => tokio::select! {
                biased;
                result = opening => result,
                () = self.pool.deserted() => return Opened::NotNeeded,
            },
        };
        match result {
            Ok(session) => {
                let peer = session.peer.as_ref();
                self.pool.opened(self.place.id, peer, session.opened_at);
                self.place.started();
                self.connection = Some(Connection { session, messages: 0 });
                Opened::Ready
            }
            Err(error) => self.open_failed(error, held).await,
        }
    }

    async fn open_failed(&mut self, error: Error, held: &mut Option<Job>) -> Opened {
        tracing::debug!(%error, "a session could not be opened");
        self.pool.open_failed(&error);
        if is_crowded(&error) && self.pool.lower_limit() {
            // Others are open: they do the work, and nothing fails.
            if let Some(job) = held.take() {
                self.pool.put_back(job);
            }
            return Opened::NotNeeded;
        }
        if is_verdict(&error) {
            // The same verdict holds for all who waited for this connection.
            for mut job in held.take().into_iter().chain(self.pool.take_all()) {
                job.attempts += 1;
                conclude(&self.pool, job, Err(error.clone()));
            }
            return Opened::NotNeeded;
        }
        let Some(mut job) = held.take().or_else(|| self.pool.next_job()) else {
            return Opened::NotNeeded;
        };
        job.attempts += 1;
        job.charged += 1;
        if job.charged >= self.pool.config.retry.max_attempts || !error.is_retryable() {
            conclude(&self.pool, job, Err(error));
        } else {
            *held = self.prepare_retry(Retry { job, error, at_once: false }).await;
        }
        Opened::Again
    }

    /// Waits as long as the policy wants before a message is tried again;
    /// `None` if its caller leaves meanwhile.
    async fn prepare_retry(&mut self, retry: Retry) -> Option<Job> {
        let Retry { job, error, at_once } = retry;
        // Meanwhile others may start for the queue.
        self.place.started();
        self.pool.start_workers();
        if !at_once {
            let policy = &self.pool.config.retry;
            let doubled = policy.backoff.saturating_mul(1 << (job.charged.max(1) - 1).min(16));
            let pause = doubled.min(policy.max_backoff).mul_f64(0.5 + fastrand::f64());
            tokio::select! {
                biased;
                () = sleep(pause) => {}
                () = job.abandoned() => return None,
            }
        }
        exchange::note_retry(&self.pool, &job, error);
        Some(job)
    }

    /// Retires the connection unless it may carry another message.
    async fn retire_if_unfit(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let reason = match self.pool.retirement(&connection.standing()) {
            // One that has just been opened is as good as it gets.
            Some(_) if connection.messages == 0 && connection.is_new() => None,
            Some(reason) => Some(reason),
            None if connection.session.is_alive().await => None,
            None => Some(Retirement::Server),
        };
        if let Some(reason) = reason {
            self.retire(reason);
        }
    }

    /// The next message; parks the connection while there is none. `None` when
    /// the connection is retired, or the mailer closes, before one comes.
    async fn wait_for_job(&mut self) -> Option<Job> {
        let Some(connection) = &mut self.connection else { return None };
        connection.session.conversation.shrink();
        let mut moved = self.pool.moved.subscribe();
        let idle_until = Instant::now() + self.pool.config.pool.max_idle;
        let mut receiver = match self.place.next_or_park() {
            Ok(job) => return Some(job),
            Err(receiver) => receiver,
        };
        let reason = loop {
            if self.pool.closing.is_cancelled() {
                break Retirement::Closing;
            }
            if let Some(reason) = self.pool.retirement(&connection.standing()) {
                break reason;
            }
            let until = idle_until.min(self.pool.expires(&connection.standing()));
            tokio::select! {
                biased;
                job = &mut receiver => match job {
                    Ok(job) if job.take() => return Some(job),
                    // Its caller left on the way.
                    _ => match self.place.next_or_park() {
                        Ok(job) => return Some(job),
                        Err(again) => receiver = again,
                    },
                },
                loss = connection.session.end_of_idleness() => {
                    tracing::debug!(%loss, "a parked connection ended");
                    break Retirement::Server;
                }
                () = tokio::time::sleep_until(until) => {
                    if Instant::now() >= idle_until {
                        break Retirement::Idle;
                    }
                }
                _ = moved.changed() => {}
                () = self.pool.closing.cancelled() => {}
            }
        };
        let late = self.place.unpark(&mut receiver);
        self.retire(reason);
        late.filter(Job::take)
    }

    /// Takes the connection out of the pool and says QUIT in the background,
    /// never in a caller's time.
    fn retire(&mut self, reason: Retirement) {
        let Some(connection) = self.connection.take() else { return };
        self.pool.retired(self.place.id, reason, connection.session.opened_at);
        if connection.session.conversation.is_clean() && reason != Retirement::Server {
            self.pool.tasks.spawn(connection.session.quit(QUIT_PATIENCE));
        }
    }
}

impl Connection {
    /// Whether nothing has been sent on it since it was opened just now.
    fn is_new(&self) -> bool {
        self.session.opened_at.elapsed() < Duration::from_secs(1)
    }
}

enum Opened {
    Ready,
    Again,
    NotNeeded,
}

/// Whether the server has enough connections for now.
pub(super) fn is_crowded(error: &Error) -> bool {
    error.stage() == Stage::Greeting && error.reply().is_some_and(|reply| reply.is_transient())
}

/// Opens a session. A handshake that fails is tried once more in full, without
/// any ticket: only then is the server at fault.
pub(super) async fn open(pool: &Pool, resume: Resume) -> Result<Session, Error> {
    let mut result = pool.connector.open(resume).await;
    if let (Err(error), Some(tls)) = (&result, pool.connector.tls()) {
        let handshake = error.stage() == Stage::Handshake
            && matches!(error.kind(), ErrorKind::Certificate | ErrorKind::Tls);
        if handshake {
            tls.drop_tickets();
            result = pool.connector.open(Resume::Never).await;
        }
    }
    let mut session = result?;
    let pipelining = pool.pipelines() && session.capabilities.pipelining();
    session.conversation = Conversation::new(pipelining);
    Ok(session)
}

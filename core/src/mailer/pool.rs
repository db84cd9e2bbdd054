//! What all workers share: the queue, the parked connections, the limits, and
//! what is known of the endpoint.
//!
//! Messages wait in one fair queue. A parked worker is handed its message
//! directly, least recently used first; a busy one takes the next from the
//! queue when it is done, or chains it to the one it is sending. Workers are
//! started when there are more messages than workers on their way to them.

mod place;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::place::Place;
use super::event::{Event, Leaf, Retirement};
use super::generation::{Generation, Observation};
use super::health::{Condition, Health, nearness};
use super::job::Job;
use super::limit::ServerLimit;
use super::plan::Manners;
use super::stats::{Counters, Stats};
use super::worker;
use crate::certificate::Nearness;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::session::Connector;
use crate::tls::Peer;

/// Events that a slow reader may lag behind.
const EVENTS_KEPT: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: Arc<Config>,
    pub(crate) connector: Connector,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Counters,
    /// Every task of this mailer.
    pub(crate) tasks: TaskTracker,
    /// Set when nothing new is taken; workers end when the queue is empty.
    pub(crate) closing: CancellationToken,
    /// Moves with the generation, so that parked workers look again.
    pub(crate) moved: watch::Sender<u64>,
    events: broadcast::Sender<Event>,
    no_chunking: AtomicBool,
    no_pipelining: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Job>,
    parked: VecDeque<Parked>,
    next_worker: u64,
    /// Workers that hold a place, parked ones included.
    workers: usize,
    /// Workers that have no session yet and will take from the queue.
    starting: usize,
    /// Workers that only wait for a verdict nobody waits for.
    lingering: usize,
    limit: ServerLimit,
    generation: Generation,
    condition: Condition,
    /// When the last messages of a rate limit's window were started.
    started: VecDeque<Instant>,
    /// The open connections by worker, with the leaf each carries.
    open: Vec<(u64, Option<Leaf>)>,
}

impl State {
    /// Hands a message to the worker that has been parked for longest, or
    /// gives it back if there is none.
    fn hand_over(&mut self, mut job: Job) -> Result<(), Job> {
        while let Some(parked) = self.parked.pop_front() {
            match parked.hand_over.send(job) {
                Ok(()) => return Ok(()),
                // That worker is gone with its runtime.
                Err(returned) => job = returned,
            }
        }
        Err(job)
    }
}

#[derive(Debug)]
struct Parked {
    worker: u64,
    hand_over: oneshot::Sender<Job>,
}

impl Pool {
    pub(crate) fn new(config: Arc<Config>, connector: Connector, clock: Arc<dyn Clock>) -> Self {
        Pool {
            config,
            connector,
            clock,
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            moved: watch::Sender::new(0),
            events: broadcast::Sender::new(EVENTS_KEPT),
            no_chunking: AtomicBool::new(false),
            no_pipelining: AtomicBool::new(false),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                parked: VecDeque::new(),
                next_worker: 0,
                workers: 0,
                starting: 0,
                lingering: 0,
                limit: ServerLimit::default(),
                generation: Generation::default(),
                condition: Condition::default(),
                started: VecDeque::new(),
                open: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock calls out, so a panic leaves no half state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in, or gives it back with the reason why not.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) -> Result<(), (Job, Error)> {
        if self.closing.is_cancelled() {
            return Err((job, closed()));
        }
        let mut state = self.state();
        let Err(job) = state.hand_over(job) else { return Ok(()) };
        if let Some(error) = state.condition.refusal(Instant::now()) {
            return Err((job, error.clone()));
        }
        state.queue.push_back(job);
        drop(state);
        self.start_workers();
        Ok(())
    }

    /// Puts a message that was provably not sent back to the front of the
    /// line. Parked workers do not look at the line: one is told.
    pub(crate) fn put_back(self: &Arc<Self>, job: Job) {
        job.untake();
        let mut state = self.state();
        if let Err(job) = state.hand_over(job) {
            state.queue.push_front(job);
        }
        drop(state);
        self.start_workers();
    }

    /// The next message in line.
    pub(crate) fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            let job = state.queue.pop_front()?;
            if job.take() {
                return Some(job);
            }
        }
    }

    /// Whether nobody waits in line.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().queue.is_empty()
    }

    /// Waits until the mailer closes with nobody in line.
    pub(crate) async fn deserted(&self) {
        self.closing.cancelled().await;
        if !self.is_idle() {
            std::future::pending::<()>().await;
        }
    }

    /// Everything in line, to fail it for a common reason.
    pub(crate) fn take_all(&self) -> Vec<Job> {
        self.state().queue.drain(..).filter(Job::take).collect()
    }

    /// Forgets messages whose callers have left the line.
    pub(crate) fn sweep(&self) {
        self.state().queue.retain(|job| !job.is_abandoned());
    }

    /// Starts as many workers as the queue wants and the limit allows.
    pub(crate) fn start_workers(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            if state.starting >= state.queue.len() || state.workers >= self.limit(&state) {
                return;
            }
            state.workers += 1;
            state.starting += 1;
            state.next_worker += 1;
            let id = state.next_worker;
            // A runtime that is shutting down drops the task on the spot, and
            // its place takes the lock.
            drop(state);
            let place = Place { pool: Arc::clone(self), id, starting: true, held: true };
            let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
            if self.tasks.spawn_on(worker::run(place), &runtime).is_finished() {
                return;
            }
        }
    }

    fn limit(&self, state: &State) -> usize {
        let own = self.config.pool.max_connections.max(1);
        state.limit.of(own, Instant::now())
    }

    /// Notes that the server refuses more connections. Returns whether others
    /// are there to do the work.
    pub(crate) fn lower_limit(&self) -> bool {
        let mut state = self.state();
        let open = state.open.len();
        state.limit.refused(open, Instant::now());
        open > 0
    }

    /// Whether a rate limit allows another message now; if not, when.
    pub(crate) fn reserve_start(&self) -> Result<(), Instant> {
        let Some(limit) = self.config.pool.rate_limit else { return Ok(()) };
        let now = Instant::now();
        let mut state = self.state();
        while state.started.front().is_some_and(|start| *start + limit.per <= now) {
            state.started.pop_front();
        }
        match state.started.front() {
            Some(first) if state.started.len() >= limit.messages.max(1) as usize => {
                Err(*first + limit.per)
            }
            _ => {
                state.started.push_back(now);
                Ok(())
            }
        }
    }

    /// Notes a session that was opened: its handshake moves the generation.
    pub(crate) fn opened(&self, worker: u64, peer: Option<&Peer>, opened_at: Instant) {
        self.counters.opened.add();
        self.state().open.push((worker, peer.map(|peer| Leaf::from(&*peer.leaf))));
        if let Some(peer) = peer {
            if peer.full {
                self.counters.full_handshakes.add();
            } else {
                self.counters.resumed_handshakes.add();
            }
            self.observe(peer, opened_at);
        }
        self.recovered();
    }

    /// Notes that the endpoint works.
    pub(crate) fn recovered(&self) {
        if self.state().condition.succeeded() {
            self.tell(Event::Recovered);
        }
    }

    /// Notes that the endpoint answers a look that ends before the login.
    pub(crate) fn seen_well(&self) {
        let refused_login =
            self.state().condition.ill().is_some_and(|error| error.kind() == ErrorKind::Auth);
        if !refused_login {
            self.recovered();
        }
    }

    /// Notes the leaf of a handshake.
    pub(crate) fn observe(&self, peer: &Peer, at: Instant) {
        let leaf = Leaf::from(&*peer.leaf);
        if peer.full {
            let observation = self.state().generation.observe(&leaf, at);
            match observation {
                Observation::First => self.generation_is(peer),
                Observation::Rotated { old } => {
                    self.generation_is(peer);
                    self.counters.rotations.add();
                    tracing::info!(
                        old = %old.fingerprint, new = %leaf.fingerprint,
                        "the server's certificate was renewed"
                    );
                    self.tell(Event::Rotated { old, new: leaf.clone() });
                    self.moved.send_modify(|moves| *moves += 1);
                }
                Observation::RolledBack { current } => {
                    self.tell(Event::RolledBack { current, seen: leaf.clone() });
                }
                Observation::Same | Observation::Laggard => {}
            }
        }
        let near = nearness(&leaf, self.clock.now());
        if self.state().condition.is_news(&leaf, near) {
            let critical = near == Nearness::Critical;
            self.tell(Event::Expiring { leaf, critical });
        }
    }

    fn generation_is(&self, peer: &Peer) {
        if let Some(tls) = self.connector.tls() {
            tls.set_generation(&peer.leaf);
        }
    }

    /// Notes that a session could not be opened.
    pub(crate) fn open_failed(&self, error: &Error) {
        self.counters.open_failures.add();
        self.found_ill(error);
    }

    /// Notes what speaks against the endpoint.
    pub(crate) fn found_ill(&self, error: &Error) {
        let clock = self.clock.now();
        if self.state().condition.failed(error, Instant::now(), clock) {
            tracing::warn!(%error, "the endpoint is unhealthy");
            self.tell(Event::Unhealthy { error: error.clone() });
        }
    }

    /// Why the last session could not be opened, if none was since.
    pub(crate) fn last_error(&self) -> Option<Error> {
        self.state().condition.last_error().cloned()
    }

    pub(crate) fn tell(&self, event: Event) {
        // Without a listener there is nobody to tell.
        let _ = self.events.send(event);
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Why a connection must not be used for another message, if so.
    pub(crate) fn retirement(&self, connection: &Standing<'_>) -> Option<Retirement> {
        let policy = &self.config.pool;
        if policy.max_messages.is_some_and(|most| connection.messages >= most) {
            return Some(Retirement::Messages);
        }
        if connection.opened_at.elapsed() >= policy.max_age {
            return Some(Retirement::Age);
        }
        let peer = connection.peer?;
        if self.clock.now() + self.config.tls.expiry_margin >= peer.earliest_not_after {
            return Some(Retirement::Expiring);
        }
        let leaf = peer.leaf.fingerprint();
        let behind = self.state().generation.has_left_behind(leaf, connection.opened_at);
        behind.then_some(Retirement::Rotated)
    }

    /// When [`retirement`](Self::retirement) is to be asked again at the
    /// latest.
    pub(crate) fn expires(&self, connection: &Standing<'_>) -> Instant {
        let aged = connection.opened_at + self.config.pool.max_age;
        let expiry = connection.peer.and_then(|peer| {
            let ends = peer.earliest_not_after.checked_sub(self.config.tls.expiry_margin)?;
            let left = ends.duration_since(self.clock.now()).unwrap_or_default();
            Instant::now().checked_add(left)
        });
        expiry.map_or(aged, |expiry| expiry.min(aged))
    }

    /// Notes a connection taken out of the pool.
    pub(crate) fn retired(&self, worker: u64, reason: Retirement, opened_at: Instant) {
        self.state().open.retain(|(id, _)| *id != worker);
        self.counters.retired(reason);
        // A server that closes may be restarting with another certificate:
        // the next handshake shall show it.
        if matches!(reason, Retirement::Server | Retirement::Failed)
            && let Some(tls) = self.connector.tls()
        {
            tls.drop_tickets();
        }
        tracing::debug!(reason = reason.as_str(), "connection retired");
        self.tell(Event::Retired { reason, age: opened_at.elapsed() });
    }

    pub(crate) fn manners(&self) -> Manners {
        Manners { no_chunking: self.no_chunking.load(Ordering::Relaxed) }
    }

    /// Whether commands may be pipelined to this server.
    pub(crate) fn pipelines(&self) -> bool {
        self.config.pipelining && !self.no_pipelining.load(Ordering::Relaxed)
    }

    pub(crate) fn chunking_fails(&self) {
        self.no_chunking.store(true, Ordering::Relaxed);
    }

    pub(crate) fn pipelining_fails(&self) {
        self.no_pipelining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.state();
        state.condition.health(state.generation.leaf(), self.clock.now())
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.state();
        Stats {
            connections: state.workers as u64,
            idle: state.parked.len() as u64,
            queued: state.queue.len() as u64,
            ..self.counters.snapshot()
        }
    }

    /// Whether any connection is open.
    pub(crate) fn is_open(&self) -> bool {
        !self.state().open.is_empty()
    }

    /// The leaves that open connections carry.
    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        self.state().open.iter().filter_map(|(_, leaf)| leaf.clone()).collect()
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }
}

/// What decides whether a connection may be used again.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) peer: Option<&'a Peer>,
    pub(crate) opened_at: Instant,
    pub(crate) messages: u32,
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, Stage::Checkout, "the mailer is closed")
        .with_delivery(Delivery::NotSent)
        .with_hint("send before close(), or build another mailer")
}

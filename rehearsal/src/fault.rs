//! Misbehaviour on command: which connection, where in it, and what happens.
//!
//! A fault is armed by [`Rehearsal::inject`](crate::Rehearsal::inject) and
//! taken by a session that gets there. Sessions ask an atomic first, so an
//! empty registry costs one load.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lock;

/// Which connections a fault is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The first connection that gets there, open or new; then it is spent.
    #[default]
    Any,
    /// The next connection to be opened; then it is spent.
    Next,
    /// The n-th connection to be opened from now, 1 being the next; then it is
    /// spent.
    Nth(u64),
    /// Every connection, each time it gets there, until removed.
    Every,
}

/// Where in a connection a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum At {
    /// Accepted, before anything else.
    Accept,
    /// Before the TLS handshake, implicit or after STARTTLS.
    Handshake,
    /// Instead of the greeting.
    Greeting,
    /// At the reply to EHLO or HELO.
    Ehlo,
    /// At the reply to STARTTLS.
    #[serde(rename = "starttls")]
    StartTls,
    /// At each reply within AUTH.
    Auth,
    /// At the reply to MAIL.
    Mail,
    /// At the reply to the n-th RCPT of a transaction, 1 being the first; 0:
    /// any.
    Rcpt(u32),
    /// At the reply to DATA, or to a BDAT that is not the last.
    Data,
    /// After n bytes of a message as they came, before the next is processed.
    Body(u64),
    /// After the end-of-data, or the last BDAT chunk, at the reply to it.
    EndOfData,
    /// At the reply to RSET.
    Reset,
    /// At the reply to NOOP.
    Noop,
    /// At the reply to QUIT.
    Quit,
    /// Idle after at least one transaction.
    Idle,
    /// When exactly n bytes of the client's SMTP have been processed; replies
    /// that have not left by then never do.
    Received(u64),
    /// When exactly n bytes of the server's SMTP have left.
    Sent(u64),
    /// When exactly n bytes have been read below TLS.
    RawReceived(u64),
    /// When exactly n bytes have been written below TLS.
    RawSent(u64),
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// A TCP reset. A stream that is not a socket is dropped.
    Rst,
    /// The end of the TCP stream, without close_notify.
    Fin,
    /// A TLS close_notify, then the end of the TCP stream.
    CloseNotify,
}

/// What happens. Read from JSON as the [control protocol](crate::control)
/// writes it: with text for bytes and seconds for durations.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "crate::control::ActionText")]
#[non_exhaustive]
pub enum Action {
    /// Replies already owed leave, then the connection is cut.
    Cut(Cut),
    /// The first n bytes of the true reply leave, then the connection is cut.
    CutReply(usize, Cut),
    /// Nothing is said, the connection stays open, until released; then the
    /// conversation goes on.
    Stall,
    /// The first n bytes of the true reply leave, the rest when released.
    StallReply(usize),
    /// As [`Stall`](Action::Stall), and nothing is read either, so that the
    /// client's window shuts.
    ShutWindow,
    /// These bytes as they are instead of the reply. The command takes effect
    /// if they begin with 2 or 3.
    Reply(Bytes),
    /// These bytes instead of the reply, then the connection is cut.
    ReplyThenCut(Bytes, Cut),
    /// The true reply and these bytes, in one write.
    Extra(Bytes),
    /// The true reply, one byte at a time, so long apart.
    Drip(Duration),
    /// A line that does not end.
    EndlessLine,
    /// A multi-line reply that does not end.
    EndlessReply,
    /// From now on at most n bytes are read, then a pause of so long.
    SlowRead(usize, Duration),
    /// At [`At::Accept`] only: plain SMTP on the implicit-TLS listener, TLS at
    /// once on the others.
    WrongMode,
}

/// One fault to inject.
///
/// ```
/// use everpost_rehearsal::{Action, At, Cut, Fault, Which};
///
/// // The next connection: the message is kept, but the client never hears.
/// let fault = Fault::new(At::EndOfData, Action::Cut(Cut::Rst)).on(Which::Next).keep(true);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Which connections.
    pub which: Which,
    /// Where.
    pub at: At,
    /// What.
    pub action: Action,
    /// At [`At::EndOfData`]: whether the server keeps the message. `None`: a
    /// cut discards, a reply decides by its first digit, anything else keeps.
    pub keep: Option<bool>,
}

impl Fault {
    /// A fault for the first connection that gets there.
    pub fn new(at: At, action: Action) -> Self {
        Fault { which: Which::Any, at, action, keep: None }
    }

    /// Cuts there.
    pub fn cut(at: At, cut: Cut) -> Self {
        Fault::new(at, Action::Cut(cut))
    }

    /// Answers there with `line`, to which the line end is added.
    pub fn reply(at: At, line: impl AsRef<str>) -> Self {
        Fault::new(at, Action::Reply(format!("{}\r\n", line.as_ref()).into()))
    }

    /// Stalls there until released.
    pub fn stall(at: At) -> Self {
        Fault::new(at, Action::Stall)
    }

    /// For these connections.
    pub fn on(mut self, which: Which) -> Self {
        self.which = which;
        self
    }

    /// Keeps or discards the message whose end-of-data this strikes.
    pub fn keep(mut self, keep: bool) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Whether the message is kept when this strikes at the end of data.
    pub(crate) fn keeps(&self) -> bool {
        self.keep.unwrap_or(match &self.action {
            Action::Cut(_) => false,
            Action::Reply(text) | Action::ReplyThenCut(text, _) => text.first() == Some(&b'2'),
            _ => true,
        })
    }
}

/// An injected fault: says when it struck, and releases or removes it.
/// Dropping the handle changes nothing.
#[derive(Clone, Debug)]
pub struct FaultHandle {
    armed: Arc<Armed>,
    registry: Arc<Faults>,
}

impl FaultHandle {
    /// The number by which the control protocol knows it.
    pub fn id(&self) -> u64 {
        self.armed.id
    }

    /// How often it has struck.
    pub fn count(&self) -> u64 {
        *self.armed.strikes.borrow()
    }

    /// Waits until it has struck at least once.
    pub async fn fired(&self) {
        self.fired_times(1).await;
    }

    /// Waits until it has struck at least `times` times.
    pub async fn fired_times(&self, times: u64) {
        // The sender lives in `self.armed`, so this cannot fail.
        let _ = self.armed.strikes.subscribe().wait_for(|&count| count >= times).await;
    }

    /// Lets stalled connections go on, now and in future.
    pub fn release(&self) {
        self.armed.release.cancel();
    }

    /// Disarms it, and releases what it holds.
    pub fn remove(&self) {
        self.registry.remove(self.armed.id);
        self.armed.release.cancel();
    }
}

/// A fault in the registry.
#[derive(Debug)]
pub(crate) struct Armed {
    id: u64,
    pub(crate) fault: Fault,
    /// The connection it waits for, when it is for one that is yet to come.
    target: Option<u64>,
    strikes: watch::Sender<u64>,
    pub(crate) release: CancellationToken,
    /// Where byte faults for every connection have struck already.
    struck: Mutex<HashSet<u64>>,
}

/// Which byte count a byte fault goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    Body,
    Received,
    Sent,
    RawReceived,
    RawSent,
}

impl Meter {
    fn limit(self, at: At) -> Option<u64> {
        match (self, at) {
            (Meter::Body, At::Body(n))
            | (Meter::Received, At::Received(n))
            | (Meter::Sent, At::Sent(n))
            | (Meter::RawReceived, At::RawReceived(n))
            | (Meter::RawSent, At::RawSent(n)) => Some(n),
            _ => None,
        }
    }
}

impl Armed {
    fn is_for(&self, connection: u64) -> bool {
        self.target.is_none_or(|target| target == connection)
    }
}

/// All faults that have not been spent.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Arc<Armed>>>,
    count: AtomicUsize,
    next_id: AtomicU64,
    /// Released and spent ones that may still hold a connection.
    held: Mutex<Vec<std::sync::Weak<Armed>>>,
}

impl Faults {
    pub(crate) fn inject(self: &Arc<Self>, fault: Fault, next_connection: u64) -> FaultHandle {
        let target = match fault.which {
            Which::Any | Which::Every => None,
            Which::Next => Some(next_connection),
            Which::Nth(n) => Some(next_connection + n.saturating_sub(1)),
        };
        let armed = Arc::new(Armed {
            id: self.next_id.fetch_add(1, Ordering::Relaxed) + 1,
            fault,
            target,
            strikes: watch::Sender::new(0),
            release: CancellationToken::new(),
            struck: Mutex::default(),
        });
        let mut held = lock(&self.held);
        held.retain(|weak| weak.strong_count() > 0);
        held.push(Arc::downgrade(&armed));
        drop(held);
        let mut all = lock(&self.armed);
        all.push(armed.clone());
        self.count.store(all.len(), Ordering::Release);
        drop(all);
        FaultHandle { armed, registry: self.clone() }
    }

    /// Whether anything is armed at all.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) != 0
    }

    /// Takes the first fault for this connection that `matches`.
    pub(crate) fn take(&self, connection: u64, matches: impl Fn(At) -> bool) -> Option<Arc<Armed>> {
        if !self.any() {
            return None;
        }
        let mut all = lock(&self.armed);
        let index = all.iter().position(|it| it.is_for(connection) && matches(it.fault.at))?;
        let armed = all[index].clone();
        if armed.fault.which != Which::Every {
            all.remove(index);
            self.count.store(all.len(), Ordering::Release);
        }
        drop(all);
        armed.strikes.send_modify(|count| *count += 1);
        Some(armed)
    }

    /// The next count at which a byte fault strikes this connection.
    pub(crate) fn limit(&self, connection: u64, meter: Meter, count: u64) -> Option<u64> {
        if !self.any() {
            return None;
        }
        lock(&self.armed)
            .iter()
            .filter(|it| it.is_for(connection) && !lock(&it.struck).contains(&connection))
            .filter_map(|it| meter.limit(it.fault.at))
            .filter(|&limit| limit >= count)
            .min()
    }

    /// Takes the byte fault that strikes at exactly `count`.
    pub(crate) fn take_at(&self, connection: u64, meter: Meter, count: u64) -> Option<Arc<Armed>> {
        if self.limit(connection, meter, count) != Some(count) {
            return None;
        }
        let armed = self.take(connection, |at| meter.limit(at) == Some(count))?;
        lock(&armed.struck).insert(connection);
        Some(armed)
    }

    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut all = lock(&self.armed);
        let before = all.len();
        all.retain(|it| it.id != id);
        self.count.store(all.len(), Ordering::Release);
        all.len() != before
    }

    /// Releases one fault, or all of them; says how many there were.
    pub(crate) fn release(&self, id: Option<u64>) -> usize {
        let held = lock(&self.held);
        let hit = held
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .filter(|it| id.is_none_or(|id| id == it.id));
        hit.map(|it| it.release.cancel()).count()
    }

    /// Disarms everything and releases what is held.
    pub(crate) fn clear(&self) {
        lock(&self.armed).clear();
        self.count.store(0, Ordering::Release);
        self.release(None);
    }
}

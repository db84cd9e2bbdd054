//! What happened: messages, connections, counts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::fault::Cut;
use crate::lock;
use crate::wire::Raw;

/// Closed connections that are remembered; the oldest are forgotten first.
const CLOSED_KEPT: usize = 10_000;
/// Commands remembered per connection.
pub(crate) const COMMANDS_KEPT: usize = 512;

/// A message that the server took responsibility for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The Message-ID without its angle brackets.
    pub message_id: Option<String>,
    /// The reverse-path without brackets; empty for bounces.
    pub envelope_from: String,
    /// The accepted recipients, without brackets.
    pub recipients: Vec<String>,
    /// The message after un-dot-stuffing; empty when bodies are forgotten.
    pub data: Bytes,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who authenticated.
    pub auth_user: Option<String>,
    /// The connection it came over.
    pub connection: u64,
    /// When, by the server's clock.
    pub at: SystemTime,
}

/// The server's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Connections accepted, also those refused by a limit.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// TLS handshakes completed in full.
    pub handshakes_full: u64,
    /// TLS handshakes completed by resumption.
    pub handshakes_resumed: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// Messages kept.
    pub messages: u64,
    /// Messages refused or discarded after their end-of-data.
    pub messages_refused: u64,
    /// Flights: runs of client bytes between two writes of the server.
    pub flights: u64,
    /// Successful AUTHs.
    pub auth_ok: u64,
    /// Failed AUTHs.
    pub auth_failed: u64,
    /// Connections refused with 421 because there were too many.
    pub refused_connections: u64,
    /// Connections that came through the proxy.
    pub proxied: u64,
}

/// How a handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Handshake {
    /// In full, with certificates.
    Full,
    /// By resumption.
    Resumed,
    /// Not at all; [`ConnectionLog::handshake_error`] says why.
    Failed,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Closed {
    /// The client said QUIT.
    Quit,
    /// The client closed in order, without QUIT.
    ByClient,
    /// The client's stream ended without close_notify, or was reset.
    Broken,
    /// The server said 421.
    Farewell,
    /// The server cut it: on command or by a fault.
    Cut,
    /// The server was stopped.
    Stopped,
    /// The handshake failed.
    Handshake,
}

/// What is known of one connection.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConnectionLog {
    /// Its number, from 1.
    pub id: u64,
    /// The client's address, where there is one.
    pub peer: Option<SocketAddr>,
    /// Which listener it came to.
    pub listener: crate::Listener,
    /// How the handshake went, if there was one.
    pub handshake: Option<Handshake>,
    /// Why the handshake failed.
    pub handshake_error: Option<String>,
    /// The TLS version, as in `TLSv1_3`.
    pub tls_version: Option<String>,
    /// The fingerprint of the leaf that was configured at its handshake; a
    /// resumed client has not seen it.
    pub leaf: Option<String>,
    /// The server name that the client asked for.
    pub server_name: Option<String>,
    /// Who authenticated.
    pub auth_user: Option<String>,
    /// Flights of the client.
    pub flights: u64,
    /// Bytes of SMTP received.
    pub received: u64,
    /// Bytes of SMTP sent.
    pub sent: u64,
    /// Bytes read below TLS.
    pub raw_received: u64,
    /// Bytes written below TLS.
    pub raw_sent: u64,
    /// Bytes of SMTP received outside TLS.
    pub bytes_before_tls: u64,
    /// The commands with their arguments, those of AUTH redacted; at most 512.
    pub commands: Vec<String>,
    /// Messages kept.
    pub messages: u64,
    /// The most end-of-datas that were processed without a reply between.
    pub unanswered_end_of_data_max: u64,
    /// How it ended; `None`: it is open.
    pub closed: Option<Closed>,
}

/// Idle, busy, or told to go: decides the race between a wave of 421s and a
/// command that arrives in the same moment.
const BUSY: u8 = 0;
const IDLE: u8 = 1;
const TOLD: u8 = 2;

/// One connection as seen from outside its session.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) log: Mutex<ConnectionLog>,
    pub(crate) raw: Arc<Raw>,
    pub(crate) order: watch::Sender<Option<Order>>,
    /// Wakes an idle session to look around.
    pub(crate) nudge: Notify,
    /// The last byte of the server has left, or the stream is gone.
    pub(crate) ended: CancellationToken,
    pub(crate) counted: AtomicBool,
    idle: AtomicU8,
}

/// What a connection can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Cut(Cut),
    Farewell,
}

impl Connection {
    fn snapshot(&self) -> ConnectionLog {
        let mut log = lock(&self.log).clone();
        log.raw_received = self.raw.received.load(Ordering::Relaxed);
        log.raw_sent = self.raw.sent.load(Ordering::Relaxed);
        log
    }

    pub(crate) fn set_idle(&self) {
        let _ = self.idle.compare_exchange(BUSY, IDLE, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Leaves idleness; false when it was told to go in the meantime.
    pub(crate) fn set_busy(&self) -> bool {
        self.idle.compare_exchange(IDLE, BUSY, Ordering::AcqRel, Ordering::Acquire) != Err(TOLD)
    }

    pub(crate) fn is_told(&self) -> bool {
        self.idle.load(Ordering::Acquire) == TOLD
    }

    /// Tells an idle connection to go; false when it is busy.
    pub(crate) fn tell(&self) -> bool {
        let told =
            self.idle.compare_exchange(IDLE, TOLD, Ordering::AcqRel, Ordering::Acquire).is_ok();
        self.nudge.notify_one();
        told
    }
}

#[derive(Debug, Default)]
struct Books {
    stats: Stats,
    received: Vec<Received>,
    counts: HashMap<String, usize>,
    open: Vec<Arc<Connection>>,
    closed: std::collections::VecDeque<Arc<Connection>>,
    last_id: u64,
}

/// All that happened.
#[derive(Debug, Default)]
pub(crate) struct Record {
    books: Mutex<Books>,
    arrived: Notify,
}

impl Record {
    pub(crate) fn stats(&self) -> Stats {
        lock(&self.books).stats
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut lock(&self.books).stats);
    }

    pub(crate) fn next_connection(&self) -> u64 {
        lock(&self.books).last_id + 1
    }

    /// Opens a connection; the second value says how many are open with it.
    pub(crate) fn open(
        &self,
        listener: crate::Listener,
        peer: Option<SocketAddr>,
    ) -> (Arc<Connection>, u64) {
        let mut books = lock(&self.books);
        books.last_id += 1;
        books.stats.connections += 1;
        books.stats.open += 1;
        let id = books.last_id;
        let connection = Arc::new(Connection {
            id,
            log: Mutex::new(ConnectionLog {
                id,
                peer,
                listener,
                handshake: None,
                handshake_error: None,
                tls_version: None,
                leaf: None,
                server_name: None,
                auth_user: None,
                flights: 0,
                received: 0,
                sent: 0,
                raw_received: 0,
                raw_sent: 0,
                bytes_before_tls: 0,
                commands: Vec::new(),
                messages: 0,
                unanswered_end_of_data_max: 0,
                closed: None,
            }),
            raw: Arc::default(),
            order: watch::Sender::new(None),
            nudge: Notify::new(),
            ended: CancellationToken::new(),
            counted: AtomicBool::new(true),
            idle: AtomicU8::new(BUSY),
        });
        books.open.push(connection.clone());
        (connection, books.stats.open)
    }

    /// Closes a connection; only the first call counts.
    pub(crate) fn close(&self, connection: &Connection, how: Closed) {
        if !connection.counted.swap(false, Ordering::AcqRel) {
            return;
        }
        lock(&connection.log).closed = Some(how);
        let mut books = lock(&self.books);
        books.stats.open -= 1;
        if let Some(index) = books.open.iter().position(|it| it.id == connection.id) {
            let connection = books.open.swap_remove(index);
            if books.closed.len() == CLOSED_KEPT {
                books.closed.pop_front();
            }
            books.closed.push_back(connection);
        }
        drop(books);
        connection.ended.cancel();
        self.arrived.notify_waiters();
    }

    pub(crate) fn open_connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.books).open.clone()
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionLog> {
        let books = lock(&self.books);
        let mut logs: Vec<_> =
            books.closed.iter().chain(&books.open).map(|it| it.snapshot()).collect();
        logs.sort_by_key(|log| log.id);
        logs
    }

    pub(crate) fn keep(&self, received: Received) {
        let mut books = lock(&self.books);
        books.stats.messages += 1;
        if let Some(id) = &received.message_id {
            match books.counts.get_mut(id) {
                Some(count) => *count += 1,
                None => {
                    books.counts.insert(id.clone(), 1);
                }
            }
        }
        books.received.push(received);
        drop(books);
        self.arrived.notify_waiters();
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.books).received.clone()
    }

    pub(crate) fn received_count(&self) -> usize {
        lock(&self.books).received.len()
    }

    pub(crate) fn counts(&self) -> HashMap<String, usize> {
        lock(&self.books).counts.clone()
    }

    pub(crate) fn copies(&self, message_id: &str) -> usize {
        lock(&self.books).counts.get(bare_id(message_id)).copied().unwrap_or(0)
    }

    pub(crate) fn clear(&self) {
        let mut books = lock(&self.books);
        books.received.clear();
        books.counts.clear();
        books.closed.clear();
    }

    /// Waits until `done` says so; asked after each message and each close.
    pub(crate) async fn wait(&self, done: impl Fn(&Self) -> bool) {
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            if done(self) {
                return;
            }
            arrived.await;
        }
    }
}

/// A Message-ID without white space and angle brackets.
fn bare_id(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id)
}

/// The Message-ID of a message, unfolded and bare.
pub(crate) fn message_id(data: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"message-id:";
    let mut found: Option<Vec<u8>> = None;
    for line in data.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let folded = matches!(line[0], b' ' | b'\t');
        match &mut found {
            Some(value) if folded => value.extend_from_slice(line),
            Some(_) => break,
            None if line.len() >= NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) => {
                found = Some(line[NAME.len()..].to_vec());
            }
            None => {}
        }
    }
    let value = String::from_utf8_lossy(&found?).into_owned();
    let id = bare_id(&value);
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::message_id;

    #[test]
    fn the_message_id_is_found_in_the_header_alone_and_unfolded() {
        let id = |text: &str| message_id(text.as_bytes());
        assert_eq!(id("Subject: a\r\nMESSAGE-ID: <x@y>\r\n\r\nbody").as_deref(), Some("x@y"));
        assert_eq!(id("Message-ID:\r\n <x@y>\r\nTo: z\r\n\r\n").as_deref(), Some("x@y"));
        assert_eq!(id("Subject: a\r\n\r\nMessage-ID: <x@y>\r\n"), None);
        assert_eq!(id("Message-ID: \r\n\r\n"), None);
        assert_eq!(id(""), None);
    }
}

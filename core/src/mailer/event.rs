//! What a mailer tells while it works.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use tokio::sync::broadcast;

use crate::certificate::{Certificate, Fingerprint};
use crate::error::{Delivery, Error};
use crate::smtp::Reply;

/// A leaf certificate, in the few words that an event needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leaf {
    /// SHA-256 over its DER.
    pub fingerprint: Fingerprint,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// When it became valid.
    pub not_before: SystemTime,
    /// When it ends being valid.
    pub not_after: SystemTime,
}

impl From<&Certificate> for Leaf {
    fn from(certificate: &Certificate) -> Self {
        Leaf {
            fingerprint: certificate.fingerprint(),
            serial: certificate.serial().to_owned(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

/// Why a connection was taken out of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Retirement {
    /// It was parked for longer than `max_idle`.
    Idle,
    /// It became older than `max_age`.
    Age,
    /// It carried `max_messages`.
    Messages,
    /// The server's certificate was renewed after it was made.
    Rotated,
    /// The certificate it was made with is about to expire.
    Expiring,
    /// The server closed it, said 421, or said something out of turn.
    Server,
    /// It failed, or was cut short, in the middle of a transaction.
    Failed,
    /// The mailer is closing.
    Closing,
}

impl Retirement {
    /// All reasons, in order.
    pub(crate) const ALL: [Retirement; 8] = [
        Retirement::Idle,
        Retirement::Age,
        Retirement::Messages,
        Retirement::Rotated,
        Retirement::Expiring,
        Retirement::Server,
        Retirement::Failed,
        Retirement::Closing,
    ];

    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Retirement::Idle => "idle",
            Retirement::Age => "age",
            Retirement::Messages => "messages",
            Retirement::Rotated => "rotated",
            Retirement::Expiring => "expiring",
            Retirement::Server => "server",
            Retirement::Failed => "failed",
            Retirement::Closing => "closing",
        }
    }
}

/// Something that happened in a mailer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A full handshake showed a newer leaf: the server's certificate was
    /// renewed. Connections made before are being retired.
    Rotated {
        /// The leaf before.
        old: Leaf,
        /// The leaf now.
        new: Leaf,
    },
    /// A full handshake showed an older leaf than the newest one seen: a node
    /// that lags behind, or a renewal that was taken back. Told once per leaf.
    RolledBack {
        /// The newest leaf seen.
        current: Leaf,
        /// The older leaf.
        seen: Leaf,
    },
    /// A connection was taken out of the pool.
    Retired {
        /// Why.
        reason: Retirement,
        /// How old it was.
        age: Duration,
    },
    /// A message that was provably not sent is tried again.
    Retried {
        /// Its Message-ID.
        message_id: String,
        /// The number of the attempt that begins, from 2.
        attempt: u32,
        /// Why the last one failed.
        error: Error,
    },
    /// The server's certificate is near its end. Told once per leaf and
    /// severity.
    Expiring {
        /// The leaf.
        leaf: Leaf,
        /// Whether the end is near enough to wake someone: 7 days, or a tenth
        /// of the lifetime if that is shorter.
        critical: bool,
    },
    /// The endpoint cannot be used; sends fail fast for a while.
    Unhealthy {
        /// Why.
        error: Error,
    },
    /// The endpoint can be used again.
    Recovered,
    /// A message may or may not have been delivered.
    DeliveryUnknown {
        /// Its Message-ID.
        message_id: String,
        /// What happened.
        error: Error,
    },
    /// The verdict on a message whose sender no longer waited for it.
    LateVerdict {
        /// Its Message-ID.
        message_id: String,
        /// Accepted or refused.
        delivery: Delivery,
        /// The server's reply.
        reply: Reply,
    },
}

impl Event {
    /// The stable name, in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Rotated { .. } => "rotated",
            Event::RolledBack { .. } => "rolled_back",
            Event::Retired { .. } => "retired",
            Event::Retried { .. } => "retried",
            Event::Expiring { .. } => "expiring",
            Event::Unhealthy { .. } => "unhealthy",
            Event::Recovered => "recovered",
            Event::DeliveryUnknown { .. } => "delivery_unknown",
            Event::LateVerdict { .. } => "late_verdict",
        }
    }
}

/// The events of a mailer from the moment of subscription on, as a stream.
///
/// A reader that falls behind by more than 1,024 events loses the oldest and
/// is told how many by [`missed`](Self::missed). The stream ends when the
/// mailer is closed.
pub struct Events {
    next: Receiving,
    missed: u64,
}

type Receiving = Pin<Box<dyn Future<Output = (Received, broadcast::Receiver<Event>)> + Send>>;
type Received = Result<Event, broadcast::error::RecvError>;

async fn receive(
    mut receiver: broadcast::Receiver<Event>,
) -> (Received, broadcast::Receiver<Event>) {
    (receiver.recv().await, receiver)
}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Events { next: Box::pin(receive(receiver)), missed: 0 }
    }

    /// How many events this reader has lost by being slow.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Waits for the next event; `None` when the mailer is closed.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let (received, receiver) = std::task::ready!(self.next.as_mut().poll(cx));
            self.next = Box::pin(receive(receiver));
            match received {
                Ok(event) => return Poll::Ready(Some(event)),
                Err(broadcast::error::RecvError::Lagged(count)) => self.missed += count,
                Err(broadcast::error::RecvError::Closed) => return Poll::Ready(None),
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("missed", &self.missed).finish_non_exhaustive()
    }
}

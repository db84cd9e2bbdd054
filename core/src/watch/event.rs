//! What a watch tells: [`Event`].

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::state::Leaf;
use super::text::{moment, severity, status};
use crate::{Severity, Status};

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A healthy endpoint was seen for the first time.
    FirstSeen,
    /// A newer certificate is served.
    Rotated,
    /// The server is back on an older certificate. Told once per certificate
    /// until the next rotation.
    RolledBack,
    /// Another issuer signed the new certificate: not a fault, public
    /// authorities take turns.
    IssuerChanged,
    /// The new certificate has a key of another kind or size.
    KeyTypeChanged,
    /// Some addresses of one host serve another certificate than the rest.
    AddressesDiffer,
    /// The certificate nears its end. Told once per certificate, and once more
    /// when that is critical.
    Expiring,
    /// Something needs attention.
    Degraded,
    /// The endpoint cannot be used as it is.
    Unhealthy,
    /// It is better than it was.
    Recovered,
}

impl EventKind {
    /// Every one.
    pub const ALL: &'static [EventKind] = &[
        EventKind::FirstSeen,
        EventKind::Rotated,
        EventKind::RolledBack,
        EventKind::IssuerChanged,
        EventKind::KeyTypeChanged,
        EventKind::AddressesDiffer,
        EventKind::Expiring,
        EventKind::Degraded,
        EventKind::Unhealthy,
        EventKind::Recovered,
    ];

    /// The stable name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::FirstSeen => "first_seen",
            EventKind::Rotated => "rotated",
            EventKind::RolledBack => "rolled_back",
            EventKind::IssuerChanged => "issuer_changed",
            EventKind::KeyTypeChanged => "key_type_changed",
            EventKind::AddressesDiffer => "addresses_differ",
            EventKind::Expiring => "expiring",
            EventKind::Degraded => "degraded",
            EventKind::Unhealthy => "unhealthy",
            EventKind::Recovered => "recovered",
        }
    }
}

/// A change at one endpoint. Each is told once, also across restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// What kind of change.
    #[serde(rename = "event")]
    pub kind: EventKind,
    /// When it was seen.
    #[serde(with = "moment")]
    pub at: SystemTime,
    /// What the endpoint is called.
    pub endpoint: String,
    /// What was probed, as `host:port`.
    pub target: String,
    /// The endpoint's tags.
    pub tags: Vec<String>,
    /// The host it is about, where it is about one.
    pub server: Option<String>,
    /// How bad it is.
    #[serde(with = "severity")]
    pub severity: Severity,
    /// How the endpoint is now.
    #[serde(with = "status")]
    pub status: Status,
    /// One line for a person.
    pub message: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
    /// The certificate before.
    pub old: Option<Leaf>,
    /// The certificate now.
    pub new: Option<Leaf>,
}

impl Event {
    /// One JSON object (`everpost.watch.event/1`), without a line end.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: &'static str,
            #[serde(flatten)]
            event: &'a Event,
        }
        let document = Document { schema: "everpost.watch.event/1", event: self };
        // Only a date beyond the year 9999 has no form in JSON here.
        serde_json::to_string(&document).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// The events of a watch from the moment of subscription on, as a stream.
///
/// A reader that falls behind by more than 1,024 events loses the oldest. The
/// stream ends when the watch is dropped.
pub struct Events {
    next: Receiving,
}

type Receiving = Pin<Box<dyn Future<Output = (Received, broadcast::Receiver<Event>)> + Send>>;
type Received = Result<Event, broadcast::error::RecvError>;

async fn receive(
    mut receiver: broadcast::Receiver<Event>,
) -> (Received, broadcast::Receiver<Event>) {
    (receiver.recv().await, receiver)
}

impl Events {
    pub(super) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Events { next: Box::pin(receive(receiver)) }
    }

    /// Waits for the next event; `None` when the watch is gone.
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
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Poll::Ready(None),
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

//! What the callers were told, message by message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use everpost::{Delivery, Error, Event, Receipt};

/// How a send ended for its caller.
#[derive(Clone, Debug)]
pub enum Outcome {
    Accepted,
    Failed(Error),
    /// The caller left before it ended.
    Left,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Sent {
    pub client: usize,
    /// Whom it is for: each has a recipient of its own.
    pub recipient: String,
    /// Its bytes, which need no change on their way.
    pub content: String,
    pub began: Duration,
    /// When its send ended, and how.
    pub ended: Option<(Duration, Outcome)>,
    /// An event said that its delivery is unknown.
    pub told_unknown: bool,
    /// An event said what became of it after all.
    pub late: Option<Delivery>,
}

/// All messages, by Message-ID.
#[derive(Clone, Debug, Default)]
pub struct History {
    sent: Arc<Mutex<BTreeMap<String, Sent>>>,
}

impl History {
    pub fn sent(&self) -> MutexGuard<'_, BTreeMap<String, Sent>> {
        self.sent.lock().expect("no holder of this lock panics")
    }

    pub fn begin(
        &self,
        id: &str,
        client: usize,
        began: Duration,
        recipient: String,
        content: String,
    ) {
        let sent = Sent {
            client,
            recipient,
            content,
            began,
            ended: None,
            told_unknown: false,
            late: None,
        };
        let before = self.sent().insert(id.to_owned(), sent);
        assert!(before.is_none(), "{id} is used twice");
    }

    /// Notes the end of a send; `None` if the caller left.
    pub fn end(&self, id: &str, at: Duration, result: Option<Result<Receipt, Error>>) {
        let outcome = match result {
            None => Outcome::Left,
            Some(Ok(_)) => Outcome::Accepted,
            Some(Err(error)) => Outcome::Failed(error),
        };
        if let Some(sent) = self.sent().get_mut(id) {
            sent.ended = Some((at, outcome));
        }
    }

    /// Notes what a mailer tells of a message.
    pub fn event(&self, event: &Event) {
        let (Event::DeliveryUnknown { message_id, .. } | Event::LateVerdict { message_id, .. }) =
            event
        else {
            return;
        };
        let mut sent = self.sent();
        let Some(sent) = sent.get_mut(message_id.trim_matches(['<', '>'])) else { return };
        match event {
            Event::LateVerdict { delivery, .. } => sent.late = Some(*delivery),
            _ => sent.told_unknown = true,
        }
    }

    /// How many sends have not ended.
    pub fn pending(&self) -> usize {
        self.sent().values().filter(|sent| sent.ended.is_none()).count()
    }
}

//! [`Letter`]: a message that is not one small buffer, and envelopes.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use everpost::message::{DsnReturn, Notify};
use everpost::{Address, Envelope, Message};
use napi_derive::napi;

use crate::outcome::Failure;
use crate::pipe::Pipe;

/// A message on its way over in pieces, in a file, or in a stream.
#[napi]
pub struct Letter {
    content: Mutex<Content>,
}

enum Content {
    Pieces(BytesMut),
    Whole(Message),
}

#[napi]
impl Letter {
    /// Of bytes that follow by [`append`](Self::append).
    #[napi(factory)]
    pub fn of_size(bytes: u32) -> Self {
        Letter { content: Mutex::new(Content::Pieces(BytesMut::with_capacity(bytes as usize))) }
    }

    /// Of a file, read as it is sent.
    #[napi(factory)]
    pub fn of_file(path: String) -> Self {
        Letter { content: Mutex::new(Content::Whole(Message::from_file(path))) }
    }

    /// Of what is written to a pipe.
    #[napi(factory)]
    pub fn of_pipe(pipe: &Pipe) -> Self {
        let message = match pipe.reader() {
            Some(reader) => Message::from_reader(reader),
            None => Message::from(Vec::new()),
        };
        Letter { content: Mutex::new(Content::Whole(message)) }
    }

    /// Adds a piece, which is copied.
    #[napi]
    pub fn append(&self, piece: &[u8]) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Content::Pieces(bytes) = &mut *content {
            bytes.extend_from_slice(piece);
        }
    }

    /// The bytes that were gathered.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *content {
            Content::Pieces(bytes) => std::mem::take(bytes).into(),
            Content::Whole(_) => Vec::new(),
        }
    }

    pub(crate) fn message(&self) -> Message {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Content::Pieces(bytes) = &mut *content {
            *content = Content::Whole(std::mem::take(bytes).freeze().into());
        }
        match &*content {
            Content::Whole(message) => message.clone(),
            Content::Pieces(_) => Message::from(Vec::new()),
        }
    }
}

/// Who a message is from and for, whatever its header says.
#[napi(object)]
pub struct GivenEnvelope {
    /// The sender; none is `<>`.
    pub from: Option<String>,
    /// The recipients.
    pub to: Vec<String>,
    /// Whether every server on the way must use TLS.
    pub require_tls: Option<bool>,
    /// What delivery reports call the message.
    pub envid: Option<String>,
    /// What they return of it: `full` or `headers`.
    pub returned: Option<String>,
    /// When there shall be one: 1 success, 2 failure, 4 delay, 0 never.
    pub notify: Option<u32>,
}

impl GivenEnvelope {
    pub(crate) fn read(self) -> Result<Envelope, Failure> {
        let mut envelope = match self.from {
            Some(from) => Envelope::new(Address::new(from)?, &self.to)?,
            None => Envelope::null_sender(&self.to)?,
        };
        if let Some(envid) = self.envid {
            envelope = envelope.with_envid(envid)?;
        }
        if let Some(returned) = self.returned {
            let full = returned == "full";
            envelope =
                envelope.with_return(if full { DsnReturn::Full } else { DsnReturn::Headers });
        }
        if let Some(bits) = self.notify {
            let conditions =
                [(1, Notify::SUCCESS), (2, Notify::FAILURE), (4, Notify::DELAY)].into_iter();
            let chosen = conditions.filter(|(bit, _)| bits & bit != 0).map(|(_, notify)| notify);
            envelope = envelope.with_notify(chosen.fold(Notify::NEVER, |all, one| all | one));
        }
        Ok(if self.require_tls == Some(true) { envelope.require_tls() } else { envelope })
    }
}

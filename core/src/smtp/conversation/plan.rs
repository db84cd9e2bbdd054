//! What a transaction is to do, and how it can end.

use super::super::reply::{Reply, ReplyError};
use crate::error::Stage;

/// How the content of a message is framed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// DATA: dot-stuffed, ended by a lone dot (RFC 5321 §4.1.1.4).
    Data,
    /// One `BDAT size LAST` (RFC 3030 §2). With `eager` it leaves in the same
    /// flight as MAIL and RCPT.
    Chunk { size: u64, eager: bool },
}

/// MAIL and RCPT commands, complete lines, and how to go on after them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    commands: Vec<u8>,
    /// Where each command ends in `commands`: MAIL first, then each RCPT.
    pub(super) ends: Vec<usize>,
    pub(super) content: Content,
    /// Give up unless every recipient is accepted.
    pub(super) require_all: bool,
}

impl Plan {
    pub(crate) fn new(content: Content, require_all: bool) -> Self {
        Plan { commands: Vec::with_capacity(256), ends: Vec::new(), content, require_all }
    }

    /// The buffer to append the next command to: MAIL, then each RCPT. Each is
    /// closed by [`end_command`](Self::end_command).
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.commands
    }

    pub(crate) fn end_command(&mut self) {
        self.ends.push(self.commands.len());
    }

    pub(crate) fn content(&self) -> Content {
        self.content
    }

    pub(super) fn command(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.commands[start..self.ends[index]]
    }

    pub(super) fn recipients(&self) -> usize {
        self.ends.len() - 1
    }
}

/// How a transaction ended, as far as the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server took responsibility.
    Accepted { reply: Reply, recipients: Vec<Reply> },
    /// The server will not deliver. `recipients` holds the answers to RCPT
    /// that had come by then.
    Refused { stage: Stage, reply: Reply, recipients: Vec<Option<Reply>> },
}

/// Why a conversation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// 421: the server closes (RFC 5321 §3.8).
    #[error("the server closed the session: {0}")]
    Closing(Reply),
    /// A reply that nothing asked for, or that does not fit its command.
    #[error("the server sent a reply that nothing asked for: {0}")]
    Unexpected(Reply),
    /// A refusal in the middle of the content, after which the rest of it
    /// would be read as commands.
    #[error("the server refused the message before it was complete: {0}")]
    Interrupted(Reply),
    /// Not a reply at all.
    #[error("{0}")]
    Garbage(#[from] ReplyError),
}

/// A chunk whose content is not as long as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has {actual} bytes, but {declared} were declared")]
pub(crate) struct SizeMismatch {
    pub(crate) declared: u64,
    pub(crate) actual: u64,
}

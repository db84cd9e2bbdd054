//! What a successful send gives back.

use std::net::SocketAddr;

use crate::certificate::Fingerprint;
use crate::message::{Address, Envelope};
use crate::smtp::Reply;

/// Proof that the server took responsibility for a message (RFC 5321 §6.1):
/// exists only after a complete 2yz reply to this very message.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) message_id: String,
    pub(crate) envelope: Envelope,
    pub(crate) reply: Reply,
    pub(crate) accepted: Vec<Address>,
    pub(crate) rejected: Vec<RejectedRecipient>,
    pub(crate) attempts: u32,
    pub(crate) server: SocketAddr,
    pub(crate) leaf: Option<Fingerprint>,
}

impl Receipt {
    /// The Message-ID, in angle brackets.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The envelope that was used.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The server's reply to the message; its text often holds the queue id.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }

    /// The recipients that the server accepted: at least one.
    pub fn accepted(&self) -> &[Address] {
        &self.accepted
    }

    /// The recipients that the server refused one by one.
    pub fn rejected(&self) -> &[RejectedRecipient] {
        &self.rejected
    }

    /// How many connections it took: 1 unless there was a retry.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The address of the server that took it.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The fingerprint of the leaf certificate that server had shown; `None`
    /// in plain text.
    pub fn leaf(&self) -> Option<Fingerprint> {
        self.leaf
    }
}

/// A recipient that the server refused, with the reply to its RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedRecipient {
    /// The recipient.
    pub address: Address,
    /// The server's reply.
    pub reply: Reply,
}

//! The mailer.

use crate::{Address, smtp::Reply};

/// See the module.
#[derive(Clone, Debug)]
pub struct Mailer;
/// Proof that the server took responsibility for a message.
#[derive(Clone, Debug)]
pub struct Receipt;
/// A future.
#[derive(Clone, Debug)]
pub struct LateVerdict;
/// A recipient that the server refused.
#[derive(Clone, Debug)]
pub struct RejectedRecipient {
    /// The recipient.
    pub address: Address,
    /// The server's reply.
    pub reply: Reply,
}

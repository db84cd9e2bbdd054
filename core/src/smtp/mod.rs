//! The SMTP client protocol (RFC 5321) as state machines without IO: bytes in,
//! bytes and outcomes out. No clock, no socket, no runtime.
//!
//! An `opening` takes a connection from its greeting to the point where mail
//! may be sent; a `conversation` then carries the transactions and decides
//! what is known of each message.

pub mod auth;
mod capabilities;
pub(crate) mod command;
pub(crate) mod conversation;
pub(crate) mod opening;
pub(crate) mod reply;

pub use capabilities::Capabilities;
pub use reply::{EnhancedCode, Reply};

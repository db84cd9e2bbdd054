//! The SMTP client protocol as a state machine without IO: bytes in, bytes and
//! events out. No clock, no socket, no runtime.

pub mod auth;
mod reply;

pub use reply::{EnhancedCode, Reply};

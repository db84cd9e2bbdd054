//! The server over real sockets and in memory, against a raw client.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod auth;
mod client;
mod control;
mod delivery;
mod faults;
mod proxy;
mod rotation;

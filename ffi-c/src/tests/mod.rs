//! The ABI, called as C calls it.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "a test keeps what every function asks: handles of its own, each freed once"
)]

#[cfg(feature = "fault-injection")]
mod fault;
mod fuzz;
mod ground;
mod looking;
mod parts;
mod process;
mod sending;
mod telling;
mod verifying;
mod world;

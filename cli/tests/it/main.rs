//! The real `everpost` binary against a rehearsal server.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod cert;
mod diagnose;
mod explain;
mod library;
mod probe;
mod rehearse;
mod send;
mod serve;
mod support;
mod watch;

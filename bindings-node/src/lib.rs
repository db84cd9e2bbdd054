//! The native part of the Everpost package for Node.
//!
//! It is private to the JavaScript beside it, which is the public interface:
//! no behaviour that a user sees begins here.
//!
//! ```text
//! JavaScript ── id, bytes ──▶ Mailer ──▶ task of the runtime ──▶ core
//!     ▲                                        │
//!     └── one call for all that is done ── Port ◀┘
//! ```
//!
//! Invariant: every id that was given to an operation comes back once, with a
//! result or an error, whatever happens to its task; and what waits for the
//! network never runs on JavaScript's thread.
//!
//! The tasks run on the runtime that all bindings share (`everpost_runtime`)
//! and not on one of napi's: that one ends its tasks when a worker thread of
//! Node ends, also those of other threads.

#![cfg_attr(test, allow(dead_code, reason = "nothing is registered for JavaScript in tests"))]
#![allow(unreachable_pub, reason = "JavaScript reaches what no crate does")]

mod certificate;
mod command;
mod compose;
mod config;
mod letter;
mod look;
mod mailer;
mod outcome;
mod pipe;
mod port;
mod rehearsal;

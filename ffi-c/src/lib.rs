//! The C ABI of Everpost: what `everpost.h` declares.
//!
//! ```text
//! C ─▶ guard ─▶ borrow handles, read strings ─▶ everpost (core) ─▶ handle, error
//!        └ no panic crosses, out-parameters are always written
//! ```
//!
//! Nothing here has behaviour of its own: it translates. Invariants: every
//! function runs inside one of the boundaries of [`guard`]; a handle is a
//! `Box` and is released by its one `…_free`; an operation that was started
//! calls back exactly once ([`operation`]).

#![allow(non_camel_case_types, reason = "types have the names they have in C")]
#![deny(clippy::unwrap_used)]

mod batch;
mod certificate;
mod certificate_file;
mod compose;
mod config;
mod diagnose;
mod envelope;
mod error;
mod event;
mod explain;
mod failure;
#[cfg(feature = "fault-injection")]
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gather;
mod guard;
mod late_verdict;
mod log;
mod mailer;
mod message;
mod operation;
mod probe;
mod receipt;
// Not brought up: its type is called as the crate that it stands on.
#[cfg(feature = "rehearsal")]
pub mod rehearsal;
mod report;
mod rung;
mod status;
mod string;
mod token;
mod verify;

pub use batch::*;
pub use certificate::*;
pub use certificate_file::*;
pub use compose::*;
pub use config::*;
pub use diagnose::*;
pub use envelope::*;
pub use error::*;
pub use event::*;
pub use explain::*;
#[cfg(feature = "fault-injection")]
pub use fault::*;
pub use gather::*;
pub use guard::{everpost_done_fn, everpost_drop_fn};
pub use late_verdict::*;
pub use log::*;
pub use mailer::*;
pub use message::*;
pub use operation::*;
pub use probe::*;
pub use receipt::*;
pub use report::*;
pub use rung::*;
pub use status::*;
pub use string::*;
pub use token::*;
pub use verify::*;

#[cfg(test)]
mod tests;

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

mod error;
mod guard;
mod operation;
mod status;
mod string;

pub use error::*;
pub use guard::{everpost_done_fn, everpost_drop_fn};
pub use operation::*;
pub use status::*;
pub use string::*;

#[cfg(test)]
mod tests;

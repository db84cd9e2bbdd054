//! Messages and envelopes: what is sent, and to whom.
//!
//! ```text
//! Message ──prepare──▶ Prepared ──open──▶ Source ──fill──▶ bytes for the wire
//!  raw bytes, file,     final head,        one reading,     CRLF only,
//!  reader, builder      envelope, size     replayable       dots stuffed
//! ```
//!
//! The invariant: whatever a message holds, what leaves is lines ended by
//! CRLF, without NUL (RFC 5321 §2.3.7, §2.3.8), so that nothing inside it can
//! be taken for the end of data, by any server. A retry sends the same bytes:
//! Message-ID and Date are settled once, in `Prepared`.
//!
//! # What is changed in a raw message, and what is not
//!
//! - Bare CR and bare LF become CRLF.
//! - `Bcc` and `Resent-Bcc` are removed, also when an envelope is given.
//! - `Message-ID` and `Date` are added when missing.
//! - Nothing else. `Return-Path` stays: RFC 6409 gives the submission server,
//!   not the client, the say over trace fields. Lines longer than 998 octets
//!   stay: breaking them would break signatures. A raw message is never signed
//!   here; [`MessageBuilder::dkim`] signs what it builds.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod address;
mod address_list;
mod body;
mod builder;
mod content;
mod dkim;
mod dsn;
pub(crate) mod encode;
mod envelope;
mod head;
mod mailbox;
mod prepare;
pub(crate) mod scan;
mod source;

pub use address::Address;
pub use builder::MessageBuilder;
pub use content::Message;
pub use dkim::Dkim;
pub use dsn::{DsnReturn, Notify};
pub use envelope::{Envelope, Recipient};
pub use mailbox::Mailbox;

pub(crate) use body::slow_reader;
pub(crate) use dsn::xtext;
pub(crate) use encode::Framing;
pub(crate) use prepare::{EightBit, Limits, Prepared, prepare};
pub(crate) use source::Source;

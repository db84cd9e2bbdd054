//! Rotation-safe SMTP sending.
//!
//! One [`Mailer`] serves a whole process for its whole life: the server's
//! certificate renews, the server restarts, connections die, and every message
//! is delivered once, or the caller is told exactly what is known of it.

#![forbid(unsafe_code)]

pub mod certificate;
mod clock;
mod config;
pub mod diagnose;
mod endpoint;
mod error;
mod finding;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod json;
pub mod mailer;
pub mod message;
pub mod network;
pub mod probe;
mod session;
pub mod smtp;
pub mod tls;
mod unique;
mod url;
#[cfg(feature = "watch")]
pub mod watch;

pub use clock::{Clock, SystemClock};
pub use config::{Deadlines, OnUnknown, PoolPolicy, RateLimit, RetryPolicy};
pub use endpoint::{Endpoint, TlsMode};
pub use error::{Delivery, Error, ErrorKind, Stage};
pub use finding::{Axis, Finding, FindingId, Severity, Status};
pub use mailer::{Event, Health, Mailer, MailerBuilder, Receipt, RejectedRecipient};
pub use message::{Address, Envelope, Message, MessageBuilder};
pub use network::Tcp;
pub use session::proxy::Proxy;
pub use smtp::auth::{Credentials, Mechanism, TokenError, TokenProvider};
pub use tls::TrustRoots;

/// The README's programs compile, and those that need no server of yours run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

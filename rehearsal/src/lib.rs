//! An SMTP submission server that rehearses what mail servers do to clients.
//!
//! It listens on loopback with implicit TLS, STARTTLS and in the clear, under
//! its own CA; it rotates its certificate, expires, restarts and misbehaves on
//! command, and knows of every message how many copies it holds.
//!
//! ```
//! # async fn example() -> Result<(), everpost_rehearsal::Error> {
//! use everpost_rehearsal::{Chain, Rehearsal, Rotate};
//!
//! let server = Rehearsal::builder().credentials("user", "secret").start().await?;
//! let (address, trust) = (server.implicit_addr(), server.ca_pem());
//! // Point a client at `address`, let it trust `trust`, then:
//! server.rotate(Rotate::default()).await?;
//! server.present(Chain::Expired).await?;
//! assert_eq!(server.copies("some@message.id"), 0);
//! # Ok(())
//! # }
//! ```
//!
//! The invariant: whatever is injected, [`Rehearsal::received`] holds exactly
//! the messages that the server took responsibility for, and everything that a
//! session did is decided by the bytes that it had processed by then.

#![forbid(unsafe_code)]

mod auth;
mod authority;
mod builder;
pub mod control;
mod decode;
mod error;
mod fault;
mod listen;
mod options;
mod proxy;
mod record;
mod rotate;
mod server;
mod session;
mod settings;
mod shared;
mod tls;
mod wire;

pub use authority::{Chain, ClientCertificate, LeafInfo};
pub use builder::Builder;
pub use error::Error;
pub use fault::{Action, At, Cut, Fault, FaultHandle, Which};
pub use options::Options;
pub use proxy::ProxyOptions;
pub use record::{Closed, ConnectionLog, Handshake, Received, Stats};
pub use rotate::{Goodbye, Restart, Rotate, Signer};
pub use server::Rehearsal;
pub use settings::{Capabilities, Limits, Rate, Refusal, ReplyStyle, Settings};
pub use shared::Listener;
pub use tls::{ClientAuth, TlsVersions};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: all that these locks guard is whole
/// between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

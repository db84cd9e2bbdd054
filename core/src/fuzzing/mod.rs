//! The doors for fuzzing engines. No part of the API: anything here may change
//! in any release, and nothing here is of use to a program that sends mail.
//!
//! Each target is a function of arbitrary bytes that returns if its invariants
//! hold and panics if they do not. The engines (libFuzzer in `fuzz/`, the
//! mutating one in `core/tests/fuzz`) only bring the bytes, so whatever one
//! of them finds is replayed by the other from `fuzz/corpus`.

mod auth;
mod capabilities;
mod certificate;
mod legacy;
mod message;
mod pfx;
mod reply;
mod session;
mod url;

pub use auth::auth;
pub use capabilities::capabilities;
pub use certificate::certificate;
pub use legacy::legacy;
pub use message::message;
pub use pfx::pfx;
pub use reply::reply;
pub use session::session;
pub use url::url;

/// A function that is fed arbitrary bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics if an invariant does not hold for these bytes.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "reply", run: reply },
    Target { name: "capabilities", run: capabilities },
    Target { name: "auth", run: auth },
    Target { name: "message", run: message },
    Target { name: "url", run: url },
    Target { name: "session", run: session },
    Target { name: "certificate", run: certificate },
    Target { name: "pfx", run: pfx },
    Target { name: "legacy", run: legacy },
];

/// Takes the first byte off, for a decision; 0 when there is none.
fn choice(data: &mut &[u8]) -> usize {
    let Some((first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    usize::from(*first)
}

//! The door for fuzzing engines: random calls, as a program in C might make
//! them. No part of the ABI; docs/fuzzing.md says more.
//!
//! An input is a program of calls, each a letter with its arguments
//! ([`calls`], [`looks`]). A table holds handles ([`handles`]); a handle that is freed
//! becomes NULL there, as in the header's examples, and all calls are made
//! with NULL too. Nothing leaves the machine: whatever would connect is given
//! a port of loopback where nobody listens.
//!
//! Holds:
//!
//! - every call returns, and none of them has caught a panic inside;
//! - out parameters are written on every path, and status and error agree;
//! - every operation that was started calls back exactly once, and every
//!   `drop` that was promised comes exactly once;
//! - texts are UTF-8, absent of NULL, and no error shows the password.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every call is given what it asks for: NULL, or a handle of the table, which has \
              those that were not freed, and texts that are as long as is said"
)]

mod calls;
mod handles;
mod input;
mod looks;
mod read;
mod told;
mod world;

use self::input::Input;
use self::world::World;

/// What is in every password.
const CANARY: &str = "cAnArYcAnArY";

/// A program of calls.
pub fn abi(data: &[u8]) {
    // One that says the password itself shows nothing by that.
    if data.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
        return;
    }
    let mut world = World::new(Input::new(data));
    world.run();
    world.end();
}

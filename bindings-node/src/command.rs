//! What belongs to no object: the command, the version and the names of options.

use everpost::MailerBuilder;
use everpost::probe::ProbeBuilder;
use napi_derive::napi;

/// Runs the command to its end, on this thread, and gives its exit code.
#[napi]
pub fn command(arguments: Vec<String>) -> u8 {
    everpost_cli::run(arguments.into_iter().map(Into::into))
}

/// The version of this library, which is that of the JavaScript beside it.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The options that a mailer takes by their keys in a URL.
#[napi]
pub fn mailer_keys() -> Vec<&'static str> {
    MailerBuilder::KEYS.to_vec()
}

/// The options that a probe takes.
#[napi]
pub fn probe_keys() -> Vec<&'static str> {
    ProbeBuilder::KEYS.to_vec()
}

//! What belongs to no object: the command, the version and the names of options.

use everpost::MailerBuilder;
use everpost::probe::ProbeBuilder;
use napi_derive::napi;

/// Runs the command to its end, on this thread, and gives its exit code.
///
/// Ctrl-C and SIGTERM end the process from here on, unless the command listens
/// for them: this is for a process that ends with the command.
#[napi]
pub fn command(arguments: Vec<String>) -> u8 {
    #[cfg(unix)]
    forget_handlers();
    everpost_cli::run(arguments.into_iter().map(Into::into))
}

/// Node has handlers that end the process. Who listens for a signal calls those
/// that were there before, too: a command that has something left to say when
/// it is interrupted would never come to say it.
#[cfg(unix)]
fn forget_handlers() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: both signals exist and may be handled; the default runs no code.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
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

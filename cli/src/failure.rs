//! Errors on their way to the user.

use std::io;

use serde_json::json;

use crate::send;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file or stream did not work.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// The rehearsal server did not.
    #[error(transparent)]
    Rehearsal(#[from] everpost_rehearsal::Error),
    /// The mailer did not, before any message was under way or after.
    #[error(transparent)]
    Mail(#[from] everpost::Error),
}

impl Failure {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Failure::Io { what: what.into(), source }
    }

    /// Tells the user, and says how to exit.
    pub(crate) fn report(&self, as_json: bool) -> u8 {
        if let Failure::Mail(error) = self {
            return send::report::failed(error, None, as_json);
        }
        send::report::say(&mut io::stderr(), &format!("everpost: {self}"));
        if as_json {
            let object = json!({
                "ok": false,
                "kind": "invalid_config",
                "stage": "prepare",
                "delivery": "not_sent",
                "retryable": false,
                "message": self.to_string(),
            });
            send::report::say(&mut io::stdout(), &object.to_string());
        }
        send::report::WRONG
    }
}

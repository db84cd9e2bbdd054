//! [`Failure`]: an error inside this layer, of the core or its own.

use everpost_core::{Delivery, Error, ErrorKind, RejectedRecipient, Stage};
use everpost_runtime::RunError;

use crate::status::{self, everpost_status};

/// Why a call or an operation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The core says so.
    Core(Box<Error>),
    /// This layer says so.
    Own { status: everpost_status, delivery: Delivery, message: String, hint: &'static str },
}

impl Failure {
    fn own(status: everpost_status, message: impl Into<String>, hint: &'static str) -> Self {
        Failure::Own { status, delivery: Delivery::NotSent, message: message.into(), hint }
    }

    /// An argument that must be given is NULL.
    pub(crate) fn null(name: &str) -> Self {
        let hint = "the header says which arguments may be NULL";
        Failure::own(status::EVERPOST_NULL_ARGUMENT, format!("{name} is NULL"), hint)
    }

    /// An argument has no meaning. `message` must not repeat it.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        let hint = "the header says what the function takes";
        Failure::own(status::EVERPOST_INVALID_ARGUMENT, message, hint)
    }

    /// An argument that would be one of `known`.
    pub(crate) fn unknown(what: &str, known: &[&str]) -> Self {
        Failure::argument(format!("the {what} is not known; known are {}", known.join(", ")))
    }

    /// The operation was cancelled before it came to its end.
    pub(crate) fn cancelled() -> Self {
        let hint = "it was cancelled by the program itself";
        Failure::own(status::EVERPOST_CANCELLED, "the operation was cancelled", hint)
    }

    /// Something did not end in the time it was given.
    pub(crate) fn late() -> Self {
        Failure::own(status::EVERPOST_TIMEOUT, "it did not end in time", "give it more time")
    }

    /// A panic, or a task that was lost: a defect. `message_lost` if a message
    /// was under way, of which nothing is known now.
    pub(crate) fn panicked(place: &str, message_lost: bool) -> Self {
        Failure::Own {
            status: status::EVERPOST_INTERNAL,
            delivery: if message_lost { Delivery::Unknown } else { Delivery::NotSent },
            message: format!("the library failed {place}"),
            hint: "this is a defect of the library: please report it with its log",
        }
    }

    pub(crate) fn status(&self) -> everpost_status {
        match self {
            Failure::Core(error) => status::of(error.kind()),
            Failure::Own { status, .. } => *status,
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Failure::Core(error) => error.kind(),
            Failure::Own { status, .. } => status::kind(*status),
        }
    }

    pub(crate) fn core(&self) -> Option<&Error> {
        match self {
            Failure::Core(error) => Some(error),
            Failure::Own { .. } => None,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.core().map_or(Stage::Prepare, Error::stage)
    }

    pub(crate) fn delivery(&self) -> Delivery {
        match self {
            Failure::Core(error) => error.delivery(),
            Failure::Own { delivery, .. } => *delivery,
        }
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Failure::Core(error) => error.hint(),
            Failure::Own { hint, .. } => Some(hint),
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Failure::Core(error) => error.to_string(),
            Failure::Own { message, hint, .. } => format!("{}: {message}; {hint}", self.kind()),
        }
    }

    pub(crate) fn report(&self) -> String {
        match self {
            Failure::Core(error) => format!("{error:?}"),
            Failure::Own { delivery, message, hint, .. } => format!(
                "{} at {}: {message}\n  delivery:   {delivery}\n  hint:       {hint}\n",
                self.kind(),
                self.stage(),
            ),
        }
    }

    pub(crate) fn rejected(&self) -> &[RejectedRecipient] {
        self.core().map_or(&[], Error::rejected_recipients)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(Box::new(error))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::WrongThread => Failure::own(
                status::EVERPOST_WRONG_THREAD,
                "the call would wait, on a thread that runs callbacks",
                "inside a callback use the form of the call that ends in _start",
            ),
            _ => Failure::own(
                status::EVERPOST_INTERNAL,
                error.to_string(),
                "the process may have reached a limit on threads or files",
            ),
        }
    }
}

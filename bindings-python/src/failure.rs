//! [`Failure`]: an error inside this layer, and how Python gets it.

use everpost::{Delivery, Error, ErrorKind, Stage};
use everpost_runtime::RunError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use serde_json::json;

use crate::verdict::LateVerdict;

/// Why a call or an operation failed.
pub(crate) enum Failure {
    /// The core says so.
    Core(Box<Error>),
    /// This layer says so.
    Own { kind: ErrorKind, delivery: Delivery, message: String, hint: &'static str },
}

/// The result of everything that is waited for.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    fn own(kind: ErrorKind, message: impl Into<String>, hint: &'static str) -> Self {
        Failure::Own { kind, delivery: Delivery::NotSent, message: message.into(), hint }
    }

    /// An option that cannot work. `message` must not repeat its value.
    pub(crate) fn config(message: impl Into<String>, hint: &'static str) -> Self {
        Failure::own(ErrorKind::InvalidConfig, message, hint)
    }

    /// A message or an envelope that cannot be sent.
    pub(crate) fn message(message: impl Into<String>, hint: &'static str) -> Self {
        Failure::own(ErrorKind::InvalidMessage, message, hint)
    }

    /// The mailer was closed, by the parent of this process.
    pub(crate) fn closed() -> Self {
        Failure::own(ErrorKind::Closed, "the mailer is closed", "make another mailer")
    }

    /// The operation was cancelled before it came to its end.
    pub(crate) fn cancelled() -> Self {
        let hint = "it was cancelled by the program itself";
        Failure::own(ErrorKind::Cancelled, "the operation was cancelled", hint)
    }

    /// It did not end in the time that the caller gave.
    pub(crate) fn late() -> Self {
        let hint = "give it more time, or look at why the server is slow";
        Failure::own(ErrorKind::Timeout, "it did not end in the time that was given", hint)
    }

    /// A panic, or a task that was lost: a defect. `message_lost` if a message
    /// was under way, of which nothing is known now.
    pub(crate) fn panicked(message_lost: bool) -> Self {
        Failure::Own {
            kind: ErrorKind::Internal,
            delivery: if message_lost { Delivery::Unknown } else { Delivery::NotSent },
            message: "the library failed inside an operation".to_owned(),
            hint: "this is a defect of the library: please report it with its log",
        }
    }

    /// Whether it only says that the caller left before anything happened.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Failure::Core(error) => error.kind() == ErrorKind::Cancelled,
            Failure::Own { kind, .. } => *kind == ErrorKind::Cancelled,
        }
    }

    fn json(&self) -> String {
        match self {
            Failure::Core(error) => error.to_json().to_string(),
            Failure::Own { kind, delivery, message, hint } => json!({
                "schema": "everpost.error/1",
                "kind": kind.as_str(),
                "stage": Stage::Prepare.as_str(),
                "delivery": delivery.as_str(),
                "retryable": *kind == ErrorKind::Timeout,
                "message": format!("{kind}: {message}; {hint}"),
                "hint": hint,
                "message_id": null,
                "attempts": 0,
                "reply": null,
                "rejected": [],
                "sender": null,
                "recipients": [],
                "certificate": null,
                "causes": [],
            })
            .to_string(),
        }
    }

    fn report(&self) -> String {
        match self {
            Failure::Core(error) => format!("{error:?}"),
            Failure::Own { kind, delivery, message, hint } => {
                let at = Stage::Prepare;
                format!(
                    "{kind} at {at}: {message}\n  delivery:   {delivery}\n  hint:       {hint}\n"
                )
            }
        }
    }

    /// The exception, made by `everpost.errors`.
    pub(crate) fn exception(self, py: Python<'_>) -> PyErr {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let late = match &self {
            Failure::Core(error) => error.late_verdict().map(LateVerdict::new),
            Failure::Own { .. } => None,
        };
        let (json, report) = (self.json(), self.report());
        let made = MAKE
            .import(py, "everpost.errors", "_from_native")
            .and_then(|make| make.call1((json, report, late)));
        made.map_or_else(|error| error, PyErr::from_value)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(Box::new(error))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let hint = "the process may have reached a limit on threads or files";
        Failure::own(ErrorKind::Internal, error.to_string(), hint)
    }
}

impl From<everpost_rehearsal::Error> for Failure {
    fn from(error: everpost_rehearsal::Error) -> Self {
        Failure::config(error.to_string(), "docs/rehearsal.md lists the options")
    }
}

/// For what fails before anything is waited for.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T, E: Into<Failure>> OrRaise<T> for Result<T, E> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| error.into().exception(py))
    }
}

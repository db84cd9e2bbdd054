//! Messages and envelopes, as Python hands them over.

use std::path::PathBuf;

use bytes::Bytes;
use everpost::message::{DsnReturn, Notify, Recipient};
use everpost::{Address, Envelope, Message};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::failure::{Failure, Outcome};

/// From this size on bytes are shared with Python instead of copied: letting
/// go of a small object of Python's costs more than its copy.
const SHARE_FROM: usize = 64 * 1024;

/// What is sent: bytes, or the path of a file that holds them.
pub(crate) enum Content {
    Memory(Bytes),
    File(PathBuf),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Content {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(bytes) = object.cast::<PyBytes>() else {
            return Ok(Content::File(object.extract()?));
        };
        Ok(Content::Memory(match bytes.as_bytes() {
            small if small.len() < SHARE_FROM => Bytes::copy_from_slice(small),
            _ => Bytes::from_owner(PyBackedBytes::from(bytes.to_owned())),
        }))
    }
}

/// Sender, recipients, ENVID, RET, NOTIFY, and whether TLS is required.
#[derive(FromPyObject)]
pub(crate) struct Addresses(
    Option<String>,
    Vec<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    bool,
);

impl Addresses {
    fn envelope(self) -> Outcome<Envelope> {
        let Addresses(sender, recipients, envid, dsn_return, notify, require_tls) = self;
        let sender = sender.map(Address::new).transpose()?;
        let recipients: Result<Vec<_>, _> =
            recipients.into_iter().map(|to| Address::new(to).map(Recipient::new)).collect();
        let mut envelope = Envelope::from_recipients(sender, recipients?)?;
        if let Some(envid) = envid {
            envelope = envelope.with_envid(envid)?;
        }
        if let Some(dsn_return) = dsn_return {
            envelope = envelope.with_return(match dsn_return.as_str() {
                "full" => DsnReturn::Full,
                "hdrs" => DsnReturn::Headers,
                _ => return Err(unknown("dsn_return", "full or hdrs")),
            });
        }
        if let Some(notify) = notify {
            envelope = envelope.with_notify(conditions(&notify)?);
        }
        Ok(if require_tls { envelope.require_tls() } else { envelope })
    }
}

/// "never", or conditions with commas.
fn conditions(notify: &str) -> Outcome<Notify> {
    if notify == "never" {
        return Ok(Notify::NEVER);
    }
    notify.split(',').try_fold(Notify::NEVER, |all, condition| {
        Ok(all
            | match condition.trim() {
                "success" => Notify::SUCCESS,
                "failure" => Notify::FAILURE,
                "delay" => Notify::DELAY,
                _ => return Err(unknown("notify", "never, or some of success, failure and delay")),
            })
    })
}

fn unknown(key: &str, known: &str) -> Failure {
    Failure::message(format!("{key} must be {known}"), "see the documentation of Envelope")
}

/// The message for the core.
pub(crate) fn message(content: Content, addresses: Option<Addresses>) -> Outcome<Message> {
    let message = match content {
        Content::Memory(bytes) => Message::from(bytes),
        Content::File(path) => Message::from_file(path),
    };
    Ok(match addresses {
        None => message,
        Some(addresses) => message.with_envelope(addresses.envelope()?),
    })
}

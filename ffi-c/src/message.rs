//! Messages as bytes.

use std::ffi::c_char;

use everpost_core::Message;

use crate::envelope::everpost_envelope;
use crate::error::everpost_error;
use crate::guard::{Handle, borrow, borrow_mut, call, free, make};
use crate::status::everpost_status;
use crate::string::{bytes, text};

/// A message to send, any number of times. Sending only reads it; to change it
/// nothing else may use it.
pub struct everpost_message {
    pub(crate) message: Message,
}

impl Handle for everpost_message {
    const NAME: &'static str = "message";
}

/// Makes a message of its bytes (RFC 5322), which are copied. Lines may end in
/// LF; Bcc is stripped when it is sent. Without an envelope the recipients are
/// those of its header. What is wrong with it is told when it is sent.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`.
///
/// # Safety
/// `rfc5322` is NULL or points at `len` bytes; `out` and `error` are each NULL
/// or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_message_new(
    rfc5322: *const u8,
    len: usize,
    out: *mut *mut everpost_message,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let rfc5322 = unsafe { bytes(rfc5322, len, "rfc5322") }?;
        Ok(everpost_message { message: rfc5322.into() })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Makes a message of a file, which is read when it is sent, and again for
/// each retry; never as a whole. That it cannot be read is told then.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`.
///
/// # Safety
/// `path` is text; `out` and `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_message_from_file(
    path: *const c_char,
    path_len: usize,
    out: *mut *mut everpost_message,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let path = unsafe { text(path, path_len, "path") }?;
        Ok(everpost_message { message: Message::from_file(path) })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Sets the envelope of the message, whatever its header says. The envelope is
/// copied.
///
/// Errors: `EVERPOST_INVALID_MESSAGE` if the envelope has no recipient or
/// cannot be sent, `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `message` is NULL or a handle that nothing else uses meanwhile; `envelope`
/// is NULL or a handle; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_message_set_envelope(
    message: *mut everpost_message,
    envelope: *const everpost_envelope,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (message, envelope) = unsafe { (borrow_mut(message)?, borrow(envelope)?) };
        message.message = message.message.clone().with_envelope(envelope.build()?);
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Frees it. NULL is allowed. What is being sent goes on.
///
/// # Safety
/// `message` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_message_free(message: *mut everpost_message) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(message) }
}

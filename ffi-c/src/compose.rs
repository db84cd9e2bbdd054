//! Simple messages, put together from their parts.

use std::ffi::c_char;
use std::mem;

use everpost_core::message::{Mailbox, MessageBuilder};

use crate::error::{Failure, everpost_error};
use crate::guard::{Handle, borrow, borrow_mut, call, free, make};
use crate::message::everpost_message;
use crate::status::everpost_status;
use crate::string::{bytes, text};

/// The fields that are no header names.
const FIELDS: &[&str] =
    &["from", "sender", "reply_to", "to", "cc", "bcc", "subject", "text", "html", "message_id"];

/// A message that is being put together. To be used by one thread at a time.
pub struct everpost_compose {
    builder: MessageBuilder,
}

impl Handle for everpost_compose {
    const NAME: &'static str = "compose";
}

impl everpost_compose {
    fn change(&mut self, change: impl FnOnce(MessageBuilder) -> MessageBuilder) {
        self.builder = change(mem::take(&mut self.builder));
    }

    fn set(&mut self, field: &str, value: &str) -> Result<(), Failure> {
        let mailbox = || Mailbox::try_from(value);
        match field {
            "from" => mailbox().map(|it| self.change(|builder| builder.from(it)))?,
            "sender" => mailbox().map(|it| self.change(|builder| builder.sender(it)))?,
            "reply_to" => mailbox().map(|it| self.change(|builder| builder.reply_to(it)))?,
            "to" => mailbox().map(|it| self.change(|builder| builder.to(it)))?,
            "cc" => mailbox().map(|it| self.change(|builder| builder.cc(it)))?,
            "bcc" => mailbox().map(|it| self.change(|builder| builder.bcc(it)))?,
            "subject" => self.change(|builder| builder.subject(value)),
            "text" => self.change(|builder| builder.text(value)),
            "html" => self.change(|builder| builder.html(value)),
            "message_id" => self.change(|builder| builder.message_id(value)),
            name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                self.change(|builder| builder.header(name, value));
            }
            _ => return Err(Failure::unknown("field", FIELDS)),
        }
        Ok(())
    }
}

/// Makes a message without any part yet.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `out` and `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_compose_new(
    out: *mut *mut everpost_compose,
    error: *mut *mut everpost_error,
) -> everpost_status {
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, || Ok(everpost_compose { builder: MessageBuilder::default() })) }
}

/// Sets a field: "from", "sender", "reply_to", "to", "cc" and "bcc" take one
/// mailbox (`ann@example.org` or `Ann <ann@example.org>`), and all of these
/// but "sender" add; "subject", "text", "html" and "message_id" take text. A
/// name that begins with a capital, such as "X-Mailer", is that header field.
/// What is not ASCII is encoded.
///
/// Errors: `EVERPOST_INVALID_MESSAGE` if it is no mailbox,
/// `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`. Header fields are
/// checked by `everpost_compose_build`.
///
/// # Safety
/// `compose` is NULL or a handle that nothing else uses meanwhile; `field` and
/// `value` are texts; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_compose_set(
    compose: *mut everpost_compose,
    field: *const c_char,
    field_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (compose, field, value) = unsafe {
            let field = text(field, field_len, "field")?;
            (borrow_mut(compose)?, field, text(value, value_len, "value")?)
        };
        compose.set(field, value)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Adds an attachment with a media type, such as "application/pdf". Its bytes
/// are copied, and arrive as they are.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`; a name or a
/// type that is none is told by `everpost_compose_build`.
///
/// # Safety
/// `compose` is NULL or a handle that nothing else uses meanwhile; `file_name`
/// and `content_type` are texts; `content` is NULL or points at `content_len`
/// bytes; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_compose_attach(
    compose: *mut everpost_compose,
    file_name: *const c_char,
    file_name_len: usize,
    content_type: *const c_char,
    content_type_len: usize,
    content: *const u8,
    content_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (compose, name, kind, content) = unsafe {
            (
                borrow_mut(compose)?,
                text(file_name, file_name_len, "file_name")?,
                text(content_type, content_type_len, "content_type")?,
                bytes(content, content_len, "content")?,
            )
        };
        compose.change(|builder| builder.attach(name, kind, content));
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Adds a part that the HTML shows, as `<img src="cid:content_id">`.
///
/// Errors: as `everpost_compose_attach`.
///
/// # Safety
/// `compose` is NULL or a handle that nothing else uses meanwhile;
/// `content_id` and `content_type` are texts; `content` is NULL or points at
/// `content_len` bytes; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_compose_attach_inline(
    compose: *mut everpost_compose,
    content_id: *const c_char,
    content_id_len: usize,
    content_type: *const c_char,
    content_type_len: usize,
    content: *const u8,
    content_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (compose, id, kind, content) = unsafe {
            (
                borrow_mut(compose)?,
                text(content_id, content_id_len, "content_id")?,
                text(content_type, content_type_len, "content_type")?,
                bytes(content, content_len, "content")?,
            )
        };
        compose.change(|builder| builder.attach_inline(id, kind, content));
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Builds the message as it stands. Its envelope is that of its fields, unless
/// another is set.
///
/// Errors: `EVERPOST_INVALID_MESSAGE` if it has no author, or for the first
/// part that was wrong; `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `compose` is NULL or a handle that nothing changes meanwhile; `out` and
/// `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_compose_build(
    compose: *const everpost_compose,
    out: *mut *mut everpost_message,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let compose = unsafe { borrow(compose) }?;
        Ok(everpost_message { message: compose.builder.clone().build()? })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Frees it. NULL is allowed. Messages built of it stay.
///
/// # Safety
/// `compose` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_compose_free(compose: *mut everpost_compose) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(compose) }
}

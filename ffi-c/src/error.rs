//! Errors, as the caller sees them.

use std::error::Error as _;
use std::sync::OnceLock;

use everpost_core::Error;
use serde_json::json;

pub(crate) use crate::failure::Failure;
use crate::guard::{Handle, free, value_of};
use crate::status::{self, everpost_status};
use crate::string::everpost_str;

/// Why something failed: what happened, where, what is known of the message,
/// and what to do. It never changes, and may be used from many threads.
pub struct everpost_error {
    pub(crate) failure: Failure,
    message: OnceLock<String>,
    report: OnceLock<String>,
    reply_enhanced: OnceLock<Option<String>>,
    reply_text: OnceLock<Option<String>>,
    certificate_json: OnceLock<Option<String>>,
    rejected_replies: OnceLock<Vec<String>>,
    source: OnceLock<Option<String>>,
    json: OnceLock<String>,
}

impl Handle for everpost_error {
    const NAME: &'static str = "error";
}

impl everpost_error {
    pub(crate) fn new(failure: Failure) -> Self {
        everpost_error {
            failure,
            message: OnceLock::new(),
            report: OnceLock::new(),
            reply_enhanced: OnceLock::new(),
            reply_text: OnceLock::new(),
            certificate_json: OnceLock::new(),
            rejected_replies: OnceLock::new(),
            source: OnceLock::new(),
            json: OnceLock::new(),
        }
    }

    /// The handle for a callee that frees it.
    pub(crate) fn owned(failure: Failure) -> *mut everpost_error {
        Box::into_raw(Box::new(everpost_error::new(failure)))
    }

    /// The handle for a caller that gave a place for it; NULL if it gave none.
    pub(crate) fn into_raw(
        failure: Failure,
        place: *mut *mut everpost_error,
    ) -> *mut everpost_error {
        if place.is_null() { std::ptr::null_mut() } else { everpost_error::owned(failure) }
    }

    fn message(&self) -> &str {
        self.message.get_or_init(|| self.failure.message())
    }

    fn reply_enhanced(&self) -> Option<&str> {
        let enhanced = || Some(self.failure.core()?.reply()?.enhanced()?.to_string());
        self.reply_enhanced.get_or_init(enhanced).as_deref()
    }

    fn reply_text(&self) -> Option<&str> {
        let text = || Some(self.failure.core()?.reply()?.lines().join("\n"));
        self.reply_text.get_or_init(text).as_deref()
    }

    fn reply_code(&self) -> u16 {
        let reply = self.failure.core().and_then(Error::reply);
        reply.map_or(0, |reply| reply.code())
    }

    fn rejected_reply(&self, index: usize) -> Option<&str> {
        let texts = || self.failure.rejected().iter().map(|one| one.reply.lines().join("\n"));
        let texts = self.rejected_replies.get_or_init(|| texts().collect());
        texts.get(index).map(String::as_str)
    }

    fn source(&self) -> Option<&str> {
        let chain = || {
            let mut next = self.failure.core()?.source();
            let mut causes = Vec::new();
            while let Some(cause) = next {
                causes.push(cause.to_string());
                next = cause.source();
            }
            (!causes.is_empty()).then(|| causes.join(": "))
        };
        self.source.get_or_init(chain).as_deref()
    }

    fn sender(&self) -> Option<&str> {
        Some(self.failure.core()?.envelope()?.reverse_path()?.as_str())
    }

    fn recipients(&self) -> impl Iterator<Item = &str> {
        let envelope = self.failure.core().and_then(Error::envelope);
        let recipients = envelope.map_or(&[][..], |envelope| envelope.recipients());
        recipients.iter().map(|recipient| recipient.address().as_str())
    }

    fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let mut json = match &self.failure {
                Failure::Core(error) => error.to_json(),
                own => json!({
                    "schema": "everpost.error/1",
                    "kind": own.kind().as_str(),
                    "stage": own.stage().as_str(),
                    "delivery": own.delivery().as_str(),
                    "retryable": false,
                    "message": self.message(),
                    "hint": own.hint(),
                    "message_id": null,
                    "attempts": 0,
                    "reply": null,
                    "rejected": [],
                    "sender": null,
                    "recipients": [],
                    "certificate": null,
                    "causes": [],
                }),
            };
            json["status"] = json!(self.failure.status());
            json.to_string()
        })
    }
}

/// The status that the call returned. `EVERPOST_NULL_ARGUMENT` of NULL.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_status(error: *const everpost_error) -> everpost_status {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, status::EVERPOST_NULL_ARGUMENT, |error| error.failure.status()) }
}

/// What went wrong, by its stable name, such as "certificate".
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_kind(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.failure.kind().as_str().into()) }
}

/// Where in the conversation, by its stable name, such as "handshake".
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_stage(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.failure.stage().as_str().into()) }
}

/// What is known of the message: "not_sent" (safe to send again), "refused",
/// or "unknown" (may or may not have been delivered).
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_delivery(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, everpost_str::ABSENT, |error| error.failure.delivery().as_str().into())
    }
}

/// Whether the same call may succeed later without a change. Says nothing of
/// duplicates: see `everpost_error_delivery`. False of NULL.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_retryable(error: *const everpost_error) -> bool {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, false, |error| error.failure.core().is_some_and(Error::is_retryable)) }
}

/// One line for a log. Never holds a secret.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_message(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.message().into()) }
}

/// A report of many lines, the certificate included. Never holds a secret.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_report(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, everpost_str::ABSENT, |error| {
            error.report.get_or_init(|| error.failure.report()).into()
        })
    }
}

/// What to do about it, in one sentence; may be absent.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_hint(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.failure.hint().into()) }
}

/// The Message-ID of the message concerned; absent if there is none.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_message_id(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, everpost_str::ABSENT, |error| {
            error.failure.core().and_then(Error::message_id).into()
        })
    }
}

/// How many connections were tried for the message. 0 of NULL.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_attempts(error: *const everpost_error) -> u32 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, 0, |error| error.failure.core().map_or(0, Error::attempts)) }
}

/// The code of the server's reply; 0 if no reply was the cause.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_reply_code(error: *const everpost_error) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, 0, |error| error.reply_code()) }
}

/// The enhanced status code of that reply, such as "5.7.8"; may be absent.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_reply_enhanced(
    error: *const everpost_error,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.reply_enhanced().into()) }
}

/// The lines of that reply, joined by LF; absent if there is none.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_reply_text(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.reply_text().into()) }
}

/// The report on the server's certificate as JSON; absent if the certificate
/// was not the cause.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_certificate_json(
    error: *const everpost_error,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, everpost_str::ABSENT, |error| {
            let json = || Some(error.failure.core()?.certificate()?.to_json().to_string());
            error.certificate_json.get_or_init(json).as_ref().into()
        })
    }
}

/// The sender in the envelope of the message; absent if there is no message,
/// or it has none.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_sender(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.sender().into()) }
}

/// The number of recipients in that envelope. 0 of NULL.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_recipient_count(error: *const everpost_error) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, 0, |error| error.recipients().count()) }
}

/// One of them; absent beyond the last.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_recipient(
    error: *const everpost_error,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.recipients().nth(index).into()) }
}

/// The number of recipients that the server refused one by one. 0 of NULL.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_rejected_count(error: *const everpost_error) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, 0, |error| error.failure.rejected().len()) }
}

/// The address of one of them; absent beyond the last.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_rejected_address(
    error: *const everpost_error,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, everpost_str::ABSENT, |error| {
            error.failure.rejected().get(index).map(|one| one.address.as_str()).into()
        })
    }
}

/// The code of the reply to one of them; 0 beyond the last.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_rejected_code(
    error: *const everpost_error,
    index: usize,
) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, 0, |error| {
            error.failure.rejected().get(index).map_or(0, |one| one.reply.code())
        })
    }
}

/// The lines of the reply to one of them, joined by LF; absent beyond the last.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_rejected_reply(
    error: *const everpost_error,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.rejected_reply(index).into()) }
}

/// The causes beneath, joined by ": "; absent if there are none.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_source(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.source().into()) }
}

/// All of it as JSON: schema "everpost.error/1".
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_json(error: *const everpost_error) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(error, everpost_str::ABSENT, |error| error.json().into()) }
}

/// Frees it. NULL is allowed.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_free(error: *mut everpost_error) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(error) }
}

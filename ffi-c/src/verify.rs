//! Verifying: could mail be sent?

use std::ffi::c_void;
use std::ptr;

use crate::error::{Failure, everpost_error};
use crate::guard::{self, UserData, borrow, make};
use crate::mailer::everpost_mailer;
use crate::operation::{self, About};
use crate::status::everpost_status;
use crate::string::everpost_text;

/// Called once with the text that was asked for: of `text` and `error` exactly
/// one is not NULL, and it belongs to the callee.
pub type everpost_text_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        text: *mut everpost_text,
        error: *mut everpost_error,
    ),
>;

/// What the server offers after the login, as a future that owns all it needs.
///
/// # Safety
/// `mailer` is NULL or a handle that was not freed.
unsafe fn verify(
    mailer: *const everpost_mailer,
) -> Result<impl Future<Output = Result<everpost_text, Failure>> + Send + 'static + use<>, Failure>
{
    // SAFETY: the caller's promise is the same.
    let mailer = unsafe { borrow(mailer) }?.current()?.clone();
    Ok(async move { Ok(everpost_text::new(mailer.verify().await?.to_json().to_string())) })
}

/// Asks whether mail could be sent: opens a connection beside those of the
/// pool, logs in, and says QUIT. Nothing is sent. Gives what the server offers
/// after the login as JSON, as reports of probes have it: "domain",
/// "extensions" (each with "keyword" and "parameters"), "auth", "starttls" and
/// "max_size".
///
/// Errors: those of a send as far as the login; `EVERPOST_CLOSED`;
/// `EVERPOST_NULL_ARGUMENT`; `EVERPOST_WRONG_THREAD` inside a callback.
///
/// # Safety
/// `mailer` is NULL or a handle that was not freed; `out` and `error` are each
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_verify(
    mailer: *const everpost_mailer,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let verify = unsafe { verify(mailer) }?;
        operation::wait(About::Other, verify)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// As `everpost_mailer_verify`, without waiting: `done` is called once.
/// Returns the operation, for `everpost_cancel`, or 0 if it was not started,
/// which `error` explains. The mailer may be freed meanwhile.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` is NULL or a handle that was not freed; `done` may be called from
/// another thread, with `user_data`; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_verify_start(
    mailer: *const everpost_mailer,
    done: everpost_text_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let user_data = UserData::new(user_data);
    let body = || {
        // SAFETY: the caller's promise is the same.
        let verify = unsafe { verify(mailer) }?;
        operation::start(verify, call_text(done, user_data)?)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

/// As the callback of an operation whose result is a text.
fn call_text(
    done: everpost_text_fn,
    user_data: UserData,
) -> Result<impl FnOnce(Result<everpost_text, Failure>) + Send + 'static, Failure> {
    let done = done.ok_or_else(|| Failure::null("done"))?;
    Ok(move |result| {
        let (text, error) = match result {
            Ok(text) => (Box::into_raw(Box::new(text)), ptr::null_mut()),
            Err(failure) => (ptr::null_mut(), everpost_error::owned(failure)),
        };
        // SAFETY: the caller gave the two together, for this one call.
        unsafe { done(user_data.get(), text, error) }
    })
}

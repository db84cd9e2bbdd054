//! Late verdicts: what became of a message whose delivery was unknown.

use std::ffi::c_void;
use std::time::Duration;

use everpost_core::{Delivery, Error};
use everpost_runtime::block_on;
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, everpost_error};
use crate::guard::{self, UserData, borrow, value_of, yield_to};
use crate::mailer::{call_send, everpost_send_fn};
use crate::operation::{self, About};
use crate::status::everpost_status;
use crate::string::everpost_str;

/// Whether the server's answer to the message is still listened for, or has
/// come since: then there is a verdict to ask for. False of NULL.
///
/// # Safety
/// `error` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_has_late_verdict(error: *const everpost_error) -> bool {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(error, false, |error| {
            error.failure.core().is_some_and(|error| error.late_verdict().is_some())
        })
    }
}

/// Waits up to `timeout_ms` for the verdict on a message whose delivery was
/// unknown. `delivery_out` becomes "accepted" or "refused", or absent if there
/// is none (yet); it lives as long as the process.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_WRONG_THREAD`.
///
/// # Safety
/// `of` is NULL or a handle that was not freed; `delivery_out` and `error`
/// are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_late_verdict(
    of: *const everpost_error,
    timeout_ms: u64,
    delivery_out: *mut everpost_str,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let of = unsafe { borrow(of) }?;
        let Some(late) = of.failure.core().and_then(Error::late_verdict) else {
            return Ok(everpost_str::ABSENT);
        };
        let timeout = Duration::from_millis(timeout_ms);
        let verdict = block_on(async { tokio::time::timeout(timeout, late).await })?;
        Ok(match verdict.ok().flatten() {
            None => everpost_str::ABSENT,
            Some(Ok(_)) => Delivery::Accepted.as_str().into(),
            Some(Err(verdict)) => verdict.delivery().as_str().into(),
        })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { yield_to(delivery_out, everpost_str::ABSENT, error, body) }
}

/// Waits for the same verdict in the background, and for all of it: `done` is
/// called once, with the receipt or the refusal that the send would have
/// ended in, or with this error again if the connection ended without one.
/// That may take as long as the deadline for an answer. Returns the operation,
/// for `everpost_cancel`, or 0 if it was not started, which `error` explains.
/// When it is cancelled, a verdict that has come by then is told nevertheless.
/// The error may be freed meanwhile.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT` if there is no verdict to wait for;
/// `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `of` is NULL or a handle that was not freed; `done` may be called with
/// `user_data` from any thread; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_error_late_verdict_start(
    of: *const everpost_error,
    done: everpost_send_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let user_data = UserData::new(user_data);
    let body = || {
        // SAFETY: the caller's promise is the same.
        let of = unsafe { borrow(of) }?;
        let done = call_send(done, user_data)?;
        let verdict =
            of.failure.core().and_then(|error| Some((error.clone(), error.late_verdict()?)));
        let (error, late) =
            verdict.ok_or_else(|| Failure::argument("the error has no verdict to wait for"))?;
        let wait = |cancelled: CancellationToken| async move {
            tokio::select! {
                // A verdict that has come is told even so.
                biased;
                verdict = late => Ok(verdict.unwrap_or(Err(error))?),
                () = cancelled.cancelled() => Err(Failure::cancelled()),
            }
        };
        operation::start_until(About::Other, wait, done)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

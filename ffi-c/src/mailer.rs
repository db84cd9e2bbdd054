//! The mailer: sending in both forms, closing, health and counters.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use everpost_core::{Mailer, MailerBuilder, Receipt, Status};
use everpost_runtime::{PerProcess, handle};
use tokio_util::sync::CancellationToken;

use crate::config::everpost_config;
use crate::error::{Failure, everpost_error};
use crate::event::EventSink;
use crate::guard::{self, Handle, UserData, borrow, call, everpost_done_fn, free, make, value_of};
use crate::message::everpost_message;
use crate::operation::{self, About, call_done};
use crate::receipt::everpost_receipt;
use crate::status::everpost_status;
use crate::string::everpost_text;

/// Nothing is known against it.
pub const EVERPOST_HEALTHY: i32 = 0;
/// It works, but something is near its end, or not as it should be.
pub const EVERPOST_DEGRADED: i32 = 1;
/// It cannot be used.
pub const EVERPOST_UNHEALTHY: i32 = 2;
/// It could not be found out.
pub const EVERPOST_UNKNOWN: i32 = 3;

/// The number for a status of health.
pub(crate) fn health_number(status: Status) -> i32 {
    match status {
        Status::Healthy => EVERPOST_HEALTHY,
        Status::Degraded => EVERPOST_DEGRADED,
        Status::Unhealthy => EVERPOST_UNHEALTHY,
    }
}

/// Called once with the result of a send: of `receipt` and `error` exactly one
/// is not NULL, and it belongs to the callee.
pub type everpost_send_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        receipt: *mut everpost_receipt,
        error: *mut everpost_error,
    ),
>;

/// Sends mail through pooled connections that survive every rotation of the
/// server's certificate. Made once and kept for the life of the process; may
/// be used from many threads. In a forked child it has connections of its own.
pub struct everpost_mailer {
    builder: MailerBuilder,
    events: Option<Arc<EventSink>>,
    current: PerProcess<Mailer>,
}

impl Handle for everpost_mailer {
    const NAME: &'static str = "mailer";
}

impl everpost_mailer {
    /// The mailer of this process.
    pub(crate) fn current(&self) -> Result<&Mailer, Failure> {
        self.current.get_or_try_init(|| {
            let mailer = self.builder.clone().build()?;
            if let Some(sink) = &self.events {
                handle()?.spawn(Arc::clone(sink).follow(mailer.events()));
            }
            Ok(mailer)
        })
    }
}

/// A result as the two pointers of a callback.
pub(crate) fn parts(
    result: Result<Receipt, Failure>,
) -> (*mut everpost_receipt, *mut everpost_error) {
    match result {
        Ok(receipt) => (Box::into_raw(Box::new(receipt.into())), ptr::null_mut()),
        Err(failure) => (ptr::null_mut(), everpost_error::owned(failure)),
    }
}

/// As the callback of an operation whose result is that of a send.
pub(crate) fn call_send(
    done: everpost_send_fn,
    user_data: UserData,
) -> Result<impl FnOnce(Result<Receipt, Failure>) + Send + 'static, Failure> {
    let done = done.ok_or_else(|| Failure::null("done"))?;
    Ok(move |result| {
        let (receipt, error) = parts(result);
        // SAFETY: the caller gave the two together, for this one call.
        unsafe { done(user_data.get(), receipt, error) }
    })
}

/// Makes a mailer. Opens no connection. The configuration may be used again,
/// or freed.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if an option cannot work, such as roots
/// that cannot be loaded; `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that nothing changes meanwhile; `out` and
/// `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_new(
    config: *const everpost_config,
    out: *mut *mut everpost_mailer,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let config = unsafe { borrow(config) }?;
        let mailer = everpost_mailer {
            builder: config.builder.clone(),
            events: config.events.clone(),
            current: PerProcess::new(),
        };
        mailer.current()?;
        Ok(mailer)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Sends a message, and returns when the server has accepted it.
///
/// Errors: any. `everpost_error_delivery` says what is known of the message.
/// `EVERPOST_WRONG_THREAD` inside a callback.
///
/// # Safety
/// `mailer` and `message` are each NULL or a handle; nothing changes the
/// message meanwhile; `out` and `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_send(
    mailer: *const everpost_mailer,
    message: *const everpost_message,
    out: *mut *mut everpost_receipt,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (mailer, message) = unsafe { (borrow(mailer)?, borrow(message)?) };
        let (mailer, message) = (mailer.current()?, message.message.clone());
        let receipt = operation::wait(About::Message, async {
            Ok::<_, Failure>(mailer.send(message).await?)
        })?;
        Ok(receipt.into())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Starts to send a message, which is copied. `done` runs exactly once, on a
/// thread of the library, perhaps before this returns; not if this returns 0.
/// When it is cancelled, `done` is told at once what is known:
/// `EVERPOST_CANCELLED` if the message was not sent,
/// `EVERPOST_DELIVERY_UNKNOWN` if it had been handed over.
///
/// Returns the operation, or 0 with an error: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` and `message` are each NULL or a handle; nothing changes the
/// message meanwhile; `done` may be called with `user_data` from any thread;
/// `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_send_start(
    mailer: *const everpost_mailer,
    message: *const everpost_message,
    done: everpost_send_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let user_data = UserData::new(user_data);
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (mailer, message) = unsafe { (borrow(mailer)?, borrow(message)?) };
        let done = call_send(done, user_data)?;
        let (mailer, message) = (mailer.current()?.clone(), message.message.clone());
        let send = |cancelled: CancellationToken| async move {
            Ok(mailer.send_until(message, cancelled.cancelled()).await?)
        };
        operation::start_until(About::Message, send, done)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

/// Takes no more messages, waits until those that were taken are answered, and
/// closes all connections.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`; `EVERPOST_WRONG_THREAD` inside a
/// callback.
///
/// # Safety
/// `mailer` is NULL or a handle; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_close(
    mailer: *const everpost_mailer,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let mailer = unsafe { borrow(mailer) }?.current()?;
        operation::wait(About::Other, async {
            mailer.close().await;
            Ok(())
        })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Starts what `everpost_mailer_close` does. Cancelling it ends the waiting;
/// the mailer stays closed.
///
/// Returns the operation, or 0 with an error: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` is NULL or a handle; `done` may be called with `user_data` from
/// any thread; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_close_start(
    mailer: *const everpost_mailer,
    done: everpost_done_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let user_data = UserData::new(user_data);
    let body = || {
        // SAFETY: the caller's promise is the same.
        let mailer = unsafe { borrow(mailer) }?.current()?.clone();
        let done = call_done(done, user_data)?;
        let close = async move {
            mailer.close().await;
            Ok(())
        };
        operation::start(close, done)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

/// Whether the server can be used, from what has been seen: one of
/// `EVERPOST_HEALTHY`, `EVERPOST_DEGRADED` and `EVERPOST_UNHEALTHY`. Asks
/// nothing of the network. `EVERPOST_UNKNOWN` of NULL.
///
/// # Safety
/// `mailer` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_health(mailer: *const everpost_mailer) -> i32 {
    let health = |mailer: &everpost_mailer| {
        let current = mailer.current();
        current.map_or(EVERPOST_UNKNOWN, |mailer| health_number(mailer.health().status()))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(mailer, EVERPOST_UNKNOWN, health) }
}

/// The same with its reasons, as JSON: schema "everpost.health/1".
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` is NULL or a handle; `out` and `error` are each NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_health_json(
    mailer: *const everpost_mailer,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    // SAFETY: the caller's promise is the same.
    unsafe { describe(mailer, out, error, |mailer| mailer.health().to_json().to_string()) }
}

/// The counters as JSON: schema "everpost.stats/1".
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` is NULL or a handle; `out` and `error` are each NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_stats_json(
    mailer: *const everpost_mailer,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    // SAFETY: the caller's promise is the same.
    unsafe { describe(mailer, out, error, |mailer| mailer.stats().to_json().to_string()) }
}

/// The counters in Prometheus' text exposition format (0.0.4), labelled with
/// the endpoint.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` is NULL or a handle; `out` and `error` are each NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_stats_prometheus(
    mailer: *const everpost_mailer,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let text = |mailer: &Mailer| mailer.stats().to_prometheus(&mailer.endpoint().to_string());
    // SAFETY: the caller's promise is the same.
    unsafe { describe(mailer, out, error, text) }
}

/// # Safety
/// `mailer` is NULL or a handle; `out` and `error` are each NULL or may be
/// written.
unsafe fn describe(
    mailer: *const everpost_mailer,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
    text: impl FnOnce(&Mailer) -> String,
) -> everpost_status {
    // SAFETY: the caller's promise is the same.
    let body = || Ok(everpost_text::new(text(unsafe { borrow(mailer) }?.current()?)));
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Frees it. NULL is allowed. Does not wait: operations under way go on, and
/// call back.
///
/// # Safety
/// `mailer` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_free(mailer: *mut everpost_mailer) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(mailer) }
}

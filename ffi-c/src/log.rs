//! Logs, for a callback.

use std::ffi::c_void;
use std::sync::Arc;

use everpost_runtime::log;
use tracing::Level;

use crate::error::{Failure, everpost_error};
use crate::guard::{OwnedUserData, call, everpost_drop_fn};
use crate::status::everpost_status;
use crate::string::everpost_str;

/// Takes a line of the log: `level` from 1 (error) to 5 (trace), the part of
/// the library it comes from, and what it says. Both texts live during the
/// call. It is called from many threads at once, and must not wait.
pub type everpost_log_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        level: i32,
        target: everpost_str,
        message: everpost_str,
    ),
>;

/// Sends what this library logs, up to `level` (1 error, 2 warn, 3 info,
/// 4 debug, 5 trace), to `log`, in place of the callback before; none with
/// level 0 or a `log` that is NULL, when `drop` and `user_data` are not looked
/// at. Holds for the process; a forked child begins without. `drop` (NULL
/// allowed) runs once, when no more calls come; not if this call fails.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT`.
///
/// # Safety
/// The functions may be called with `user_data` from any thread; `error` is
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_log_set(
    level: i32,
    log: everpost_log_fn,
    drop: everpost_drop_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        let level = match level {
            0 => None,
            1 => Some(Level::ERROR),
            2 => Some(Level::WARN),
            3 => Some(Level::INFO),
            4 => Some(Level::DEBUG),
            5 => Some(Level::TRACE),
            _ => return Err(Failure::argument("the level is not one of 0 to 5")),
        };
        match level.zip(log) {
            None => log::stop(),
            Some((level, log)) => {
                let user_data = OwnedUserData::new(user_data, drop);
                log::forward(
                    level,
                    Arc::new(move |level, target, message| {
                        let level = i32::from(log::number(level));
                        // SAFETY: the caller gave the two together.
                        unsafe { log(user_data.get(), level, target.into(), message.into()) }
                    }),
                );
            }
        }
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

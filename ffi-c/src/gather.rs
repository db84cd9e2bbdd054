//! Gathering: one call for callbacks that come close together.

use std::ffi::c_void;

use everpost_runtime::when_gathered;

use crate::error::{Failure, everpost_error};
use crate::guard::{self, OwnedUserData, everpost_drop_fn};
use crate::operation;
use crate::status::everpost_status;

/// Calls `gathered` once, on a thread of the library, when no more callbacks of
/// operations are about to come. To be called from such a callback, by what
/// then wakes another thread: to wake it for many results at once costs a
/// fraction of waking it for each. Nothing waits for time to pass: what is put
/// off is put off until the library has done what it could do at once, and for
/// 16 callbacks or a millisecond at the most. From any other thread, `gathered`
/// is called before this function returns.
///
/// The call comes also when the library is shut down. It is no callback of an
/// operation: `everpost_cancel` does not know of it.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `gathered` may be called with `user_data` from any thread; `error` is NULL
/// or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_gather(
    gathered: everpost_drop_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let call = OwnedUserData::new(user_data, gathered);
    let body = || {
        if gathered.is_none() {
            return Err(Failure::null("gathered"));
        }
        let before = operation::ended();
        let count = move || (operation::ended() - before + 1, operation::under_way_now());
        when_gathered(count, move || drop(call));
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::call(error, body) }
}

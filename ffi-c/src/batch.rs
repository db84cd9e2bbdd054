//! Many messages at once.

use std::ffi::c_void;

use everpost_core::{Error, Message, Receipt};
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, everpost_error};
use crate::guard::{self, UserData, borrow, call, everpost_done_fn};
use crate::mailer::{everpost_mailer, parts};
use crate::message::everpost_message;
use crate::operation::{self, About, call_done};
use crate::receipt::everpost_receipt;
use crate::status::everpost_status;

/// Called once for each message of a batch, with its position, in any order;
/// never at the same time as itself. Of `receipt` and `error` exactly one is
/// not NULL, and it belongs to the callee.
pub type everpost_batch_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        index: usize,
        receipt: *mut everpost_receipt,
        error: *mut everpost_error,
    ),
>;

/// The messages behind an array of handles.
///
/// # Safety
/// `messages` is NULL or points at `count` pointers, each NULL or a handle
/// that nothing changes meanwhile.
unsafe fn read_messages(
    messages: *const *const everpost_message,
    count: usize,
) -> Result<Vec<Message>, Failure> {
    if messages.is_null() && count > 0 {
        return Err(Failure::null("messages"));
    }
    // SAFETY: with a count above 0 it is not NULL, and the caller promises
    // that many pointers to what `borrow` asks for.
    let read = |index| Ok(unsafe { borrow(*messages.add(index))? }.message.clone());
    (0..count).map(read).collect()
}

/// Sends many messages over the pool, back-to-back ones on a connection in one
/// round trip each. `each` runs once for each message, on the calling thread,
/// as results come; the call returns after the last. It fails only if no
/// message was looked at: `each` does not run then.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`; `EVERPOST_WRONG_THREAD` inside a
/// callback.
///
/// # Safety
/// `mailer` is NULL or a handle; `messages` is NULL or points at `count`
/// pointers, each NULL or a handle that nothing changes meanwhile; `each` may
/// be called with `user_data`; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_send_all(
    mailer: *const everpost_mailer,
    messages: *const *const everpost_message,
    count: usize,
    each: everpost_batch_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (mailer, messages) = unsafe { (borrow(mailer)?, read_messages(messages, count)?) };
        let each = each.ok_or_else(|| Failure::null("each"))?;
        let mut results = mailer.current()?.send_all(messages);
        // Waited for one by one, so that `each` runs where it may wait too.
        let mut next =
            || operation::wait(About::Message, async { Ok::<_, Failure>(results.next().await) });
        while let Some((index, result)) = next()? {
            let (receipt, error) = parts(result.map_err(Failure::from));
            // SAFETY: the caller gave the two together.
            unsafe { each(user_data, index, receipt, error) }
        }
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Starts to send many messages, which are copied. `each` runs once for each
/// of them, and `done` after the last; both on threads of the library. When it
/// is cancelled, `each` still runs for every message, and says what is known
/// of it.
///
/// Returns the operation, or 0 with an error: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` is NULL or a handle; `messages` is NULL or points at `count`
/// pointers, each NULL or a handle that nothing changes meanwhile; `each` and
/// `done` may be called with `user_data` from any thread; `error` is NULL or
/// may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_send_all_start(
    mailer: *const everpost_mailer,
    messages: *const *const everpost_message,
    count: usize,
    each: everpost_batch_fn,
    done: everpost_done_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let user_data = UserData::new(user_data);
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (mailer, messages) = unsafe { (borrow(mailer)?, read_messages(messages, count)?) };
        let each = each.ok_or_else(|| Failure::null("each"))?;
        let done = call_done(done, user_data)?;
        let mailer = mailer.current()?.clone();
        let send = |cancelled: CancellationToken| async move {
            let left = cancelled.cancelled_owned().boxed().shared();
            let mut results = mailer.send_all_until(messages, left);
            while let Some((index, result)) = results.next().await {
                let call_each = |result: Result<Receipt, Error>| {
                    let (receipt, error) = parts(result.map_err(Failure::from));
                    // SAFETY: the caller gave the two together.
                    unsafe { each(user_data.get(), index, receipt, error) }
                };
                call_each(result);
            }
            Ok(())
        };
        operation::start_until(About::Message, send, done)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

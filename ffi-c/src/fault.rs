//! Panics on demand, to prove that none crosses the boundary. Only with the
//! feature `fault-injection`, which no build that is given out has.

use std::ffi::c_void;

use crate::error::{Failure, everpost_error};
use crate::guard::{self, UserData, everpost_done_fn};
use crate::operation::{self, About, call_done};

/// Panics: with `place` 0 in this call, with 1 in the operation that it
/// starts, with 2 in a task that the operation waits for, and with 3 in a
/// thread that waits for work. Another place is no place.
///
/// Returns the operation, or 0 with an error.
///
/// # Safety
/// `done` may be called with `user_data` from any thread; `error` is NULL or
/// may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_fault_panic(
    place: i32,
    done: everpost_done_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let user_data = UserData::new(user_data);
    let body = || {
        let done = call_done(done, user_data)?;
        match place {
            0 => panic!("on purpose, in a call"),
            1 => operation::start(async { panic!("on purpose, in an operation") }, done),
            2 => {
                let task = async {
                    let panics = async { panic!("on purpose, in a task") };
                    let task: Result<(), _> = tokio::spawn(panics).await;
                    task.map_err(|_| Failure::panicked("inside a task", false))
                };
                operation::start(task, done)
            }
            3 => operation::wait(About::Other, async { panic!("on purpose, while waiting") }),
            _ => Err(Failure::argument("the place is not one of 0 to 3")),
        }
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

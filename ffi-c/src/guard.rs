//! The boundary: no panic crosses it, every out-parameter is written on every
//! path, and a handle is only ever taken for what it is.
//!
//! A function is plain, and its body is a closure given to one of these:
//!
//! | returns | by |
//! | --- | --- |
//! | `everpost_status` | [`call`]; with a new handle [`make`]; with a value [`yield_to`] |
//! | an operation id | [`start`] |
//! | a value, from a handle | [`value_of`]; from nothing [`value`] |
//! | nothing | [`free`] |

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::error::{Failure, everpost_error};
use crate::status::{EVERPOST_OK, everpost_status};

/// Called once when `user_data` is needed no more; NULL if nothing is to be
/// done then.
pub type everpost_drop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Called once at the end: `error` is NULL if it went well, and otherwise
/// belongs to the callee.
pub type everpost_done_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, error: *mut everpost_error)>;

/// A type that crosses the boundary as a pointer from [`Box::into_raw`] and
/// comes back for the last time in its `…_free`, or is lent by one that does.
/// Nothing else may.
pub(crate) trait Handle: Sized {
    /// What an argument of this type is called.
    const NAME: &'static str;
}

/// What a caller gave to be handed back with each callback.
#[derive(Clone, Copy)]
pub(crate) struct UserData(*mut c_void);

// SAFETY: this library never looks behind the pointer; the header tells the
// caller that callbacks come from other threads.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(user_data: *mut c_void) -> Self {
        UserData(user_data)
    }

    pub(crate) fn get(self) -> *mut c_void {
        self.0
    }
}

/// A caller's `user_data` with the function that ends it, which runs when this
/// is dropped.
pub(crate) struct OwnedUserData {
    user_data: UserData,
    release: everpost_drop_fn,
}

impl OwnedUserData {
    pub(crate) fn new(user_data: *mut c_void, release: everpost_drop_fn) -> Self {
        OwnedUserData { user_data: UserData::new(user_data), release }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.user_data.get()
    }
}

impl Drop for OwnedUserData {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the caller gave the two together, and this is the only
            // place that calls it.
            unsafe { release(self.user_data.get()) }
        }
    }
}

/// A call that has no result but its status.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn call(
    error: *mut *mut everpost_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> everpost_status {
    let (status, failed) = match caught(body) {
        Ok(()) => (EVERPOST_OK, ptr::null_mut()),
        Err(failure) => (failure.status(), everpost_error::into_raw(failure, error)),
    };
    if !error.is_null() {
        // SAFETY: it is not NULL, so it may be written.
        unsafe { error.write(failed) };
    }
    status
}

/// A call that makes a handle.
///
/// # Safety
/// `out` and `error` are each NULL or may be written.
pub(crate) unsafe fn make<T: Handle>(
    out: *mut *mut T,
    error: *mut *mut everpost_error,
    body: impl FnOnce() -> Result<T, Failure>,
) -> everpost_status {
    let body = || body().map(|made| Box::into_raw(Box::new(made)));
    // SAFETY: the caller's promise is the same.
    unsafe { yield_to(out, ptr::null_mut(), error, body) }
}

/// A call that gives a value: `absent` when it fails.
///
/// # Safety
/// `out` and `error` are each NULL or may be written.
pub(crate) unsafe fn yield_to<T: Copy>(
    out: *mut T,
    absent: T,
    error: *mut *mut everpost_error,
    body: impl FnOnce() -> Result<T, Failure>,
) -> everpost_status {
    if !out.is_null() {
        // SAFETY: it is not NULL, so it may be written.
        unsafe { out.write(absent) };
    }
    let body = || {
        if out.is_null() {
            return Err(Failure::null("out"));
        }
        let made = body()?;
        // SAFETY: as above.
        unsafe { out.write(made) };
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// A call that starts an operation: its id, or 0.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn start(
    error: *mut *mut everpost_error,
    body: impl FnOnce() -> Result<u64, Failure>,
) -> u64 {
    let mut id = 0;
    // SAFETY: the caller's promise is the same, and `id` is ours.
    unsafe { yield_to(&raw mut id, 0, error, body) };
    id
}

/// A function that cannot fail and needs no handle.
pub(crate) fn value<R>(absent: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(absent)
}

/// An accessor: `absent` of NULL.
///
/// # Safety
/// `handle` is NULL or a handle that was not freed.
pub(crate) unsafe fn value_of<'a, T: Handle + 'a, R>(
    handle: *const T,
    absent: R,
    body: impl FnOnce(&'a T) -> R,
) -> R {
    // SAFETY: the caller's promise.
    match unsafe { handle.as_ref() } {
        Some(handle) => value(absent, || body(handle)),
        None => absent,
    }
}

/// The release of a handle; NULL is none.
///
/// # Safety
/// `handle` is NULL or a handle that was not freed.
pub(crate) unsafe fn free<T: Handle>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: a handle is made by `Box::into_raw`, and the caller says
        // that this is its one release.
        value((), || drop(unsafe { Box::from_raw(handle) }));
    }
}

/// A handle to look at.
///
/// # Safety
/// `handle` is NULL, or one that is not freed and not changed for `'a`.
pub(crate) unsafe fn borrow<'a, T: Handle>(handle: *const T) -> Result<&'a T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { handle.as_ref() }.ok_or_else(|| Failure::null(T::NAME))
}

/// A handle to change.
///
/// # Safety
/// `handle` is NULL, or one that nothing else uses for `'a`.
pub(crate) unsafe fn borrow_mut<'a, T: Handle>(handle: *mut T) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { handle.as_mut() }.ok_or_else(|| Failure::null(T::NAME))
}

fn caught<R>(body: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err(Failure::panicked("inside a call", false)))
}

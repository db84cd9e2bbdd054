//! Explanations: is it the server, or is it us?

use std::ffi::c_void;

use everpost_core::mailer::ExplainOptions;

use crate::certificate_file::everpost_certificate_file;
use crate::error::{Failure, everpost_error};
use crate::guard::{self, UserData, borrow, make};
use crate::mailer::everpost_mailer;
use crate::operation::{self, About};
use crate::report::{call_report, everpost_report, everpost_report_fn};
use crate::status::everpost_status;

/// The explanation of a mailer, as a future that owns all it needs.
///
/// # Safety
/// `mailer` and `file` are each NULL or a handle that was not freed.
unsafe fn explain(
    mailer: *const everpost_mailer,
    file: *const everpost_certificate_file,
) -> Result<impl Future<Output = Result<everpost_report, Failure>> + Send + 'static + use<>, Failure>
{
    // SAFETY: the caller's promise is the same.
    let mailer = unsafe { borrow(mailer) }?.current()?.clone();
    // SAFETY: as above.
    let options = match unsafe { file.as_ref() } {
        Some(file) => ExplainOptions::default().certificate_file(file.file().clone()),
        None => ExplainOptions::default(),
    };
    Ok(async move { Ok(mailer.explain_with(options).await.into()) })
}

/// Looks at the server afresh, compares with what the mailer's connections
/// carry, and waits for the report: who is at fault, and what to do. `file` is
/// the file that the server's certificate is installed from; it may be NULL.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_WRONG_THREAD`. What goes wrong
/// on the way is in the report.
///
/// # Safety
/// `mailer` and `file` are each NULL or a handle that was not freed; `out` and
/// `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_explain(
    mailer: *const everpost_mailer,
    file: *const everpost_certificate_file,
    out: *mut *mut everpost_report,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let explain = unsafe { explain(mailer, file) }?;
        operation::wait(About::Other, explain)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// As `everpost_mailer_explain`, without waiting: `done` is called once.
/// Returns the operation, for `everpost_cancel`, or 0 if it was not started,
/// which `error` explains. Mailer and file may be freed meanwhile.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `mailer` and `file` are each NULL or a handle that was not freed; `done`
/// may be called from another thread, with `user_data`; `error` is NULL or may
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_mailer_explain_start(
    mailer: *const everpost_mailer,
    file: *const everpost_certificate_file,
    done: everpost_report_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let explain = unsafe { explain(mailer, file) }?;
        operation::start(explain, call_report(done, UserData::new(user_data))?)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

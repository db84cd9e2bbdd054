//! Diagnoses: why a mailer does not get its mail out.

use std::ffi::{c_char, c_void};

use everpost_core::diagnose::Diagnosis;

use crate::config::everpost_config;
use crate::error::{Failure, everpost_error};
use crate::guard::{self, Handle, UserData, borrow, borrow_mut, call, free, make};
use crate::operation::{self, About};
use crate::report::{call_report, everpost_report, everpost_report_fn};
use crate::status::everpost_status;
use crate::string::text;

/// A walk from DNS to the recipient with the settings of a mailer. Setting its
/// options is for one thread; running it is for many at the same time, once
/// they are set.
pub struct everpost_diagnosis {
    diagnosis: Diagnosis,
}

impl Handle for everpost_diagnosis {
    const NAME: &'static str = "diagnosis";
}

impl everpost_diagnosis {
    /// One run, as a future that owns all it needs.
    fn run(
        &self,
    ) -> impl Future<Output = Result<everpost_report, Failure>> + Send + 'static + use<> {
        let diagnosis = self.diagnosis.clone();
        async move { Ok(diagnosis.run().await?.into()) }
    }
}

/// Makes a diagnosis of what a mailer with this configuration would meet. The
/// configuration may be changed or freed afterwards.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `config` is NULL or a handle that was not freed; `out` and `error` are each
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_diagnosis_new(
    config: *const everpost_config,
    out: *mut *mut everpost_diagnosis,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let config = unsafe { borrow(config) }?;
        Ok(everpost_diagnosis { diagnosis: Diagnosis::of(config.builder.clone()) })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Sets one option:
///
/// - "from": ask whether this sender is taken. No message is sent.
/// - "to": ask whether this recipient is taken; several add up. Needs "from".
/// - "size": ask whether a message of so many bytes is taken, as in "1000000",
///   "500KB" or "50MB".
/// - "looks": "true" or "false": whether a failure may be followed by short
///   looks at the usual ports of the host, without credentials; true unless
///   set.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT` if the key is not known,
/// `EVERPOST_INVALID_CONFIG` if the value is not what it takes,
/// `EVERPOST_NULL_ARGUMENT`. The options stay as they were.
///
/// # Safety
/// `diagnosis` is NULL or a handle that was not freed and that no other thread
/// uses; `key` and `value` are NULL or point at as many bytes as their lengths
/// say; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_diagnosis_set(
    diagnosis: *mut everpost_diagnosis,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let diagnosis = unsafe { borrow_mut(diagnosis) }?;
        // SAFETY: as above.
        let key = unsafe { text(key, key_len, "key") }?;
        // SAFETY: as above.
        let value = unsafe { text(value, value_len, "value") }?;
        if !Diagnosis::KEYS.contains(&key) {
            return Err(Failure::unknown("key", Diagnosis::KEYS));
        }
        diagnosis.diagnosis = diagnosis.diagnosis.clone().set(key, value)?;
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Walks from DNS to the first step that fails, and waits for the report.
/// Credentials go only to a server whose certificate the mailer would accept.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if the settings cannot work;
/// `EVERPOST_NULL_ARGUMENT`, `EVERPOST_WRONG_THREAD`. What goes wrong on the
/// way is in the report.
///
/// # Safety
/// `diagnosis` is NULL or a handle that was not freed; `out` and `error` are
/// each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_diagnosis_run(
    diagnosis: *const everpost_diagnosis,
    out: *mut *mut everpost_report,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let diagnosis = unsafe { borrow(diagnosis) }?;
        operation::wait(About::Other, diagnosis.run())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// As `everpost_diagnosis_run`, without waiting: `done` is called once.
/// Returns the operation, for `everpost_cancel`, or 0 if it was not started,
/// which `error` explains. The diagnosis may be freed meanwhile.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`; those of the run go to `done`.
///
/// # Safety
/// `diagnosis` is NULL or a handle that was not freed; `done` may be called
/// from another thread, with `user_data`; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_diagnosis_run_start(
    diagnosis: *const everpost_diagnosis,
    done: everpost_report_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let diagnosis = unsafe { borrow(diagnosis) }?;
        operation::start(diagnosis.run(), call_report(done, UserData::new(user_data))?)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

/// Frees it. Runs under way come to their end. NULL is allowed.
///
/// # Safety
/// `diagnosis` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_diagnosis_free(diagnosis: *mut everpost_diagnosis) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(diagnosis) }
}

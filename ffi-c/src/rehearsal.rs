//! The rehearsal server, for the tests of those who call this library.

use std::ffi::c_char;
use std::time::Duration;

use ::everpost_rehearsal::Builder;
use ::everpost_rehearsal::control::Control;
use everpost_core::Delivery;
use everpost_runtime::block_on;

use crate::error::{Failure, everpost_error};
use crate::guard::{Handle, borrow, free, make, value_of};
use crate::status::{EVERPOST_INVALID_CONFIG, everpost_status};
use crate::string::{everpost_str, everpost_text, optional_text, text};

/// How long the release waits for the server's connections to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A mail server on loopback that rotates its certificate and misbehaves on
/// command. May be used from many threads, and not in a forked child.
pub struct everpost_rehearsal {
    control: Control,
    listening: String,
    ca_pem: String,
}

impl Handle for everpost_rehearsal {
    const NAME: &'static str = "rehearsal";
}

impl Drop for everpost_rehearsal {
    fn drop(&mut self) {
        // On a thread that must not wait it stops all the same, later.
        let _ =
            block_on(async { tokio::time::timeout(FAREWELL, self.control.server().stop()).await });
    }
}

fn failed(error: &::everpost_rehearsal::Error) -> Failure {
    Failure::Own {
        status: EVERPOST_INVALID_CONFIG,
        delivery: Delivery::NotSent,
        message: error.to_string(),
        hint: "docs/rehearsal.md lists the options",
    }
}

/// Starts a server on free ports, unless told otherwise. `options` is an
/// object of JSON, or absent; docs/rehearsal.md lists its keys, such as
/// {"credentials": {"app": "secret"}}.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if the options are no such object, or a
/// port cannot be listened on; `EVERPOST_NULL_ARGUMENT`,
/// `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_WRONG_THREAD`.
///
/// # Safety
/// `options` is NULL or points at as many bytes as its length says; `out` and
/// `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_start(
    options: *const c_char,
    options_len: usize,
    out: *mut *mut everpost_rehearsal,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let options = unsafe { optional_text(options, options_len, "options") }?;
        let builder = Builder::from_json(options.unwrap_or("{}"));
        let server = block_on(builder.map_err(|error| failed(&error))?.start())?;
        let server = server.map_err(|error| failed(&error))?;
        let ca_pem = server.ca_pem();
        let control = Control::new(server);
        Ok(everpost_rehearsal { listening: control.listening(), control, ca_pem })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Asks the server for one thing: a request of docs/rehearsal.md, such as
/// {"do": "rotate"}. The answer is an object of JSON; a request that fails has
/// "ok": false in it and says why.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`,
/// `EVERPOST_WRONG_THREAD`.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed; `request` is NULL or
/// points at as many bytes as its length says; `answer` and `error` are each
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_control(
    rehearsal: *const everpost_rehearsal,
    request: *const c_char,
    request_len: usize,
    answer: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let rehearsal = unsafe { borrow(rehearsal) }?;
        // SAFETY: as above.
        let request = unsafe { text(request, request_len, "request") }?;
        Ok(everpost_text::new(block_on(rehearsal.control.request(request))?))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(answer, error, body) }
}

/// What it was when it started, as an object of JSON: its addresses, its root
/// and its certificate. It is the first line of `everpost rehearse --serve`,
/// which docs/rehearsal.md shows. Absent of NULL.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_listening(
    rehearsal: *const everpost_rehearsal,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(rehearsal, everpost_str::ABSENT, |rehearsal| (&rehearsal.listening).into()) }
}

/// The root that its certificates lead to, in PEM. Absent of NULL.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_ca_pem(
    rehearsal: *const everpost_rehearsal,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(rehearsal, everpost_str::ABSENT, |rehearsal| (&rehearsal.ca_pem).into()) }
}

/// Its port with TLS from the first byte. 0 of NULL.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_implicit_port(
    rehearsal: *const everpost_rehearsal,
) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(rehearsal, 0, |rehearsal| rehearsal.control.server().implicit_addr().port()) }
}

/// Its port with STARTTLS. 0 of NULL.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_starttls_port(
    rehearsal: *const everpost_rehearsal,
) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(rehearsal, 0, |rehearsal| rehearsal.control.server().starttls_addr().port()) }
}

/// Its port without TLS. 0 of NULL.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_plain_port(
    rehearsal: *const everpost_rehearsal,
) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(rehearsal, 0, |rehearsal| rehearsal.control.server().plain_addr().port()) }
}

/// Stops it: connections end. NULL is allowed.
///
/// # Safety
/// `rehearsal` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_rehearsal_free(rehearsal: *mut everpost_rehearsal) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(rehearsal) }
}

//! Looking at servers and files: reports, probes, certificates, rehearsal.

mod certificate;
mod mailer;
mod probe;
#[cfg(feature = "rehearsal")]
mod rehearsal;

use std::ffi::{c_char, c_void};
use std::sync::mpsc::{Receiver, Sender, channel};

use ::everpost_rehearsal::Rehearsal;
use everpost_runtime::block_on;

use crate::*;

/// A text as C has it.
fn c(text: &str) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}

/// No text.
const NONE: (*const c_char, usize) = (std::ptr::null(), 0);

fn seen(view: everpost_str) -> Option<String> {
    if view.data.is_null() {
        return None;
    }
    let bytes = unsafe { std::slice::from_raw_parts(view.data.cast::<u8>(), view.len) };
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// The text, which is freed.
fn taken(text: *mut everpost_text) -> String {
    let content = seen(unsafe { everpost_text_view(text) }).unwrap();
    unsafe { everpost_text_free(text) };
    content
}

/// What an error said, which is freed.
#[derive(Debug)]
struct Failed {
    status: everpost_status,
    message: String,
}

impl Failed {
    fn of(error: *mut everpost_error) -> Failed {
        assert!(!error.is_null(), "a failure has its error");
        let status = unsafe { everpost_error_status(error) };
        let message = seen(unsafe { everpost_error_message(error) }).unwrap();
        unsafe { everpost_error_free(error) };
        Failed { status, message }
    }
}

/// A call that makes nothing: `error` is written on every path.
fn tried(call: impl FnOnce(*mut *mut everpost_error) -> everpost_status) -> Result<(), Failed> {
    let mut error = std::ptr::dangling_mut();
    let status = call(&raw mut error);
    if status == EVERPOST_OK {
        assert!(error.is_null(), "success clears the error");
        return Ok(());
    }
    let failed = Failed::of(error);
    assert_eq!(failed.status, status, "{}", failed.message);
    Err(failed)
}

/// A call that makes a handle: `out` and `error` are written on every path.
fn made<T>(
    call: impl FnOnce(*mut *mut T, *mut *mut everpost_error) -> everpost_status,
) -> Result<*mut T, Failed> {
    let mut out = std::ptr::dangling_mut();
    let result = tried(|error| call(&raw mut out, error));
    assert_eq!(out.is_null(), result.is_err(), "a handle, or an error");
    result.map(|()| out)
}

/// The status of a call that must fail.
fn refused<T>(result: Result<T, Failed>) -> everpost_status {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(failed) => failed.status,
    }
}

/// Where a callback puts what it was given: the address of the report, or what
/// the error said.
type Told = Result<usize, Failed>;

extern "C" fn tell(data: *mut c_void, report: *mut everpost_report, error: *mut everpost_error) {
    assert_ne!(report.is_null(), error.is_null(), "one of the two");
    let told = if error.is_null() { Ok(report as usize) } else { Err(Failed::of(error)) };
    // Its own: once it is told, the test may be over.
    let sender = unsafe { &*data.cast::<Sender<Told>>() }.clone();
    sender.send(told).unwrap();
}

/// Starts an operation that ends in [`tell`].
struct Started {
    id: u64,
    told: Receiver<Told>,
    // Behind the callback's pointer.
    _sender: Box<Sender<Told>>,
}

fn started(
    start: impl FnOnce(everpost_report_fn, *mut c_void, *mut *mut everpost_error) -> u64,
) -> Result<Started, Failed> {
    let (sender, told) = channel();
    let sender = Box::new(sender);
    let mut error = std::ptr::dangling_mut();
    let data = (&raw const *sender).cast_mut().cast();
    let id = start(Some(tell), data, &raw mut error);
    if id == 0 {
        assert!(told.try_recv().is_err(), "what was not started does not call back");
        return Err(Failed::of(error));
    }
    assert!(error.is_null());
    Ok(Started { id, told, _sender: sender })
}

impl Started {
    /// What the callback is told.
    fn wait(&self) -> Result<*mut everpost_report, Failed> {
        self.told.recv().unwrap().map(|address| address as *mut everpost_report)
    }
}

/// A server with one user.
fn server() -> Rehearsal {
    let builder = Rehearsal::builder().credentials("app", "secret-word");
    block_on(builder.start()).unwrap().unwrap()
}

/// The report's findings by their names.
fn findings(report: *const everpost_report) -> Vec<String> {
    let count = unsafe { everpost_report_finding_count(report) };
    (0..count).map(|it| seen(unsafe { everpost_report_finding_id(report, it) }).unwrap()).collect()
}

#[test]
fn what_the_header_lets_many_threads_use_may_be_used_by_many() {
    fn shared<T: Send + Sync>() {}
    shared::<everpost_certificate>();
    shared::<everpost_certificate_file>();
    shared::<everpost_diagnosis>();
    shared::<everpost_probe>();
    shared::<everpost_report>();
    #[cfg(feature = "rehearsal")]
    shared::<crate::rehearsal::everpost_rehearsal>();
}

//! Errors, strings, the boundary and operations.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::mpsc;

use super::world::seen;
use crate::error::Failure;
use crate::operation::{About, Completion, start, start_until};
use crate::string::{optional_text, text};
use crate::*;

/// The status that an operation's callback is given.
fn outcome(receiver: &mpsc::Receiver<Result<(), Failure>>) -> everpost_status {
    receiver.recv().unwrap().map_or_else(|failure| failure.status(), |()| EVERPOST_OK)
}

#[test]
fn a_panic_becomes_an_error_of_the_call() {
    let mut error = ptr::null_mut();
    let status = unsafe { guard::call(&raw mut error, || panic!("on purpose")) };
    assert_eq!(status, EVERPOST_INTERNAL);
    unsafe {
        assert_eq!(seen(everpost_error_kind(error)).unwrap(), "internal");
        assert_eq!(seen(everpost_error_delivery(error)).unwrap(), "not_sent");
        assert!(seen(everpost_error_json(error)).unwrap().contains("\"status\":900"));
        everpost_error_free(error);
    }
}

#[test]
fn an_error_is_cleared_by_success_and_need_not_be_taken() {
    let mut error = ptr::dangling_mut();
    assert_eq!(unsafe { guard::call(&raw mut error, || Ok(())) }, EVERPOST_OK);
    assert!(error.is_null());
    let failing = || Err(Failure::null("it"));
    assert_eq!(unsafe { guard::call(ptr::null_mut(), failing) }, EVERPOST_NULL_ARGUMENT);
}

#[test]
fn every_accessor_of_an_error_takes_null() {
    let none = ptr::null();
    unsafe {
        assert_eq!(everpost_error_status(none), EVERPOST_NULL_ARGUMENT);
        assert_eq!(seen(everpost_error_message(none)), None);
        assert_eq!(everpost_error_rejected_code(none, 0), 0);
        everpost_error_free(ptr::null_mut());
    }
}

#[test]
fn text_is_read_by_length_or_to_its_nul_and_must_be_utf8() {
    let read = |bytes: &[u8], len| unsafe {
        text(bytes.as_ptr().cast::<c_char>(), len, "it").map(str::to_owned)
    };
    assert_eq!(read(b"abc\0", 2).unwrap(), "ab");
    assert_eq!(read(b"abc\0", EVERPOST_NUL).unwrap(), "abc");
    assert_eq!(read(b"\xff\0", EVERPOST_NUL).unwrap_err().status(), EVERPOST_INVALID_ARGUMENT);
    assert_eq!(read(b"a", usize::MAX - 1).unwrap_err().status(), EVERPOST_INVALID_ARGUMENT);
    unsafe {
        assert_eq!(optional_text(ptr::null(), 0, "it").unwrap(), None);
        assert!(optional_text(ptr::null(), 1, "it").is_err());
        assert_eq!(text(ptr::null(), 0, "it").unwrap_err().status(), EVERPOST_NULL_ARGUMENT);
    }
}

#[test]
fn status_names_are_those_of_kinds_and_no_number_is_used_twice() {
    let numbers: std::collections::BTreeSet<_> = status::NAMES.iter().map(|it| it.0).collect();
    assert_eq!(numbers.len(), status::NAMES.len());
    for kind in [everpost_core::ErrorKind::Certificate, everpost_core::ErrorKind::Closed] {
        assert_eq!(seen(everpost_status_name(status::of(kind))).unwrap(), kind.as_str());
    }
    assert_eq!(seen(everpost_status_name(1)), None);
}

#[test]
fn an_operation_that_is_cancelled_calls_back_once_and_is_gone() {
    let (sender, receiver) = mpsc::channel();
    let done = move |result| sender.send(result).unwrap();
    let id = start(std::future::pending(), done).unwrap();
    assert!(everpost_cancel(id));
    assert_eq!(outcome(&receiver), EVERPOST_CANCELLED);
    assert!(receiver.recv().is_err(), "the callback is gone, and with it its sender");
    assert!(!everpost_cancel(id) && !everpost_cancel(0));
}

#[test]
fn a_panic_in_an_operation_reaches_its_callback_and_says_what_it_knows() {
    let (sender, receiver) = mpsc::channel();
    let work = |_| async { panic!("on purpose") };
    let done = move |result: Result<(), Failure>| sender.send(result).unwrap();
    start_until(About::Message, work, done).unwrap();
    let failure = receiver.recv().unwrap().unwrap_err();
    let error = everpost_error::owned(failure);
    unsafe {
        assert_eq!(everpost_error_status(error), EVERPOST_INTERNAL);
        assert_eq!(seen(everpost_error_delivery(error)).unwrap(), "unknown");
        everpost_error_free(error);
    }
}

#[test]
fn a_panic_in_a_callback_harms_no_other_operation() {
    let (sender, receiver) = mpsc::channel();
    start(async { Ok(()) }, |_| panic!("on purpose")).unwrap();
    start(async { Ok(()) }, move |result| sender.send(result).unwrap()).unwrap();
    assert_eq!(outcome(&receiver), EVERPOST_OK);
}

#[test]
fn a_completion_that_is_dropped_still_calls_back_and_complains() {
    let (sender, receiver) = mpsc::channel();
    let done = move |result: Result<(), Failure>| sender.send(result).unwrap();
    let completion = Completion::new(0, About::Message, done);
    let complaint = catch_unwind(AssertUnwindSafe(|| drop(completion)));
    assert_eq!(complaint.is_err(), cfg!(debug_assertions));
    assert_eq!(outcome(&receiver), EVERPOST_INTERNAL);
    assert!(receiver.recv().is_err(), "once");
}

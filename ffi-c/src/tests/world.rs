//! What the tests share: a server, handles that free themselves, callbacks.

use std::ffi::c_void;
use std::ptr;
use std::sync::mpsc::{Receiver, Sender, channel};

use everpost_rehearsal::{Builder, Rehearsal};

use crate::*;

/// What a view shows; `None` if it is absent.
pub(super) fn seen(view: everpost_str) -> Option<String> {
    if view.data.is_null() {
        return None;
    }
    let bytes = unsafe { std::slice::from_raw_parts(view.data.cast::<u8>(), view.len) };
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A handle that is freed at the end of its test.
pub(super) struct Owned<T>(pub(super) *mut T, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    pub(super) fn new(handle: *mut T, free: unsafe extern "C" fn(*mut T)) -> Self {
        assert!(!handle.is_null());
        Owned(handle, free)
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) }
    }
}

/// An error, read and freed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: everpost_status,
    pub(super) delivery: String,
    pub(super) message: String,
}

/// Takes an error that must be there.
pub(super) fn take(error: *mut everpost_error) -> Seen {
    let error = Owned::new(error, everpost_error_free);
    unsafe {
        Seen {
            status: everpost_error_status(error.0),
            delivery: seen(everpost_error_delivery(error.0)).unwrap(),
            message: seen(everpost_error_message(error.0)).unwrap(),
        }
    }
}

/// Calls what must succeed, and shows its error if it does not.
pub(super) fn ok(call: impl FnOnce(*mut *mut everpost_error) -> everpost_status) {
    let mut error = ptr::dangling_mut();
    if call(&raw mut error) != EVERPOST_OK {
        panic!("{:?}", take(error));
    }
    assert!(error.is_null());
}

/// Calls what must fail.
pub(super) fn failed(call: impl FnOnce(*mut *mut everpost_error) -> everpost_status) -> Seen {
    let mut error = ptr::null_mut();
    let status = call(&raw mut error);
    let seen = take(error);
    assert_eq!(seen.status, status);
    seen
}

/// A server, and the thread that drives it, which is none of the library's.
pub(super) struct World {
    pub(super) server: Rehearsal,
    pub(super) runtime: tokio::runtime::Runtime,
}

impl World {
    pub(super) fn new() -> Self {
        World::with(Rehearsal::builder().credentials("app", "secret"))
    }

    pub(super) fn with(builder: Builder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        World { server: runtime.block_on(builder.start()).unwrap(), runtime }
    }

    pub(super) fn config(&self) -> Owned<everpost_config> {
        let port = self.server.implicit_addr().port();
        let url = format!("smtps://app:secret@{}:{port}", self.server.host());
        let config = config(&url);
        let pem = self.server.ca_pem();
        let trust =
            |error| unsafe { everpost_config_trust_pem(config.0, pem.as_ptr(), pem.len(), error) };
        ok(trust);
        config
    }

    pub(super) fn mailer(&self) -> Owned<everpost_mailer> {
        mailer(&self.config())
    }
}

pub(super) fn config(url: &str) -> Owned<everpost_config> {
    let mut config = ptr::null_mut();
    ok(|error| unsafe {
        everpost_config_new(url.as_ptr().cast(), url.len(), &raw mut config, error)
    });
    Owned::new(config, everpost_config_free)
}

pub(super) fn set(config: &Owned<everpost_config>, key: &str, value: &str) {
    ok(|error| unsafe {
        let (key_at, value_at) = (key.as_ptr().cast(), value.as_ptr().cast());
        everpost_config_set(config.0, key_at, key.len(), value_at, value.len(), error)
    });
}

pub(super) fn mailer(config: &Owned<everpost_config>) -> Owned<everpost_mailer> {
    let mut mailer = ptr::null_mut();
    ok(|error| unsafe { everpost_mailer_new(config.0, &raw mut mailer, error) });
    Owned::new(mailer, everpost_mailer_free)
}

pub(super) fn message(id: &str) -> Owned<everpost_message> {
    let text = format!(
        "From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: {id}\r\n\r\nhello\r\n"
    );
    let mut message = ptr::null_mut();
    ok(|error| unsafe { everpost_message_new(text.as_ptr(), text.len(), &raw mut message, error) });
    Owned::new(message, everpost_message_free)
}

/// Sends and waits: the Message-ID of the receipt.
pub(super) fn send(
    mailer: &Owned<everpost_mailer>,
    message: &Owned<everpost_message>,
) -> Result<String, Seen> {
    let (mut receipt, mut error) = (ptr::dangling_mut(), ptr::dangling_mut());
    let (out, error_out) = (&raw mut receipt, &raw mut error);
    let status = unsafe { everpost_mailer_send(mailer.0, message.0, out, error_out) };
    result(status == EVERPOST_OK, receipt, error)
}

fn result(
    fine: bool,
    receipt: *mut everpost_receipt,
    error: *mut everpost_error,
) -> Result<String, Seen> {
    if fine {
        assert!(error.is_null());
        let receipt = Owned::new(receipt, everpost_receipt_free);
        Ok(seen(unsafe { everpost_receipt_message_id(receipt.0) }).unwrap())
    } else {
        assert!(receipt.is_null());
        Err(take(error))
    }
}

/// A channel, and its sender as `user_data` of one callback.
pub(super) fn told() -> (*mut c_void, Receiver<Result<String, Seen>>) {
    let (sender, receiver) = channel::<Result<String, Seen>>();
    (Box::into_raw(Box::new(sender)).cast(), receiver)
}

pub(super) unsafe extern "C" fn tell(
    user_data: *mut c_void,
    receipt: *mut everpost_receipt,
    error: *mut everpost_error,
) {
    // The one call there is takes the sender, so a second would be seen.
    let told = unsafe { Box::from_raw(user_data.cast::<Sender<Result<String, Seen>>>()) };
    told.send(result(error.is_null(), receipt, error)).unwrap();
}

/// Starts to send: the operation, and where its one result comes.
pub(super) fn begin(
    mailer: &Owned<everpost_mailer>,
    message: &Owned<everpost_message>,
) -> (u64, Receiver<Result<String, Seen>>) {
    let (user_data, receiver) = told();
    let mut error = ptr::null_mut();
    let id = unsafe {
        everpost_mailer_send_start(mailer.0, message.0, Some(tell), user_data, &raw mut error)
    };
    assert!(id != 0 && error.is_null());
    (id, receiver)
}

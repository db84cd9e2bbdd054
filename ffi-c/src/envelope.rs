//! Envelopes: who sends to whom, whatever the header of the message says.

use std::ffi::c_char;

use everpost_core::message::{DsnReturn, Notify, Recipient};
use everpost_core::{Address, Envelope};

use crate::error::{Failure, everpost_error};
use crate::guard::{Handle, borrow_mut, call, free, make};
use crate::status::everpost_status;
use crate::string::{optional_text, text};

/// An envelope that is being put together. To be used by one thread at a time.
pub struct everpost_envelope {
    from: Option<Address>,
    recipients: Vec<Recipient>,
    envid: Option<String>,
    dsn_return: Option<DsnReturn>,
    notify: Option<Notify>,
    require_tls: bool,
}

impl Handle for everpost_envelope {
    const NAME: &'static str = "envelope";
}

impl everpost_envelope {
    /// The envelope as it stands.
    pub(crate) fn build(&self) -> Result<Envelope, Failure> {
        let recipients = self.recipients.iter().cloned();
        let mut envelope = Envelope::from_recipients(self.from.clone(), recipients)?;
        if let Some(envid) = &self.envid {
            envelope = envelope.with_envid(envid)?;
        }
        if let Some(dsn_return) = self.dsn_return {
            envelope = envelope.with_return(dsn_return);
        }
        if let Some(notify) = self.notify {
            envelope = envelope.with_notify(notify);
        }
        Ok(if self.require_tls { envelope.require_tls() } else { envelope })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match key {
            "envid" => self.envid = Some(value.to_owned()),
            "return" => {
                self.dsn_return = Some(match value {
                    "full" => DsnReturn::Full,
                    "hdrs" => DsnReturn::Headers,
                    _ => return Err(Failure::unknown("value of return", &["full", "hdrs"])),
                });
            }
            "require_tls" => {
                self.require_tls = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(Failure::unknown("value of require_tls", &["true", "false"])),
                }
            }
            "notify" => self.notify = Some(notify(value)?),
            _ => {
                let known = ["envid", "return", "require_tls", "notify"];
                return Err(Failure::unknown("key", &known));
            }
        }
        Ok(())
    }
}

/// "never", or conditions with commas.
fn notify(value: &str) -> Result<Notify, Failure> {
    if value == "never" {
        return Ok(Notify::NEVER);
    }
    value.split(',').try_fold(Notify::NEVER, |notify, condition| {
        Ok(notify
            | match condition.trim() {
                "success" => Notify::SUCCESS,
                "failure" => Notify::FAILURE,
                "delay" => Notify::DELAY,
                _ => {
                    let known = ["never", "success", "failure", "delay"];
                    return Err(Failure::unknown("condition of notify", &known));
                }
            })
    })
}

/// Makes an envelope from an address; absent: from `<>`, so that no failure is
/// ever reported back, for bounces and automatic replies.
///
/// Errors: `EVERPOST_INVALID_MESSAGE` if it is no address,
/// `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `from` is text or absent; `out` and `error` are each NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_envelope_new(
    from: *const c_char,
    from_len: usize,
    out: *mut *mut everpost_envelope,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let from = unsafe { optional_text(from, from_len, "from") }?;
        Ok(everpost_envelope {
            from: from.map(Address::new).transpose()?,
            recipients: Vec::new(),
            envid: None,
            dsn_return: None,
            notify: None,
            require_tls: false,
        })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Adds a recipient, by its address alone.
///
/// Errors: `EVERPOST_INVALID_MESSAGE` if it is no address,
/// `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `envelope` is NULL or a handle that nothing else uses meanwhile;
/// `recipient` is text; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_envelope_add(
    envelope: *mut everpost_envelope,
    recipient: *const c_char,
    recipient_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (envelope, recipient) =
            unsafe { (borrow_mut(envelope)?, text(recipient, recipient_len, "recipient")?) };
        envelope.recipients.push(Recipient::new(Address::new(recipient)?));
        Ok(())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Sets an option: "envid", the identifier in delivery reports; "return" to
/// "full" or "hdrs", what a report of failure shall bring back; "notify" to
/// "never", or some of "success,failure,delay", for all recipients;
/// "require_tls" to "true" or "false" (RFC 8689). The server must offer what
/// is asked for: DSN, REQUIRETLS.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_NULL_ARGUMENT`. An "envid"
/// that cannot be sent is told by `everpost_message_set_envelope`.
///
/// # Safety
/// `envelope` is NULL or a handle that nothing else uses meanwhile; `key` and
/// `value` are texts; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_envelope_set(
    envelope: *mut everpost_envelope,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let (envelope, key, value) = unsafe {
            (borrow_mut(envelope)?, text(key, key_len, "key")?, text(value, value_len, "value")?)
        };
        envelope.set(key, value)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Frees it. NULL is allowed. Messages that have it keep it.
///
/// # Safety
/// `envelope` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_envelope_free(envelope: *mut everpost_envelope) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(envelope) }
}

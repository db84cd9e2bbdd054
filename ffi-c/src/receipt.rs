//! Receipts.

use std::sync::OnceLock;

use everpost_core::Receipt;
use serde::Serialize;
use serde_json::{Value, json};

use crate::guard::{Handle, free, value_of};
use crate::string::everpost_str;

/// Proof that the server took responsibility for a message. It never changes,
/// and may be used from many threads.
pub struct everpost_receipt {
    pub(crate) receipt: Receipt,
    reply_enhanced: OnceLock<Option<String>>,
    reply_text: OnceLock<String>,
    rejected_replies: OnceLock<Vec<String>>,
    server: OnceLock<String>,
    leaf: OnceLock<Option<String>>,
    json: OnceLock<String>,
}

impl Handle for everpost_receipt {
    const NAME: &'static str = "receipt";
}

impl From<Receipt> for everpost_receipt {
    fn from(receipt: Receipt) -> Self {
        everpost_receipt {
            receipt,
            reply_enhanced: OnceLock::new(),
            reply_text: OnceLock::new(),
            rejected_replies: OnceLock::new(),
            server: OnceLock::new(),
            leaf: OnceLock::new(),
            json: OnceLock::new(),
        }
    }
}

/// Schema "everpost.receipt/1", keys in order.
#[derive(Serialize)]
struct Told<'a> {
    accepted: Vec<&'a str>,
    attempts: u32,
    leaf: Option<&'a str>,
    message_id: &'a str,
    rejected: Vec<Value>,
    reply: TheReply<'a>,
    schema: &'static str,
    server: &'a str,
}

#[derive(Serialize)]
struct TheReply<'a> {
    code: u16,
    enhanced: Option<&'a str>,
    lines: &'a [String],
}

impl everpost_receipt {
    fn reply_enhanced(&self) -> Option<&str> {
        let enhanced = || Some(self.receipt.reply().enhanced()?.to_string());
        self.reply_enhanced.get_or_init(enhanced).as_deref()
    }

    fn rejected_reply(&self, index: usize) -> Option<&str> {
        let texts = || self.receipt.rejected().iter().map(|one| one.reply.lines().join("\n"));
        let texts = self.rejected_replies.get_or_init(|| texts().collect());
        texts.get(index).map(String::as_str)
    }

    fn server(&self) -> &str {
        self.server.get_or_init(|| self.receipt.server().to_string())
    }

    /// The text of `Receipt::to_json`. Some languages take it of every message:
    /// it is written without a tree of values in between.
    fn told(&self) -> String {
        let receipt = &self.receipt;
        let told = Told {
            accepted: receipt.accepted().iter().map(|address| address.as_str()).collect(),
            attempts: receipt.attempts(),
            leaf: self.leaf(),
            message_id: receipt.message_id(),
            rejected: receipt
                .rejected()
                .iter()
                .map(|one| json!({ "address": one.address.as_str(), "reply": one.reply.to_json() }))
                .collect(),
            reply: TheReply {
                code: receipt.reply().code(),
                enhanced: self.reply_enhanced(),
                lines: receipt.reply().lines(),
            },
            schema: "everpost.receipt/1",
            server: self.server(),
        };
        // Nothing in it has a key that is no text, which is all that can fail.
        serde_json::to_string(&told).unwrap_or_default()
    }

    fn leaf(&self) -> Option<&str> {
        self.leaf.get_or_init(|| self.receipt.leaf().map(|leaf| leaf.to_string())).as_deref()
    }
}

/// The Message-ID, in angle brackets.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_message_id(
    receipt: *const everpost_receipt,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, everpost_str::ABSENT, |receipt| receipt.receipt.message_id().into())
    }
}

/// The code of the server's reply to the message. 0 of NULL.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_reply_code(receipt: *const everpost_receipt) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, 0, |receipt| receipt.receipt.reply().code()) }
}

/// The enhanced status code of that reply, such as "2.0.0"; may be absent.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_reply_enhanced(
    receipt: *const everpost_receipt,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, everpost_str::ABSENT, |receipt| receipt.reply_enhanced().into()) }
}

/// The lines of that reply, joined by LF; they often hold the queue id.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_reply_text(
    receipt: *const everpost_receipt,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, everpost_str::ABSENT, |receipt| {
            let text = || receipt.receipt.reply().lines().join("\n");
            receipt.reply_text.get_or_init(text).into()
        })
    }
}

/// The number of recipients that the server accepted: at least one. 0 of NULL.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_accepted_count(
    receipt: *const everpost_receipt,
) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, 0, |receipt| receipt.receipt.accepted().len()) }
}

/// The address of one of them; absent beyond the last.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_accepted(
    receipt: *const everpost_receipt,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, everpost_str::ABSENT, |receipt| {
            receipt.receipt.accepted().get(index).map(|address| address.as_str()).into()
        })
    }
}

/// The number of recipients that the server refused one by one. 0 of NULL.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_rejected_count(
    receipt: *const everpost_receipt,
) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, 0, |receipt| receipt.receipt.rejected().len()) }
}

/// The address of one of them; absent beyond the last.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_rejected_address(
    receipt: *const everpost_receipt,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, everpost_str::ABSENT, |receipt| {
            receipt.receipt.rejected().get(index).map(|one| one.address.as_str()).into()
        })
    }
}

/// The code of the reply to one of them; 0 beyond the last.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_rejected_code(
    receipt: *const everpost_receipt,
    index: usize,
) -> u16 {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, 0, |receipt| {
            receipt.receipt.rejected().get(index).map_or(0, |one| one.reply.code())
        })
    }
}

/// The lines of the reply to one of them, joined by LF; absent beyond the last.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_rejected_reply(
    receipt: *const everpost_receipt,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, everpost_str::ABSENT, |receipt| receipt.rejected_reply(index).into())
    }
}

/// How many connections it took: 1 unless there was a retry. 0 of NULL.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_attempts(receipt: *const everpost_receipt) -> u32 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, 0, |receipt| receipt.receipt.attempts()) }
}

/// The address of the server that took it, as "ip:port".
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_server(receipt: *const everpost_receipt) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, everpost_str::ABSENT, |receipt| receipt.server().into()) }
}

/// The SHA-256 fingerprint, in hexadecimal, of the certificate that server had
/// shown; absent in plain text.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_leaf(receipt: *const everpost_receipt) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(receipt, everpost_str::ABSENT, |receipt| receipt.leaf().into()) }
}

/// All of it as JSON: schema "everpost.receipt/1".
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_json(receipt: *const everpost_receipt) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(receipt, everpost_str::ABSENT, |receipt| {
            receipt.json.get_or_init(|| receipt.told()).into()
        })
    }
}

/// Frees it. NULL is allowed.
///
/// # Safety
/// `receipt` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_receipt_free(receipt: *mut everpost_receipt) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(receipt) }
}

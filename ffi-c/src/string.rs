//! Text and bytes over the boundary: in by pointer and length, out as views
//! of what their owner holds.

use std::ffi::{CStr, c_char};
use std::slice;

use crate::error::Failure;
use crate::guard::{Handle, free, value_of};

/// As a length: the text ends at its NUL.
pub const EVERPOST_NUL: usize = usize::MAX;

/// A view of UTF-8 text that is not NUL-terminated, valid as long as the
/// object it was asked of; absent is `{NULL, 0}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct everpost_str {
    /// The first byte; NULL if absent.
    pub data: *const c_char,
    /// The number of bytes.
    pub len: usize,
}

impl everpost_str {
    /// No text.
    pub(crate) const ABSENT: everpost_str = everpost_str { data: std::ptr::null(), len: 0 };
}

impl From<&str> for everpost_str {
    fn from(text: &str) -> Self {
        everpost_str { data: text.as_ptr().cast(), len: text.len() }
    }
}

impl From<&String> for everpost_str {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl<T: Into<everpost_str>> From<Option<T>> for everpost_str {
    fn from(text: Option<T>) -> Self {
        text.map_or(everpost_str::ABSENT, Into::into)
    }
}

/// A view of bytes, valid as long as the object it was asked of; absent is
/// `{NULL, 0}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct everpost_bytes {
    /// The first byte; NULL if absent.
    pub data: *const u8,
    /// The number of bytes.
    pub len: usize,
}

impl everpost_bytes {
    /// No bytes.
    #[allow(dead_code, reason = "certificates are bytes")]
    pub(crate) const ABSENT: everpost_bytes = everpost_bytes { data: std::ptr::null(), len: 0 };
}

impl From<&[u8]> for everpost_bytes {
    fn from(bytes: &[u8]) -> Self {
        everpost_bytes { data: bytes.as_ptr(), len: bytes.len() }
    }
}

/// The longest slice that Rust allows.
const LONGEST: usize = isize::MAX as usize;

/// Text that must be given. `name` is what the argument is called.
///
/// # Safety
/// `data` is NULL, or points at `len` bytes, or, with [`EVERPOST_NUL`], at
/// bytes that end in NUL; they stay as they are for `'a`.
pub(crate) unsafe fn text<'a>(
    data: *const c_char,
    len: usize,
    name: &'static str,
) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise is the same.
    unsafe { optional_text(data, len, name) }?.ok_or_else(|| Failure::null(name))
}

/// Text that may be absent: `(NULL, 0)`, and NULL up to its NUL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(
    data: *const c_char,
    len: usize,
    name: &'static str,
) -> Result<Option<&'a str>, Failure> {
    if data.is_null() {
        return if len == 0 || len == EVERPOST_NUL { Ok(None) } else { Err(Failure::null(name)) };
    }
    let bytes = if len == EVERPOST_NUL {
        // SAFETY: it is not NULL, and the caller promises the NUL.
        unsafe { CStr::from_ptr(data) }.to_bytes()
    } else {
        // SAFETY: the caller promises bytes at `data` up to `len`.
        unsafe { bytes(data.cast(), len, name) }?
    };
    let text = std::str::from_utf8(bytes);
    text.map(Some).map_err(|_| Failure::argument(format!("{name} is not UTF-8")))
}

/// Bytes that must be given; `(NULL, 0)` is none, and so an error.
///
/// # Safety
/// `data` is NULL, or points at `len` bytes that stay as they are for `'a`.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    len: usize,
    name: &'static str,
) -> Result<&'a [u8], Failure> {
    if data.is_null() {
        return Err(Failure::null(name));
    }
    if len > LONGEST {
        return Err(Failure::argument(format!("the length of {name} is no length")));
    }
    // SAFETY: it is not NULL, short enough, and the caller promises the bytes.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// Text or bytes that the caller owns, such as JSON or PEM.
pub struct everpost_text {
    content: zeroize::Zeroizing<Vec<u8>>,
}

impl Handle for everpost_text {
    const NAME: &'static str = "text";
}

impl everpost_text {
    pub(crate) fn new(content: impl Into<Vec<u8>>) -> Self {
        everpost_text { content: zeroize::Zeroizing::new(content.into()) }
    }
}

/// What is in it, valid until it is freed. Absent if `text` is NULL.
///
/// # Safety
/// `text` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_text_view(text: *const everpost_text) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(text, everpost_str::ABSENT, |text| everpost_str {
            data: text.content.as_ptr().cast(),
            len: text.content.len(),
        })
    }
}

/// Frees it, and wipes it, as it may hold a private key. NULL is allowed.
///
/// # Safety
/// `text` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_text_free(text: *mut everpost_text) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(text) }
}

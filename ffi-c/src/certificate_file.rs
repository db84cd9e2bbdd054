//! Files that hold certificates: read, judged, and written in other formats.

use std::ffi::c_char;
use std::ptr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use everpost_core::TrustRoots;
use everpost_core::certificate::{CertificateFile, Inspector, PfxEncryption};

use crate::certificate::everpost_certificate;
use crate::error::{Failure, everpost_error};
use crate::guard::{Handle, borrow, free, make, value_of};
use crate::report::everpost_report;
use crate::status::everpost_status;
use crate::string::{bytes, everpost_str, everpost_text, optional_text, text};

/// Certificates, and perhaps a private key, from PEM, DER or PFX (PKCS#12). It
/// never changes, and may be used from many threads.
pub struct everpost_certificate_file {
    file: CertificateFile,
    certificates: Vec<everpost_certificate>,
}

impl Handle for everpost_certificate_file {
    const NAME: &'static str = "file";
}

impl everpost_certificate_file {
    fn new(file: CertificateFile) -> Self {
        let certificates = file.chain().iter().cloned().map(everpost_certificate::new).collect();
        everpost_certificate_file { file, certificates }
    }

    pub(crate) fn file(&self) -> &CertificateFile {
        &self.file
    }
}

/// The beginning of the year 1601, where some systems begin to count.
const FIRST: i64 = -11_644_473_600;
/// The end of the year 9999, where certificates end.
const LAST: i64 = 253_402_300_799;

/// The moment that a caller means; 0 is now.
fn moment(unix: i64) -> Result<SystemTime, Failure> {
    let distance = Duration::from_secs(unix.unsigned_abs());
    let moment = match unix {
        0 => Some(SystemTime::now()),
        1..=LAST => UNIX_EPOCH.checked_add(distance),
        FIRST..0 => UNIX_EPOCH.checked_sub(distance),
        _ => None,
    };
    moment.ok_or_else(|| Failure::argument("at_unix is not in the years that are reckoned with"))
}

/// Reads a file of any of the formats, told apart by content. `password` opens
/// a PFX or an encrypted key in PEM; it may be absent. Opening a PFX may take
/// a second of work.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if the file cannot be read, holds no
/// certificate, or the password does not open it; `EVERPOST_NULL_ARGUMENT`,
/// `EVERPOST_INVALID_ARGUMENT`.
///
/// # Safety
/// `path` and `password` are NULL or point at as many bytes as their lengths
/// say; `out` and `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_load(
    path: *const c_char,
    path_len: usize,
    password: *const c_char,
    password_len: usize,
    out: *mut *mut everpost_certificate_file,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let path = unsafe { text(path, path_len, "path") }?;
        // SAFETY: as above.
        let password = unsafe { optional_text(password, password_len, "password") }?;
        Ok(everpost_certificate_file::new(CertificateFile::load(path, password)?))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// As `everpost_certificate_file_load`, from memory.
///
/// Errors: as there.
///
/// # Safety
/// `content` and `password` are NULL or point at as many bytes as their
/// lengths say; `out` and `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_parse(
    content: *const u8,
    content_len: usize,
    password: *const c_char,
    password_len: usize,
    out: *mut *mut everpost_certificate_file,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let content = unsafe { bytes(content, content_len, "content") }?;
        // SAFETY: as above.
        let password = unsafe { optional_text(password, password_len, "password") }?;
        Ok(everpost_certificate_file::new(CertificateFile::parse(content, password)?))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// The number of certificates. 0 of NULL.
///
/// # Safety
/// `file` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_count(
    file: *const everpost_certificate_file,
) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(file, 0, |file| file.certificates.len()) }
}

/// One of them: the server's own first, each followed by its issuer. It belongs
/// to the file and must not be freed. NULL beyond the last.
///
/// # Safety
/// `file` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_certificate(
    file: *const everpost_certificate_file,
    index: usize,
) -> *const everpost_certificate {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(file, ptr::null(), |file| {
            file.certificates.get(index).map_or(ptr::null(), ptr::from_ref)
        })
    }
}

/// What it was read as: "pem", "der" or "pfx". Absent of NULL.
///
/// # Safety
/// `file` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_format(
    file: *const everpost_certificate_file,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(file, everpost_str::ABSENT, |file| file.file.format().as_str().into()) }
}

/// Whether it holds a private key. False of NULL.
///
/// # Safety
/// `file` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_has_key(
    file: *const everpost_certificate_file,
) -> bool {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(file, false, |file| file.file.has_key()) }
}

/// Whether the private key belongs to the first certificate: 1 yes, 0 no, -1
/// if there is no key, or one of a kind that cannot be compared.
///
/// # Safety
/// `file` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_key_matches(
    file: *const everpost_certificate_file,
) -> i32 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(file, -1, |file| file.file.key_matches().map_or(-1, i32::from)) }
}

/// Judges what a server that loads this file would show as `host`. `at_unix`
/// is the moment to judge for, in seconds from the Unix epoch, in the years
/// 1601 to 9999; 0 is now.
/// `trust` is "system", "mozilla" or the path of a PEM file; absent, the
/// system's roots. May read files.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if the roots cannot be loaded;
/// `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`. What is wrong with
/// the certificates is in the report.
///
/// # Safety
/// `file` is NULL or a handle that was not freed; `host` and `trust` are NULL
/// or point at as many bytes as their lengths say; `out` and `error` are each
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_judge(
    file: *const everpost_certificate_file,
    host: *const c_char,
    host_len: usize,
    at_unix: i64,
    trust: *const c_char,
    trust_len: usize,
    out: *mut *mut everpost_report,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let file = unsafe { borrow(file) }?;
        // SAFETY: as above.
        let host = unsafe { text(host, host_len, "host") }?;
        // SAFETY: as above.
        let trust = unsafe { optional_text(trust, trust_len, "trust") }?;
        let at = moment(at_unix)?;
        let roots: TrustRoots = trust.unwrap_or("system").parse()?;
        let inspector = Inspector::new(&TrustRoots::load(&[roots])?);
        Ok(file.file.judge(&inspector, host, at).into())
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// The certificates in PEM, with `with_key` after their private key.
///
/// Errors: `EVERPOST_INVALID_ARGUMENT` if a key is wanted and there is none;
/// `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `file` is NULL or a handle that was not freed; `out` and `error` are each
/// NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_to_pem(
    file: *const everpost_certificate_file,
    with_key: bool,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let file = unsafe { borrow(file) }?;
        if with_key && !file.file.has_key() {
            return Err(Failure::argument("with_key is set, and the file holds no private key"));
        }
        Ok(match with_key {
            true => everpost_text::new(file.file.to_pem().as_bytes()),
            false => everpost_text::new(file.file.chain_to_pem()),
        })
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// All of it as PFX, under a password, which may be empty and not absent.
/// `legacy` encrypts for Windows before Server 2019 and Java before 8u301:
/// weakly. The text is bytes.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if the password has characters that a PFX
/// cannot have; `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`.
///
/// # Safety
/// `file` is NULL or a handle that was not freed; `password` is NULL or points
/// at as many bytes as its length says; `out` and `error` are each NULL or may
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_to_pfx(
    file: *const everpost_certificate_file,
    password: *const c_char,
    password_len: usize,
    legacy: bool,
    out: *mut *mut everpost_text,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let file = unsafe { borrow(file) }?;
        // SAFETY: as above.
        let password = unsafe { text(password, password_len, "password") }?;
        let encryption = if legacy { PfxEncryption::Legacy } else { PfxEncryption::Modern };
        Ok(everpost_text::new(file.file.to_pfx(password, encryption)?))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Frees it, with its certificates, and wipes its key. NULL is allowed.
///
/// # Safety
/// `file` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_file_free(file: *mut everpost_certificate_file) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(file) }
}

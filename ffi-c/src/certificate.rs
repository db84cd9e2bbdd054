//! Certificates, lent by the files and reports that hold them.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use everpost_core::certificate::Certificate;

use crate::guard::{Handle, value_of};
use crate::string::{everpost_bytes, everpost_str};

/// One certificate. It belongs to the file or report that it was asked of,
/// and lives as long; it never changes, and may be used from many threads.
pub struct everpost_certificate {
    certificate: Certificate,
    fingerprint: String,
    spki_pin: String,
    json: OnceLock<String>,
}

impl Handle for everpost_certificate {
    const NAME: &'static str = "certificate";
}

impl everpost_certificate {
    pub(crate) fn new(certificate: Certificate) -> Self {
        everpost_certificate {
            fingerprint: certificate.fingerprint().to_string(),
            spki_pin: certificate.spki_pin().to_string(),
            json: OnceLock::new(),
            certificate,
        }
    }

    fn json(&self) -> &str {
        self.json.get_or_init(|| self.certificate.to_json().to_string())
    }
}

/// Seconds from the Unix epoch, negative before it.
fn unix(moment: SystemTime) -> i64 {
    let seconds = |distance: Duration| i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
    match moment.duration_since(UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(before) => -seconds(before.duration()),
    }
}

/// Whom it is for, as a distinguished name. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_subject(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| {
            certificate.certificate.subject().into()
        })
    }
}

/// Who issued it, as a distinguished name. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_issuer(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| {
            certificate.certificate.issuer().into()
        })
    }
}

/// Its serial number, in hexadecimal. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_serial(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| {
            certificate.certificate.serial().into()
        })
    }
}

/// When it becomes valid, in seconds from the Unix epoch. 0 of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_not_before(
    certificate: *const everpost_certificate,
) -> i64 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(certificate, 0, |certificate| unix(certificate.certificate.not_before())) }
}

/// When it ends being valid, in seconds from the Unix epoch. 0 of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_not_after(
    certificate: *const everpost_certificate,
) -> i64 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(certificate, 0, |certificate| unix(certificate.certificate.not_after())) }
}

/// The kind of its key, such as "ECDSA P-256". Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_key_algorithm(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| {
            certificate.certificate.key_algorithm().into()
        })
    }
}

/// The bits of its key; 0 if not known.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_key_bits(
    certificate: *const everpost_certificate,
) -> u32 {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, 0, |certificate| certificate.certificate.key_bits().unwrap_or(0))
    }
}

/// How it is signed. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_signature_algorithm(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| {
            certificate.certificate.signature_algorithm().into()
        })
    }
}

/// SHA-256 over its DER, in hexadecimal. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_fingerprint(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| (&certificate.fingerprint).into())
    }
}

/// SHA-256 of its public key, as a pin is written: "sha256/BASE64". Absent of
/// NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_spki_pin(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| (&certificate.spki_pin).into())
    }
}

/// The number of DNS names that it is for. 0 of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_dns_name_count(
    certificate: *const everpost_certificate,
) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(certificate, 0, |certificate| certificate.certificate.dns_names().len()) }
}

/// One of them; absent beyond the last.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_dns_name(
    certificate: *const everpost_certificate,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_str::ABSENT, |certificate| {
            certificate.certificate.dns_names().get(index).into()
        })
    }
}

/// Whether it is that of an authority. False of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_is_ca(
    certificate: *const everpost_certificate,
) -> bool {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(certificate, false, |certificate| certificate.certificate.is_ca()) }
}

/// The certificate itself, in DER. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_der(
    certificate: *const everpost_certificate,
) -> everpost_bytes {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(certificate, everpost_bytes::ABSENT, |certificate| {
            certificate.certificate.der().into()
        })
    }
}

/// Every fact as JSON: `certificate` in the schema of reports. Absent of NULL.
///
/// # Safety
/// `certificate` is NULL, or its owner was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_certificate_json(
    certificate: *const everpost_certificate,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(certificate, everpost_str::ABSENT, |certificate| certificate.json().into()) }
}

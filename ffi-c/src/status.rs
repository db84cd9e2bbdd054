//! Status codes: explicit numbers in bands with gaps, never used twice.

use everpost_core::ErrorKind;

use crate::guard::value;
use crate::string::everpost_str;

/// What became of a call: `EVERPOST_OK` (0), or one of the other constants.
/// Later versions of the library may return numbers that are not known yet.
pub type everpost_status = i32;

/// The version of this ABI, raised when a program built against the header
/// before would break.
pub const EVERPOST_ABI_VERSION: u32 = 1;

/// It worked.
pub const EVERPOST_OK: everpost_status = 0;
/// The configuration cannot work.
pub const EVERPOST_INVALID_CONFIG: everpost_status = 10;
/// The message or its envelope cannot be sent as it is.
pub const EVERPOST_INVALID_MESSAGE: everpost_status = 11;
/// An argument that must be given is NULL.
pub const EVERPOST_NULL_ARGUMENT: everpost_status = 20;
/// An argument is not UTF-8, not a known key, or not one of the numbers it
/// may be.
pub const EVERPOST_INVALID_ARGUMENT: everpost_status = 21;
/// The call would wait, on a thread that runs callbacks: use the form of it
/// that ends in `_start`.
pub const EVERPOST_WRONG_THREAD: everpost_status = 22;
/// The server's name does not resolve.
pub const EVERPOST_DNS: everpost_status = 100;
/// No connection, or it was lost before the message was handed over.
pub const EVERPOST_CONNECT: everpost_status = 101;
/// A deadline passed.
pub const EVERPOST_TIMEOUT: everpost_status = 110;
/// TLS failed for a reason other than the certificate.
pub const EVERPOST_TLS: everpost_status = 200;
/// The server's certificate was not accepted.
pub const EVERPOST_CERTIFICATE: everpost_status = 201;
/// The credentials were refused, or no mechanism fits.
pub const EVERPOST_AUTH: everpost_status = 300;
/// The server refused with a 4yz or 5yz reply.
pub const EVERPOST_REJECTED: everpost_status = 310;
/// The message needs an extension that the server does not offer.
pub const EVERPOST_UNSUPPORTED: everpost_status = 320;
/// The server broke the protocol.
pub const EVERPOST_PROTOCOL: everpost_status = 330;
/// The message may or may not have been delivered.
pub const EVERPOST_DELIVERY_UNKNOWN: everpost_status = 340;
/// The operation was cancelled.
pub const EVERPOST_CANCELLED: everpost_status = 400;
/// The mailer is closed.
pub const EVERPOST_CLOSED: everpost_status = 410;
/// A defect of the library.
pub const EVERPOST_INTERNAL: everpost_status = 900;

/// Every code with its name, in order.
pub(crate) const NAMES: &[(everpost_status, &str)] = &[
    (EVERPOST_OK, "ok"),
    (EVERPOST_INVALID_CONFIG, "invalid_config"),
    (EVERPOST_INVALID_MESSAGE, "invalid_message"),
    (EVERPOST_NULL_ARGUMENT, "null_argument"),
    (EVERPOST_INVALID_ARGUMENT, "invalid_argument"),
    (EVERPOST_WRONG_THREAD, "wrong_thread"),
    (EVERPOST_DNS, "dns"),
    (EVERPOST_CONNECT, "connect"),
    (EVERPOST_TIMEOUT, "timeout"),
    (EVERPOST_TLS, "tls"),
    (EVERPOST_CERTIFICATE, "certificate"),
    (EVERPOST_AUTH, "auth"),
    (EVERPOST_REJECTED, "rejected"),
    (EVERPOST_UNSUPPORTED, "unsupported"),
    (EVERPOST_PROTOCOL, "protocol"),
    (EVERPOST_DELIVERY_UNKNOWN, "delivery_unknown"),
    (EVERPOST_CANCELLED, "cancelled"),
    (EVERPOST_CLOSED, "closed"),
    (EVERPOST_INTERNAL, "internal"),
];

/// The code for a kind of error. A kind that has none yet is a defect here.
pub(crate) fn of(kind: ErrorKind) -> everpost_status {
    match kind {
        ErrorKind::InvalidConfig => EVERPOST_INVALID_CONFIG,
        ErrorKind::InvalidMessage => EVERPOST_INVALID_MESSAGE,
        ErrorKind::Dns => EVERPOST_DNS,
        ErrorKind::Connect => EVERPOST_CONNECT,
        ErrorKind::Timeout => EVERPOST_TIMEOUT,
        ErrorKind::Tls => EVERPOST_TLS,
        ErrorKind::Certificate => EVERPOST_CERTIFICATE,
        ErrorKind::Auth => EVERPOST_AUTH,
        ErrorKind::Rejected => EVERPOST_REJECTED,
        ErrorKind::Unsupported => EVERPOST_UNSUPPORTED,
        ErrorKind::Protocol => EVERPOST_PROTOCOL,
        ErrorKind::DeliveryUnknown => EVERPOST_DELIVERY_UNKNOWN,
        ErrorKind::Cancelled => EVERPOST_CANCELLED,
        ErrorKind::Closed => EVERPOST_CLOSED,
        _ => EVERPOST_INTERNAL,
    }
}

/// The kind that a code of this layer's own belongs to.
pub(crate) fn kind(status: everpost_status) -> ErrorKind {
    match status {
        EVERPOST_CANCELLED => ErrorKind::Cancelled,
        EVERPOST_TIMEOUT => ErrorKind::Timeout,
        EVERPOST_INTERNAL => ErrorKind::Internal,
        _ => ErrorKind::InvalidConfig,
    }
}

/// The version of the ABI that this library has. A program or wrapper
/// compares it with `EVERPOST_ABI_VERSION` of the header it was built with,
/// and goes on only if they are equal.
#[unsafe(no_mangle)]
pub extern "C" fn everpost_abi_version() -> u32 {
    EVERPOST_ABI_VERSION
}

/// The version of the library, such as "0.1.0". Lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn everpost_version() -> everpost_str {
    env!("CARGO_PKG_VERSION").into()
}

/// The stable name of a status, such as "certificate"; absent for a number
/// that is none. Lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn everpost_status_name(status: everpost_status) -> everpost_str {
    value(everpost_str::ABSENT, || {
        let named = NAMES.iter().find(|(code, _)| *code == status);
        named.map_or(everpost_str::ABSENT, |(_, name)| (*name).into())
    })
}

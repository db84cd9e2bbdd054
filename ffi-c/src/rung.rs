//! The rungs of a diagnosis, in its report.

use everpost_core::diagnose::Rung;

use crate::guard::value_of;
use crate::report::everpost_report;
use crate::string::everpost_str;

/// Rounded up: what took time is not 0.
fn milliseconds(rung: &Rung) -> u64 {
    u64::try_from(rung.elapsed.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// The number of rungs of a diagnosis, which come in order, those after the
/// one that failed too. What is behind that one is the first of the findings.
/// 0 of other reports, and of NULL.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_rung_count(report: *const everpost_report) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, 0, |report| report.rungs.len()) }
}

/// What a rung tried, by its stable name: "dns", "tcp", "greeting", "ehlo",
/// "starttls", "handshake", "certificate", "ehlo_in_tls", "auth_offered",
/// "auth", "size", "sender" or "recipients". Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_rung_step(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.rungs.get(index).map(|it| it.step.as_str()).into()
        })
    }
}

/// How it ended: "held", "failed" or "skipped", which is not tried. Absent
/// beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_rung_outcome(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.rungs.get(index).map(|it| it.outcome.as_str()).into()
        })
    }
}

/// What was seen, or why it was skipped, in one line. Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_rung_detail(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.rungs.get(index).map(|it| &it.detail).into()
        })
    }
}

/// How long it took, in milliseconds, rounded up. 0 beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_rung_elapsed_ms(
    report: *const everpost_report,
    index: usize,
) -> u64 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, 0, |report| report.rungs.get(index).map_or(0, milliseconds)) }
}

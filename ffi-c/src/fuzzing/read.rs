//! Reading all that a handle tells.

use super::CANARY;
use crate::*;

/// A view, or what is wrong with it.
pub(super) fn view(text: everpost_str) -> Option<String> {
    if text.data.is_null() {
        assert_eq!(text.len, 0, "what is absent has no length");
        return None;
    }
    let bytes = unsafe { std::slice::from_raw_parts(text.data.cast::<u8>(), text.len) };
    let text = std::str::from_utf8(bytes).expect("what comes out is UTF-8");
    Some(text.to_owned())
}

/// Texts by their position: as many as there are, and none beyond.
fn list(count: usize, get: impl Fn(usize) -> everpost_str) {
    (0..count).for_each(|index| assert!(view(get(index)).is_some(), "{index} of {count}"));
    for beyond in [count, usize::MAX] {
        assert_eq!(view(get(beyond)), None);
    }
}

pub(super) fn error(error: *const everpost_error) {
    unsafe {
        let status = everpost_error_status(error);
        assert_ne!(status, EVERPOST_INTERNAL, "a panic was caught");
        for (must, get) in [
            (true, everpost_error_kind as unsafe extern "C" fn(_) -> _),
            (true, everpost_error_stage),
            (true, everpost_error_delivery),
            (true, everpost_error_message),
            (true, everpost_error_report),
            (true, everpost_error_json),
            (false, everpost_error_hint),
            (false, everpost_error_message_id),
            (false, everpost_error_reply_enhanced),
            (false, everpost_error_reply_text),
            (false, everpost_error_certificate_json),
            (false, everpost_error_sender),
            (false, everpost_error_source),
        ] {
            let text = view(get(error));
            assert!(text.is_some() || !must || error.is_null());
            assert!(text.is_none() || !error.is_null(), "of NULL all is absent");
            assert!(!text.is_some_and(|text| text.contains(CANARY)), "a password is shown");
        }
        let _ = everpost_error_retryable(error);
        let _ = everpost_error_attempts(error);
        assert_eq!(everpost_error_reply_code(error), 0, "nobody replies");
        assert!(!everpost_error_has_late_verdict(error), "nobody answers");
        list(everpost_error_recipient_count(error), |at| everpost_error_recipient(error, at));
        let rejected = everpost_error_rejected_count(error);
        list(rejected, |at| everpost_error_rejected_address(error, at));
        list(rejected, |at| everpost_error_rejected_reply(error, at));
        assert_eq!(everpost_error_rejected_code(error, rejected), 0);
    }
}

pub(super) fn report(report: *const everpost_report) {
    unsafe {
        assert_eq!(everpost_report_status(report) == EVERPOST_UNKNOWN, report.is_null());
        for (must, get) in [
            (true, everpost_report_summary as unsafe extern "C" fn(_) -> _),
            (true, everpost_report_json),
            (false, everpost_report_cause),
            (false, everpost_report_remedy),
            (false, everpost_report_fault),
        ] {
            let text = view(get(report));
            assert!(text.is_some() || !must || report.is_null());
            assert!(text.is_none() || !report.is_null(), "of NULL all is absent");
            assert!(!text.is_some_and(|text| text.contains(CANARY)), "a password is shown");
        }
        let findings = everpost_report_finding_count(report);
        list(findings, |at| everpost_report_finding_id(report, at));
        list(findings, |at| everpost_report_finding_axis(report, at));
        list(findings, |at| everpost_report_finding_severity(report, at));
        list(findings, |at| everpost_report_finding_message(report, at));
        list(findings, |at| everpost_report_finding_remedy(report, at));
        let rungs = everpost_report_rung_count(report);
        list(rungs, |at| everpost_report_rung_step(report, at));
        list(rungs, |at| everpost_report_rung_outcome(report, at));
        list(rungs, |at| everpost_report_rung_detail(report, at));
        assert_eq!(everpost_report_rung_elapsed_ms(report, rungs), 0);
        let count = everpost_report_certificate_count(report);
        (0..count).for_each(|index| certificate(everpost_report_certificate(report, index)));
        assert!(everpost_report_certificate(report, count).is_null());
    }
}

pub(super) fn file(file: *const everpost_certificate_file) {
    unsafe {
        let count = everpost_certificate_file_count(file);
        assert_eq!(count == 0, file.is_null(), "a file without a certificate is none");
        for index in 0..count {
            certificate(everpost_certificate_file_certificate(file, index));
        }
        assert!(everpost_certificate_file_certificate(file, count).is_null());
        assert_eq!(view(everpost_certificate_file_format(file)).is_none(), file.is_null());
        let has_key = everpost_certificate_file_has_key(file);
        let matches = everpost_certificate_file_key_matches(file);
        assert!(matches == -1 || (has_key && (0..=1).contains(&matches)));
    }
}

/// One that is there.
fn certificate(certificate: *const everpost_certificate) {
    unsafe {
        assert!(!certificate.is_null());
        for get in [
            everpost_certificate_subject as unsafe extern "C" fn(_) -> _,
            everpost_certificate_issuer,
            everpost_certificate_serial,
            everpost_certificate_key_algorithm,
            everpost_certificate_signature_algorithm,
            everpost_certificate_fingerprint,
            everpost_certificate_spki_pin,
            everpost_certificate_json,
        ] {
            assert!(view(get(certificate)).is_some());
        }
        let _ = everpost_certificate_not_before(certificate);
        let _ = everpost_certificate_not_after(certificate);
        let _ = everpost_certificate_key_bits(certificate);
        let _ = everpost_certificate_is_ca(certificate);
        assert!(everpost_certificate_der(certificate).len > 0);
        let names = everpost_certificate_dns_name_count(certificate);
        list(names, |at| everpost_certificate_dns_name(certificate, at));
    }
}

/// No receipt is ever given here: nobody accepts.
pub(super) fn no_receipt() {
    let none = std::ptr::null();
    unsafe {
        for get in [
            everpost_receipt_message_id as unsafe extern "C" fn(_) -> _,
            everpost_receipt_reply_enhanced,
            everpost_receipt_reply_text,
            everpost_receipt_server,
            everpost_receipt_leaf,
            everpost_receipt_json,
        ] {
            assert_eq!(view(get(none)), None);
        }
        list(everpost_receipt_accepted_count(none), |at| everpost_receipt_accepted(none, at));
        let rejected = everpost_receipt_rejected_count(none);
        list(rejected, |at| everpost_receipt_rejected_address(none, at));
        list(rejected, |at| everpost_receipt_rejected_reply(none, at));
        assert_eq!(everpost_receipt_rejected_code(none, 0), 0);
        assert_eq!(everpost_receipt_reply_code(none), 0);
        assert_eq!(everpost_receipt_attempts(none), 0);
        everpost_receipt_free(std::ptr::null_mut());
    }
}

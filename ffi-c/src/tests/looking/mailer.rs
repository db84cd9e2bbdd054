//! Diagnosing and explaining, which begin with a mailer's configuration.

use std::ptr;

use ::everpost_rehearsal::{Action, At, Chain, Fault, Rotate};

use super::*;

/// A configuration that trusts the server and logs in to it.
fn config(server: &Rehearsal, password: &str) -> *mut everpost_config {
    let url = format!("smtps://app:{password}@localhost:{}", server.implicit_addr().port());
    let (url, len) = c(&url);
    let config = made(|out, error| unsafe { everpost_config_new(url, len, out, error) }).unwrap();
    let pem = server.ca_pem();
    let (pem, len) = (pem.as_ptr(), pem.len());
    tried(|error| unsafe { everpost_config_trust_pem(config, pem, len, error) }).unwrap();
    config
}

fn diagnosis(server: &Rehearsal, password: &str) -> *mut everpost_diagnosis {
    let config = config(server, password);
    let made = made(|out, error| unsafe { everpost_diagnosis_new(config, out, error) });
    unsafe { everpost_config_free(config) };
    made.unwrap()
}

fn set(diagnosis: *mut everpost_diagnosis, key: &str, value: &str) -> Result<(), Failed> {
    let ((key, key_len), (value, value_len)) = (c(key), c(value));
    tried(|error| unsafe {
        everpost_diagnosis_set(diagnosis, key, key_len, value, value_len, error)
    })
}

fn diagnose(diagnosis: *const everpost_diagnosis) -> Result<*mut everpost_report, Failed> {
    made(|out, error| unsafe { everpost_diagnosis_run(diagnosis, out, error) })
}

fn mailer(server: &Rehearsal) -> *mut everpost_mailer {
    let config = config(server, "secret-word");
    let made = made(|out, error| unsafe { everpost_mailer_new(config, out, error) });
    unsafe { everpost_config_free(config) };
    made.unwrap()
}

fn explain(
    mailer: *const everpost_mailer,
    file: *const everpost_certificate_file,
) -> Result<*mut everpost_report, Failed> {
    made(|out, error| unsafe { everpost_mailer_explain(mailer, file, out, error) })
}

#[test]
fn a_diagnosis_of_a_server_in_order_holds_from_end_to_end() {
    let server = server();
    let diagnosis = diagnosis(&server, "secret-word");
    set(diagnosis, "from", "app@example.org").unwrap();
    set(diagnosis, "to", "ann@example.org").unwrap();
    set(diagnosis, "size", "1KB").unwrap();
    set(diagnosis, "looks", "false").unwrap();
    unsafe {
        let report = diagnose(diagnosis).unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_HEALTHY, "{:?}", findings(report));
        assert_eq!(seen(everpost_report_cause(report)), None);
        assert_eq!(seen(everpost_report_fault(report)), None);
        let json = seen(everpost_report_json(report)).unwrap();
        assert!(json.contains("\"everpost.diagnosis/1\"") && json.contains("\"recipients\""));
        assert!(!json.contains("secret-word"));
        everpost_report_free(report);
        everpost_diagnosis_free(diagnosis);
    }
    assert!(server.received().is_empty(), "no message is sent");
}

#[test]
fn a_refused_login_is_told_with_step_cause_and_remedy() {
    let server = server();
    let diagnosis = diagnosis(&server, "wrong-word");
    unsafe {
        let report = diagnose(diagnosis).unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_UNHEALTHY);
        assert_eq!(seen(everpost_report_fault(report)).unwrap(), "auth");
        assert_eq!(findings(report)[0], "credentials-refused");
        assert_eq!(
            seen(everpost_report_cause(report)),
            seen(everpost_report_finding_message(report, 0))
        );
        assert!(seen(everpost_report_remedy(report)).is_some());
        assert_eq!(everpost_report_certificate_count(report), 2, "it was seen on the way");
        let last = everpost_report_rung_count(report) - 1;
        assert_eq!(seen(everpost_report_rung_step(report, 0)).unwrap(), "dns");
        assert_eq!(seen(everpost_report_rung_outcome(report, 0)).unwrap(), "held");
        assert_eq!(seen(everpost_report_rung_step(report, last)).unwrap(), "auth");
        assert_eq!(seen(everpost_report_rung_outcome(report, last)).unwrap(), "failed");
        let json = seen(everpost_report_json(report)).unwrap();
        assert!(json.contains(&seen(everpost_report_rung_detail(report, last)).unwrap()), "{json}");
        assert!(everpost_report_rung_elapsed_ms(report, last) > 0, "it took time");
        assert_eq!(seen(everpost_report_rung_step(report, last + 1)), None);
        let json = seen(everpost_report_json(report)).unwrap();
        assert!(!json.contains("wrong-word"));
        everpost_report_free(report);
        everpost_diagnosis_free(diagnosis);
    }
}

#[test]
fn a_diagnosis_without_waiting_calls_back_or_is_cancelled() {
    let server = server();
    let fault = server.inject(Fault::new(At::Greeting, Action::Stall)).unwrap();
    let diagnosis = diagnosis(&server, "secret-word");
    let start = || {
        started(|done, data, error| unsafe {
            everpost_diagnosis_run_start(diagnosis, done, data, error)
        })
        .unwrap()
    };
    let run = start();
    block_on(fault.fired()).unwrap();
    assert!(everpost_cancel(run.id));
    assert_eq!(refused(run.wait()), EVERPOST_CANCELLED);
    fault.remove();
    let run = start();
    unsafe {
        everpost_diagnosis_free(diagnosis);
        let report = run.wait().unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_HEALTHY, "{:?}", findings(report));
        everpost_report_free(report);
    }
}

#[test]
fn what_a_diagnosis_cannot_take_is_refused() {
    let server = server();
    let diagnosis = diagnosis(&server, "secret-word");
    assert_eq!(refused(set(diagnosis, "colour", "blue")), EVERPOST_INVALID_ARGUMENT);
    for (key, value) in [("from", "no address"), ("size", "-1"), ("looks", "maybe")] {
        let failed = set(diagnosis, key, value).unwrap_err();
        assert_eq!(failed.status, EVERPOST_INVALID_CONFIG);
        assert!(failed.message.contains(key), "{}", failed.message);
    }
    set(diagnosis, "to", "ann@example.org").unwrap();
    assert_eq!(refused(diagnose(diagnosis)), EVERPOST_INVALID_CONFIG, "a recipient, no sender");
    let none = ptr::null_mut();
    unsafe {
        let nothing = made(|out, error| everpost_diagnosis_new(ptr::null(), out, error));
        assert_eq!(refused(nothing), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(set(none, "looks", "true")), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(diagnose(none)), EVERPOST_NULL_ARGUMENT);
        let nothing = started(|done, data, error| {
            everpost_diagnosis_run_start(ptr::null(), done, data, error)
        });
        assert_eq!(refused(nothing), EVERPOST_NULL_ARGUMENT);
        let nobody =
            started(|_, data, error| everpost_diagnosis_run_start(diagnosis, None, data, error));
        assert_eq!(refused(nobody), EVERPOST_NULL_ARGUMENT);
        everpost_diagnosis_free(none);
        everpost_diagnosis_free(diagnosis);
    }
}

#[test]
fn an_explanation_says_who_is_at_fault() {
    let server = server();
    let mailer = mailer(&server);
    unsafe {
        let report = explain(mailer, ptr::null()).unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_HEALTHY);
        assert_eq!(seen(everpost_report_fault(report)).unwrap(), "none");
        assert_eq!(seen(everpost_report_cause(report)), None);
        everpost_report_free(report);

        block_on(server.present(Chain::Expired)).unwrap().unwrap();
        let report = explain(mailer, ptr::null()).unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_UNHEALTHY);
        assert_eq!(seen(everpost_report_fault(report)).unwrap(), "certificate");
        assert!(seen(everpost_report_cause(report)).unwrap().contains("expired"));
        assert!(seen(everpost_report_remedy(report)).is_some());
        assert!(findings(report).contains(&"expired".to_owned()));
        assert!(everpost_report_certificate_count(report) > 0);
        let json = seen(everpost_report_json(report)).unwrap();
        assert!(json.contains("\"everpost.explanation/1\""), "{json}");
        everpost_report_free(report);
        everpost_mailer_free(mailer);
    }
}

#[test]
fn a_renewal_on_disk_that_is_not_served_is_explained_from_its_file() {
    let server = server();
    let renewed = block_on(server.rotate(Rotate::default())).unwrap().unwrap().der;
    server.rollback().unwrap();
    let mailer = mailer(&server);
    unsafe {
        let file = made(|out, error| {
            let (der, len) = (renewed.as_ptr(), renewed.len());
            everpost_certificate_file_parse(der, len, NONE.0, NONE.1, out, error)
        });
        let file = file.unwrap();
        let run = started(|done, data, error| {
            everpost_mailer_explain_start(mailer, file, done, data, error)
        });
        everpost_certificate_file_free(file);
        everpost_mailer_free(mailer);
        let report = run.unwrap().wait().unwrap();
        assert_eq!(seen(everpost_report_fault(report)).unwrap(), "not_loaded");
        assert_eq!(everpost_report_status(report), EVERPOST_DEGRADED);
        everpost_report_free(report);
    }
}

#[test]
fn an_explanation_needs_a_mailer_and_someone_to_tell() {
    let server = server();
    let mailer = mailer(&server);
    assert_eq!(refused(explain(ptr::null(), ptr::null())), EVERPOST_NULL_ARGUMENT);
    unsafe {
        let nothing = started(|done, data, error| {
            everpost_mailer_explain_start(ptr::null(), ptr::null(), done, data, error)
        });
        assert_eq!(refused(nothing), EVERPOST_NULL_ARGUMENT);
        let nobody = started(|_, data, error| {
            everpost_mailer_explain_start(mailer, ptr::null(), None, data, error)
        });
        assert_eq!(refused(nobody), EVERPOST_NULL_ARGUMENT);
        everpost_mailer_free(mailer);
    }
}

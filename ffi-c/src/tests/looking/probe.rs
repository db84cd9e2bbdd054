//! Probes and their reports.

use std::ptr;

use ::everpost_rehearsal::{At, Capabilities, Chain, Fault, Which};

use super::*;

/// A probe that trusts the server.
fn probe(server: &Rehearsal) -> *mut everpost_probe {
    let probe = made(|out, error| unsafe { everpost_probe_new(out, error) }).unwrap();
    let pem = server.ca_pem();
    tried(|error| unsafe { everpost_probe_trust_pem(probe, pem.as_ptr(), pem.len(), error) })
        .unwrap();
    probe
}

fn implicit(server: &Rehearsal) -> String {
    format!("smtps://{}", server.implicit_addr())
}

fn starttls(server: &Rehearsal) -> String {
    format!("smtp://{}", server.starttls_addr())
}

fn set(probe: *mut everpost_probe, key: &str, value: &str) -> Result<(), Failed> {
    let ((key, key_len), (value, value_len)) = (c(key), c(value));
    tried(|error| unsafe { everpost_probe_set(probe, key, key_len, value, value_len, error) })
}

fn run(probe: *const everpost_probe, target: &str) -> Result<*mut everpost_report, Failed> {
    let (target, len) = c(target);
    made(|out, error| unsafe { everpost_probe_run(probe, target, len, out, error) })
}

fn start(probe: *const everpost_probe, target: &str) -> Result<Started, Failed> {
    let (target, len) = c(target);
    started(|done, data, error| unsafe {
        everpost_probe_run_start(probe, target, len, done, data, error)
    })
}

#[test]
fn a_server_in_order_is_healthy_and_shows_its_chain() {
    let server = server();
    let probe = probe(&server);
    let target = format!("smtps://localhost:{}", server.implicit_addr().port());
    unsafe {
        set(probe, "connect_to", "127.0.0.1").unwrap();
        let report = run(probe, &target).unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_HEALTHY, "{:?}", findings(report));
        let summary = seen(everpost_report_summary(report)).unwrap();
        assert!(summary.contains("valid until"), "{summary}");
        assert_eq!(seen(everpost_report_cause(report)), None);
        assert_eq!(seen(everpost_report_remedy(report)), None);
        assert_eq!(seen(everpost_report_fault(report)), None);
        let json = seen(everpost_report_json(report)).unwrap();
        assert!(json.contains("\"everpost.probe/1\""), "{json}");
        assert_eq!(everpost_report_certificate_count(report), 2);
        let leaf = everpost_report_certificate(report, 0);
        let expected = server.leaf();
        assert_eq!(seen(everpost_certificate_fingerprint(leaf)).unwrap(), expected.fingerprint());
        let der = everpost_certificate_der(leaf);
        assert_eq!(std::slice::from_raw_parts(der.data, der.len), expected.der);
        assert!(everpost_certificate_is_ca(everpost_report_certificate(report, 1)));
        assert!(everpost_report_certificate(report, 2).is_null());
        everpost_report_free(report);
        everpost_probe_free(probe);
    }
}

#[test]
fn an_expired_certificate_is_unhealthy_and_every_accessor_says_why() {
    let server = server();
    block_on(server.present(Chain::Expired)).unwrap().unwrap();
    // Found first, and less bad.
    server.update(|settings| settings.capabilities_before_tls = Some(Capabilities::default()));
    let probe = probe(&server);
    unsafe {
        let report = run(probe, &starttls(&server)).unwrap();
        assert_eq!(everpost_report_status(report), EVERPOST_UNHEALTHY);
        let ids = findings(report);
        let index = ids.iter().position(|id| id == "expired").unwrap();
        let of = |get: unsafe extern "C" fn(*const everpost_report, usize) -> everpost_str| {
            assert_eq!(seen(get(report, ids.len())), None, "beyond the last");
            seen(get(report, index)).unwrap()
        };
        assert_eq!(of(everpost_report_finding_axis), "time");
        assert_eq!(of(everpost_report_finding_severity), "critical");
        assert!(of(everpost_report_finding_message).contains("expired"));
        assert!(of(everpost_report_finding_remedy).contains("renew"));
        assert_eq!(of(everpost_report_finding_id), "expired");
        assert!(ids.contains(&"auth-before-tls".to_owned()), "{ids:?}");
        let cause = seen(everpost_report_cause(report));
        assert_eq!(cause, seen(everpost_report_summary(report)), "what says most comes first");
        assert_eq!(cause, seen(everpost_report_finding_message(report, 0)));
        let remedy = seen(everpost_report_remedy(report));
        assert_eq!(remedy, seen(everpost_report_finding_remedy(report, 0)));
        assert!(everpost_report_certificate_count(report) > 0, "facts outlive failure");
        everpost_report_free(report);
        everpost_probe_free(probe);
    }
}

#[test]
fn every_accessor_of_a_report_takes_null() {
    let none = ptr::null();
    unsafe {
        assert_eq!(everpost_report_status(none), EVERPOST_UNKNOWN);
        for get in [
            everpost_report_summary,
            everpost_report_cause,
            everpost_report_remedy,
            everpost_report_fault,
            everpost_report_json,
        ] {
            assert_eq!(seen(get(none)), None);
        }
        for get in [
            everpost_report_finding_id,
            everpost_report_finding_axis,
            everpost_report_finding_severity,
            everpost_report_finding_message,
            everpost_report_finding_remedy,
            everpost_report_rung_step,
            everpost_report_rung_outcome,
            everpost_report_rung_detail,
        ] {
            assert_eq!(seen(get(none, 0)), None);
        }
        assert_eq!(everpost_report_rung_count(none), 0);
        assert_eq!(everpost_report_rung_elapsed_ms(none, 0), 0);
        assert_eq!(everpost_report_finding_count(none), 0);
        assert_eq!(everpost_report_certificate_count(none), 0);
        assert!(everpost_report_certificate(none, 0).is_null());
        everpost_report_free(ptr::null_mut());
        everpost_probe_free(ptr::null_mut());
    }
}

#[test]
fn null_and_nonsense_are_refused_before_any_network() {
    let server = server();
    let probe = probe(&server);
    let none = ptr::null_mut::<everpost_probe>();
    let (target, len) = c("localhost");
    unsafe {
        assert_eq!(everpost_probe_new(ptr::null_mut(), ptr::null_mut()), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(run(none, "localhost")), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(start(none, "localhost")), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(set(none, "dane", "true")), EVERPOST_NULL_ARGUMENT);
        let out = ptr::null_mut();
        let status = everpost_probe_run(probe, target, len, out, ptr::null_mut());
        assert_eq!(status, EVERPOST_NULL_ARGUMENT);
        let no_target = made(|out, error| everpost_probe_run(probe, NONE.0, NONE.1, out, error));
        assert_eq!(refused(no_target), EVERPOST_NULL_ARGUMENT);
        let no_done = started(|_, data, error| {
            everpost_probe_run_start(probe, target, len, None, data, error)
        });
        assert_eq!(refused(no_done), EVERPOST_NULL_ARGUMENT);
        for wrong in ["", "host:0", "http://localhost", "a b"] {
            assert_eq!(refused(run(probe, wrong)), EVERPOST_INVALID_ARGUMENT, "{wrong}");
            assert_eq!(refused(start(probe, wrong)), EVERPOST_INVALID_ARGUMENT, "{wrong}");
        }
        let pem = tried(|error| everpost_probe_trust_pem(probe, ptr::null(), 0, error));
        assert_eq!(refused(pem), EVERPOST_NULL_ARGUMENT);
        let compare = tried(|error| everpost_probe_compare(probe, ptr::null(), error));
        assert_eq!(refused(compare), EVERPOST_NULL_ARGUMENT);
        assert_eq!(refused(set(probe, "colour", "blue")), EVERPOST_INVALID_ARGUMENT);
        let failed = set(probe, "deadline", "soon-or-late").unwrap_err();
        assert_eq!(failed.status, EVERPOST_INVALID_CONFIG);
        assert!(failed.message.contains("deadline"), "{}", failed.message);
        assert!(!failed.message.contains("soon-or-late"), "{}", failed.message);
        everpost_probe_free(probe);
    }
}

#[test]
fn what_cannot_work_fails_the_run_and_not_the_process() {
    let probe = made(|out, error| unsafe { everpost_probe_new(out, error) }).unwrap();
    let pem = b"no certificate";
    unsafe {
        tried(|error| everpost_probe_trust_pem(probe, pem.as_ptr(), pem.len(), error)).unwrap();
        assert_eq!(refused(run(probe, "localhost:1")), EVERPOST_INVALID_CONFIG);
        let told = start(probe, "localhost:1").unwrap().wait();
        assert_eq!(refused(told), EVERPOST_INVALID_CONFIG);
        everpost_probe_free(probe);
    }
}

#[test]
fn options_count_from_the_next_run_on() {
    let server = server();
    let probe = probe(&server);
    let target = implicit(&server);
    unsafe {
        let now = run(probe, &target).unwrap();
        set(probe, "judge_after", "+100d").unwrap();
        let later = run(probe, &target).unwrap();
        assert_eq!(everpost_report_status(now), EVERPOST_HEALTHY, "{:?}", findings(now));
        assert!(findings(later).contains(&"expired".to_owned()), "{:?}", findings(later));
        everpost_report_free(now);
        everpost_report_free(later);
        everpost_probe_free(probe);
    }
}

#[test]
fn one_probe_serves_many_threads_at_the_same_time() {
    let server = server();
    let probe = probe(&server);
    let (shared, target) = (probe as usize, implicit(&server));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let report = run(shared as *const everpost_probe, &target).unwrap();
                assert_eq!(unsafe { everpost_report_status(report) }, EVERPOST_HEALTHY);
                unsafe { everpost_report_free(report) };
            });
        }
    });
    unsafe { everpost_probe_free(probe) };
}

#[test]
fn a_file_is_held_against_what_is_served() {
    let server = server();
    let der = server.leaf().der;
    block_on(server.rotate(::everpost_rehearsal::Rotate::default())).unwrap().unwrap();
    let probe = probe(&server);
    unsafe {
        let file = made(|out, error| {
            everpost_certificate_file_parse(der.as_ptr(), der.len(), NONE.0, NONE.1, out, error)
        });
        let file = file.unwrap();
        tried(|error| everpost_probe_compare(probe, file, error)).unwrap();
        everpost_certificate_file_free(file);
        let report = run(probe, &implicit(&server)).unwrap();
        let found = findings(report);
        assert!(found.contains(&"other-certificate".to_owned()), "{found:?}");
        everpost_report_free(report);
        everpost_probe_free(probe);
    }
}

#[test]
fn a_run_without_waiting_calls_back_once_and_outlives_its_probe() {
    let server = server();
    let probe = probe(&server);
    let run = start(probe, &implicit(&server)).unwrap();
    unsafe { everpost_probe_free(probe) };
    let report = run.wait().unwrap();
    assert_eq!(unsafe { everpost_report_status(report) }, EVERPOST_HEALTHY);
    assert!(!everpost_cancel(run.id), "it is no longer under way");
    assert!(run.told.try_recv().is_err(), "once");
    unsafe { everpost_report_free(report) };
}

#[test]
fn a_run_that_is_cancelled_ends_as_cancelled_and_leaves_the_server() {
    let server = server();
    let fault = server.inject(Fault::new(At::Greeting, ::everpost_rehearsal::Action::Stall));
    let fault = fault.unwrap();
    let probe = probe(&server);
    let run = start(probe, &starttls(&server)).unwrap();
    block_on(fault.fired()).unwrap();
    assert!(everpost_cancel(run.id));
    assert_eq!(refused(run.wait()), EVERPOST_CANCELLED);
    assert!(run.told.try_recv().is_err(), "once");
    fault.release();
    block_on(server.wait_closed()).unwrap();
    unsafe { everpost_probe_free(probe) };
}

/// What a callback that probes is told by the blocking form.
extern "C" fn probe_again(
    data: *mut c_void,
    report: *mut everpost_report,
    error: *mut everpost_error,
) {
    let probe = made(|out, error| unsafe { everpost_probe_new(out, error) }).unwrap();
    let told = run(probe, "localhost:1").map(|report| report as usize);
    unsafe {
        everpost_probe_free(probe);
        everpost_report_free(report);
        everpost_error_free(error);
        let sender = (*data.cast::<Sender<Told>>()).clone();
        sender.send(told).unwrap();
    }
}

#[test]
fn the_blocking_form_in_a_callback_is_refused_and_does_not_hang() {
    let server = server();
    let fault = Fault::reply(At::Greeting, "421 4.3.2 later").on(Which::Every);
    server.inject(fault).unwrap();
    let probe = probe(&server);
    let (sender, told) = channel::<Told>();
    let target = server.plain_addr().to_string();
    let (text, len) = c(&target);
    unsafe {
        let data = (&raw const sender).cast_mut().cast();
        let none = ptr::null_mut();
        assert_ne!(everpost_probe_run_start(probe, text, len, Some(probe_again), data, none), 0);
        assert_eq!(refused(told.recv().unwrap()), EVERPOST_WRONG_THREAD);
        everpost_probe_free(probe);
    }
}

//! Configuration, messages, envelopes and composing; NULL and bad text.

use std::ptr;

use super::world::*;
use crate::*;

#[test]
fn a_composed_message_goes_to_its_envelope_and_not_to_its_header() {
    let world = World::new();
    let mut compose = ptr::null_mut();
    ok(|error| unsafe { everpost_compose_new(&raw mut compose, error) });
    let compose = Owned::new(compose, everpost_compose_free);
    let set = |field: &'static str, value: &'static str| {
        let (at, value_at) = (field.as_ptr().cast(), value.as_ptr().cast());
        move |error| unsafe {
            everpost_compose_set(compose.0, at, field.len(), value_at, value.len(), error)
        }
    };
    ok(set("from", "Ann <ann@example.org>"));
    ok(set("to", "bob@example.com"));
    ok(set("subject", "Gr\u{fc}\u{df}e"));
    ok(set("text", "Hello"));
    ok(set("X-Order", "7"));
    assert_eq!(failed(set("to", "nobody")).status, EVERPOST_INVALID_MESSAGE);
    assert_eq!(failed(set("subjct", "x")).status, EVERPOST_INVALID_ARGUMENT);
    ok(|error| unsafe {
        let (name, kind) = (c"a.bin".as_ptr(), c"application/octet-stream".as_ptr());
        let nul = EVERPOST_NUL;
        everpost_compose_attach(compose.0, name, nul, kind, nul, [0, 1].as_ptr(), 2, error)
    });
    let mut message = ptr::null_mut();
    ok(|error| unsafe { everpost_compose_build(compose.0, &raw mut message, error) });
    let message = Owned::new(message, everpost_message_free);

    let mut envelope = ptr::null_mut();
    ok(|error| unsafe { everpost_envelope_new(ptr::null(), 0, &raw mut envelope, error) });
    let envelope = Owned::new(envelope, everpost_envelope_free);
    let empty = |error| unsafe { everpost_message_set_envelope(message.0, envelope.0, error) };
    assert_eq!(failed(empty).status, EVERPOST_INVALID_MESSAGE, "nobody to send to");
    let carl = c"carl@example.net".as_ptr();
    ok(|error| unsafe { everpost_envelope_add(envelope.0, carl, EVERPOST_NUL, error) });
    let option = |key: &'static std::ffi::CStr, value: &'static std::ffi::CStr| {
        let nul = EVERPOST_NUL;
        let (key, value) = (key.as_ptr(), value.as_ptr());
        move |error| unsafe { everpost_envelope_set(envelope.0, key, nul, value, nul, error) }
    };
    ok(option(c"require_tls", c"false"));
    for (key, value) in [(c"notify", c"often"), (c"return", c"all"), (c"ttl", c"1")] {
        assert_eq!(failed(option(key, value)).status, EVERPOST_INVALID_ARGUMENT);
    }
    ok(empty);

    send(&world.mailer(), &message).unwrap();
    let received = world.server.received();
    assert_eq!(received[0].recipients, ["carl@example.net"]);
    let text = String::from_utf8_lossy(&received[0].data).into_owned();
    assert!(text.contains("X-Order: 7") && text.contains("a.bin"), "{text}");
}

#[test]
fn an_option_is_set_by_key_and_a_wrong_one_changes_nothing() {
    let config = config("smtps://mail.example.org");
    set(&config, "max_connections", "8");
    let wrong = |key: &'static str, value: &'static str| {
        failed(|error| unsafe {
            let (at, value_at) = (key.as_ptr().cast(), value.as_ptr().cast());
            everpost_config_set(config.0, at, key.len(), value_at, value.len(), error)
        })
    };
    let unknown = wrong("max_conections", "8");
    assert_eq!(unknown.status, EVERPOST_INVALID_ARGUMENT);
    assert!(unknown.message.contains("max_connections"), "{}", unknown.message);
    assert_eq!(wrong("max_connections", "none").status, EVERPOST_INVALID_CONFIG);
    let secret = "smtps://app:hunter2@mail.example.org:99999";
    let mut out = ptr::dangling_mut();
    let error = failed(|error| unsafe {
        everpost_config_new(secret.as_ptr().cast(), secret.len(), &raw mut out, error)
    });
    assert!(out.is_null() && !error.message.contains("hunter2"));
}

#[test]
fn null_for_a_handle_or_a_callback_is_an_error_and_clears_what_would_be_made() {
    let none = ptr::null_mut();
    let mut receipt = ptr::dangling_mut();
    let error = failed(|error| unsafe {
        everpost_mailer_send(ptr::null(), ptr::null(), &raw mut receipt, error)
    });
    assert_eq!(error.status, EVERPOST_NULL_ARGUMENT);
    assert!(receipt.is_null());
    let config = config("smtp://mail.example.org");
    let mailer = mailer(&config);
    let message = message("<null@example.org>");
    let mut error = ptr::null_mut();
    let id = unsafe { everpost_mailer_send_start(mailer.0, message.0, None, none, &raw mut error) };
    assert_eq!((id, take(error).status), (0, EVERPOST_NULL_ARGUMENT));
    let no_out =
        |error| unsafe { everpost_mailer_send(mailer.0, message.0, ptr::null_mut(), error) };
    assert_eq!(failed(no_out).status, EVERPOST_NULL_ARGUMENT);
    assert_eq!(unsafe { everpost_mailer_health(ptr::null()) }, EVERPOST_UNKNOWN);
    unsafe {
        everpost_mailer_free(ptr::null_mut());
        everpost_token_answer(ptr::null_mut(), ptr::null(), 0);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let config = config("smtp://mail.example.org");
    let error = failed(|error| unsafe {
        let (key, value) = (c"sni".as_ptr(), c"\xff".as_ptr());
        everpost_config_set(config.0, key, EVERPOST_NUL, value, EVERPOST_NUL, error)
    });
    assert_eq!(error.status, EVERPOST_INVALID_ARGUMENT);
}

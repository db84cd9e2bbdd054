//! Sending, cancelling, and batches.

use std::ffi::c_void;
use std::ptr;
use std::sync::mpsc::{Sender, channel};

use everpost_rehearsal::{At, Fault, Refusal};

use super::world::*;
use crate::*;

#[test]
fn a_message_is_sent_and_its_receipt_says_all() {
    let world = World::new();
    let (mailer, message) = (world.mailer(), message("<one@example.org>"));
    let mut receipt = ptr::null_mut();
    ok(|error| unsafe { everpost_mailer_send(mailer.0, message.0, &raw mut receipt, error) });
    let receipt = Owned::new(receipt, everpost_receipt_free);
    unsafe {
        assert_eq!(seen(everpost_receipt_message_id(receipt.0)).unwrap(), "<one@example.org>");
        assert_eq!(everpost_receipt_reply_code(receipt.0), 250);
        assert_eq!(everpost_receipt_accepted_count(receipt.0), 1);
        assert_eq!(seen(everpost_receipt_accepted(receipt.0, 0)).unwrap(), "ann@example.com");
        assert_eq!(seen(everpost_receipt_accepted(receipt.0, 1)), None);
        assert_eq!(everpost_receipt_attempts(receipt.0), 1);
        let server = world.server.implicit_addr().to_string();
        assert_eq!(seen(everpost_receipt_server(receipt.0)).unwrap(), server);
        assert_eq!(seen(everpost_receipt_leaf(receipt.0)).unwrap().len(), 64);
        assert!(seen(everpost_receipt_json(receipt.0)).unwrap().contains("everpost.receipt/1"));
    }
    assert_eq!(world.server.copies("<one@example.org>"), 1);
}

#[test]
fn the_json_of_a_receipt_is_that_of_the_core() {
    let world = World::new();
    world.server.update(|settings| {
        settings.refuse_recipients.push(Refusal::new("nobody@*", "550 5.1.1 no such user"));
    });
    let text = "From: app@example.org\r\nTo: ann@example.com, nobody@example.com\r\n\
                Message-ID: <\"a\"@example.org>\r\n\r\nhello\r\n";
    let (mailer, mut message) = (world.mailer(), ptr::null_mut());
    ok(|error| unsafe { everpost_message_new(text.as_ptr(), text.len(), &raw mut message, error) });
    let message = Owned::new(message, everpost_message_free);
    let mut receipt = ptr::null_mut();
    ok(|error| unsafe { everpost_mailer_send(mailer.0, message.0, &raw mut receipt, error) });
    let receipt = Owned::new(receipt, everpost_receipt_free);
    let json = unsafe { (*receipt.0).receipt.to_json() };
    assert_eq!(json["rejected"].as_array().unwrap().len(), 1);
    let told: serde_json::Value =
        serde_json::from_str(&seen(unsafe { everpost_receipt_json(receipt.0) }).unwrap()).unwrap();
    assert_eq!(told, json);
}

#[test]
fn a_file_is_sent_and_one_that_cannot_be_read_is_said_to_be_so() {
    let world = World::new();
    let mailer = world.mailer();
    let file = |path: &str| {
        let mut message = ptr::null_mut();
        let (at, len) = (path.as_ptr().cast(), path.len());
        ok(|error| unsafe { everpost_message_from_file(at, len, &raw mut message, error) });
        Owned::new(message, everpost_message_free)
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.eml");
    let text = "From: a@example.org\nTo: b@example.com\nMessage-ID: <file@example.org>\n\nhi\n";
    std::fs::write(&path, text).unwrap();
    let sent = send(&mailer, &file(path.to_str().unwrap())).unwrap();
    assert_eq!(sent, "<file@example.org>");
    let error = send(&mailer, &file(folder.path().join("none").to_str().unwrap())).unwrap_err();
    assert_eq!((error.status, error.delivery.as_str()), (EVERPOST_INVALID_MESSAGE, "not_sent"));
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks_for_one() {
    let builder = everpost_rehearsal::Rehearsal::builder().credentials("app", "secret");
    let world = World::with(builder.client_auth(everpost_rehearsal::ClientAuth::Required));
    let config = world.config();
    let shown = world.server.client_certificate("app").unwrap();
    let (chain, key) = (shown.chain_pem.as_bytes(), shown.key_pem.as_bytes());
    let identify = |chain: &[u8], key: &[u8], error| unsafe {
        let (chain_len, key_len) = (chain.len(), key.len());
        let (chain, key) = (chain.as_ptr(), key.as_ptr());
        everpost_config_client_identity(config.0, chain, chain_len, key, key_len, error)
    };
    assert_eq!(failed(|error| identify(key, chain, error)).status, EVERPOST_INVALID_CONFIG);
    assert!(send(&mailer(&config), &message("<unknown@example.org>")).is_err());
    ok(|error| identify(chain, key, error));
    send(&mailer(&config), &message("<known@example.org>")).unwrap();
}

#[test]
fn a_started_send_calls_back_once_also_when_its_mailer_is_freed() {
    let world = World::new();
    let held = world.server.inject(Fault::stall(At::EndOfData)).unwrap();
    let mailer = world.mailer();
    let (id, result) = begin(&mailer, &message("<freed@example.org>"));
    world.runtime.block_on(held.fired());
    drop(mailer);
    held.release();
    assert_eq!(result.recv().unwrap().unwrap(), "<freed@example.org>");
    assert!(result.recv().is_err(), "the one call has taken the sender");
    assert!(!everpost_cancel(id));
}

#[test]
fn a_send_cancelled_before_it_was_handed_over_is_not_sent() {
    let world = World::new();
    let held = world.server.inject(Fault::stall(At::Mail)).unwrap();
    let mailer = world.mailer();
    let (id, result) = begin(&mailer, &message("<early@example.org>"));
    world.runtime.block_on(held.fired());
    assert!(everpost_cancel(id));
    let error = result.recv().unwrap().unwrap_err();
    assert_eq!((error.status, error.delivery.as_str()), (EVERPOST_CANCELLED, "not_sent"));
    held.release();
    assert_eq!(send(&mailer, &message("<next@example.org>")).unwrap(), "<next@example.org>");
    assert_eq!(world.server.copies("<early@example.org>"), 0);
}

#[test]
fn a_send_cancelled_after_it_was_handed_over_says_unknown_and_its_verdict_comes_late() {
    unsafe extern "C" fn keep(
        user_data: *mut c_void,
        receipt: *mut everpost_receipt,
        error: *mut everpost_error,
    ) {
        assert!(receipt.is_null());
        let sender = unsafe { Box::from_raw(user_data.cast::<Sender<usize>>()) };
        sender.send(error as usize).unwrap();
    }
    let world = World::new();
    let held = world.server.inject(Fault::stall(At::EndOfData)).unwrap();
    let (mailer, message) = (world.mailer(), message("<late@example.org>"));
    let (sender, receiver) = channel::<usize>();
    let user_data = Box::into_raw(Box::new(sender)).cast();
    let id = unsafe {
        everpost_mailer_send_start(mailer.0, message.0, Some(keep), user_data, ptr::null_mut())
    };
    world.runtime.block_on(held.fired());
    assert!(everpost_cancel(id));
    let of = Owned::new(receiver.recv().unwrap() as *mut everpost_error, everpost_error_free);
    assert_eq!(unsafe { everpost_error_status(of.0) }, EVERPOST_DELIVERY_UNKNOWN);
    let mut verdict = everpost_str::ABSENT;
    ok(|error| unsafe { everpost_error_late_verdict(of.0, 0, &raw mut verdict, error) });
    assert_eq!(seen(verdict), None, "the server still keeps it");
    held.release();
    ok(|error| unsafe { everpost_error_late_verdict(of.0, 60_000, &raw mut verdict, error) });
    assert_eq!(seen(verdict).unwrap(), "accepted");
}

#[test]
fn a_callback_may_start_another_send_but_not_wait_for_one() {
    struct Again<'a> {
        mailer: &'a Owned<everpost_mailer>,
        message: &'a Owned<everpost_message>,
        told: Sender<(everpost_status, Result<String, Seen>)>,
    }
    unsafe extern "C" fn again(
        user_data: *mut c_void,
        receipt: *mut everpost_receipt,
        _: *mut everpost_error,
    ) {
        let _receipt = Owned::new(receipt, everpost_receipt_free);
        let again = unsafe { Box::from_raw(user_data.cast::<Again<'_>>()) };
        let refused = send(again.mailer, again.message).unwrap_err().status;
        let (_, result) = begin(again.mailer, again.message);
        // Its result comes on this thread or another: not to be waited for.
        let told = again.told.clone();
        std::thread::spawn(move || told.send((refused, result.recv().unwrap())).unwrap());
    }
    let world = World::new();
    let (mailer, message) = (world.mailer(), message("<again@example.org>"));
    let (told, result) = channel();
    let again_data = Again { mailer: &mailer, message: &message, told };
    let user_data = Box::into_raw(Box::new(again_data)).cast();
    let id = unsafe {
        everpost_mailer_send_start(mailer.0, message.0, Some(again), user_data, ptr::null_mut())
    };
    assert_ne!(id, 0);
    let (refused, sent) = result.recv().unwrap();
    assert_eq!(refused, EVERPOST_WRONG_THREAD);
    assert_eq!(sent.unwrap(), "<again@example.org>");
}

#[test]
fn whoever_wins_the_race_of_cancelling_there_is_one_result_and_it_is_true() {
    let world = World::new();
    let mailer = world.mailer();
    send(&mailer, &message("<warm@example.org>")).unwrap();
    let ids: Vec<_> = (0..60).map(|index| format!("<race.{index}@example.org>")).collect();
    let begun: Vec<_> = ids.iter().map(|id| begin(&mailer, &message(id))).collect();
    let operations: Vec<_> = begun.iter().map(|(id, _)| *id).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| operations.iter().for_each(|id| _ = everpost_cancel(*id)));
        }
    });
    let results: Vec<_> = begun.iter().map(|(_, result)| result.recv().unwrap()).collect();
    assert!(begun.iter().all(|(_, result)| result.recv().is_err()), "one result each");
    ok(|error| unsafe { everpost_mailer_close(mailer.0, error) });
    world.runtime.block_on(world.server.wait_closed());
    for (id, result) in ids.iter().zip(results) {
        let copies = world.server.copies(id);
        match result.map_err(|error| error.status) {
            Ok(_) => assert_eq!(copies, 1, "{id}"),
            Err(EVERPOST_CANCELLED) => assert_eq!(copies, 0, "{id}"),
            Err(EVERPOST_DELIVERY_UNKNOWN) => assert!(copies <= 1, "{id}"),
            Err(other) => panic!("{id}: {other}"),
        }
    }
}

unsafe extern "C" fn count(
    user_data: *mut c_void,
    index: usize,
    receipt: *mut everpost_receipt,
    error: *mut everpost_error,
) {
    let told = unsafe { &*user_data.cast::<Sender<(usize, everpost_status)>>() };
    let status = if error.is_null() { EVERPOST_OK } else { take(error).status };
    unsafe { everpost_receipt_free(receipt) };
    told.send((index, status)).unwrap();
}

#[test]
fn every_message_of_a_batch_has_one_result_blocking_or_not_or_cancelled() {
    let world = World::new();
    let mailer = world.mailer();
    let messages: Vec<_> =
        (0..40).map(|index| message(&format!("<batch.{index}@example.org>"))).collect();
    let handles: Vec<_> = messages.iter().map(|it| it.0.cast_const()).collect();
    let (told, results) = channel::<(usize, everpost_status)>();
    let user_data = Box::into_raw(Box::new(told)).cast();
    let (at, len) = (handles.as_ptr(), handles.len());
    ok(|error| unsafe {
        everpost_mailer_send_all(mailer.0, at, len, Some(count), user_data, error)
    });
    let mut seen: Vec<_> = results.try_iter().collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..40).map(|index| (index, EVERPOST_OK)).collect::<Vec<_>>());
    assert_eq!(world.server.copies("<batch.7@example.org>"), 1);

    // Now all of them wait for the server, until they are cancelled.
    unsafe extern "C" fn done(user_data: *mut c_void, error: *mut everpost_error) {
        assert!(error.is_null());
        let told = unsafe { Box::from_raw(user_data.cast::<Sender<(usize, everpost_status)>>()) };
        told.send((usize::MAX, EVERPOST_OK)).unwrap();
    }
    let held = world.server.inject(Fault::stall(At::Mail).on(everpost_rehearsal::Which::Every));
    let held = held.unwrap();
    let mut error = ptr::null_mut();
    let id = unsafe {
        everpost_mailer_send_all_start(
            mailer.0,
            at,
            len,
            Some(count),
            Some(done),
            user_data,
            &raw mut error,
        )
    };
    world.runtime.block_on(held.fired());
    assert!(everpost_cancel(id));
    let mut cancelled: Vec<_> = results.iter().collect();
    assert_eq!(cancelled.pop().unwrap().0, usize::MAX, "done comes last");
    cancelled.sort_unstable();
    let expected: Vec<_> = (0..40).map(|index| (index, EVERPOST_CANCELLED)).collect();
    assert_eq!(cancelled, expected);
    held.release();
}

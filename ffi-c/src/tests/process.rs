//! What concerns the whole process, each in a process of its own: fork, logs,
//! and the end of the runtime.

use std::ffi::c_void;
use std::process::Command;
use std::ptr;
use std::sync::mpsc::{Sender, channel};

use super::world::*;
use crate::*;

/// Whether this is the process that was started for `test`; starts it and
/// waits for it if not.
fn in_own_process(test: &str) -> bool {
    const MARK: &str = "EVERPOST_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let name = format!("tests::process::{test}");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
    false
}

#[cfg(unix)]
#[test]
fn a_forked_child_sends_by_the_mailer_of_its_parent_and_so_does_the_parent() {
    if !in_own_process("a_forked_child_sends_by_the_mailer_of_its_parent_and_so_does_the_parent") {
        return;
    }
    let world = World::new();
    let mailer = world.mailer();
    let (first, second) = (message("<first@example.org>"), message("<second@example.org>"));
    let third = message("<third@example.org>");
    send(&mailer, &first).unwrap();
    let child = unsafe { libc::fork() };
    if child == 0 {
        // A child that hangs is ended, and so seen.
        unsafe { libc::alarm(60) };
        let sent = send(&mailer, &second).is_ok();
        let (_, result) = begin(&mailer, &third);
        let started = result.recv().is_ok_and(|result| result.is_ok());
        drop(mailer);
        unsafe { libc::_exit(if sent && started { 0 } else { 1 }) }
    }
    let mut status = 0;
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child sends in both forms, and exits");
    send(&mailer, &message("<fourth@example.org>")).unwrap();
    for id in ["first", "second", "third", "fourth"] {
        assert_eq!(world.server.copies(&format!("<{id}@example.org>")), 1, "{id}");
    }
}

#[test]
fn logs_reach_their_callback_up_to_their_level_until_it_is_removed() {
    if !in_own_process("logs_reach_their_callback_up_to_their_level_until_it_is_removed") {
        return;
    }
    unsafe extern "C" fn line(
        user_data: *mut c_void,
        level: i32,
        target: everpost_str,
        message: everpost_str,
    ) {
        let told = unsafe { &*user_data.cast::<Sender<(i32, String, String)>>() };
        let _ = told.send((level, seen(target).unwrap(), seen(message).unwrap()));
    }
    unsafe extern "C" fn release(user_data: *mut c_void) {
        drop(unsafe { Box::from_raw(user_data.cast::<Sender<(i32, String, String)>>()) });
    }
    let world = World::new();
    let mailer = world.mailer();
    send(&mailer, &message("<unlogged@example.org>")).unwrap();
    let (sender, lines) = channel::<(i32, String, String)>();
    let user_data = Box::into_raw(Box::new(sender)).cast();
    ok(|error| unsafe { everpost_log_set(4, Some(line), Some(release), user_data, error) });
    send(&mailer, &message("<logged@example.org>")).unwrap();
    let (sender, wire) = channel::<(i32, String, String)>();
    let user_data = Box::into_raw(Box::new(sender)).cast();
    ok(|error| unsafe { everpost_log_set(5, Some(line), Some(release), user_data, error) });
    send(&world.mailer(), &message("<traced@example.org>")).unwrap();
    ok(|error| unsafe { everpost_log_set(0, None, None, ptr::null_mut(), error) });
    send(&mailer, &message("<over@example.org>")).unwrap();
    let wire: Vec<_> = wire.iter().filter(|(_, target, _)| target == "everpost::wire").collect();
    assert!(wire.iter().any(|(level, _, text)| *level == 5 && text.contains("EHLO")), "{wire:?}");
    assert!(wire.iter().all(|(_, _, text)| !text.contains("secret")), "{wire:?}");
    // Ends, because removing it has released the sender.
    let lines: Vec<_> = lines.iter().collect();
    assert!(lines.iter().any(|(_, _, text)| text.contains("<logged@example.org>")), "{lines:?}");
    assert!(lines.iter().all(|(level, target, text)| {
        (1..=4).contains(level) && target.starts_with("everpost") && !text.contains("secret")
    }));
    assert!(!lines.iter().any(|(_, _, text)| text.contains("<over@example.org>")));
    let wrong = |error| unsafe { everpost_log_set(6, None, None, ptr::null_mut(), error) };
    assert_eq!(failed(wrong).status, EVERPOST_INVALID_ARGUMENT);
}

#[test]
fn a_shutdown_cancels_what_is_under_way_and_a_later_call_starts_anew() {
    if !in_own_process("a_shutdown_cancels_what_is_under_way_and_a_later_call_starts_anew") {
        return;
    }
    let world = World::new();
    let mailer = world.mailer();
    send(&mailer, &message("<parked@example.org>")).unwrap();
    let held = world.server.inject(everpost_rehearsal::Fault::stall(everpost_rehearsal::At::Mail));
    let held = held.unwrap();
    let (_, result) = begin(&mailer, &message("<shut@example.org>"));
    world.runtime.block_on(held.fired());
    assert_eq!(everpost_shutdown(60_000), EVERPOST_OK);
    assert_eq!(result.recv().unwrap().unwrap_err().status, EVERPOST_CANCELLED);
    held.release();
    send(&mailer, &message("<anew@example.org>")).unwrap();
    assert_eq!(world.server.copies("<shut@example.org>"), 0);
}

//! What is told while mail is sent, and what is asked for.

use std::ffi::c_void;
use std::ptr;
use std::sync::mpsc::{Sender, channel};

use everpost_rehearsal::Rotate;

use super::world::*;
use crate::*;

#[test]
fn events_are_told_in_order_and_their_user_data_is_released_once() {
    unsafe extern "C" fn told(user_data: *mut c_void, event: *const everpost_event) {
        let sender = unsafe { &*user_data.cast::<Sender<String>>() };
        unsafe {
            assert!(seen(everpost_event_json(event)).unwrap().contains("everpost.event/1"));
            assert!(seen(everpost_event_message(event)).is_some());
            assert_eq!(everpost_event_missed(event), 0);
            let _ = sender.send(seen(everpost_event_name(event)).unwrap());
        }
    }
    unsafe extern "C" fn release(user_data: *mut c_void) {
        drop(unsafe { Box::from_raw(user_data.cast::<Sender<String>>()) });
    }
    let world = World::new();
    let config = world.config();
    let (sender, events) = channel::<String>();
    let user_data = Box::into_raw(Box::new(sender)).cast();
    ok(|error| unsafe {
        everpost_config_events(config.0, Some(told), Some(release), user_data, error)
    });
    let mailer = mailer(&config);
    drop(config);
    send(&mailer, &message("<before@example.org>")).unwrap();
    world.runtime.block_on(world.server.rotate(Rotate::default())).unwrap();
    world.runtime.block_on(world.server.drop_connections(everpost_rehearsal::Cut::Fin));
    send(&mailer, &message("<after@example.org>")).unwrap();
    let names: Vec<_> =
        std::iter::from_fn(|| events.recv().ok()).take_while(|name| name != "rotated").collect();
    assert!(names.iter().all(|name| name == "retired" || name == "retried"), "{names:?}");
    drop(mailer);
    // Ends only when the release has dropped the sender.
    assert!(events.iter().all(|name| name == "retired"));
}

#[test]
fn a_second_callback_for_events_takes_the_place_of_the_first() {
    unsafe extern "C" fn told(user_data: *mut c_void, _: *const everpost_event) {
        let _ = unsafe { &*user_data.cast::<Sender<()>>() }.send(());
    }
    unsafe extern "C" fn release(user_data: *mut c_void) {
        drop(unsafe { Box::from_raw(user_data.cast::<Sender<()>>()) });
    }
    let world = World::new();
    let config = world.config();
    set(&config, "fresh", "true");
    let follow = || {
        let (sender, events) = channel::<()>();
        let user_data = Box::into_raw(Box::new(sender)).cast();
        ok(|error| unsafe {
            everpost_config_events(config.0, Some(told), Some(release), user_data, error)
        });
        events
    };
    let (first, second) = (follow(), follow());
    assert!(first.recv().is_err(), "released without a call");
    let (one, other) = (mailer(&config), mailer(&config));
    for mailer in [&one, &other] {
        send(mailer, &message("<fresh@example.org>")).unwrap();
        second.recv().unwrap();
    }
    drop((config, one, other));
    assert_eq!(second.iter().count(), 0, "each connection was retired once, and all is released");
}

#[test]
fn a_token_provider_is_asked_and_its_refusal_is_the_cause() {
    unsafe extern "C" fn answer(_: *mut c_void, request: *mut everpost_token_request) {
        let request = request as usize;
        std::thread::spawn(move || {
            let request = request as *mut everpost_token_request;
            unsafe { everpost_token_answer(request, c"token".as_ptr(), EVERPOST_NUL) }
        });
    }
    unsafe extern "C" fn refuse(_: *mut c_void, request: *mut everpost_token_request) {
        unsafe { everpost_token_refuse(request, c"nobody is in".as_ptr(), EVERPOST_NUL) }
    }
    let world = World::with(everpost_rehearsal::Rehearsal::builder().token("app", "token"));
    let config = world.config();
    let provide = |ask: everpost_token_fn| {
        let (user, user_len) = (c"app".as_ptr(), EVERPOST_NUL);
        let none = ptr::null_mut();
        ok(|error| unsafe {
            everpost_config_token_provider(config.0, user, user_len, ask, None, none, error)
        });
    };
    provide(Some(answer));
    send(&mailer(&config), &message("<token@example.org>")).unwrap();
    provide(Some(refuse));
    let error = send(&mailer(&config), &message("<none@example.org>")).unwrap_err();
    assert_eq!(error.status, EVERPOST_AUTH);
    assert!(error.message.contains("token"), "{}", error.message);
}

#[test]
fn health_and_counters_tell_what_happened() {
    let world = World::new();
    let mailer = world.mailer();
    send(&mailer, &message("<counted@example.org>")).unwrap();
    assert_eq!(unsafe { everpost_mailer_health(mailer.0) }, EVERPOST_HEALTHY);
    type Describe = unsafe extern "C" fn(
        *const everpost_mailer,
        *mut *mut everpost_text,
        *mut *mut everpost_error,
    ) -> everpost_status;
    let read = |describe: Describe| {
        let mut text = ptr::null_mut();
        ok(|error| unsafe { describe(mailer.0, &raw mut text, error) });
        let text = Owned::new(text, everpost_text_free);
        seen(unsafe { everpost_text_view(text.0) }).unwrap()
    };
    assert!(read(everpost_mailer_health_json).contains("\"status\":\"healthy\""));
    assert!(read(everpost_mailer_stats_json).contains("\"accepted\":1"));
    assert!(read(everpost_mailer_stats_prometheus).contains("delivery=\"accepted\"} 1"));
    ok(|error| unsafe { everpost_mailer_close(mailer.0, error) });
    let error = send(&mailer, &message("<closed@example.org>")).unwrap_err();
    assert_eq!(error.status, EVERPOST_CLOSED);
}

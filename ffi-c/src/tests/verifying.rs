//! Asking whether mail could be sent.

use std::ffi::c_void;
use std::ptr;
use std::sync::mpsc::{Receiver, Sender, channel};

use everpost_rehearsal::{At, Chain, Fault};

use super::world::*;
use crate::*;

/// What the server offers, or what was wrong.
type Told = Result<serde_json::Value, Seen>;

fn read(text: *mut everpost_text, error: *mut everpost_error) -> Told {
    assert_ne!(text.is_null(), error.is_null(), "one of the two");
    if !error.is_null() {
        return Err(take(error));
    }
    let text = Owned::new(text, everpost_text_free);
    Ok(serde_json::from_str(&seen(unsafe { everpost_text_view(text.0) }).unwrap()).unwrap())
}

fn verify(mailer: &Owned<everpost_mailer>) -> Told {
    let (mut text, mut error) = (ptr::dangling_mut(), ptr::dangling_mut());
    let status = unsafe { everpost_mailer_verify(mailer.0, &raw mut text, &raw mut error) };
    let told = read(text, error);
    assert_eq!(status, told.as_ref().map_or_else(|error| error.status, |_| EVERPOST_OK));
    told
}

fn begin_to_verify(mailer: &Owned<everpost_mailer>) -> (u64, Receiver<Told>) {
    unsafe extern "C" fn tell(
        user_data: *mut c_void,
        text: *mut everpost_text,
        error: *mut everpost_error,
    ) {
        // The one call there is takes the sender, so a second would be seen.
        let told = unsafe { Box::from_raw(user_data.cast::<Sender<Told>>()) };
        told.send(read(text, error)).unwrap();
    }
    let (sender, receiver) = channel::<Told>();
    let user_data = Box::into_raw(Box::new(sender)).cast();
    let mut error = ptr::dangling_mut();
    let id =
        unsafe { everpost_mailer_verify_start(mailer.0, Some(tell), user_data, &raw mut error) };
    assert!(id != 0 && error.is_null());
    (id, receiver)
}

#[test]
fn what_is_offered_after_the_login_is_told_and_nothing_is_sent() {
    let world = World::new();
    let mailer = world.mailer();
    let offered = verify(&mailer).unwrap();
    let extensions = offered["extensions"].as_array().unwrap();
    assert!(extensions.iter().any(|it| it["keyword"] == "PIPELINING"), "{offered}");
    let (id, told) = begin_to_verify(&mailer);
    drop(mailer);
    assert_eq!(told.recv().unwrap().unwrap(), offered);
    assert!(told.recv().is_err() && !everpost_cancel(id), "it called back once");
    world.runtime.block_on(world.server.wait_closed());
    assert!(world.server.received().is_empty());
    for connection in world.server.connections() {
        assert_eq!(connection.commands.last().unwrap(), "QUIT");
    }
    assert_eq!(world.server.connections().len(), 2);
}

#[test]
fn what_keeps_mail_from_being_sent_is_told_as_a_send_would() {
    let world = World::new();
    let config = world.config();
    ok(|error| unsafe {
        let (user, password) = ("app", "wrong");
        let (user_at, password_at) = (user.as_ptr().cast(), password.as_ptr().cast());
        everpost_config_credentials(config.0, user_at, 3, password_at, 5, error)
    });
    let refused = mailer(&config);
    let error = verify(&refused).unwrap_err();
    assert_eq!((error.status, error.delivery.as_str()), (EVERPOST_AUTH, "not_sent"));
    world.runtime.block_on(world.server.present(Chain::Expired)).unwrap();
    let mailer = world.mailer();
    let (_, told) = begin_to_verify(&mailer);
    assert_eq!(told.recv().unwrap().unwrap_err().status, EVERPOST_CERTIFICATE);
    ok(|error| unsafe { everpost_mailer_close(mailer.0, error) });
    assert_eq!(verify(&mailer).unwrap_err().status, EVERPOST_CLOSED);
}

#[test]
fn verifying_ends_when_it_is_cancelled() {
    let world = World::new();
    let held = world.server.inject(Fault::stall(At::Greeting)).unwrap();
    let mailer = world.mailer();
    let (id, told) = begin_to_verify(&mailer);
    world.runtime.block_on(held.fired());
    assert!(everpost_cancel(id));
    assert_eq!(told.recv().unwrap().unwrap_err().status, EVERPOST_CANCELLED);
    held.release();
    verify(&mailer).unwrap();
}

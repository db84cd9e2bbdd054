//! Panics on demand.

use std::ffi::c_void;
use std::ptr;
use std::sync::mpsc::Sender;

use super::world::*;
use crate::*;

/// A callback's end of a channel.
type Told = Sender<Result<String, Seen>>;

unsafe extern "C" fn tell_done(user_data: *mut c_void, error: *mut everpost_error) {
    let told = unsafe { Box::from_raw(user_data.cast::<Told>()) };
    told.send(if error.is_null() { Ok(String::new()) } else { Err(take(error)) }).unwrap();
}

#[test]
fn a_panic_anywhere_is_an_error_and_the_library_goes_on() {
    for place in [0, 3] {
        let (user_data, result) = told();
        let mut error = ptr::null_mut();
        let id = unsafe { everpost_fault_panic(place, Some(tell_done), user_data, &raw mut error) };
        assert_eq!((id, take(error).status), (0, EVERPOST_INTERNAL));
        assert!(result.try_recv().is_err(), "what was not started does not call back");
        drop(unsafe { Box::from_raw(user_data.cast::<Told>()) });
    }
    for place in [1, 2] {
        let (user_data, result) = told();
        let id =
            unsafe { everpost_fault_panic(place, Some(tell_done), user_data, ptr::null_mut()) };
        assert_ne!(id, 0);
        assert_eq!(result.recv().unwrap().unwrap_err().status, EVERPOST_INTERNAL);
    }
    let world = World::new();
    send(&world.mailer(), &message("<on@example.org>")).unwrap();
}

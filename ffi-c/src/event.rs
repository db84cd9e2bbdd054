//! Events of a mailer, for a callback.

use std::ffi::c_void;
use std::sync::{Arc, OnceLock};

use everpost_core::Event;
use everpost_core::mailer::Events;

use crate::guard::{Handle, OwnedUserData, value, value_of};
use crate::string::everpost_str;

/// Takes an event, which lives during the call. It must not wait for long.
pub type everpost_event_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const everpost_event)>;

/// Something that happened in a mailer.
pub struct everpost_event {
    event: Event,
    missed: u64,
    message: OnceLock<String>,
    json: OnceLock<String>,
}

impl Handle for everpost_event {
    const NAME: &'static str = "event";
}

/// Where the events of all mailers of a configuration go.
pub(crate) struct EventSink {
    told: unsafe extern "C" fn(*mut c_void, *const everpost_event),
    user_data: OwnedUserData,
}

impl EventSink {
    pub(crate) fn new(
        told: unsafe extern "C" fn(*mut c_void, *const everpost_event),
        user_data: OwnedUserData,
    ) -> Self {
        EventSink { told, user_data }
    }

    /// Tells of all events until the mailer is gone.
    pub(crate) async fn follow(self: Arc<Self>, mut events: Events) {
        while let Some(event) = events.next().await {
            let event = everpost_event {
                event,
                missed: events.missed(),
                message: OnceLock::new(),
                json: OnceLock::new(),
            };
            // SAFETY: the caller gave the two together; the event lives here.
            value((), || unsafe { (self.told)(self.user_data.get(), &raw const event) });
        }
    }
}

/// Its stable name, such as "rotated". Lives as long as the process.
///
/// # Safety
/// `event` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_event_name(event: *const everpost_event) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(event, everpost_str::ABSENT, |event| event.event.name().into()) }
}

/// One line for a log.
///
/// # Safety
/// `event` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_event_message(event: *const everpost_event) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(event, everpost_str::ABSENT, |event| {
            event.message.get_or_init(|| event.event.to_string()).into()
        })
    }
}

/// All of it as JSON: schema "everpost.event/1".
///
/// # Safety
/// `event` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_event_json(event: *const everpost_event) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(event, everpost_str::ABSENT, |event| {
            event.json.get_or_init(|| event.event.to_json().to_string()).into()
        })
    }
}

/// The Message-ID of the message it is about; absent if it is about none.
///
/// # Safety
/// `event` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_event_message_id(event: *const everpost_event) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(event, everpost_str::ABSENT, |event| event.event.message_id().into()) }
}

/// How many events of this mailer the callback has missed by being slow. 0 of
/// NULL.
///
/// # Safety
/// `event` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_event_missed(event: *const everpost_event) -> u64 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(event, 0, |event| event.missed) }
}

//! A table of handles: each is there, or has been freed and is NULL.

use std::ptr;

use crate::*;

/// How many handles of each type there are.
pub(super) const PLACES: usize = 4;

/// The place that a byte means; `'0'` the first.
pub(super) fn place_of(byte: u8) -> usize {
    usize::from(byte) % PLACES
}

/// The handles of one type.
pub(super) struct Handles<T> {
    handles: [*mut T; PLACES],
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Handles<T> {
    pub(super) fn new(free: unsafe extern "C" fn(*mut T)) -> Self {
        Handles { handles: [ptr::null_mut(); PLACES], free }
    }

    pub(super) fn get(&self, byte: u8) -> *mut T {
        self.handles[place_of(byte)]
    }

    /// Puts a handle, or NULL, in the place of the one before.
    pub(super) fn put(&mut self, byte: u8, handle: *mut T) {
        let before = std::mem::replace(&mut self.handles[place_of(byte)], handle);
        unsafe { (self.free)(before) }
    }

    pub(super) fn free(&mut self, byte: u8) {
        self.put(byte, ptr::null_mut());
    }
}

impl<T> Drop for Handles<T> {
    fn drop(&mut self) {
        (0..PLACES as u8).for_each(|place| self.free(place));
    }
}

/// The handles of all types.
pub(super) struct Table {
    pub(super) configs: Handles<everpost_config>,
    pub(super) mailers: Handles<everpost_mailer>,
    pub(super) messages: Handles<everpost_message>,
    pub(super) envelopes: Handles<everpost_envelope>,
    pub(super) composes: Handles<everpost_compose>,
    pub(super) files: Handles<everpost_certificate_file>,
    pub(super) probes: Handles<everpost_probe>,
    pub(super) diagnoses: Handles<everpost_diagnosis>,
    pub(super) reports: Handles<everpost_report>,
    pub(super) texts: Handles<everpost_text>,
    pub(super) errors: Handles<everpost_error>,
}

impl Table {
    pub(super) fn new() -> Self {
        Table {
            configs: Handles::new(everpost_config_free),
            mailers: Handles::new(everpost_mailer_free),
            messages: Handles::new(everpost_message_free),
            envelopes: Handles::new(everpost_envelope_free),
            composes: Handles::new(everpost_compose_free),
            files: Handles::new(everpost_certificate_file_free),
            probes: Handles::new(everpost_probe_free),
            diagnoses: Handles::new(everpost_diagnosis_free),
            reports: Handles::new(everpost_report_free),
            texts: Handles::new(everpost_text_free),
            errors: Handles::new(everpost_error_free),
        }
    }
}

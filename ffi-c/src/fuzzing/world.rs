//! What the calls of a program are made with, and what holds after each.

use std::ffi::c_void;
use std::ptr;

use super::handles::{PLACES, Table};
use super::input::Input;
use super::told::Expected;
use crate::*;

/// The most operations under way at a time.
const MOST: usize = 32;

/// Where a config would have mail sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leads {
    /// Where nobody listens, which is found out at once.
    Nowhere,
    /// There too, with options that may have a send wait.
    NowhereSlowly,
    /// To a server, or into files: nothing is made of it.
    Anywhere,
}

/// What calls are made with.
pub(super) struct World<'a> {
    pub(super) input: Input<'a>,
    pub(super) no_out: bool,
    pub(super) no_error: bool,
    pub(super) table: Table,
    last_error: u8,
    /// Where the configs in the table lead, and the mailers made of them.
    pub(super) configs: [Leads; PLACES],
    pub(super) mailers: [Leads; PLACES],
    pub(super) under_way: Vec<(u64, Expected)>,
    promised: Vec<Expected>,
}

impl<'a> World<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        World {
            input,
            no_out: false,
            no_error: false,
            table: Table::new(),
            last_error: 0,
            configs: [Leads::Nowhere; PLACES],
            mailers: [Leads::Nowhere; PLACES],
            under_way: Vec::new(),
            promised: Vec::new(),
        }
    }

    /// Frees everything; whatever was begun or promised comes to its end.
    pub(super) fn end(self) {
        let World { under_way, promised, table, .. } = self;
        drop(table);
        for (id, expected) in &under_way {
            everpost_cancel(*id);
            expected.wait();
        }
        promised.iter().for_each(|expected| expected.wait());
        under_way.iter().for_each(|(id, expected)| {
            assert!(!everpost_cancel(*id), "it is over");
            expected.settle();
        });
        promised.into_iter().for_each(Expected::settle);
    }

    /// A call whose status and error must agree.
    pub(super) fn status(
        &mut self,
        call: impl FnOnce(*mut *mut everpost_error) -> everpost_status,
    ) -> everpost_status {
        let mut error = ptr::dangling_mut();
        let place = if self.no_error { ptr::null_mut() } else { &raw mut error };
        let status = call(place);
        assert_ne!(status, EVERPOST_INTERNAL, "a panic was caught");
        if !self.no_error {
            self.keep(error, status);
        }
        status
    }

    /// A call that makes a handle, and fails without a place for it.
    pub(super) fn made<T>(
        &mut self,
        call: impl FnOnce(*mut *mut T, *mut *mut everpost_error) -> everpost_status,
    ) -> *mut T {
        let mut out = ptr::dangling_mut();
        let place = if self.no_out { ptr::null_mut() } else { &raw mut out };
        let status = self.status(|error| call(place, error));
        if self.no_out {
            assert_eq!(status, EVERPOST_NULL_ARGUMENT);
            return ptr::null_mut();
        }
        assert_eq!(out.is_null(), status != EVERPOST_OK);
        out
    }

    /// A call that starts an operation, which is told of `messages` besides.
    pub(super) fn started(
        &mut self,
        messages: usize,
        call: impl FnOnce(*mut c_void, *mut *mut everpost_error) -> u64,
    ) {
        if self.under_way.len() == MOST {
            return;
        }
        let expected = Expected::with(messages);
        let mut error = ptr::dangling_mut();
        let place = if self.no_error { ptr::null_mut() } else { &raw mut error };
        let id = call(expected.user_data(), place);
        if !self.no_error {
            assert_eq!(error.is_null(), id != 0);
            let status = unsafe { everpost_error_status(error) };
            self.keep(error, if error.is_null() { EVERPOST_OK } else { status });
        }
        match id {
            0 => expected.never(),
            id => {
                assert!(self.under_way.iter().all(|(other, _)| *other != id), "no number is twice");
                self.under_way.push((id, expected));
            }
        }
    }

    /// A call that promises to drop what it was given, if it succeeds.
    pub(super) fn promised(
        &mut self,
        call: impl FnOnce(*mut c_void, *mut *mut everpost_error) -> everpost_status,
    ) {
        let expected = Expected::with(0);
        match self.status(|error| call(expected.user_data(), error)) {
            EVERPOST_OK => self.promised.push(expected),
            _ => expected.never(),
        }
    }

    /// Keeps an error for later calls.
    fn keep(&mut self, error: *mut everpost_error, status: everpost_status) {
        assert_eq!(error.is_null(), status == EVERPOST_OK);
        if !error.is_null() {
            assert_eq!(unsafe { everpost_error_status(error) }, status);
            self.last_error = self.last_error.wrapping_add(1);
            self.table.errors.put(self.last_error, error);
        }
    }
}

//! [`PerProcess`]: a value that a forked child has anew.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// A value made at its first use in each process. A child that was forked
/// makes its own; that of its parent it leaves alone for ever, because other
/// threads of the parent may have been in the middle of changing it.
pub struct PerProcess<T> {
    current: AtomicPtr<Stamped<T>>,
}

struct Stamped<T> {
    generation: u64,
    value: T,
}

// SAFETY: it owns at most one T and gives out only `&T`; it makes and drops
// that T on whichever thread it is used.
unsafe impl<T: Send> Send for PerProcess<T> {}
// SAFETY: as above; `&PerProcess<T>` gives `&T` (Sync) to threads that did not
// make it (Send).
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

impl<T> PerProcess<T> {
    /// No value yet.
    pub const fn new() -> Self {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The value of this process, if it has one.
    pub fn get(&self) -> Option<&T> {
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: a pointer that was stored came from `Box::into_raw`, and is
        // freed by `drop` alone, which has the only reference to `self`.
        let stamped = unsafe { current.as_ref() }?;
        (stamped.generation == generation()).then_some(&stamped.value)
    }

    /// The value of this process, made by `make` if there is none. Of threads
    /// that make one at the same time, the first wins.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<T, std::convert::Infallible>(make())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](Self::get_or_init), where making may fail.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        watch_for_forks();
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let before = self.current.load(Ordering::Acquire);
        let made = Box::new(Stamped { generation: generation(), value: make()? });
        let made = Box::into_raw(made);
        let swapped =
            self.current.compare_exchange(before, made, Ordering::AcqRel, Ordering::Acquire);
        let current = match swapped {
            Ok(_) => made,
            Err(winner) => {
                // SAFETY: `made` was never stored, so nobody else knows it.
                drop(unsafe { Box::from_raw(made) });
                winner
            }
        };
        // SAFETY: as in `get`; it is not null, being `made` or what took the
        // place of `before`.
        Ok(unsafe { &(*current).value })
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        if !current.is_null() {
            // SAFETY: it came from `Box::into_raw`, and `&mut self` says that
            // no reference into it is left.
            let stamped = unsafe { Box::from_raw(current) };
            if stamped.generation != generation() {
                // Of the parent: its locks may be held for ever.
                Box::leak(stamped);
            }
        }
    }
}

fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

#[cfg(unix)]
fn watch_for_forks() {
    extern "C" fn in_child() {
        // A child of a process with threads may do no more than this.
        GENERATION.fetch_add(1, Ordering::AcqRel);
    }
    static WATCHING: std::sync::Once = std::sync::Once::new();
    WATCHING.call_once(|| {
        // SAFETY: the handler touches one atomic, which is safe in a child of
        // a process with threads, and lives as long as the process: the
        // library is never unloaded (see its build script).
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// Processes are never forked here.
#[cfg(not(unix))]
fn watch_for_forks() {}

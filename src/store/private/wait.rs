//! Waits until a name exists, without polling.
//!
//! The waiter reads a word, looks for the name under the lock, and sleeps until the word changes.
//! A thread that adds a name takes the lock later than that, changes the word and wakes the
//! waiters.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::os;

/// Changes whenever a name appears in this process. A child has its own.
static APPEARED: AtomicU32 = AtomicU32::new(0);

/// A name that did not exist a moment ago.
#[derive(Debug)]
pub(crate) struct Absent {
    /// The word has this value until a name appears.
    value: u32,
}

/// Prepares to wait. The caller then looks for the name.
pub(super) fn expect_name() -> Absent {
    Absent {
        value: APPEARED.load(Ordering::Acquire),
    }
}

/// Wakes the threads that wait for a name.
pub(super) fn announce_name() {
    APPEARED.fetch_add(1, Ordering::Release);
    os::futex_wake(APPEARED.as_ptr(), c_int::MAX, os::Scope::Private);
}

impl Absent {
    /// Sleeps until a name appears, but at most for `limit`; the caller then looks again.
    /// Returns whether a signal handler ended the sleep.
    pub(in crate::store) fn sleep(&self, limit: Duration) -> bool {
        os::futex_wait(APPEARED.as_ptr(), self.value, limit, os::Scope::Private)
    }
}

//! Whether this process was forked from one with several threads.
//!
//! Such a process may not start threads: what the parent's other threads held, also in the
//! C library and in sanitizers, stays held for ever.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::os;

/// Whether the process that forks has several threads.
static IN_PARENT: AtomicBool = AtomicBool::new(false);
/// Whether this process's parent, or one further up, had several.
static INHERITED: AtomicBool = AtomicBool::new(false);
/// How many forks, between the program's start and this process, have run handlers.
static HANDLED: AtomicU32 = AtomicU32::new(0);

/// Before a fork.
pub(super) fn prepare() {
    // Nothing changes for the children of such a process.
    if !INHERITED.load(Ordering::Relaxed) {
        IN_PARENT.store(os::has_other_threads(), Ordering::Relaxed);
    }
}

/// In the child.
pub(super) fn in_child() {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    if IN_PARENT.load(Ordering::Relaxed) {
        INHERITED.store(true, Ordering::Relaxed);
    }
}

/// Whether threads may be missing in this process, which is this many forks away from the
/// program's start.
pub(super) fn may_be_missing(forks: u32) -> bool {
    // A fork that ran no handlers was not seen.
    INHERITED.load(Ordering::Relaxed) || HANDLED.load(Ordering::Relaxed) != forks
}

//! Refuses functions that a signal handler calls after it interrupted another one.
//!
//! The outermost function of a thread marks the thread before it does anything else,
//! and clears the mark last. So a handler that interrupts any part of a function, the
//! report of an error included, is refused before it allocates or prints: the
//! function may have been interrupted in malloc(3) or stdio.

#![forbid(unsafe_code)]

use std::cell::Cell;

thread_local! {
    // It has no destructor, so it exists until the thread ends.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// The mark of the calling thread, until this is dropped.
#[derive(Debug)]
pub(super) struct Frame(());

impl Frame {
    /// Marks the calling thread. `None` if it is marked already.
    pub(super) fn enter() -> Option<Self> {
        // A handler between these two steps leaves the mark as it found it.
        (!IS_RUNNING.replace(true)).then(|| Self(()))
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        IS_RUNNING.set(false);
    }
}

/// Whether the calling thread is running a C function of the library.
pub(crate) fn is_running() -> bool {
    IS_RUNNING.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_frame_is_entered() {
        let outermost = Frame::enter();
        assert!(outermost.is_some());
        assert!(Frame::enter().is_none());
        assert!(is_running(), "a refused frame leaves the mark");
        drop(outermost);
        assert!(!is_running());
        assert!(Frame::enter().is_some());
    }
}

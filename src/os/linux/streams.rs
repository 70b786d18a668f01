//! The locks of musl's streams at a fork.
//!
//! In a child of fork, a lock that another thread of the parent held is nobody's to release. glibc
//! frees the locks of its streams in the child; musl does not, so a child that printed would wait
//! for ever. So a fork locks both streams first, and a print that does not get the lock in time
//! prints nothing.

use std::cell::Cell;
use std::ffi::c_int;
use std::thread;
use std::time::Duration;

unsafe extern "C" {
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
    fn ftrylockfile(file: *mut libc::FILE) -> c_int;
    fn funlockfile(file: *mut libc::FILE);
}

/// A stream is locked, until this is dropped: by the thread that has locked it or, after a
/// fork, by its copy in the child.
pub(super) struct Locked(*mut libc::FILE);

impl Locked {
    /// Locks an open stream. `None` if another thread has it locked for longer than `limit`.
    pub(super) fn within(stream: *mut libc::FILE, limit: Duration) -> Option<Self> {
        const PAUSE: Duration = Duration::from_micros(100);
        let mut waited = Duration::ZERO;
        // SAFETY: the stream is open.
        while unsafe { ftrylockfile(stream) } != 0 {
            if waited >= limit {
                return None;
            }
            thread::sleep(PAUSE);
            waited += PAUSE;
        }
        Some(Self(stream))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: this thread, or the one of the parent that it is a copy of, has locked the
        // stream. musl does not ask which.
        unsafe { funlockfile(self.0) };
    }
}

thread_local! {
    static HELD: Cell<[Option<Locked>; 2]> = const { Cell::new([None, None]) };
}

/// Locks both streams before a fork, but waits no longer than `limit` for each.
pub(crate) fn hold_streams(limit: Duration) {
    // SAFETY: both are set before main and hold streams; a program that assigns to one may not do
    // so while other threads print.
    let streams = unsafe { [stdout, stderr] };
    let held = streams.map(|stream| Locked::within(stream, limit));
    // It fails while the thread ends: then the streams are free again.
    let _ = HELD.try_with(|place| place.set(held));
}

/// Unlocks what [`hold_streams`] has locked, in the parent and in the child.
pub(crate) fn release_streams() {
    let _ = HELD.try_with(Cell::take);
}

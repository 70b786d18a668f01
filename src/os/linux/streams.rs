//! The locks of musl's streams at a fork.
//!
//! In a child of fork, a lock that another thread of the parent held is nobody's to release. glibc
//! frees the locks of its streams in the child; musl does not, so a child that printed would wait
//! for ever. So a fork locks both streams first, and a print that does not get the lock in time
//! prints nothing.

use std::cell::Cell;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::ptr;
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

/// NULL for a stream that is not locked.
type Held = [*mut libc::FILE; 2];
const NONE: Held = [ptr::null_mut(); 2];

thread_local! {
    // Without a destructor, which could not be registered in a signal handler that forks.
    static HELD: Cell<Held> = const { Cell::new(NONE) };
}

/// Locks both streams before a fork, but waits no longer than `limit` for each.
pub(crate) fn hold_streams(limit: Duration) {
    // SAFETY: both are set before main and hold streams; a program that assigns to one may not do
    // so while other threads print.
    let streams = unsafe { [stdout, stderr] };
    HELD.set(streams.map(|stream| match Locked::within(stream, limit) {
        Some(locked) => ManuallyDrop::new(locked).0,
        None => ptr::null_mut(),
    }));
}

/// Unlocks what [`hold_streams`] has locked, in the parent and in the child.
pub(crate) fn release_streams() {
    let held = HELD.replace(NONE).into_iter();
    held.filter(|stream| !stream.is_null())
        .for_each(|stream| drop(Locked(stream)));
}

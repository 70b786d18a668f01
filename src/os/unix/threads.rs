//! How threads wait for each other: by looking again and again.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::system;
use crate::errno::Errno;
use crate::ids::{ProcessId, ThreadId};
use crate::os::posix::process;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// While this lives, the thread is not cancelled (`pthread_cancel(3)`):
/// cancelling it would unwind it in the middle of a call.
///
/// More functions are cancellation points here than on Linux.
#[derive(Debug)]
pub(crate) struct Uncancelled(c_int);

impl Uncancelled {
    pub(crate) fn new() -> Self {
        let mut before = 0;
        // SAFETY: there is room for the state before; it can't fail.
        unsafe { pthread_setcancelstate(system::CANCEL_DISABLE, &raw mut before) };
        Self(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the C library returned this state.
        unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
    }
}

/// Who may wait on a word, or wake its waiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All processes that have the memory attached.
    Shared,
    /// The threads of this process.
    Private,
}

/// Sleeps while the word is `expected`, at most for `limit`. Whatever ends the wait, the caller
/// looks again. Returns whether a signal handler ended it.
pub(crate) fn futex_wait(word: *const u32, expected: u32, limit: Duration, _: Scope) -> bool {
    const FIRST: Duration = Duration::from_micros(50);
    const LONGEST: Duration = Duration::from_millis(2);
    // SAFETY: the caller keeps the word, which is atomic.
    let word = unsafe { AtomicU32::from_ptr(word.cast_mut()) };
    let _uncancelled = Uncancelled::new();
    let (mut pause, mut waited) = (FIRST, Duration::ZERO);
    while word.load(Ordering::SeqCst) == expected && waited < limit {
        let slice = pause.min(limit.saturating_sub(waited));
        if is_interrupted_in(slice) {
            return true;
        }
        waited += slice;
        pause = LONGEST.min(pause * 2);
    }
    false
}

/// nanosleep(2)
fn is_interrupted_in(time: Duration) -> bool {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: the time is read only; the rest is not wanted.
    let result = unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
    result != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
}

/// Waiters look by themselves.
pub(crate) const fn futex_wake(_: *const u32, _: c_int, _: Scope) {}

/// Lends no priority: `ENOSYS`.
pub(crate) const fn futex_lock_pi(_: &AtomicU32, _: Duration) -> Result<(), Errno> {
    Err(Errno(libc::ENOSYS))
}

/// Nothing was lent.
pub(crate) const fn futex_unlock_pi(_: &AtomicU32) -> Result<(), Errno> {
    Err(Errno(libc::ENOSYS))
}

/// Whether the calling thread was given a real-time scheduling policy: it could not lend it.
pub(crate) const fn is_real_time() -> bool {
    false
}

/// Whether a thread has ended: unknown. The kernel undoes what a process did to a semaphore.
pub(crate) const fn is_gone(_: ThreadId) -> bool {
    false
}

/// Whether a process has ended.
pub(crate) fn is_process_gone(process: ProcessId) -> bool {
    let Ok(process) = libc::pid_t::try_from(process.0) else {
        return false;
    };
    // SAFETY: takes numbers only; signal 0 is sent to nobody.
    let result = unsafe { libc::kill(process, 0) };
    result != 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// Within what a thread has an id of its own, in a message.
pub(crate) const SCOPE_OF_THREADS: &str = "process";

/// The number of the process, whose threads have ids of their own.
#[expect(clippy::unnecessary_wraps, reason = "Linux may not tell")]
pub(crate) fn scope_of_threads() -> Option<u32> {
    Some(process().0)
}

/// The head of a thread's robust list, which only Linux has.
pub(crate) struct RobustListHead {
    pub(crate) futex_offset: isize,
    pub(crate) list_op_pending: *mut c_void,
}

/// No thread has a robust list.
pub(crate) const fn robust_list() -> Result<*mut RobustListHead, Errno> {
    Err(Errno(libc::ENOSYS))
}

/// As above.
///
/// # Safety
///
/// None is needed.
pub(crate) const unsafe fn set_robust_list(_: *mut RobustListHead) -> Result<(), Errno> {
    Err(Errno(libc::ENOSYS))
}

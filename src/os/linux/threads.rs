//! What Linux offers to threads that wait for each other: futex(2), and whether a
//! thread still exists.
//!
//! Nothing here is a cancellation point, nothing allocates, and nothing changes
//! `errno` for the caller's purposes: the functions of the C API restore it.

use std::ffi::{c_int, c_long};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::abi::{FutexTime, clock_gettime, fstat, fstatat, ioctl_number, stat};
use crate::errno::Errno;
use crate::ids::{ProcessId, ThreadId};
use crate::os::posix::unsigned;

/// `FUTEX_LOCK_PI2`, Linux 5.14. The older `FUTEX_LOCK_PI` measures its timeout by a
/// clock that can be set back, which would make a wait of any length.
const FUTEX_LOCK_PI2: c_int = 13;
const FUTEX_UNLOCK_PI: c_int = 7;
/// The ioctl(2) of a pidfd that opens the PID namespace of its process, Linux 6.11.
const PIDFD_GET_PID_NAMESPACE: u32 = 0xff05;
/// A scheduling policy that is missing in the libc crate.
const SCHED_DEADLINE: c_int = 6;

/// Who may wait on a futex word, or wake its waiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All processes that have the memory attached.
    Shared,
    /// The threads of this process.
    Private,
}

impl Scope {
    const fn of(self, operation: c_int) -> c_int {
        match self {
            Self::Shared => operation,
            Self::Private => operation | libc::FUTEX_PRIVATE_FLAG,
        }
    }
}

/// The value of a system call.
pub(super) fn checked(result: c_long) -> Result<c_long, Errno> {
    if result < 0 {
        Err(std::io::Error::last_os_error().into())
    } else {
        Ok(result)
    }
}

/// `FUTEX_WAIT`: sleeps while the word is `expected`, at most for `limit`. Whatever
/// ends the wait, the caller looks again. Returns whether a signal handler ended it.
pub(crate) fn futex_wait(word: *const u32, expected: u32, limit: Duration, scope: Scope) -> bool {
    let timeout = FutexTime::new(limit);
    // SAFETY: the kernel only compares the word, and checks the address.
    let result = checked(unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            scope.of(libc::FUTEX_WAIT),
            expected,
            &raw const timeout,
        )
    });
    result == Err(Errno(libc::EINTR))
}

/// `FUTEX_WAKE`: wakes up to `count` waiters.
pub(crate) fn futex_wake(word: *const u32, count: c_int, scope: Scope) {
    // SAFETY: the kernel uses the address as a name only.
    unsafe { libc::syscall(libc::SYS_futex, word, scope.of(libc::FUTEX_WAKE), count) };
}

/// `FUTEX_LOCK_PI2` on a word of shared memory: waits at most for `limit` until the
/// thread whose id the word holds unlocks it, and lends that thread this one's
/// priority meanwhile. `ESRCH` if the thread does not exist.
pub(crate) fn futex_lock_pi(word: &AtomicU32, limit: Duration) -> Result<(), Errno> {
    let now = clock_gettime(libc::CLOCK_MONOTONIC);
    let deadline = FutexTime::new(now.saturating_add(limit));
    // SAFETY: the word lives in a mapping that its borrow keeps, and is atomic.
    checked(unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            FUTEX_LOCK_PI2,
            0,
            &raw const deadline,
        )
    })
    .map(drop)
}

/// `FUTEX_UNLOCK_PI`: unlocks a word that holds this thread's id, and wakes the
/// waiter of the highest priority.
pub(crate) fn futex_unlock_pi(word: &AtomicU32) -> Result<(), Errno> {
    // SAFETY: the word lives in a mapping that its borrow keeps, and is atomic.
    checked(unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), FUTEX_UNLOCK_PI) }).map(drop)
}

/// Whether the calling thread was given a real-time scheduling policy, see sched(7).
pub(crate) fn is_real_time() -> bool {
    // SAFETY: takes numbers only.
    let policy = unsafe { libc::sched_getscheduler(0) };
    policy >= 0
        && matches!(
            policy & !libc::SCHED_RESET_ON_FORK,
            libc::SCHED_FIFO | libc::SCHED_RR | SCHED_DEADLINE
        )
}

/// Whether a process of this PID namespace has ended, and is nobody's zombie either. False in
/// doubt.
pub(crate) fn is_process_gone(process: ProcessId) -> bool {
    is_gone(ThreadId(process.0))
}

/// Whether a thread of this PID namespace has ended, and is nobody's zombie either.
/// False in doubt.
pub(crate) fn is_gone(thread: ThreadId) -> bool {
    // SAFETY: takes numbers only; signal 0 is sent to nobody.
    checked(unsafe { libc::syscall(libc::SYS_tkill, thread.0, 0) }) == Err(Errno(libc::ESRCH))
}

/// Within what a thread has an id of its own, in a message.
pub(crate) const SCOPE_OF_THREADS: &str = "PID namespace";

/// The number of that: the lower half of the inode of this process's PID namespace, see namespaces(7).
/// `None` if the system does not show it.
pub(crate) fn scope_of_threads() -> Option<u32> {
    inode(|buffer| {
        // SAFETY: a string, and room for the status of a file.
        unsafe { fstatat(libc::AT_FDCWD, c"/proc/self/ns/pid".as_ptr(), buffer, 0) }
    })
    .or_else(scope_without_proc)
}

fn scope_without_proc() -> Option<u32> {
    // SAFETY: getpid has no arguments and can't fail.
    let own = unsafe { libc::getpid() };
    // SAFETY: takes numbers only.
    let process = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, own, 0) });
    let process = c_int::try_from(process.ok()?).ok()?;
    // SAFETY: the descriptor was opened just now; this request has no further argument.
    let namespace = unsafe { libc::ioctl(process, ioctl_number(PIDFD_GET_PID_NAMESPACE), 0) };
    close(process);
    let found = inode(|buffer| {
        // SAFETY: there is room for the status of a file; the descriptor may be -1.
        unsafe { fstat(namespace, buffer) }
    });
    close(namespace);
    found
}

fn inode(status: impl FnOnce(*mut stat) -> c_int) -> Option<u32> {
    let mut buffer = MaybeUninit::<stat>::zeroed();
    if status(buffer.as_mut_ptr()) != 0 {
        return None;
    }
    // SAFETY: it was zeroed, and holds numbers only.
    let inode = unsigned(unsafe { buffer.assume_init() }.st_ino);
    let lower = u32::try_from(inode & u64::from(u32::MAX)).ok();
    lower.filter(|&lower| lower != 0)
}

/// Closes a descriptor; -1 is ignored.
pub(super) fn close(descriptor: c_int) {
    // SAFETY: nobody else knows the descriptor.
    unsafe { libc::syscall(libc::SYS_close, descriptor) };
}

/// The head of a thread's robust list, as the kernel's ABI lays it out.
#[repr(C)]
pub(crate) struct RobustListHead {
    list: *mut std::ffi::c_void,
    /// From an entry of the list to its futex word, in bytes.
    pub(crate) futex_offset: isize,
    pub(crate) list_op_pending: *mut std::ffi::c_void,
}

/// The robust list of the calling thread (get_robust_list(2)): NULL if it has none.
/// An error if the kernel refuses to tell, or if its list has another layout.
pub(crate) fn robust_list() -> Result<*mut RobustListHead, Errno> {
    let list = registered_robust_list()?;
    #[cfg(target_env = "musl")]
    if list.is_null() {
        register_robust_list();
        return registered_robust_list();
    }
    Ok(list)
}

/// Makes musl register the calling thread's list, which it does only when the thread locks its
/// first robust mutex that processes can share. A list of the library's own would be lost then.
#[cfg(target_env = "musl")]
fn register_robust_list() {
    unsafe extern "C" {
        fn pthread_mutexattr_setrobust(
            attributes: *mut libc::pthread_mutexattr_t,
            robustness: c_int,
        ) -> c_int;
    }
    const ROBUST: c_int = 1;
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let mut mutex = MaybeUninit::<libc::pthread_mutex_t>::uninit();
    let (attributes, mutex) = (attributes.as_mut_ptr(), mutex.as_mut_ptr());
    // SAFETY: there is room for the attributes. None of these calls can fail: musl allocates
    // nothing for attributes and mutexes, and nobody else knows the mutex.
    unsafe { libc::pthread_mutexattr_init(attributes) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
    // SAFETY: as above.
    unsafe { pthread_mutexattr_setrobust(attributes, ROBUST) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutex_init(mutex, attributes) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutex_lock(mutex) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutex_unlock(mutex) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutex_destroy(mutex) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutexattr_destroy(attributes) };
}

fn registered_robust_list() -> Result<*mut RobustListHead, Errno> {
    let mut list = ptr::null_mut::<RobustListHead>();
    let mut length = 0_usize;
    // SAFETY: for the calling thread (0) the kernel writes a pointer and a length.
    checked(unsafe {
        libc::syscall(libc::SYS_get_robust_list, 0, &raw mut list, &raw mut length)
    })?;
    if list.is_null() || length == size_of::<RobustListHead>() {
        Ok(list)
    } else {
        Err(Errno(libc::EINVAL))
    }
}

/// Registers the list of a thread for which [`robust_list`] has just returned NULL.
///
/// # Safety
///
/// The head is the calling thread's own, and lives as long as the thread.
pub(crate) unsafe fn set_robust_list(list: *mut RobustListHead) -> Result<(), Errno> {
    // SAFETY: the caller says that the head is the thread's own.
    checked(unsafe { libc::syscall(libc::SYS_set_robust_list, list, size_of::<RobustListHead>()) })
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::fs::MetadataExt as _;

    #[test]
    fn a_pid_namespace_has_the_same_number_with_and_without_proc() {
        let inode = std::fs::metadata("/proc/self/ns/pid").unwrap().st_ino();
        let expected = u32::try_from(inode & u64::from(u32::MAX)).ok();
        assert_eq!(scope_of_threads(), expected);
        // Before Linux 6.11 there is no other way to ask.
        if let Some(without) = scope_without_proc() {
            assert_eq!(Some(without), expected);
        }
    }

    #[test]
    fn a_thread_is_gone_when_it_has_ended() {
        let thread = std::thread::spawn(crate::os::thread).join().unwrap();
        // The kernel lets go of it a moment after its join.
        while !is_gone(thread) {
            std::thread::yield_now();
        }
        assert!(!is_gone(crate::os::thread()));
    }
}

//! The calling thread: its id, its PID namespace, and its robust list.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, compiler_fence};

use super::owner::{THREAD, ThreadOf};
use crate::errno::Errno;
use crate::ids::ThreadId;
use crate::os::RobustListHead;
use crate::{fork, os};

/// The calling thread, and its robust list.
#[derive(Clone, Copy)]
pub(super) struct Thread {
    pub(super) of: ThreadOf,
    /// NULL if it has none.
    robust_list: *mut RobustListHead,
    epoch: u32,
}

/// Before a thread has looked itself up. No thread has the id 0.
const UNKNOWN: Thread = Thread {
    of: ThreadOf {
        id: ThreadId(0),
        namespace: 0,
    },
    robust_list: ptr::null_mut(),
    epoch: 0,
};

thread_local! {
    static CURRENT: Cell<Thread> = const { Cell::new(UNKNOWN) };
}

impl Thread {
    /// Remembered, because it costs system calls, until the next fork: a child of fork is another
    /// thread. If the PID namespace could not be found out, this tries again each time: otherwise,
    /// after one failure, others could never judge this thread.
    ///
    /// An error if the system hides the thread's id. A lock held by thread 0 would be
    /// free.
    pub(super) fn current() -> Result<Self, Errno> {
        let epoch = fork::epoch();
        let known = CURRENT.get();
        let is_known = known.of.id != UNKNOWN.of.id && known.of.namespace != UNKNOWN.of.namespace;
        if known.epoch == epoch && is_known {
            return Ok(known);
        }
        Self::look_up(epoch, known)
    }

    #[cold]
    fn look_up(epoch: u32, known: Self) -> Result<Self, Errno> {
        let id = ThreadId(os::thread().0 & THREAD);
        if id.0 == 0 {
            return Err(Errno(libc::EPERM));
        }
        let thread = Self {
            of: ThreadOf {
                id,
                namespace: namespace(epoch),
            },
            robust_list: robust_list(known),
            epoch,
        };
        CURRENT.set(thread);
        Ok(thread)
    }

    /// The thread by its id and the epoch, which tells it from threads of a parent.
    pub(super) const fn in_epoch(self) -> ThreadOf {
        ThreadOf {
            id: self.of.id,
            namespace: self.epoch,
        }
    }

    /// Tells the kernel that this thread is about to take, hold and release
    /// the futex `word`. If a signal handler interrupted the C library while it had
    /// announced a word of its own, that one is announced again afterwards.
    pub(super) fn announce(self, word: *const u32) -> Announced {
        if self.robust_list.is_null() {
            return Announced { restore: None };
        }
        // SAFETY: the list's head is the thread's own, set by the C library,
        // and lives as long as the thread.
        let offset = unsafe { (*self.robust_list).futex_offset };
        // SAFETY: as above; the kernel reads it when the thread has ended.
        let pending = unsafe { &raw mut (*self.robust_list).list_op_pending };
        let entry = word
            .cast_mut()
            .cast::<c_void>()
            .wrapping_byte_offset(offset.wrapping_neg());
        // SAFETY: aligned, and only this thread touches it.
        let place = unsafe { AtomicPtr::from_ptr(pending) };
        let before = place.load(Ordering::Relaxed);
        place.store(entry, Ordering::Relaxed);
        // The kernel reads it for a thread that has ended, so only the order
        // of the instructions matters.
        compiler_fence(Ordering::SeqCst);
        Announced {
            restore: Some((place, before)),
        }
    }
}

/// The kernel knows of a word until this is ended or dropped.
#[derive(Debug)]
pub(super) struct Announced {
    restore: Option<(&'static AtomicPtr<c_void>, *mut c_void)>,
}

impl Announced {
    /// The kernel need not know of the word any more.
    pub(super) fn end(&mut self) {
        if let Some((place, before)) = self.restore.take() {
            compiler_fence(Ordering::SeqCst);
            place.store(before, Ordering::Relaxed);
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.end();
    }
}

/// The robust list that is registered with the kernel; NULL if there is none, or if the
/// kernel does not tell.
fn robust_list(known: Thread) -> *mut RobustListHead {
    let Ok(list) = os::robust_list() else {
        // A sandbox may refuse the question. To register another list then would take
        // the program's own robust mutexes away from the kernel. Without a list, waiters
        // find out by themselves that this thread is gone.
        return ptr::null_mut();
    };
    if !list.is_null() || known.robust_list.is_null() {
        return list;
    }
    // A child of a bare fork system call: the C library's list is where it was in the
    // parent, but the kernel does not know of it.
    // SAFETY: the head was the thread's own before the fork, and still is.
    match unsafe { os::set_robust_list(known.robust_list) } {
        Ok(()) => known.robust_list,
        Err(_) => ptr::null_mut(),
    }
}

/// The PID namespace of this process, remembered until the next fork. A process never
/// changes its own; unshare(2) and setns(2) choose that of its children.
fn namespace(epoch: u32) -> u32 {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let mark = u64::from(epoch) << 32;
    let known = KNOWN.load(Ordering::Relaxed);
    match u32::try_from(known & u64::from(u32::MAX)) {
        Ok(namespace) if namespace != 0 && known == mark | u64::from(namespace) => namespace,
        _ => {
            let namespace = os::scope_of_threads().unwrap_or(0);
            KNOWN.store(mark | u64::from(namespace), Ordering::Relaxed);
            namespace
        }
    }
}

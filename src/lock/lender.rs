//! Lends the priority of a waiter to the owner of a lock.
//!
//! A word beside the lock is a priority-inheritance futex (`FUTEX_LOCK_PI2`). A waiter
//! writes the owner's thread id into it and waits for it, so the kernel lets the
//! owner run as if it had the waiter's priority. An owner that has released
//! the lock then unlocks this word, which wakes the waiter of the highest priority and
//! takes the loan back.
//!
//! The word has no say in who holds the lock: whoever gets it competes for the lock like
//! anyone else. So nothing that goes wrong with it (a stray write, an owner whose
//! sandbox refuses the system call, two PID namespaces with equal ids) does more
//! than end a loan early, or let one last for a slice of time. That would not be true if
//! the lock itself were such a futex: the kernel writes an owner into it whenever it
//! ends a wait, and a thread that took the lock over in the meantime would share it.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::owner::THREAD;
use crate::errno::Errno;
use crate::ids::ThreadId;
use crate::os;

/// The word in shared memory; all zero is free.
#[repr(transparent)]
#[derive(Debug)]
pub(super) struct Lender(AtomicU32);

/// How a loan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loan {
    /// The owner has released the lock, now or before it began. The word is this
    /// thread's, and must be [returned](Lender::give_back).
    PaidBack,
    /// The time is over, or the owner does not exist.
    Over,
    /// The system lends no priorities, or not to this owner.
    Refused,
}

impl Lender {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(all(test, not(shm_util_lock = "semaphore")))]
    pub(super) fn overwrite(&self, word: u32) {
        self.0.store(word, Ordering::SeqCst);
    }

    /// Waits for `owner`, and lends it this thread's priority, at most for `limit`.
    /// `still_owns` tells whether it still holds the lock, which shows that there are
    /// waiters.
    pub(super) fn lend(
        &self,
        owner: ThreadId,
        limit: Duration,
        still_owns: impl FnOnce() -> bool,
    ) -> Loan {
        let before = self.0.load(Ordering::SeqCst);
        if before & THREAD != owner.0 && !self.replace(before, owner.0) {
            return Loan::Refused;
        }
        // An owner first releases the lock and then looks at this word. So either it
        // sees the loan, or this thread sees that it has released the lock.
        if !still_owns() {
            self.replace(owner.0, 0);
            return Loan::Over;
        }
        match os::futex_lock_pi(&self.0, limit) {
            Ok(()) => Loan::PaidBack,
            Err(Errno(libc::ETIMEDOUT | libc::ESRCH)) => Loan::Over,
            Err(_) => Loan::Refused,
        }
    }

    /// Ends the loans to this thread, and wakes the lender of the highest priority. An
    /// owner calls this after it has released the lock.
    pub(super) fn give_back(&self, thread: ThreadId) {
        if self.0.load(Ordering::SeqCst) & THREAD == thread.0 {
            // If it is refused, the lenders look again after a while.
            let _ = os::futex_unlock_pi(&self.0);
        }
    }

    fn replace(&self, old: u32, new: u32) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }
}

//! A robust lock in shared memory, for Linux.
//!
//! Its futex word says who holds it (see `owner`). While a thread takes, holds or releases
//! the lock, the `list_op_pending` of its robust list (`get_robust_list(2)`) points at
//! the word. When the thread ends, in whatever way, or calls exec, the kernel marks
//! the word and wakes a waiter. Where the kernel does not, waiters find out (see
//! `judge`) and take the lock over.
//!
//! A `pthread_mutex_t` would do the same, but keeps list pointers in the shared
//! memory: a stray write there makes the *owner's* process crash when it
//! unlocks. Here nothing read from shared memory is ever used as an address,
//! fresh memory, all zero, is a free lock, and programs of any word size and C
//! library agree on it.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use super::acquired::Acquired;
use super::lender::{Lender, Loan};
use super::owner::{Legacy, Owner, OwnerWords, ThreadOf, Waiters};
use super::thread::{Announced, Thread};
use super::wait::{SPINS, Wait};
use crate::errno::Errno;
use crate::os::{self, Scope};

/// A robust lock; all zero is free.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RobustLock {
    owner: OwnerWords,
    lender: Lender,
    _unused: AtomicU32,
}

/// Who holds a lock, in words.
pub(crate) struct Holder {
    thread: ThreadOf,
    is_visible: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}", self.thread.id)?;
        if self.is_visible || self.thread.namespace == 0 {
            return Ok(());
        }
        write!(f, " of PID namespace {}", self.thread.namespace)
    }
}

/// The lock is held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    lock: &'a RobustLock,
    thread: ThreadOf,
    acquired: Acquired,
    left_to_the_next: Cell<bool>,
    _announced: Announced,
}

impl Held<'_> {
    pub(crate) const fn acquired(&self) -> Acquired {
        self.acquired
    }

    /// Releases the lock as if its owner had died, so that the next owner
    /// recovers.
    pub(crate) fn leave_to_the_next(&self) {
        self.left_to_the_next.set(true);
    }
}

impl RobustLock {
    /// Takes the lock. `ETIMEDOUT` if others hold it longer than `limit`, or than
    /// the time that is left to this call; perhaps because the owner was stopped.
    pub(crate) fn acquire(&self, limit: Duration) -> Result<Held<'_>, Errno> {
        let thread = Thread::current()?;
        // From here on the kernel knows of the word, so a death between two
        // instructions can't leave the lock taken for ever.
        let announced = thread.announce(self.owner.futex());
        let seen = self.owner.load();
        let acquired = match self.take(thread.of, seen, Waiters::None) {
            Some(acquired) => acquired,
            None => self.take_slowly(thread.of, limit)?,
        };
        Ok(Held {
            lock: self,
            thread: thread.of,
            acquired,
            left_to_the_next: Cell::new(false),
            _announced: announced,
        })
    }

    /// Takes the lock if it is free as it was seen.
    fn take(&self, thread: ThreadOf, seen: Owner, waiters: Waiters) -> Option<Acquired> {
        let waiters = match seen.waiters() {
            Waiters::None => waiters,
            Waiters::Some => Waiters::Some,
        };
        if !seen.is_free() || !self.owner.replace(seen, Owner::held_by(thread, waiters)) {
            return None;
        }
        Some(if seen.has_died() {
            Acquired::OwnerDied
        } else {
            Acquired::Released
        })
    }

    /// Takes the lock from an owner that will never release it, unless it has changed.
    fn take_over(&self, thread: ThreadOf, seen: Owner) -> Option<Acquired> {
        self.owner
            .replace(seen, Owner::held_by(thread, Waiters::Some))
            .then_some(Acquired::OwnerDied)
    }

    #[cold]
    fn take_slowly(&self, thread: ThreadOf, limit: Duration) -> Result<Acquired, Errno> {
        let mut spins = 0;
        let mut wait = Wait::new(limit);
        // A thread that has waited can't know whether others still do.
        let mut waiters = Waiters::None;
        loop {
            let seen = self.owner.load();
            let taken = if seen.is_free() {
                self.take(thread, seen, waiters)
            } else if seen.thread().is_visible_to(thread) && seen.thread().id == thread.id {
                // An earlier thread had the same id: this one does not hold the lock.
                self.take_over(thread, seen)
            } else if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
                continue;
            } else if wait.is_over() {
                return Err(Errno(libc::ETIMEDOUT));
            } else if seen.waiters() == Waiters::Some
                || self.owner.replace(seen, seen.with_waiters())
            {
                waiters = Waiters::Some;
                self.wait(thread, seen.with_waiters(), &mut wait)
            } else {
                None
            };
            if let Some(acquired) = taken {
                return Ok(acquired);
            }
        }
    }

    /// Waits for the owner for a slice of time, and takes the lock if that is its end.
    fn wait(&self, thread: ThreadOf, seen: Owner, wait: &mut Wait) -> Option<Acquired> {
        wait.look_at(seen.thread());
        let owner = seen.thread();
        let is_visible = owner.is_visible_to(thread);
        let slice = wait.slice();
        let begun = Instant::now();
        // Most waits are short, and the next owner is then whoever comes first. Only a
        // wait that isn't, or that a real-time thread must not lose, is worth a loan.
        let loan = if is_visible && (wait.is_long() || os::is_real_time()) {
            self.lender
                .lend(owner.id, slice, || self.owner.load() == seen)
        } else {
            Loan::Refused
        };
        if loan == Loan::PaidBack {
            wait.count(begun.elapsed(), slice);
            let taken = self.take(thread, self.owner.load(), Waiters::Some);
            if taken.is_none() {
                self.lender.give_back(thread.id);
            }
            // Otherwise the word is given back together with the lock.
            return taken;
        }
        let elapsed = begun.elapsed();
        if elapsed < slice {
            let rest = slice.saturating_sub(elapsed);
            os::futex_wait(self.owner.futex(), seen.word(), rest, Scope::Shared);
        }
        wait.count(begun.elapsed(), slice);
        if self.owner.load() != seen {
            return None;
        }
        let is_gone = if is_visible {
            wait.finds_gone(owner.id, self.owner.futex().addr())
        } else {
            wait.misses(owner, thread.namespace)
        };
        if is_gone {
            self.take_over(thread, seen)
        } else {
            None
        }
    }

    /// Who holds the lock now, for a message.
    pub(crate) fn holder(&self) -> Holder {
        let thread = self.owner.load().thread();
        let is_visible = Thread::current().is_ok_and(|own| thread.is_visible_to(own.of));
        Holder { thread, is_visible }
    }

    /// Releases the lock.
    fn release(&self, thread: ThreadOf, legacy: Legacy) {
        // The registry may have been removed by now, but this mapping stays, so
        // the word still exists. If this thread dies between these lines, the
        // kernel wakes a waiter: it does so for a free word that is announced.
        if let Some(Waiters::Some) = self.owner.release(thread, legacy) {
            self.lender.give_back(thread.id);
            os::futex_wake(self.owner.futex(), 1, Scope::Shared);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let legacy = if self.left_to_the_next.get() {
            Legacy::Unfinished
        } else {
            Legacy::Finished
        };
        self.lock.release(self.thread, legacy);
    }
}

#[cfg(test)]
mod tests;

//! A robust lock in shared memory, for Linux.
//!
//! Its futex word says who holds it (see `owner`). While a thread takes, holds or releases
//! the lock, the `list_op_pending` of its robust list (`get_robust_list(2)`) points at
//! the word. When the thread ends, in whatever way, or calls exec, the kernel marks
//! the word if it contains the thread's id, and wakes a waiter. The id may be that of a
//! holder in another PID namespace, too, so the pointer is set for as short a time as
//! possible: not while a thread waits, nor while it wakes another. Where the kernel does not, waiters find out (see
//! `judge`) and take the lock over.
//!
//! A `pthread_mutex_t` would do the same, but keeps list pointers in the shared
//! memory: a stray write there makes the *owner's* process crash when it
//! unlocks. Here nothing read from shared memory is ever used as an address,
//! fresh memory, all zero, is a free lock, and programs of any word size and C
//! library agree on it.

use std::cell::Cell;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use super::acquired::Acquired;
use super::holder::Holder;
use super::lender::{Lender, Loan};
use super::owner::{Legacy, Owner, OwnerWords, ThreadOf, Waiters};
use super::place::Place;
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

/// The lock is held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    lock: &'a RobustLock,
    thread: ThreadOf,
    acquired: Acquired,
    left_to_the_next: Cell<bool>,
    announced: Announced,
}

/// The lock, just taken.
struct Taken {
    acquired: Acquired,
    announced: Announced,
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

    /// Whether nobody else holds the lock: the lock is where the registry is.
    #[allow(clippy::unused_self)] // as the other kind of lock has it
    pub(crate) const fn excludes_others(&self) -> bool {
        true
    }

    /// Nothing: the lock ends with the registry's memory.
    #[allow(clippy::unused_self)] // as the other kind of lock has it
    pub(crate) const fn ends_with_the_registry(&self) {}
}

/// Nothing, as above.
pub(crate) fn remove_with_the_registry(_: impl FnOnce() -> Place) {}

/// Nothing, as above.
pub(crate) fn sweep(_: impl Fn(i32) -> bool) {}

/// What the error of an attempt to take the lock means: others hold it.
pub(crate) const fn cause(_: Errno) -> Option<&'static str> {
    None
}

impl RobustLock {
    /// Takes the lock. `ETIMEDOUT` if others hold it longer than `limit`, or than
    /// the time that is left to this call; perhaps because the owner was stopped.
    pub(crate) fn acquire(
        &self,
        _: impl FnOnce() -> Place,
        limit: Duration,
    ) -> Result<Held<'_>, Errno> {
        let thread = Thread::current()?;
        let seen = self.owner.load();
        let Taken {
            acquired,
            announced,
        } = match self.take(thread, seen, Waiters::None) {
            Some(taken) => taken,
            None => self.take_slowly(thread, limit)?,
        };
        Ok(Held {
            lock: self,
            thread: thread.of,
            acquired,
            left_to_the_next: Cell::new(false),
            announced,
        })
    }

    /// Takes the lock if it is free as it was seen.
    fn take(&self, thread: Thread, seen: Owner, waiters: Waiters) -> Option<Taken> {
        if !seen.is_free() {
            return None;
        }
        let waiters = match seen.waiters() {
            Waiters::None => waiters,
            Waiters::Some => Waiters::Some,
        };
        let acquired = if seen.has_died() {
            Acquired::OwnerDied
        } else {
            Acquired::Released
        };
        self.replace(thread, seen, waiters, acquired)
    }

    /// Takes the lock from an owner that will never release it, unless it has changed.
    fn take_over(&self, thread: Thread, seen: Owner) -> Option<Taken> {
        self.replace(thread, seen, Waiters::Some, Acquired::OwnerDied)
    }

    fn replace(
        &self,
        thread: Thread,
        seen: Owner,
        waiters: Waiters,
        acquired: Acquired,
    ) -> Option<Taken> {
        // From here on the kernel knows of the word, so a death between two
        // instructions can't leave the lock taken for ever.
        let announced = thread.announce(self.owner.futex());
        let owner = Owner::held_by(thread.of, waiters);
        self.owner.replace(seen, owner).then_some(Taken {
            acquired,
            announced,
        })
    }

    #[cold]
    fn take_slowly(&self, thread: Thread, limit: Duration) -> Result<Taken, Errno> {
        let mut spins = 0;
        let mut wait = Wait::new(limit);
        // A thread that has waited can't know whether others still do.
        let mut waiters = Waiters::None;
        loop {
            let seen = self.owner.load();
            let taken = if seen.is_free() {
                self.take(thread, seen, waiters)
            } else if is_namesake(seen.thread(), thread.of) {
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
            if let Some(taken) = taken {
                return Ok(taken);
            }
        }
    }

    /// Waits for the owner for a slice of time, and takes the lock if that is its end.
    fn wait(&self, thread: Thread, seen: Owner, wait: &mut Wait) -> Option<Taken> {
        wait.look_at(seen.thread());
        let owner = seen.thread();
        let is_visible = owner.is_visible_to(thread.of);
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
                self.lender.give_back(thread.of.id);
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
            wait.misses(owner, thread.of.namespace)
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

    /// Not needed, and not recorded.
    #[allow(clippy::unused_self)] // as the other kind of lock has it
    pub(crate) const fn key(&self) -> i32 {
        0
    }
}

/// Whether an owner has the id of a thread of the same PID namespace.
fn is_namesake(owner: ThreadOf, thread: ThreadOf) -> bool {
    owner.is_visible_to(thread) && owner.id == thread.id
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let legacy = if self.left_to_the_next.get() {
            Legacy::Unfinished
        } else {
            Legacy::Finished
        };
        let Self { lock, thread, .. } = self;
        let waiters = lock.owner.release(*thread, legacy);
        self.announced.end();
        // The registry may have been removed by now, but this mapping stays, so the word
        // still exists. If this thread dies between these lines, a waiter looks at the word
        // by itself, after 50 ms at most.
        if let Some(Waiters::Some) = waiters {
            lock.lender.give_back(thread.id);
            os::futex_wake(lock.owner.futex(), 1, Scope::Shared);
        }
    }
}

#[cfg(test)]
mod tests;

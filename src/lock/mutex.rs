//! A mutex of this process, which a child of fork finds free.
//!
//! It is like the lock of a registry: it holds its owner's thread id, and waiters lend the
//! owner their priority. Beside the id it holds the [epoch](crate::fork::epoch). A thread
//! that held it when the process was forked does not exist in the child: there the
//! mutex is free, and its value, which may be half changed, begins anew.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use super::lender::{Lender, Loan};
use super::owner::{Legacy, Owner, OwnerWords, ThreadOf, Waiters};
use super::thread::Thread;
use super::wait::{SPINS, Wait};
use crate::errno::Errno;
use crate::os::{self, Scope};
use crate::patience;

/// A value that one thread at a time uses.
pub(crate) struct Mutex<T> {
    /// The second word is the epoch.
    owner: OwnerWords,
    lender: Lender,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves between threads, but only the one that holds the mutex uses it.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The mutex is held, until this is dropped.
pub(crate) struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
    thread: ThreadOf,
}

impl<T: Default> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            owner: OwnerWords::free(),
            lender: Lender::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the mutex. `ETIMEDOUT` if that takes longer than the time that is left to
    /// this call. No thread holds it for long, but a debugger may stop one. `EDEADLK` if this
    /// thread holds it: a signal handler has interrupted it.
    pub(crate) fn lock(&self) -> Result<Guard<'_, T>, Errno> {
        let thread = Thread::current()?.in_epoch();
        match self.take(thread, self.owner.load(), Waiters::None) {
            Some(guard) => Ok(guard),
            None => self.lock_slowly(thread),
        }
    }

    #[cold]
    fn lock_slowly(&self, thread: ThreadOf) -> Result<Guard<'_, T>, Errno> {
        let mut wait = Wait::new(patience::LIMIT);
        let mut spins = 0;
        let mut waiters = Waiters::None;
        loop {
            let seen = self.owner.load();
            if let Some(guard) = self.take(thread, seen, waiters) {
                return Ok(guard);
            }
            if seen.thread() == thread {
                return Err(Errno(libc::EDEADLK));
            }
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else if wait.is_over() {
                return Err(Errno(libc::ETIMEDOUT));
            } else if seen.waiters() == Waiters::Some
                || self.owner.replace(seen, seen.with_waiters())
            {
                waiters = Waiters::Some;
                self.wait(thread, seen.with_waiters(), &mut wait);
            }
        }
    }

    /// Takes the mutex if it is free.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let thread = Thread::current().ok()?.in_epoch();
        self.take(thread, self.owner.load(), Waiters::None)
    }

    fn take(&self, thread: ThreadOf, seen: Owner, waiters: Waiters) -> Option<Guard<'_, T>> {
        let is_abandoned = !seen.is_free() && seen.thread().namespace != thread.namespace;
        if !seen.is_free() && !is_abandoned {
            return None;
        }
        if !self.owner.replace(seen, Owner::held_by(thread, waiters)) {
            return None;
        }
        if is_abandoned {
            // The old value is not dropped: it may be half changed.
            // SAFETY: this thread has the mutex.
            unsafe { self.value.get().write(T::default()) };
        }
        Some(Guard {
            mutex: self,
            thread,
        })
    }

    fn wait(&self, thread: ThreadOf, seen: Owner, wait: &mut Wait) {
        wait.look_at(seen.thread());
        let slice = wait.slice();
        let begun = Instant::now();
        let loan = if wait.is_long() || os::is_real_time() {
            self.lender
                .lend(seen.thread().id, slice, || self.owner.load() == seen)
        } else {
            Loan::Refused
        };
        if loan == Loan::PaidBack {
            self.lender.give_back(thread.id);
        } else {
            let rest = slice.saturating_sub(begun.elapsed());
            if !rest.is_zero() {
                os::futex_wait(self.owner.futex(), seen.word(), rest, Scope::Private);
            }
        }
        wait.count(begun.elapsed(), slice);
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread has the mutex.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread has the mutex.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let owner = &self.mutex.owner;
        if let Some(Waiters::Some) = owner.release(self.thread, Legacy::Finished) {
            self.mutex.lender.give_back(self.thread.id);
            os::futex_wake(owner.futex(), 1, Scope::Private);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_mutex_excludes_other_threads() {
        static MUTEX: Mutex<u64> = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        *MUTEX.lock().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*MUTEX.lock().unwrap(), 40_000);
        assert_eq!(MUTEX.owner.load().word(), 0);
    }

    #[test]
    fn a_held_mutex_is_not_taken() {
        static MUTEX: Mutex<u64> = Mutex::new(0);
        let guard = MUTEX.lock().unwrap();
        assert!(MUTEX.try_lock().is_none());
        let refused = thread::spawn(|| {
            patience::spend(Duration::from_millis(9970));
            MUTEX.lock().map(drop)
        });
        assert_eq!(refused.join().unwrap(), Err(Errno(libc::ETIMEDOUT)));
        assert_eq!(MUTEX.lock().err(), Some(Errno(libc::EDEADLK)));
        drop(guard);
        assert!(MUTEX.try_lock().is_some());
    }

    #[test]
    fn a_mutex_that_a_thread_of_the_parent_held_is_free_and_begins_anew() {
        let mutex = Mutex::new(vec![1, 2, 3]);
        drop(mutex.lock().unwrap());
        assert_eq!(*mutex.lock().unwrap(), [1, 2, 3], "it was free");
        let parent = ThreadOf {
            id: os::thread(),
            namespace: crate::fork::epoch().wrapping_sub(1),
        };
        for waiters in [Waiters::None, Waiters::Some] {
            let held = Owner::held_by(parent, waiters);
            assert!(mutex.owner.replace(mutex.owner.load(), held));
            let mut guard = mutex.lock().unwrap();
            assert_eq!(*guard, []);
            guard.push(4);
            drop(guard);
            assert_eq!(*mutex.lock().unwrap(), [4]);
        }
    }
}

//! A robust lock in shared memory, for Linux: a 32-bit word, and three more
//! beside it.
//!
//! The word is used as futex(2) and the kernel's robust futex ABI prescribe: 0
//! is free; otherwise it holds the owner's thread id, and a bit that says whether
//! anyone waits. While a thread takes, holds or releases the lock, the
//! `list_op_pending` of its robust list (`get_robust_list(2)`) points at the
//! word. When the thread ends, in whatever way, or calls exec, the kernel marks
//! the word and wakes a waiter.
//!
//! A `pthread_mutex_t` would do the same, but keeps list pointers in the shared
//! memory: a stray write there makes the *owner's* process crash when it
//! unlocks. Here nothing read from shared memory is ever used as an address,
//! fresh memory, all zero, is a free lock, and programs of any word size and C
//! library agree on it.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering, compiler_fence};
use std::time::{Duration, Instant};

use super::acquired::Acquired;
use crate::errno::Errno;
use crate::ids::ThreadId;
use crate::{fork, os};

const OWNER: u32 = 0x3fff_ffff; // FUTEX_TID_MASK
const OWNER_DIED: u32 = 0x4000_0000; // FUTEX_OWNER_DIED
const WAITERS: u32 = 0x8000_0000; // FUTEX_WAITERS

/// How often a waiter spins before it sleeps. The lock is held for microseconds,
/// so most waits end here.
const SPINS: u32 = 100;

/// A waiter looks again this often even if nobody wakes it: nobody does if the
/// word was overwritten.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A robust lock; all zero is free.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RobustLock {
    word: AtomicU32,
    /// Room for the PID namespace of the owner, and for priority inheritance.
    reserved: [AtomicU32; 3],
}

/// The lock is held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    word: &'a AtomicU32,
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
    /// Takes the lock. `ETIMEDOUT` if its owner holds it longer than `limit`,
    /// perhaps because it was stopped.
    pub(crate) fn acquire(&self, limit: Duration) -> Result<Held<'_>, Errno> {
        let thread = Thread::current();
        // From here on the kernel knows of the word, so a death between two
        // instructions can't leave the lock taken for ever.
        let announced = thread.announce(&self.word);
        let acquired = self.take(thread.id, limit)?;
        Ok(Held {
            word: &self.word,
            acquired,
            left_to_the_next: Cell::new(false),
            _announced: announced,
        })
    }

    fn take(&self, thread: ThreadId, limit: Duration) -> Result<Acquired, Errno> {
        let mut spins = 0;
        let mut waited = Duration::ZERO;
        // A thread that has waited can't know whether others still do.
        let mut waiters = 0;
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & OWNER == 0 || word & OWNER_DIED != 0 {
                let ours = thread.0 | waiters | (word & WAITERS);
                if self.replace(word, ours) {
                    return Ok(if word & OWNER_DIED == 0 {
                        Acquired::Released
                    } else {
                        Acquired::OwnerDied
                    });
                }
                continue;
            }
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
                continue;
            }
            if waited >= limit {
                return Err(Errno(libc::ETIMEDOUT));
            }
            if word & WAITERS != 0 || self.replace(word, word | WAITERS) {
                let begun = Instant::now();
                futex_wait(
                    &self.word,
                    word | WAITERS,
                    LOOK_AGAIN.min(limit.saturating_sub(waited)),
                );
                // Time in which this process was stopped, or the machine asleep,
                // does not count against the owner.
                waited += begun.elapsed().min(LOOK_AGAIN);
                waiters = WAITERS;
            }
        }
    }

    /// The thread that holds the lock now, for a message; 0 if none does.
    pub(crate) fn owner(&self) -> ThreadId {
        ThreadId(self.word.load(Ordering::Relaxed) & OWNER)
    }

    fn replace(&self, old: u32, new: u32) -> bool {
        self.word
            .compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // The registry may have been removed by now, but this mapping stays, so
        // the word still exists. If this thread dies between the two lines, the
        // kernel wakes a waiter: it does so for a free word that is announced.
        let free = if self.left_to_the_next.get() {
            OWNER_DIED
        } else {
            0
        };
        if self.word.swap(free, Ordering::Release) & WAITERS != 0 {
            futex_wake_one(self.word);
        }
    }
}

/// The head of a thread's robust list, as the kernel's ABI lays it out.
#[repr(C)]
struct RobustListHead {
    list: *mut c_void,
    /// From an entry of the list to its futex word, in bytes.
    futex_offset: isize,
    list_op_pending: *mut c_void,
}

/// The calling thread, and its robust list.
#[derive(Clone, Copy)]
struct Thread {
    id: ThreadId,
    robust_list: *mut RobustListHead,
    epoch: u32,
}

thread_local! {
    static THREAD: Cell<Option<Thread>> = const { Cell::new(None) };
}

impl Thread {
    /// Remembered, because it costs two system calls, until the next fork: a
    /// child of fork is another thread.
    fn current() -> Self {
        let epoch = fork::epoch();
        let known = THREAD.get();
        match known {
            Some(thread) if thread.epoch == epoch => return thread,
            _ => {}
        }
        let mut robust_list = ptr::null_mut::<RobustListHead>();
        let mut length = 0_usize;
        // SAFETY: for the calling thread (0) the kernel writes a pointer and
        // a length. If it can't, the pointer stays NULL.
        unsafe {
            libc::syscall(
                libc::SYS_get_robust_list,
                0,
                &raw mut robust_list,
                &raw mut length,
            )
        };
        if robust_list.is_null() {
            // A child of a bare fork system call: the C library's list is where it
            // was in the parent, but the kernel does not know of it.
            robust_list = known.map_or(ptr::null_mut(), |thread| thread.robust_list);
            length = size_of::<RobustListHead>();
            // SAFETY: the list's head is the thread's own; NULL means none.
            unsafe { libc::syscall(libc::SYS_set_robust_list, robust_list, length) };
        }
        if length != size_of::<RobustListHead>() {
            robust_list = ptr::null_mut();
        }
        let thread = Self {
            id: ThreadId(os::thread().0 & OWNER),
            robust_list,
            epoch,
        };
        THREAD.set(Some(thread));
        thread
    }

    /// Tells the kernel that this thread is about to take, hold and release
    /// `word`. If a signal handler interrupted the C library while it had
    /// announced a word of its own, that one is announced again afterwards.
    fn announce(self, word: &AtomicU32) -> Announced {
        if self.robust_list.is_null() {
            return Announced { restore: None };
        }
        // SAFETY: the list's head is the thread's own, set by the C library,
        // and lives as long as the thread.
        let offset = unsafe { (*self.robust_list).futex_offset };
        // SAFETY: as above; the kernel reads it when the thread has ended.
        let pending = unsafe { &raw mut (*self.robust_list).list_op_pending };
        let entry = ptr::from_ref(word)
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

/// The kernel knows of a word until this is dropped.
#[derive(Debug)]
struct Announced {
    restore: Option<(&'static AtomicPtr<c_void>, *mut c_void)>,
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Some((place, before)) = self.restore {
            compiler_fence(Ordering::SeqCst);
            place.store(before, Ordering::Relaxed);
        }
    }
}

fn futex_wait(word: &AtomicU32, expected: u32, limit: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    // SAFETY: the word lives in a mapping that its borrow keeps; the kernel
    // only compares it. Whatever ends the wait, the caller looks again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &raw const timeout,
        )
    };
}

fn futex_wake_one(word: &AtomicU32) {
    // SAFETY: the kernel uses the address as a name only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::thread;

    const LIMIT: Duration = Duration::from_secs(10);

    impl RobustLock {
        const fn new(word: u32) -> Self {
            Self {
                word: AtomicU32::new(word),
                reserved: [const { AtomicU32::new(0) }; 3],
            }
        }
    }

    #[test]
    fn a_lock_excludes_other_threads() {
        static LOCK: RobustLock = RobustLock::new(0);
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let held = LOCK.acquire(LIMIT).unwrap();
                        // Not atomic on purpose: the lock must make it so.
                        let seen = COUNTER.load(Ordering::Relaxed);
                        COUNTER.store(seen + 1, Ordering::Relaxed);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(COUNTER.load(Ordering::Relaxed), 40_000);
        assert_eq!(LOCK.word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_thread_that_ends_with_the_lock_gives_it_up() {
        static LOCK: RobustLock = RobustLock::new(0);
        thread::spawn(|| std::mem::forget(LOCK.acquire(LIMIT).unwrap()))
            .join()
            .unwrap();
        // The kernel marks the word when the thread has really ended, which
        // may be a moment after its join.
        let held = LOCK.acquire(LIMIT).unwrap();
        assert_eq!(held.acquired(), Acquired::OwnerDied);
        drop(held);
        assert_eq!(LOCK.acquire(LIMIT).unwrap().acquired(), Acquired::Released);
    }

    #[test]
    fn waiting_is_bounded() {
        static LOCK: RobustLock = RobustLock::new(0);
        let held = LOCK.acquire(LIMIT).unwrap();
        let waited = thread::spawn(|| LOCK.acquire(Duration::from_millis(20)).err())
            .join()
            .unwrap();
        assert_eq!(waited, Some(Errno(libc::ETIMEDOUT)));
        drop(held);
    }

    #[test]
    fn whatever_the_word_holds_taking_it_ends() {
        for shift in 0..32 {
            let lock = RobustLock::new(1 << shift);
            let _ = lock.acquire(Duration::from_millis(1));
        }
    }
}

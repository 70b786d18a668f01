//! Who holds a lock: two words of 32 bits in shared memory that this library changes
//! together.
//!
//! The first is a robust futex, as futex(2) and the kernel's robust futex ABI prescribe:
//! 0 is free; otherwise it holds the owner's thread id, and a bit that says whether
//! anyone waits. The kernel changes it, and it alone, when the owner dies. The second
//! identifies the PID namespace in which the thread has that id. Without it, a waiter
//! in another PID namespace would take a living owner for a dead one, or another
//! thread for the owner.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::ThreadId;

/// The bits of a futex word that hold a thread id (`FUTEX_TID_MASK`).
pub(super) const THREAD: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000; // FUTEX_OWNER_DIED
const WAITERS: u32 = 0x8000_0000; // FUTEX_WAITERS

/// A thread, and the PID namespace in which it has its id. 0 is an unknown namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadOf {
    pub(super) id: ThreadId,
    pub(super) namespace: u32,
}

/// What the two words hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    word: u32,
    namespace: u32,
}

/// Whether anyone may be waiting for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiters {
    None,
    Some,
}

/// Whether an owner has finished its changes when it releases the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {
    Finished,
    /// The next owner recovers, as if this one had died.
    Unfinished,
}

impl Owner {
    /// The lock as this thread holds it.
    pub(super) const fn held_by(thread: ThreadOf, waiters: Waiters) -> Self {
        let bit = match waiters {
            Waiters::None => 0,
            Waiters::Some => WAITERS,
        };
        Self {
            word: (thread.id.0 & THREAD) | bit,
            namespace: thread.namespace,
        }
    }

    /// The lock as its owner leaves it.
    pub(super) const fn released(self, legacy: Legacy) -> Self {
        let word = match legacy {
            Legacy::Finished => 0,
            Legacy::Unfinished => OWNER_DIED,
        };
        Self { word, ..self }
    }

    pub(super) const fn with_waiters(self) -> Self {
        Self {
            word: self.word | WAITERS,
            ..self
        }
    }

    /// The futex word.
    pub(super) const fn word(self) -> u32 {
        self.word
    }

    pub(super) const fn is_free(self) -> bool {
        self.word & THREAD == 0 || self.has_died()
    }

    /// Whether the last owner died, or left the lock as if it had.
    pub(super) const fn has_died(self) -> bool {
        self.word & OWNER_DIED != 0
    }

    pub(super) const fn waiters(self) -> Waiters {
        if self.word & WAITERS == 0 {
            Waiters::None
        } else {
            Waiters::Some
        }
    }

    /// The thread that holds the lock; 0 if none does.
    pub(super) const fn thread(self) -> ThreadOf {
        ThreadOf {
            id: ThreadId(self.word & THREAD),
            namespace: self.namespace,
        }
    }

    /// Both words as one number, with the futex word first in memory.
    fn to_bits(self) -> u64 {
        let (low, high) = in_memory(self.word, self.namespace);
        (u64::from(high) << 32) | u64::from(low)
    }

    fn from_bits(bits: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        let (word, namespace) = in_memory(half(bits), half(bits >> 32));
        Self { word, namespace }
    }
}

/// Exchanges the halves where the machine stores the upper one first.
const fn in_memory(first: u32, second: u32) -> (u32, u32) {
    if cfg!(target_endian = "little") {
        (first, second)
    } else {
        (second, first)
    }
}

impl ThreadOf {
    /// Whether both are in the same PID namespace, and it is known.
    pub(super) const fn is_visible_to(self, other: Self) -> bool {
        self.namespace != 0 && self.namespace == other.namespace
    }
}

/// The two words in shared memory. All zero is free.
#[repr(transparent)]
#[derive(Debug)]
pub(super) struct OwnerWords(AtomicU64);

impl OwnerWords {
    pub(super) const fn free() -> Self {
        Self(AtomicU64::new(0))
    }

    #[cfg(test)]
    pub(super) fn overwritten(word: u32, namespace: u32) -> Self {
        Self(AtomicU64::new(Owner { word, namespace }.to_bits()))
    }

    pub(super) fn load(&self) -> Owner {
        Owner::from_bits(self.0.load(Ordering::SeqCst))
    }

    /// Takes the lock, or changes what its owner or a waiter may change.
    pub(super) fn replace(&self, old: Owner, new: Owner) -> bool {
        self.0
            .compare_exchange(
                old.to_bits(),
                new.to_bits(),
                Ordering::SeqCst,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Releases the lock, and returns whether anyone waits. `None` if the lock is not this
    /// thread's: it was overwritten.
    pub(super) fn release(&self, thread: ThreadOf, legacy: Legacy) -> Option<Waiters> {
        let mut seen = Owner::held_by(thread, Waiters::None);
        while !self.replace(seen, seen.released(legacy)) {
            seen = self.load();
            if seen.thread() != thread {
                return None;
            }
        }
        Some(seen.waiters())
    }

    /// The address of the futex word, which is the first of the two in memory.
    pub(super) const fn futex(&self) -> *const u32 {
        self.0.as_ptr().cast::<u32>().cast_const()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_futex_word_is_first_in_memory() {
        let words = OwnerWords::overwritten(0x0102_0304, 0x0506_0708);
        let bytes = words.0.load(Ordering::Relaxed).to_ne_bytes();
        assert_eq!(bytes[..4], 0x0102_0304_u32.to_ne_bytes());
        assert_eq!(bytes[4..], 0x0506_0708_u32.to_ne_bytes());
        assert_eq!(words.load().word(), 0x0102_0304);
        assert_eq!(words.load().thread().namespace, 0x0506_0708);
    }

    #[test]
    fn the_same_id_in_another_pid_namespace_is_another_thread() {
        let thread = |namespace| ThreadOf {
            id: ThreadId(42),
            namespace,
        };
        assert!(thread(7).is_visible_to(thread(7)));
        assert!(!thread(7).is_visible_to(thread(8)));
        assert!(!thread(0).is_visible_to(thread(0)), "both are unknown");
        let one = Owner::held_by(thread(7), Waiters::None);
        assert_ne!(one, Owner::held_by(thread(8), Waiters::None));
    }
}

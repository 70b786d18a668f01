//! Locks: that of a registry, in shared memory, which is taken over when its owner is dead;
//! and a mutex of this process, which a child of fork finds free.
//!
//! | file       | job |
//! | ---------- | --- |
//! | `futex`    | take and release the lock of a registry |
//! | `semaphore` | the same, on systems without robust futexes |
//! | `mutex`    | the mutex of this process |
//! | `wait`     | wait in slices of time |
//! | `owner`    | who holds it: the words in shared memory |
//! | `thread`   | the calling thread, and what the kernel does when it ends |
//! | `judge`    | whether an owner will ever release it |
//! | `elsewhere` | the same, if it is in another PID namespace |
//! | `stranger` | whether another thread has got its id |
//! | `lender`   | lend the owner a waiter's priority |
//! | `holder`   | who holds it, in words |
//! | `kind`     | the kinds of locks that a registry may have |
//! | `place`    | where a semaphore is |
//! | `acquired` | how the last owner left it |
//!
//! `--cfg shm_util_lock="semaphore"` selects the other lock on Linux, so that it can be tested
//! here. It is not a feature: those add up over all crates of a program, which would
//! then share no names with others.

mod acquired;
mod elsewhere;
#[cfg(not(shm_util_lock = "semaphore"))]
mod futex;
mod holder;
mod judge;
mod kind;
mod lender;
mod mutex;
mod owner;
mod place;
#[cfg(shm_util_lock = "semaphore")]
mod semaphore;
mod stranger;
// It also tells the kernel about futexes.
#[cfg_attr(shm_util_lock = "semaphore", allow(dead_code))]
mod thread;
mod wait;

#[cfg(not(shm_util_lock = "semaphore"))]
use futex as selected;
#[cfg(shm_util_lock = "semaphore")]
use semaphore as selected;

/// The kind of this library's locks.
#[cfg(not(shm_util_lock = "semaphore"))]
pub(crate) const KIND: Kind = FUTEX;
#[cfg(shm_util_lock = "semaphore")]
pub(crate) const KIND: Kind = SEMAPHORE;
/// The other kind.
#[cfg(not(shm_util_lock = "semaphore"))]
pub(crate) const OTHER_KIND: Kind = SEMAPHORE;
#[cfg(shm_util_lock = "semaphore")]
pub(crate) const OTHER_KIND: Kind = FUTEX;

pub(crate) use acquired::Acquired;
pub(crate) use kind::FUTEX;
use kind::{Kind, SEMAPHORE};
pub(crate) use mutex::{Guard, Mutex};
pub(crate) use place::Place;
pub(crate) use selected::{Held, RobustLock, cause, remove_with_the_registry, sweep};

//! Locks: that of a registry, in shared memory, which is taken over when its owner is dead;
//! and a mutex of this process, which a child of fork finds free.
//!
//! | file       | job |
//! | ---------- | --- |
//! | `futex`    | take and release the lock of a registry |
//! | `mutex`    | the mutex of this process |
//! | `wait`     | wait in slices of time |
//! | `owner`    | who holds it: the words in shared memory |
//! | `thread`   | the calling thread, and what the kernel does when it ends |
//! | `judge`    | whether an owner will ever release it |
//! | `elsewhere` | the same, if it is in another PID namespace |
//! | `stranger` | whether another thread has got its id |
//! | `lender`   | lend the owner a waiter's priority |
//! | `acquired` | how the last owner left it |

mod acquired;
mod elsewhere;
mod futex;
mod judge;
mod lender;
mod mutex;
mod owner;
mod stranger;
mod thread;
mod wait;

pub(crate) use acquired::Acquired;
pub(crate) use futex::{Held, RobustLock};
pub(crate) use mutex::{Guard, Mutex};

//! The lock of a registry: in shared memory, and taken over when its owner is dead.
//!
//! | file       | job |
//! | ---------- | --- |
//! | `futex`    | take and release the lock |
//! | `owner`    | who holds it: the words in shared memory |
//! | `thread`   | the calling thread, and what the kernel does when it ends |
//! | `judge`    | whether an owner will ever release it |
//! | `lender`   | lend the owner a waiter's priority |
//! | `acquired` | how the last owner left it |

mod acquired;
mod futex;
mod judge;
mod lender;
mod owner;
mod thread;

pub(crate) use acquired::Acquired;
pub(crate) use futex::{Held, RobustLock};

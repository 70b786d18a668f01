//! The lock of a registry: in shared memory, and given up by the kernel when its
//! owner dies.

mod acquired;
mod futex;

pub(crate) use acquired::Acquired;
pub(crate) use futex::{Held, RobustLock};

//! The lock of a registry: in shared memory, and given up by the kernel when its
//! owner dies.

mod futex;

pub(crate) use futex::{Held, RobustLock};

/// How the last owner left the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It released it.
    Released,
    /// It died with the lock held: what the lock guards may be half changed.
    OwnerDied,
}

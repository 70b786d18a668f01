//! What a thread finds when it takes a lock.

#![forbid(unsafe_code)]

/// How the last owner left the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It released it.
    Released,
    /// It died with the lock held: what the lock guards may be half changed.
    OwnerDied,
}

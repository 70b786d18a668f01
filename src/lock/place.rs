//! Where the lock of a registry is, apart from the registry's memory.

#![forbid(unsafe_code)]

use crate::ids::{GroupId, UserId};

/// What a semaphore must have to be the lock of a registry. A futex needs none of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The registry's key.
    pub(crate) key: i32,
    /// The user that created the registry.
    pub(crate) creator: UserId,
    /// The group that shares it, if several users may.
    pub(crate) group: Option<GroupId>,
    /// Its permission bits.
    pub(crate) mode: u32,
    /// Whether this process sees the registry under its identifier: not if it has moved to
    /// another IPC namespace.
    pub(crate) is_here: bool,
}

//! A segment that a registry names.

#![forbid(unsafe_code)]

use super::mapping::Mapping;
use super::shm::{self, Id, Key, Status};
use crate::errno::Errno;
use crate::os;
use crate::request::{Access, Placement};

/// A segment that a registry names, and the slot that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) slot: usize,
    pub(super) id: Id,
    pub(super) key: Key,
    /// In bytes.
    pub(super) size: usize,
    /// When it was created, in seconds since 1970.
    pub(super) created: u64,
}

impl Entry {
    /// Whether the segment's key still leads to it, and it has its size.
    pub(super) fn is_findable(&self) -> Result<bool, Errno> {
        match shm::find(self.key, self.size) {
            Ok(id) => Ok(id == self.id),
            Err(Errno(libc::ENOENT | libc::EINVAL)) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// The segment's status now. `None` if it is gone, even if another segment has
    /// its identifier by now.
    pub(super) fn status(&self) -> Result<Option<Status>, Errno> {
        Ok(shm::status(self.id)?.filter(|status| status.key == self.key))
    }

    /// The status of a segment that this process has attached, which may have lost
    /// its key meanwhile (`IPC_RMID`). `EIDRM` if the identifier is another
    /// segment's here: this process has moved to another IPC namespace.
    pub(super) fn status_of_attached(&self) -> Result<Status, Errno> {
        shm::status(self.id)?
            .filter(|status| {
                status.key == self.key || status.is_removed && status.size == self.size
            })
            .ok_or(Errno(libc::EIDRM))
    }

    /// Whether this process may delete the segment and do what else is reserved for
    /// its owner. Finds out without doing any of it.
    pub(super) fn may_be_removed(&self, status: &Status) -> Result<(), Errno> {
        let user = os::effective_user();
        if user == status.owner || user == status.creator {
            return Ok(());
        }
        // A process with the capability may, too.
        shm::may_change(self.id)
    }

    /// Attaches a segment that is about to be deleted, so that its memory is freed
    /// when it is detached again, after the lock was released.
    pub(super) fn attach_again(&self, access: Access) -> Option<Mapping> {
        Mapping::attach(self.id, Placement::Anywhere, access, self.size).ok()
    }
}

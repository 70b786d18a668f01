//! A segment that a registry names.

#![forbid(unsafe_code)]

use std::fmt;

use super::keys;
use super::mapping::Mapping;
use super::shm::{self, Id, Key, Status};
use crate::errno::Errno;
use crate::error::{Error, Reason};
use crate::namespace::Registered;
use crate::os;
use crate::quoted::Quoted;
use crate::request::{Access, Placement};

/// The kernel frees this many bytes in some 100 microseconds.
pub(super) const LARGE: usize = 4 << 20;

/// A segment that a registry names, and the slot that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) slot: usize,
    pub(super) id: Id,
    pub(super) key: Key,
    /// In bytes. `usize::MAX` if it is larger than that: a segment of a 64-bit program, which a
    /// 32-bit one cannot attach.
    pub(super) size: usize,
    /// When it was created, in seconds since 1970.
    pub(super) created: u64,
    /// Whether the segment is transient: marked for deletion, it exists as long as a process
    /// has it attached. Once it is published, it has no key, and only its identifier leads to
    /// it.
    pub(super) is_transient: bool,
}

impl Entry {
    /// Whether the segment exists and has its size, so that a process that may use the
    /// namespace finds it. `EACCES` if it is transient and nothing proves that it is not
    /// another program's segment, see [`keys::are_trusted`].
    #[inline]
    pub(super) fn is_findable(&self, namespace: &Registered) -> Result<bool, Errno> {
        if self.is_transient {
            return self.is_there(namespace);
        }
        match shm::find(self.key, self.size) {
            Ok(id) => Ok(id == self.id),
            Err(Errno(libc::ENOENT | libc::EINVAL)) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// As above, for a transient segment, whose key does not lead to it.
    #[cold]
    fn is_there(&self, namespace: &Registered) -> Result<bool, Errno> {
        let Some(status) = self.status()? else {
            return Ok(false);
        };
        if keys::are_trusted(namespace, status.creator, status.creator_group) {
            return Ok(!(self.seems_later(&status) && self.is_replaced_now()));
        }
        match namespace {
            // No other user creates segments there, so a stranger's has the identifier by now.
            Registered::User(_) => Ok(false),
            Registered::Path(_) => Err(Errno(libc::EACCES)),
        }
    }

    /// The error if [`is_findable`](Self::is_findable) could not find out whether the segment
    /// exists.
    #[cold]
    pub(super) fn not_findable(&self, errno: Errno, what: impl fmt::Display) -> Error {
        match self.status() {
            Ok(Some(status)) if self.is_transient && errno == Errno(libc::EACCES) => errno
                .during(format_args!(
                    "look for {what}: it is transient, and was created by user {} and group {}, \
                     of which this process is neither; join that group",
                    status.creator, status.creator_group
                ))
                .because(Reason::Permission),
            _ => errno.during(format_args!("look for {what}")),
        }
    }

    /// The error if a change failed. If only the segment's owner may make it (`EPERM`), the error
    /// names the owner.
    #[cold]
    pub(super) fn refused(&self, errno: Errno, doing: &str, name: &[u8]) -> Error {
        let name = Quoted(name);
        let user = os::effective_user();
        match self.status_of_attached() {
            Ok(Status { owner, creator, .. })
                if errno == Errno(libc::EPERM) && ![owner, creator].contains(&user) =>
            {
                errno
                    .during(format_args!(
                        "{doing} segment {name} (id {}) of user {owner}",
                        self.id
                    ))
                    .because(Reason::Owner)
            }
            _ => errno.during(format_args!("{doing} segment {name} (id {})", self.id)),
        }
    }

    /// The segment's status now. `None` if it is gone, even if another segment has
    /// its identifier by now.
    #[inline]
    pub(super) fn status(&self) -> Result<Option<Status>, Errno> {
        Ok(shm::status(self.id)?.filter(|status| self.may_be(status)))
    }

    /// Whether this may be the status of this segment: nothing in it contradicts that.
    #[inline]
    fn may_be(&self, status: &Status) -> bool {
        status.key == self.key || self.is_transient && status.is_removed && self.has_size(status)
    }

    /// Whether the segment may have the size that a status shows: only the lower half of the size
    /// if the program has 32 bits and the size does not.
    #[inline]
    fn has_size(&self, status: &Status) -> bool {
        status.size == self.size || self.size == usize::MAX
    }

    /// Whether a transient segment that was attached by its identifier is another one, which
    /// has got the identifier meanwhile. `/proc` shows the original key of an attached segment.
    #[cold]
    pub(super) fn is_replaced(&self, mapping: &Mapping) -> bool {
        match self.status() {
            Ok(Some(status)) => self.seems_later(&status) && !mapping.is_of(self.key, self.id),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// The same for a transient segment that is not attached, so that a change by its name does
    /// not change another program's segment. False if the segment cannot be attached: then
    /// nothing shows which one it is.
    fn is_replaced_now(&self) -> bool {
        self.attach_again(Access::ReadOnly)
            .is_some_and(|mapping| !mapping.is_of(self.key, self.id))
    }

    /// Whether, as far as its status shows, a segment may have been created later than this one.
    /// Its permissions may also have been changed since. A segment that was created or changed
    /// at most a second after this entry is this one: no identifier is used again so soon.
    fn seems_later(&self, status: &Status) -> bool {
        u64::try_from(status.changed)
            .unwrap_or(0)
            .checked_sub(self.created)
            .is_none_or(|age| age > 1)
    }

    /// The status of a segment that this process has attached, which may have lost
    /// its key meanwhile (`IPC_RMID`). `EIDRM` if the identifier is another
    /// segment's here: this process has moved to another IPC namespace.
    pub(super) fn status_of_attached(&self) -> Result<Status, Errno> {
        shm::status(self.id)?
            .filter(|status| status.key == self.key || status.is_removed && self.has_size(status))
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

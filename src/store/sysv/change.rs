//! Changes a segment's permissions, and whether it may be swapped out: the code shared by
//! changes of an attached segment and changes by name.

#![forbid(unsafe_code)]

use std::fmt;

use super::entry::Entry;
use super::shm::Change;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::ids::{GroupId, UserId};
use crate::info::Permissions;
use crate::quoted::Quoted;
use crate::request::{SETTING, Swapping, check_mode};

impl Change {
    /// The change to these permissions. `EINVAL` if the mode has bits beyond 0777.
    pub(super) fn to(permissions: Permissions, what: impl fmt::Display) -> Result<Self> {
        let mode = permissions.mode;
        check_mode(format_args!("{SETTING} {what}"), mode)?;
        Ok(Self {
            owner: permissions.uid.map(UserId),
            group: permissions.gid.map(GroupId),
            mode,
        })
    }
}

/// The verb for messages.
pub(super) const fn doing(swapping: Swapping) -> &'static str {
    match swapping {
        Swapping::Forbidden => "lock",
        Swapping::Allowed => "unlock",
    }
}

/// The error if a segment could not be locked or unlocked.
#[cold]
pub(super) fn failed_to(swapping: Swapping, errno: Errno, entry: &Entry, name: &[u8]) -> Error {
    match errno {
        Errno(libc::ENOMEM) => errno.during(format_args!(
            "{} segment {} (id {}) in memory, RLIMIT_MEMLOCK does not allow its size; raise it \
             with 'ulimit -l'",
            doing(swapping),
            Quoted(name),
            entry.id
        )),
        Errno(libc::ENOTSUP) => errno.during(format_args!(
            "{} segment {} (id {}) in memory: the library can do that only on Linux",
            doing(swapping),
            Quoted(name),
            entry.id
        )),
        _ => entry.refused(errno, doing(swapping), name),
    }
}

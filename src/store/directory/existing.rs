//! What a name stands for now.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::Path;

use super::lock;
use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::{self, Status};
use crate::ids::UserId;
use crate::info::{Info, Kind, time_of};
use crate::os;
use crate::quoted::Quoted;
use crate::request::Access;

/// The owner's permission to execute a segment's file, which means nothing for memory, marks a
/// kept segment.
pub(super) const KEPT: u32 = 0o100;

/// The permission bits of a file that are the segment's.
pub(super) const MODE_BITS: u32 = 0o666;

/// Opens whatever has a segment's name, except a symbolic link, without waiting for anything.
pub(super) fn open(path: &Path, access: Access) -> std::result::Result<File, Errno> {
    let access = match access {
        Access::ReadWrite => libc::O_RDWR,
        Access::ReadOnly => libc::O_RDONLY,
    };
    file::open(path, access | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0)
}

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: (u32, u32),
    pub(super) inode: u64,
}

impl Identity {
    pub(super) const fn of(status: &Status) -> Self {
        Self {
            device: status.device,
            inode: status.inode,
        }
    }

    /// The status of the file that has this name now, if it is this one.
    pub(super) fn at(self, path: &Path) -> std::result::Result<Option<Status>, Errno> {
        match Status::of_path(path) {
            Ok(status) => {
                Ok(Some(status).filter(|status| Self::of(status) == self && status.is_file()))
            }
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

pub(super) const fn is_kept(status: &Status) -> bool {
    status.mode & KEPT != 0
}

/// Why something that has a segment's name is not a segment. `None` if it may be one.
pub(super) const fn flaw(status: &Status) -> Option<&'static str> {
    if status.is_directory() {
        Some("is a directory")
    } else if status.is_link() {
        Some("is a symbolic link")
    } else if !status.is_file() {
        Some("is not a regular file")
    } else if status.size == 0 {
        Some("is empty")
    } else {
        None
    }
}

/// The error if what has the name is not a segment. `None` if it may be one.
#[cold]
pub(super) fn is_no_segment(doing: &str, name: &[u8], status: &Status) -> Option<Error> {
    let what = flaw(status)?;
    Some(
        Errno(libc::EINVAL)
            .during(format_args!(
                "{doing} segment {}: its file {what}",
                Quoted(name)
            ))
            .because(Reason::Argument),
    )
}

/// The error if a segment's file can't be opened or changed. Its message names the owner.
#[cold]
pub(super) fn refused(errno: Errno, doing: &str, name: &[u8], path: &Path) -> Error {
    let name = Quoted(name);
    match (errno, Status::of_path(path)) {
        (Errno(libc::EPERM | libc::EACCES), Ok(status)) => {
            let error = errno.during(format_args!(
                "{doing} segment {name} of user {}, mode {:04o}",
                status.user,
                status.mode & MODE_BITS
            ));
            match errno {
                Errno(libc::EACCES) => error.because(Reason::Permission),
                _ if UserId(status.user) == os::effective_user() => error,
                _ => error.because(Reason::Owner),
            }
        }
        _ => errno.during(format_args!("{doing} segment {name}")),
    }
}

/// When a file was last written, attached or changed, in seconds since 1970. Attaching sets the
/// access time, if this process may do that.
pub(super) fn last_use(status: &Status) -> i64 {
    status.modified.max(status.accessed).max(status.changed)
}

/// The description of a segment for programs.
pub(super) fn info(name: &[u8], status: &Status, mappings: u64) -> Result<Info> {
    let name = try_to_vec(name)
        .map_err(|errno| errno.during(format_args!("look at segment {}", Quoted(name))))?;
    let changed = time_of(status.changed).unwrap_or(std::time::UNIX_EPOCH);
    Ok(Info {
        name,
        kind: Kind::Directory,
        id: -1,
        key: 0,
        size: usize::try_from(status.size).unwrap_or(usize::MAX),
        created: status.created.and_then(time_of).unwrap_or(changed),
        attached: None,
        detached: None,
        changed,
        creator_pid: 0,
        last_pid: 0,
        uid: status.user,
        gid: status.group,
        creator_uid: status.user,
        creator_gid: status.group,
        mode: status.mode & MODE_BITS,
        mappings,
        locked: false,
        kept: is_kept(status),
        transient: false,
        hidden: false,
    })
}

/// The number of attachments of the segment that has a name; 0 if this process may not open its
/// file, or it was removed.
pub(super) fn count(path: &Path) -> std::result::Result<u64, Errno> {
    match open_to_look(path) {
        Ok(file) => lock::count(&file),
        Err(Errno(libc::EACCES | libc::EPERM | libc::ENOENT | libc::ELOOP | libc::ENXIO)) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// Whether a process has the segment attached that has a name. An error if this process may not
/// open its file.
pub(super) fn is_attached(path: &Path) -> std::result::Result<bool, Errno> {
    match open_to_look(path) {
        Ok(file) => lock::is_attached(&file),
        Err(errno) => Err(errno),
    }
}

/// Looking at locks needs either access.
fn open_to_look(path: &Path) -> std::result::Result<File, Errno> {
    match open(path, Access::ReadOnly) {
        Err(Errno(libc::EACCES)) => {
            let flags = libc::O_WRONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            file::open(path, flags, 0)
        }
        opened => opened,
    }
}

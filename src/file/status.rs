//! What the kernel knows of a file. The standard library lacks the attributes, and
//! fails if statx(2) is refused after it has worked.

#![forbid(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::path::to_c;
use super::refused::is_refusal;
use crate::errno::Errno;
use crate::os::{self, Follow};

pub(crate) use crate::os::Status;

/// The type of a file in its mode, see inode(7); the C library's type of these numbers differs.
const TYPE: u32 = 0o170_000;
const FIFO: u32 = 0o010_000;
const DIRECTORY: u32 = 0o040_000;
pub(crate) const FILE_TYPE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl Status {
    pub(crate) fn of(file: &File) -> Result<Self, Errno> {
        Self::at(file.as_raw_fd(), c"", Follow::Yes)
    }

    /// Does not follow a symbolic link.
    pub(crate) fn of_path(path: &Path) -> Result<Self, Errno> {
        Self::at(libc::AT_FDCWD, &to_c(path)?, Follow::No)
    }

    /// Follows symbolic links.
    pub(crate) fn of_target(path: &Path) -> Result<Self, Errno> {
        Self::at(libc::AT_FDCWD, &to_c(path)?, Follow::Yes)
    }

    fn at(directory: c_int, path: &CStr, follow: Follow) -> Result<Self, Errno> {
        match os::status_with_attributes(directory, path, follow) {
            Err(errno) if is_refusal(errno) => os::status(directory, path, follow)
                .map_err(|other| if is_refusal(other) { errno } else { other }),
            result => result,
        }
    }

    const fn has_type(&self, kind: u32) -> bool {
        self.mode & TYPE == kind
    }

    pub(crate) const fn is_file(&self) -> bool {
        self.has_type(FILE_TYPE)
    }

    pub(crate) const fn is_directory(&self) -> bool {
        self.has_type(DIRECTORY)
    }

    pub(crate) const fn is_fifo(&self) -> bool {
        self.has_type(FIFO)
    }

    pub(crate) const fn is_link(&self) -> bool {
        self.has_type(LINK)
    }

    /// The permission bits, set-uid, set-gid and sticky.
    pub(crate) const fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    pub(crate) const fn is_same_file(&self, other: &Self) -> bool {
        self.inode == other.inode
            && self.device.0 == other.device.0
            && self.device.1 == other.device.1
    }

    /// Whether both have the same type, mode, owner and group, so that one can replace
    /// the other.
    pub(crate) const fn is_alike(&self, other: &Self) -> bool {
        self.mode == other.mode && self.user == other.user && self.group == other.group
    }

    /// Whether something is mounted here: no other file can take its place.
    pub(crate) const fn is_mount_point(&self) -> bool {
        self.attributes & os::MOUNT_ROOT != 0
    }

    /// Whether it is a directory in which names can only be created (see chattr(1)).
    pub(crate) const fn is_append_only(&self) -> bool {
        self.attributes & os::APPEND_ONLY != 0
    }
}

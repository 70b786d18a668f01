//! A file's owner, group and mode.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::calls::check;
use super::path::{by_path, to_c};
use super::refused::first_allowed;
use crate::errno::Errno;
use crate::os;

/// Changes a file's owner and group; `u32::MAX` leaves one as it is. See fchown(2).
pub(crate) fn set_owner(file: &File, user: u32, group: u32) -> Result<(), Errno> {
    let fd = file.as_raw_fd();
    first_allowed(&[
        // SAFETY: fchown takes numbers only.
        &|| check(unsafe { libc::fchown(fd, user, group) }),
        &|| check(os::change_owner_at(fd, user, group)),
        &|| {
            by_path(file, |path| {
                // SAFETY: the path is a string.
                check(unsafe { libc::chown(path.as_ptr(), user, group) })
            })
        },
    ])
    .map(drop)
}

/// Changes the permission bits of the file that a path leads to. See chmod(2).
pub(crate) fn set_mode_of_path(path: &Path, mode: u32) -> Result<(), Errno> {
    let (path, here) = (to_c(path)?, libc::AT_FDCWD);
    let mode = os::to_c(mode)?;
    first_allowed(&[
        // SAFETY: the path is a string.
        &|| check(unsafe { libc::chmod(path.as_ptr(), mode) }),
        // SAFETY: as above.
        &|| check(unsafe { libc::fchmodat(here, path.as_ptr(), mode, 0) }),
    ])
    .map(drop)
}

/// Changes a file's permission bits. See fchmod(2).
pub(crate) fn set_mode(file: &File, mode: u32) -> Result<(), Errno> {
    let (here, mode) = (libc::AT_FDCWD, os::to_c(mode)?);
    first_allowed(&[
        // SAFETY: fchmod takes numbers only.
        &|| check(unsafe { libc::fchmod(file.as_raw_fd(), mode) }),
        &|| {
            by_path(file, |path| {
                // SAFETY: the path is a string.
                check(unsafe { libc::chmod(path.as_ptr(), mode) })
            })
        },
        &|| {
            by_path(file, |path| {
                // SAFETY: the path is a string.
                check(unsafe { libc::fchmodat(here, path.as_ptr(), mode, 0) })
            })
        },
    ])
    .map(drop)
}

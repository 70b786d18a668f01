//! Paths as system calls take them.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::errno::Errno;

pub(super) fn to_c(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))
}

/// A path that leads to an open file, also if it has no name.
pub(super) fn of_descriptor(file: &File) -> Result<CString, Errno> {
    CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|_| Errno(libc::EINVAL))
}

/// Does with that path what another call, which was refused, does with the file. `ENOSYS`
/// if /proc is not mounted.
pub(super) fn by_path<T>(
    file: &File,
    call: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    match call(&of_descriptor(file)?) {
        Err(Errno(libc::ENOENT)) => Err(Errno(libc::ENOSYS)),
        result => result,
    }
}

/// The directory that a path's last component is in.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

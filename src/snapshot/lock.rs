//! The lock that shows that a file's process lives.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd as _;

use crate::errno::Errno;
use crate::file::check;
use crate::os;

/// Locks a file with flock(2) until it is closed, at the latest by the process's
/// death. `EWOULDBLOCK` if another process has it locked.
pub(super) fn try_to_lock(file: &File) -> Result<(), Errno> {
    check(os::lock_whole(file.as_raw_fd())).map(drop)
}

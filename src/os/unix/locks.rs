//! Locks of whole files, which belong to an open file description: flock(2).
//!
//! A lock of bytes that Linux tells apart is one of the file. Names are changed by whoever has
//! locked the directory.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::system;
use crate::errno::Errno;

/// Who may have a lock beside this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Shared,
    Exclusive,
}

/// Whether files can be locked: Solaris has no flock(2).
pub(crate) const HAS_FILE_LOCKS: bool = cfg!(not(target_os = "solaris"));

/// Whether locks have ranges. Where they do not, any lock is one of all bytes.
pub(crate) const LOCKS_HAVE_RANGES: bool = false;

/// The right to change names in a directory, until this is dropped.
#[derive(Debug)]
pub(crate) struct NamesLocked {
    _directory: File,
}

/// The same in the directory of a file. `None` if another process has the right.
pub(crate) fn lock_names_beside(path: &Path) -> Result<Option<NamesLocked>, Errno> {
    let directory = File::open(path.parent().ok_or(Errno(libc::EINVAL))?)?;
    let is_locked = call(&directory, system::LOCK_EX)?;
    Ok(is_locked.then_some(NamesLocked {
        _directory: directory,
    }))
}

/// Locks a file. False if another description's lock does not allow it.
pub(crate) fn lock(file: &File, sharing: Sharing, _: i64, _: i64) -> Result<bool, Errno> {
    call(
        file,
        match sharing {
            Sharing::Shared => system::LOCK_SH,
            Sharing::Exclusive => system::LOCK_EX,
        },
    )
}

/// Unlocks a file.
pub(crate) fn unlock(file: &File, _: i64, _: i64) -> Result<(), Errno> {
    call(file, system::LOCK_UN).map(drop)
}

/// All bytes, if another description has a shared lock. `None` if there is no lock, or an
/// exclusive one. This description, which has no lock, takes one for a moment.
pub(crate) fn shared_lock_in(
    file: &File,
    start: i64,
    length: i64,
) -> Result<Option<(i64, i64)>, Errno> {
    let is_shared = !call(file, system::LOCK_EX)? && call(file, system::LOCK_SH)?;
    unlock(file, start, length)?;
    Ok(is_shared.then_some((0, 0)))
}

/// flock(2), without waiting.
fn call(file: &File, operation: c_int) -> Result<bool, Errno> {
    // SAFETY: the descriptor is open.
    let result = unsafe { system::flock(file.as_raw_fd(), operation | system::LOCK_NB) };
    if result == 0 {
        return Ok(true);
    }
    match Errno::from(io::Error::last_os_error()) {
        Errno(libc::EWOULDBLOCK) => Ok(false),
        errno => Err(errno),
    }
}

/// flock(2): locks a whole file, without waiting.
pub(crate) fn lock_whole(fd: c_int) -> c_int {
    // SAFETY: it takes numbers only.
    unsafe { system::flock(fd, system::LOCK_EX | system::LOCK_NB) }
}

//! Locks of ranges of a file's bytes, which belong to an open file description: fcntl(2),
//! `F_OFD_SETLK`.

use std::ffi::{c_int, c_short};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::abi;
use crate::errno::Errno;

/// Who may have a lock beside this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Shared,
    Exclusive,
}

/// Whether files can be locked.
pub(crate) const HAS_FILE_LOCKS: bool = true;

/// Whether locks have ranges. Where they do not, any lock is one of all bytes.
pub(crate) const LOCKS_HAVE_RANGES: bool = true;

/// The right to change names in a directory, until this is dropped. Here the lock of a byte of the
/// segment's file is that right, so this is nothing.
#[derive(Debug)]
pub(crate) struct NamesLocked;

/// The same in the directory of a file. `None` if another process has the right.
#[expect(clippy::unnecessary_wraps, reason = "other systems have more to do")]
pub(crate) const fn lock_names_beside(_: &Path) -> Result<Option<NamesLocked>, Errno> {
    Ok(Some(NamesLocked))
}

/// Locks `length` bytes from `start`; all that follow if that is 0. False if another
/// description's lock does not allow it.
pub(crate) fn lock(file: &File, sharing: Sharing, start: i64, length: i64) -> Result<bool, Errno> {
    let kind = match sharing {
        Sharing::Shared => libc::F_RDLCK,
        Sharing::Exclusive => libc::F_WRLCK,
    };
    match call(file, libc::F_OFD_SETLK, &mut describe(kind, start, length)) {
        Ok(()) => Ok(true),
        // Linux reports a conflict with EAGAIN. EACCES is a security module's refusal.
        Err(Errno(libc::EAGAIN)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Unlocks bytes.
pub(crate) fn unlock(file: &File, start: i64, length: i64) -> Result<(), Errno> {
    call(
        file,
        libc::F_OFD_SETLK,
        &mut describe(libc::F_UNLCK, start, length),
    )
}

/// The range (its start and length, 0 if it does not end) of a shared lock that another
/// description has in a range. `None` if there is no lock, or an exclusive one.
pub(crate) fn shared_lock_in(
    file: &File,
    start: i64,
    length: i64,
) -> Result<Option<(i64, i64)>, Errno> {
    let mut lock = describe(libc::F_WRLCK, start, length);
    call(file, libc::F_OFD_GETLK, &mut lock)?;
    Ok((c_int::from(lock.l_type) == libc::F_RDLCK).then_some((lock.l_start, lock.l_len)))
}

fn describe(kind: c_int, start: i64, length: i64) -> abi::flock {
    abi::flock {
        l_type: c_short::try_from(kind).unwrap_or(c_short::MAX),
        l_whence: 0, // SEEK_SET
        l_start: start,
        l_len: length,
        l_pid: 0,
    }
}

fn call(file: &File, command: c_int, lock: &mut abi::flock) -> Result<(), Errno> {
    // SAFETY: the kernel reads and writes the description of the lock.
    if unsafe { abi::lock_description(file.as_raw_fd(), command, lock) } == -1 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}

/// flock(2): locks a whole file against other such locks, without waiting.
pub(crate) fn lock_whole(fd: c_int) -> c_int {
    // SAFETY: it takes numbers only.
    unsafe { libc::flock(fd, libc::LOCK_EX | libc::LOCK_NB) }
}

//! Locks on a segment's file, which show who has it attached, and who changes its name.
//!
//! They are open file description locks, see fcntl(2). A mapping keeps its description, and so
//! its locks, after the descriptor was closed: a lock ends when the last process that has the
//! description's mapping unmaps it or dies, however it ends, and a child of fork shares it. So
//! what the locks show is who has the file mapped.
//!
//! | byte | shared lock | exclusive lock |
//! | ---- | ----------- | -------------- |
//! | 0    | an attachment | nobody has the segment attached, nor can attach it now |
//! | 1    | | the holder removes or changes the name |
//!
//! A process that deletes a segment which nobody has attached locks both bytes at once. So the
//! name cannot be another segment's between its last look at it and unlink(2).

use std::ffi::{c_int, c_short};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use crate::errno::Errno;

/// What an exclusive lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// To change or remove the name of a segment that others may have attached.
    Name,
    /// To delete a segment that nobody has attached.
    Segment,
}

/// Counts the description as an attachment. False if a process is deleting the segment.
pub(super) fn attach(file: &File) -> Result<bool, Errno> {
    set(file, libc::F_RDLCK, 0, 1)
}

/// Locks a file for a change, which needs a descriptor for writing. False if another process
/// has it locked or attached.
pub(super) fn claim(file: &File, claim: Claim) -> Result<bool, Errno> {
    let (start, length) = match claim {
        Claim::Name => (1, 1),
        Claim::Segment => (0, 2),
    };
    set(file, libc::F_WRLCK, start, length)
}

/// Whether there are attachments other than by this description. Changes nothing.
pub(super) fn is_attached(file: &File) -> Result<bool, Errno> {
    let mut lock = describe(libc::F_WRLCK, 0, 1);
    call(file, libc::F_OFD_GETLK, &mut lock)?;
    // A deleting process has both bytes locked.
    Ok(c_int::from(lock.l_type) == libc::F_RDLCK)
}

fn set(file: &File, kind: c_int, start: i64, length: i64) -> Result<bool, Errno> {
    match call(file, libc::F_OFD_SETLK, &mut describe(kind, start, length)) {
        Ok(()) => Ok(true),
        Err(Errno(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn describe(kind: c_int, start: i64, length: i64) -> libc::flock {
    libc::flock {
        l_type: c_short::try_from(kind).unwrap_or(c_short::MAX),
        l_whence: 0, // SEEK_SET
        l_start: start,
        l_len: length,
        l_pid: 0,
    }
}

fn call(file: &File, command: c_int, lock: &mut libc::flock) -> Result<(), Errno> {
    // SAFETY: the kernel reads and writes the description of the lock.
    if unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) } == 0 {
        Ok(())
    } else {
        Err(Errno::from(io::Error::last_os_error()))
    }
}

//! Linux.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::AtomicU8;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Advice for madvise(2).
pub(crate) const MADV_POPULATE_WRITE: c_int = libc::MADV_POPULATE_WRITE;
/// As above.
pub(crate) const MADV_HUGEPAGE: c_int = libc::MADV_HUGEPAGE;

/// Puts the memory's pages into a pipe with vmsplice(2), without copying them:
/// the reader sees the bytes as they are when it reads them.
pub(crate) fn lend(pipe: &File, bytes: &[AtomicU8]) -> io::Result<usize> {
    let part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: the array has one element, which describes readable memory.
    // Without SPLICE_F_GIFT the pages remain this process's, and the kernel holds a
    // reference to each page in the pipe, even after the memory is detached.
    let result = unsafe { libc::vmsplice(pipe.as_raw_fd(), &raw const part, 1, 0) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Enlarges a pipe, if the system allows it. Returns its capacity.
pub(crate) fn widen(pipe: &File, size: usize) -> usize {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, size);
    rustix::pipe::fcntl_getpipe_size(pipe).unwrap_or(size)
}

/// A file that has no name.
pub(crate) fn nameless_file() -> io::Result<File> {
    Ok(File::from(memfd_create(c"shmutil", MemfdFlags::CLOEXEC)?))
}

/// The seconds since the system was started.
pub(crate) fn uptime() -> i64 {
    clock_gettime(ClockId::Boottime).tv_sec
}

/// How much memory a process may lock, in bytes; `None` if there is no limit.
pub(crate) fn locked_memory_limit() -> Option<u64> {
    getrlimit(Resource::Memlock).current
}

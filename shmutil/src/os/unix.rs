//! UNIX systems other than Linux.

use std::ffi::c_int;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::sync::atomic::AtomicU8;

use rustix::time::{ClockId, clock_gettime};

/// Advice for madvise(2) that these systems refuse.
pub(crate) const MADV_POPULATE_WRITE: c_int = -1;
/// As above.
pub(crate) const MADV_HUGEPAGE: c_int = -1;

/// Pages are not put into pipes: `ENOSYS`.
pub(crate) fn lend(_: &File, _: &[AtomicU8]) -> io::Result<usize> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// Leaves a pipe as it is, with the usual capacity.
pub(crate) fn widen(_: &File, size: usize) -> usize {
    size.min(1 << 16)
}

/// A file that has no name.
pub(crate) fn nameless_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("shmutil.{}", std::process::id()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// The seconds since the system was started, or from an earlier moment on.
pub(crate) fn uptime() -> i64 {
    clock_gettime(ClockId::Monotonic).tv_sec
}

/// How much memory a process may lock, in bytes: not all of these systems have a limit.
pub(crate) const fn locked_memory_limit() -> Option<u64> {
    None
}

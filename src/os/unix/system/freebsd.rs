//! FreeBSD.

use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::path::PathBuf;

use super::errno::set_errno;
use super::sysctl::number;
use crate::os::posix::unsigned;

pub(crate) use libc::EINTEGRITY as EUCLEAN;
pub(crate) use libc::ENOATTR as ENODATA;
pub(crate) use libc::{IPC_STAT, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock};
pub(crate) use libc::{SEEK_DATA, SEEK_HOLE, shmctl, shmid_ds};
pub(crate) use libc::{sembuf, semctl, semget, semid_ds, semop};

pub(crate) type Ioctl = c_ulong;

pub(crate) const SEM_UNDO: c_int = 0o10_000;
/// In a segment's mode: it is marked for deletion.
pub(crate) const SHM_DEST: u32 = 0x0400;
pub(crate) const CANCEL_DISABLE: c_int = 1;
pub(crate) const REALTIME: libc::clockid_t = libc::CLOCK_REALTIME_FAST;
pub(crate) const UPTIME: libc::clockid_t = libc::CLOCK_UPTIME;
pub(crate) const MAP_NORESERVE: c_int = 0;
pub(crate) const MAP_FIXED_NOREPLACE: c_int = libc::MAP_FIXED | libc::MAP_EXCL;

/// pthread_getthreadid_np(3)
pub(crate) fn thread() -> u32 {
    // SAFETY: it has no arguments.
    u32::try_from(unsafe { libc::pthread_getthreadid_np() }).unwrap_or(0)
}

/// Whether the program is set-uid or the like.
pub(crate) fn is_set_uid() -> bool {
    // SAFETY: it has no arguments.
    unsafe { libc::issetugid() != 0 }
}

/// Sets a page to 0 in children.
pub(crate) fn wipe_on_fork(page: *mut c_void, size: usize) -> bool {
    // SAFETY: this changes nothing in this process.
    unsafe { libc::minherit(page, size, libc::INHERIT_ZERO) == 0 }
}

/// When a file was created.
pub(crate) const fn created(status: &libc::stat) -> Option<i64> {
    Some(status.st_birthtime)
}

pub(crate) use libc::fstatfs as file_system;
/// What the system reports of a file system.
pub(crate) use libc::statfs as FileSystem;

/// The name of its type.
pub(crate) const fn name_of(status: &FileSystem) -> &[c_char] {
    &status.f_fstypename
}

/// In what units it counts room.
pub(crate) fn unit_of(status: &FileSystem) -> u64 {
    unsigned(status.f_bsize)
}

/// posix_fallocate(2)
pub(crate) fn allocate(fd: c_int, start: i64, length: i64) -> c_int {
    // SAFETY: it takes numbers only, and returns the error.
    let errno = unsafe { libc::posix_fallocate(fd, start, length) };
    if errno == 0 {
        return 0;
    }
    set_errno(errno);
    -1
}

/// fdatasync(2)
pub(crate) fn sync_data(fd: c_int) -> c_int {
    // SAFETY: it takes a number only.
    unsafe { libc::fdatasync(fd) }
}

/// The system cannot rename without replacing: `ENOSYS`.
pub(crate) fn rename_new(_: &CStr, _: &CStr) -> c_int {
    set_errno(libc::ENOSYS);
    -1
}

/// A segment's or a set's key.
pub(crate) const fn key_of(permissions: &libc::ipc_perm) -> libc::key_t {
    permissions.key
}

/// SHMMAX, SHMMNI and SHMALL; 0 if the system does not tell.
pub(crate) fn limits() -> [u64; 3] {
    [
        number(c"kern.ipc.shmmax"),
        number(c"kern.ipc.shmmni"),
        number(c"kern.ipc.shmall"),
    ]
}

/// Whether programs that choose no namespace share files in a directory.
pub(crate) const DEFAULT_IS_DIRECTORY: bool = false;

/// The user's own directory for temporary files: the system has none.
pub(crate) const fn temporary_directory() -> Option<PathBuf> {
    None
}

/// The major and the minor number of a device.
pub(crate) fn device(device: libc::dev_t) -> (u32, u32) {
    let number = |number: i64| u32::try_from(number & i64::from(u32::MAX)).unwrap_or(0);
    (
        number(libc::major(device).into()),
        number(libc::minor(device).into()),
    )
}

/// The type and the permission bits of a file.
pub(crate) fn mode(status: &libc::stat) -> u32 {
    u32::from(status.st_mode)
}

//! illumos and Solaris.

use std::ffi::{CStr, c_char, c_int, c_short, c_ushort, c_void};
use std::path::PathBuf;

use super::errno::set_errno;
use crate::os::posix::unsigned;

pub(crate) use libc::EBADMSG as EUCLEAN;
pub(crate) use libc::{ENODATA, MAP_NORESERVE, SEEK_DATA, SEEK_HOLE, shmctl, shmid_ds};
#[cfg(target_os = "illumos")]
pub(crate) use libc::{LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock};

/// The number of a request of ioctl(2).
pub(crate) type Ioctl = c_int;

pub(crate) const IPC_STAT: c_int = 12;
/// In a segment's mode: no segment that is marked for deletion has a status.
pub(crate) const SHM_DEST: u32 = 1 << 31;
pub(crate) const CANCEL_DISABLE: c_int = 1;
pub(crate) const REALTIME: libc::clockid_t = libc::CLOCK_REALTIME;
pub(crate) const UPTIME: libc::clockid_t = libc::CLOCK_MONOTONIC;
pub(crate) const MAP_FIXED_NOREPLACE: c_int = 0;

#[cfg(target_os = "solaris")]
pub(crate) const LOCK_SH: c_int = 1;
#[cfg(target_os = "solaris")]
pub(crate) const LOCK_EX: c_int = 2;
#[cfg(target_os = "solaris")]
pub(crate) const LOCK_NB: c_int = 4;
#[cfg(target_os = "solaris")]
pub(crate) const LOCK_UN: c_int = 8;

/// Solaris has no locks of open file descriptions, so no segment in a directory can be attached:
/// `ENOTSUP`.
///
/// # Safety
///
/// None is needed.
#[cfg(target_os = "solaris")]
pub(crate) unsafe fn flock(_: c_int, _: c_int) -> c_int {
    set_errno(libc::ENOTSUP);
    -1
}

/// pthread_self(3), which is a small number here.
pub(crate) fn thread() -> u32 {
    // SAFETY: it has no arguments.
    unsafe { libc::pthread_self() }
}

unsafe extern "C" {
    fn issetugid() -> c_int;
}

/// Whether the program is set-uid or the like.
pub(crate) fn is_set_uid() -> bool {
    // SAFETY: it has no arguments.
    unsafe { issetugid() != 0 }
}

/// The system cannot set a page to 0 in children.
pub(crate) const fn wipe_on_fork(_: *mut c_void, _: usize) -> bool {
    false
}

/// When a file was created: the system does not tell.
pub(crate) const fn created(_: &libc::stat) -> Option<i64> {
    None
}

pub(crate) use libc::fstatvfs as file_system;
/// What the system reports of a file system.
pub(crate) use libc::statvfs as FileSystem;

/// The name of its type.
pub(crate) const fn name_of(status: &FileSystem) -> &[c_char] {
    &status.f_basetype
}

/// In what units it counts room: `f_bsize` is what it likes to transfer at once.
pub(crate) fn unit_of(status: &FileSystem) -> u64 {
    unsigned(status.f_frsize)
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

/// `struct sembuf`
#[repr(C)]
pub(crate) struct sembuf {
    pub(crate) sem_num: c_ushort,
    pub(crate) sem_op: c_short,
    pub(crate) sem_flg: c_short,
}

/// `struct semid_ds`, with room behind it.
#[repr(C)]
pub(crate) struct semid_ds {
    pub(crate) sem_perm: libc::ipc_perm,
    _base: *mut c_void,
    pub(crate) sem_nsems: c_ushort,
    _others: [u64; 16],
}

pub(crate) const SEM_UNDO: c_int = 0o10_000;

unsafe extern "C" {
    pub(crate) fn semget(key: libc::key_t, count: c_int, flags: c_int) -> c_int;
    pub(crate) fn semop(set: c_int, operations: *mut sembuf, count: libc::size_t) -> c_int;
    pub(crate) fn semctl(set: c_int, index: c_int, command: c_int, ...) -> c_int;
}

/// SHMMAX, SHMMNI and SHMALL: the system does not tell.
pub(crate) const fn limits() -> [u64; 3] {
    [0; 3]
}

/// Whether programs that choose no namespace share files in a directory.
pub(crate) const DEFAULT_IS_DIRECTORY: bool = false;

/// The user's own directory for temporary files: the system has none.
pub(crate) const fn temporary_directory() -> Option<PathBuf> {
    None
}

/// The major and the minor number of a device.
pub(crate) fn device(device: libc::dev_t) -> (u32, u32) {
    // SAFETY: it takes a number only.
    let major = unsafe { libc::major(device) };
    // SAFETY: as above.
    let minor = unsafe { libc::minor(device) };
    (major, minor)
}

/// The type and the permission bits of a file.
pub(crate) const fn mode(status: &libc::stat) -> u32 {
    status.st_mode
}

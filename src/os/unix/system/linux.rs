//! Linux, as if it were any UNIX: to test what is for the others (`--cfg shm_util_os="unix"`).

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;

use super::errno::set_errno;
use crate::os::posix::unsigned;

pub(crate) use libc::{
    ENODATA, EUCLEAN, Ioctl, MAP_NORESERVE, SEEK_DATA, SEEK_HOLE, shmctl, shmid_ds,
};
pub(crate) use libc::{IPC_STAT, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock};
pub(crate) use libc::{SEM_UNDO, sembuf, semctl, semget, semid_ds, semop};

/// In a segment's mode: it is marked for deletion.
pub(crate) const SHM_DEST: u32 = 0o1000;
pub(crate) const CANCEL_DISABLE: c_int = 1;
pub(crate) const REALTIME: libc::clockid_t = libc::CLOCK_REALTIME_COARSE;
pub(crate) const UPTIME: libc::clockid_t = libc::CLOCK_BOOTTIME;
pub(crate) const MAP_FIXED_NOREPLACE: c_int = 0;

/// gettid(2)
pub(crate) fn thread() -> u32 {
    // SAFETY: it has no arguments.
    u32::try_from(unsafe { libc::gettid() }).unwrap_or(0)
}

/// Whether the program is set-uid or the like.
pub(crate) fn is_set_uid() -> bool {
    // SAFETY: it takes a number only.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Sets a page to 0 in children.
pub(crate) fn wipe_on_fork(page: *mut c_void, size: usize) -> bool {
    // SAFETY: this changes nothing in this process.
    unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) == 0 }
}

/// When a file was created: stat(2) does not tell.
pub(crate) const fn created(_: &libc::stat) -> Option<i64> {
    None
}

pub(crate) use libc::fstatfs as file_system;
/// What the system reports of a file system.
pub(crate) use libc::statfs as FileSystem;

/// The name of its type, if it is not like a disk.
pub(crate) fn name_of(status: &FileSystem) -> &[c_char] {
    const TMPFS: [c_char; 5] = [116, 109, 112, 102, 115]; // "tmpfs"
    if status.f_type == libc::TMPFS_MAGIC {
        &TMPFS
    } else {
        &[]
    }
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
    permissions.__key
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
    let number = |number: i64| u32::try_from(number & i64::from(u32::MAX)).unwrap_or(0);
    (
        number(libc::major(device).into()),
        number(libc::minor(device).into()),
    )
}

/// The type and the permission bits of a file.
pub(crate) const fn mode(status: &libc::stat) -> u32 {
    status.st_mode
}

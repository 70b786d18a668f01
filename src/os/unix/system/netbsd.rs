//! NetBSD.

use std::ffi::{CStr, c_char, c_int, c_short, c_ulong, c_ushort, c_void};
use std::path::PathBuf;

use super::errno::set_errno;
use super::sysctl::number;
use crate::os::posix::unsigned;

pub(crate) use libc::EFTYPE as EUCLEAN;
pub(crate) use libc::ENOATTR as ENODATA;
pub(crate) use libc::MAP_TRYFIXED as MAP_FIXED_NOREPLACE;
pub(crate) use libc::{IPC_STAT, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock};
pub(crate) use libc::{MAP_NORESERVE, shmctl, shmid_ds};

pub(crate) type Ioctl = c_ulong;

/// In a segment's mode: it is marked for deletion.
pub(crate) const SHM_DEST: u32 = 0x0400;
pub(crate) const CANCEL_DISABLE: c_int = 1;
pub(crate) const REALTIME: libc::clockid_t = libc::CLOCK_REALTIME;
pub(crate) const UPTIME: libc::clockid_t = libc::CLOCK_MONOTONIC;
/// The system does not find holes: `EINVAL`.
pub(crate) const SEEK_DATA: c_int = -1;
/// As above.
pub(crate) const SEEK_HOLE: c_int = -1;

/// _lwp_self(2)
pub(crate) fn thread() -> u32 {
    // SAFETY: it has no arguments.
    u32::try_from(unsafe { libc::_lwp_self() }).unwrap_or(0)
}

/// Whether the program is set-uid or the like.
pub(crate) fn is_set_uid() -> bool {
    // SAFETY: it has no arguments.
    unsafe { libc::issetugid() != 0 }
}

/// Sets a page to 0 in children.
pub(crate) fn wipe_on_fork(page: *mut c_void, size: usize) -> bool {
    // SAFETY: this changes nothing in this process.
    unsafe { libc::minherit(page, size, libc::MAP_INHERIT_ZERO) == 0 }
}

/// When a file was created.
pub(crate) const fn created(status: &libc::stat) -> Option<i64> {
    Some(status.st_birthtime)
}

pub(crate) use libc::fstatvfs as file_system;
/// What the system reports of a file system.
pub(crate) use libc::statvfs as FileSystem;

/// In the flags of a file system: this machine has it.
pub(crate) const ST_LOCAL: c_ulong = 0x1000;

/// The name of its type: only whether another machine has it is known.
pub(crate) const fn name_of(status: &FileSystem) -> &[c_char] {
    const NFS: [c_char; 3] = [b'n' as c_char, b'f' as c_char, b's' as c_char];
    if status.f_flag & ST_LOCAL == 0 {
        &NFS
    } else {
        &[]
    }
}

/// In what units it counts room: `f_bsize` is what it likes to transfer at once.
pub(crate) fn unit_of(status: &FileSystem) -> u64 {
    unsigned(status.f_frsize)
}

/// The system cannot reserve room: `ENOSYS`.
pub(crate) fn allocate(_: c_int, _: i64, _: i64) -> c_int {
    set_errno(libc::ENOSYS);
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
    permissions._key
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
    pub(crate) sem_nsems: c_ushort,
    _others: [u64; 16],
}

pub(crate) const SEM_UNDO: c_int = 0o10_000;

unsafe extern "C" {
    pub(crate) fn semget(key: libc::key_t, count: c_int, flags: c_int) -> c_int;
    pub(crate) fn semop(set: c_int, operations: *mut sembuf, count: libc::size_t) -> c_int;
    #[link_name = "__semctl50"]
    pub(crate) fn semctl(set: c_int, index: c_int, command: c_int, ...) -> c_int;
}

/// SHMMAX, SHMMNI and SHMALL; 0 if the system does not tell.
pub(crate) fn limits() -> [u64; 3] {
    [
        number(c"kern.ipc.shmmax"),
        number(c"kern.ipc.shmmni"),
        number(c"kern.ipc.shmmaxpgs"),
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
pub(crate) const fn mode(status: &libc::stat) -> u32 {
    status.st_mode
}

//! macOS.

use std::ffi::{CStr, OsStr, c_char, c_int, c_ulong, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::errno::set_errno;
use super::sysctl::number;
use crate::os::posix::unsigned;

pub(crate) use libc::EFTYPE as EUCLEAN;
pub(crate) use libc::ENOATTR as ENODATA;
pub(crate) use libc::{IPC_STAT, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock};
pub(crate) use libc::{MAP_NORESERVE, SEEK_DATA, SEEK_HOLE};
pub(crate) use libc::{SEM_UNDO, sembuf, semctl, semget, semid_ds, semop};

pub(crate) type Ioctl = c_ulong;

/// In a segment's mode: it is marked for deletion.
pub(crate) const SHM_DEST: u32 = 0x0400;
pub(crate) const CANCEL_DISABLE: c_int = 0;
pub(crate) const REALTIME: libc::clockid_t = libc::CLOCK_REALTIME;
pub(crate) const UPTIME: libc::clockid_t = libc::CLOCK_MONOTONIC;
pub(crate) const MAP_FIXED_NOREPLACE: c_int = 0;

/// The lower bits of pthread_threadid_np(3).
pub(crate) fn thread() -> u32 {
    let mut id = 0_u64;
    // SAFETY: there is room for an id; 0 is the calling thread.
    unsafe { libc::pthread_threadid_np(0, &raw mut id) };
    u32::try_from(id & 0x3fff_ffff).unwrap_or(0)
}

/// Whether the program is set-uid or the like.
pub(crate) fn is_set_uid() -> bool {
    // SAFETY: it has no arguments.
    unsafe { libc::issetugid() != 0 }
}

/// The system cannot set a page to 0 in children.
pub(crate) const fn wipe_on_fork(_: *mut c_void, _: usize) -> bool {
    false
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

/// The system cannot reserve room: `ENOSYS`.
pub(crate) fn allocate(_: c_int, _: i64, _: i64) -> c_int {
    set_errno(libc::ENOSYS);
    -1
}

/// fsync(2), which does not wait for the disk here, but for what the disk remembers.
pub(crate) fn sync_data(fd: c_int) -> c_int {
    // SAFETY: it takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_FULLFSYNC, 0) }
}

/// renamex_np(2)
pub(crate) fn rename_new(from: &CStr, to: &CStr) -> c_int {
    // SAFETY: both are strings.
    unsafe { libc::renamex_np(from.as_ptr(), to.as_ptr(), libc::RENAME_EXCL) }
}

/// A segment's or a set's key.
pub(crate) const fn key_of(permissions: &libc::ipc_perm) -> libc::key_t {
    permissions._key
}

/// `struct shmid_ds`, which the libc crate aligns in another way than the system.
#[repr(C, packed(4))]
pub(crate) struct shmid_ds {
    pub(crate) shm_perm: libc::ipc_perm,
    pub(crate) shm_segsz: libc::size_t,
    pub(crate) shm_lpid: libc::pid_t,
    pub(crate) shm_cpid: libc::pid_t,
    pub(crate) shm_nattch: libc::shmatt_t,
    pub(crate) shm_atime: libc::time_t,
    pub(crate) shm_dtime: libc::time_t,
    pub(crate) shm_ctime: libc::time_t,
    shm_internal: *mut c_void,
}

/// shmctl(2)
///
/// # Safety
///
/// `status` has room for a status, or the command does not use it.
pub(crate) unsafe fn shmctl(id: c_int, command: c_int, status: *mut shmid_ds) -> c_int {
    // SAFETY: as the caller says.
    unsafe { libc::shmctl(id, command, status.cast()) }
}

/// SHMMAX, SHMMNI and SHMALL; 0 if the system does not tell.
pub(crate) fn limits() -> [u64; 3] {
    [
        number(c"kern.sysv.shmmax"),
        number(c"kern.sysv.shmmni"),
        number(c"kern.sysv.shmall"),
    ]
}

/// Whether programs that choose no namespace share files in a directory: SHMMAX is 4 MiB, too
/// little for System V segments.
pub(crate) const DEFAULT_IS_DIRECTORY: bool = true;

/// The user's own directory for temporary files, see confstr(3).
pub(crate) fn temporary_directory() -> Option<PathBuf> {
    let mut path = [0_u8; libc::PATH_MAX as usize];
    let (name, room) = (libc::_CS_DARWIN_USER_TEMP_DIR, path.as_mut_ptr().cast());
    // SAFETY: there is room for that many bytes.
    let length = unsafe { libc::confstr(name, room, path.len()) };
    let path = path.get(..length.checked_sub(1)?)?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
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

//! Android has no System V shared memory, and its C library no functions for it: `ENOSYS`.

use std::ffi::{c_int, c_void};

use super::abi::set_errno;
use crate::errno::Errno;
use crate::os::sysv::{Limits, Usage};

pub(crate) use libc::key_t;

pub(crate) const IPC_CREAT: c_int = 0o1000;
pub(crate) const IPC_EXCL: c_int = 0o2000;
pub(crate) const IPC_RMID: c_int = 0;
pub(crate) const IPC_SET: c_int = 1;
pub(crate) const IPC_STAT: c_int = 2;
pub(crate) const SHM_RDONLY: c_int = 0o10_000;
pub(crate) const SHM_RND: c_int = 0o20_000;
pub(crate) const SHM_DEST: u32 = 0o1000;
pub(crate) const SHM_LOCKED: u32 = 0o2000;
pub(crate) const HUGE_PAGES: Option<c_int> = None;
pub(crate) const SHM_NORESERVE: c_int = 0;

/// `struct ipc_perm`, which no call fills in.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Permissions {
    key: key_t,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) cuid: u32,
    pub(crate) cgid: u32,
    pub(crate) mode: u32,
}

/// `struct shmid_ds`, which no call fills in.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct shmid_ds {
    pub(crate) shm_perm: Permissions,
    pub(crate) shm_segsz: usize,
    pub(crate) shm_atime: i64,
    pub(crate) shm_dtime: i64,
    pub(crate) shm_ctime: i64,
    pub(crate) shm_cpid: libc::pid_t,
    pub(crate) shm_lpid: libc::pid_t,
    pub(crate) shm_nattch: u64,
}

fn lacking() -> c_int {
    set_errno(libc::ENOSYS);
    -1
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn shmget(_: key_t, _: usize, _: c_int) -> c_int {
    lacking()
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn shmat(_: c_int, _: *const c_void, _: c_int) -> *mut c_void {
    lacking();
    std::ptr::without_provenance_mut(usize::MAX)
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn shmdt(_: *const c_void) -> c_int {
    lacking()
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn shmctl(_: c_int, _: c_int, _: *mut shmid_ds) -> c_int {
    lacking()
}

pub(crate) const fn unreadable_status(_: c_int) -> Option<shmid_ds> {
    None
}

/// Whether [`for_each_segment`] works.
pub(crate) const LISTS_SEGMENTS: bool = false;
/// Whether a segment that is marked for deletion can be attached as long as a process has it
/// attached.
pub(crate) const ATTACHES_REMOVED: bool = false;

/// Whose segments are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Those that this process may read.
    Readable,
    /// All.
    All,
}

pub(crate) fn for_each_segment(
    _: Listed,
    _: impl FnMut(c_int, shmid_ds) -> Result<(), Errno>,
) -> Result<(), Errno> {
    Err(Errno(libc::ENOSYS))
}

pub(crate) fn set_swapping(_: c_int, _: bool) -> c_int {
    lacking()
}

pub(crate) fn limits() -> Limits {
    Limits::default()
}

pub(crate) const fn usage() -> Option<Usage> {
    None
}

pub(crate) const fn key_to_c(key: i32) -> key_t {
    key
}

pub(crate) const fn key_from_c(key: key_t) -> i32 {
    key
}

pub(crate) const fn key_of(permissions: &Permissions) -> key_t {
    permissions.key
}

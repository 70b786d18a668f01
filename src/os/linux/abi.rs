//! Where Linux differs by word size, C library or processor. Nothing outside this file, except
//! copies that use a processor's own instructions (`bulk`), depends on which of them it is.
//!
//! On Android, the C library (bionic) has less than others.
//!
//! On 32-bit machines, glibc has two kinds of files: without a `64` in their names, its functions
//! fail for files of 2 GiB and more. musl has one kind.

use std::ffi::{c_char, c_int, c_long};
use std::time::Duration;

use crate::os::posix::unsigned;

/// Functions for files of any size, and their types.
#[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
mod large_file {
    pub(crate) use libc::{
        fallocate64 as fallocate, flock64 as flock, fstat64 as fstat, fstatfs64 as fstatfs,
        ftruncate64 as ftruncate, getrlimit64 as getrlimit, lseek64 as lseek, open64 as open,
        pread64 as pread, preadv64 as preadv, pwrite64 as pwrite, pwritev64 as pwritev,
        rlimit64 as rlimit, stat64 as stat, statfs64 as statfs, truncate64 as truncate,
    };
}

/// Functions for files of any size, and their types.
#[cfg(not(all(target_env = "gnu", target_pointer_width = "32")))]
mod large_file {
    pub(crate) use libc::{
        fallocate, flock, fstat, fstatat, fstatfs, ftruncate, getrlimit, lseek, open, pread,
        preadv, pwrite, pwritev, rlimit, stat, statfs, truncate,
    };
}

pub(crate) use large_file::*;

/// fstatat(2). glibc's function for large files calls statx(2) first, and fails if a sandbox
/// refuses that; this one is for that case.
///
/// # Safety
///
/// The path is a string, and there is room for a status.
#[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
pub(crate) unsafe fn fstatat(
    directory: c_int,
    path: *const c_char,
    status: *mut stat,
    flags: c_int,
) -> c_int {
    // SAFETY: as the caller says.
    let result = unsafe { libc::syscall(libc::SYS_fstatat64, directory, path, status, flags) };
    c_int::try_from(result).unwrap_or(-1)
}

/// fcntl(2) with a lock of an open file description.
///
/// # Safety
///
/// `lock` describes a lock, and may be written to.
pub(crate) unsafe fn lock_description(fd: c_int, command: c_int, lock: *mut flock) -> c_int {
    // glibc's function for this takes the other kind of `struct flock`.
    #[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
    // SAFETY: as the caller says.
    let result = unsafe { libc::syscall(libc::SYS_fcntl64, fd, command, lock) };
    #[cfg(not(all(target_env = "gnu", target_pointer_width = "32")))]
    // SAFETY: as the caller says.
    let result = unsafe { libc::fcntl(fd, command, lock) };
    c_int::try_from(result).unwrap_or(-1)
}

/// The lower half of the number that tells a file system, see statfs(2). Some systems
/// sign-extend it.
pub(crate) fn magic(status: &statfs) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "the type depends on the system"
    )]
    let magic = status.f_type as u32;
    magic
}

/// The number of an ioctl(2), as the C library takes it.
#[allow(
    clippy::cast_possible_wrap,
    clippy::cast_lossless,
    reason = "the type depends on the system"
)]
pub(crate) const fn ioctl_number(number: u32) -> libc::Ioctl {
    number as libc::Ioctl
}

#[cfg(target_os = "android")]
use libc::__errno as errno_place;
#[cfg(not(target_os = "android"))]
use libc::__errno_location as errno_place;

/// The calling thread's `errno`.
#[cfg(feature = "capi")]
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library gives each thread an errno.
    let place = unsafe { errno_place() };
    // SAFETY: it is the calling thread's own.
    unsafe { *place }
}

/// Sets the calling thread's `errno`.
#[cfg_attr(
    not(feature = "capi"),
    allow(dead_code, reason = "some systems need it without C functions, too")
)]
pub(crate) fn set_errno(value: c_int) {
    // SAFETY: the C library gives each thread an errno.
    let place = unsafe { errno_place() };
    // SAFETY: it is the calling thread's own.
    unsafe { *place = value };
}

/// A time as futex(2) takes it. The C library's type may be a larger one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct FutexTime {
    seconds: c_long,
    nanoseconds: c_long,
}

impl FutexTime {
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            seconds: c_long::try_from(time.as_secs()).unwrap_or(c_long::MAX),
            nanoseconds: i32::try_from(time.subsec_nanos()).map_or(0, c_long::from),
        }
    }
}

/// clock_gettime(2); 0 if the system lacks the clock.
pub(crate) fn clock_gettime(clock: libc::clockid_t) -> Duration {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: there is room for a time.
    let result = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    if result != 0 {
        return after_2038(clock);
    }
    // SAFETY: it is zero, or the C library has filled it in.
    let time = unsafe { time.assume_init() };
    duration(unsigned(time.tv_sec), unsigned(time.tv_nsec))
}

fn duration(seconds: u64, nanoseconds: u64) -> Duration {
    Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or(0))
}

/// The same where the C library's type has no room for the time.
#[cfg(target_pointer_width = "32")]
#[cold]
fn after_2038(clock: libc::clockid_t) -> Duration {
    const SYS_CLOCK_GETTIME64: c_long = 403; // on every processor
    let mut time = [0_i64; 2];
    // SAFETY: there is room for a time of 64 bits.
    unsafe { libc::syscall(SYS_CLOCK_GETTIME64, clock, time.as_mut_ptr()) };
    let [seconds, nanoseconds] = time;
    duration(unsigned(seconds), unsigned(nanoseconds))
}

#[cfg(not(target_pointer_width = "32"))]
fn after_2038(_: libc::clockid_t) -> Duration {
    Duration::ZERO
}

/// Where the part of the address space ends that a program has on most machines. Beyond it,
/// the kernel reports `ENOMEM`, as if memory were short, unless the machine has more.
#[cfg(target_pointer_width = "64")]
const END_OF_ADDRESSES: usize = (1 << 47) - 4096;
#[cfg(target_pointer_width = "32")]
const END_OF_ADDRESSES: usize = 0xbfff_f000;

/// Whether memory at an address would reach beyond the address space of programs on most
/// machines.
pub(crate) fn is_beyond(address: usize, size: usize) -> bool {
    address
        .checked_add(size)
        .is_none_or(|end| end > END_OF_ADDRESSES)
}

/// shmat(2) makes addresses multiples of this many pages (`SHMLBA`).
pub(super) const PAGES_OF_SHMLBA: usize = if cfg!(target_arch = "arm") { 4 } else { 1 };

/// The major and the minor number of a device.
pub(super) fn device(device: libc::dev_t) -> (u32, u32) {
    let number = |number: i64| u32::try_from(number).unwrap_or(0);
    (
        number(libc::major(device).into()),
        number(libc::minor(device).into()),
    )
}

/// Whether programs that choose no namespace share files in a directory: Android has no System V
/// shared memory.
pub(crate) const DEFAULT_IS_DIRECTORY: bool = cfg!(target_os = "android");

/// The user's own directory for temporary files: the system has none.
pub(crate) const fn temporary_directory() -> Option<std::path::PathBuf> {
    None
}

/// The flag of faccessat(2) that asks for the effective user. bionic does not have it: an app's
/// users are all the same.
#[cfg(not(target_os = "android"))]
pub(crate) use libc::AT_EACCESS;
#[cfg(target_os = "android")]
pub(crate) const AT_EACCESS: c_int = 0;

/// secure_getenv(3)
///
/// # Safety
///
/// The name is a string.
pub(super) unsafe fn secure_getenv(name: *const c_char) -> *const c_char {
    #[cfg(not(target_os = "android"))]
    unsafe extern "C" {
        fn secure_getenv(name: *const c_char) -> *const c_char;
    }
    #[cfg(target_os = "android")]
    // SAFETY: getauxval takes a number only.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return std::ptr::null();
    }
    #[cfg(target_os = "android")]
    use libc::getenv as secure_getenv;
    // SAFETY: as the caller says.
    unsafe { secure_getenv(name) }
}

/// Sets whether the thread can be cancelled, see pthread_setcancelstate(3), and returns what it was
/// before.
#[cfg(not(target_os = "android"))]
pub(super) fn set_cancel_state(state: c_int) -> c_int {
    unsafe extern "C" {
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }
    let mut before = 0;
    // SAFETY: there is room for the state before; it can't fail.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// bionic cancels no threads.
#[cfg(target_os = "android")]
pub(super) const fn set_cancel_state(state: c_int) -> c_int {
    state
}

#[cfg(test)]
mod tests {
    #[cfg(target_pointer_width = "32")]
    use super::*;

    #[cfg(target_pointer_width = "32")]
    #[test]
    fn the_clock_is_the_same_after_2038() {
        let clock = libc::CLOCK_MONOTONIC;
        let before = clock_gettime(clock);
        let between = after_2038(clock);
        assert!(before <= between && between <= clock_gettime(clock));
        assert!(between > Duration::ZERO);
    }
}

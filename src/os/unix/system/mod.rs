//! What differs between UNIX systems other than Linux: a few functions and constants, with the
//! same names in each file.

mod errno;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "netbsd")]
mod netbsd;
#[cfg(target_os = "openbsd")]
mod openbsd;
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
mod solaris;
#[cfg(any(target_os = "freebsd", target_os = "macos", target_os = "netbsd"))]
mod sysctl;

use std::ffi::c_int;

pub(crate) use errno::{errno, set_errno};
#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::*;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;
#[cfg(target_os = "netbsd")]
pub(crate) use netbsd::*;
#[cfg(target_os = "openbsd")]
pub(crate) use openbsd::*;
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
pub(crate) use solaris::*;

/// Sets `errno` for a call that the system lacks, and returns -1.
pub(crate) fn lacking() -> c_int {
    set_errno(libc::ENOSYS);
    -1
}

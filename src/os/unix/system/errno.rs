//! `errno`. Only the function that returns its address differs between the systems.

use std::ffi::c_int;

#[cfg(any(target_os = "illumos", target_os = "solaris"))]
use libc::___errno as address;
#[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
use libc::__errno as address;
#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::__errno_location as address;
#[cfg(any(target_os = "freebsd", target_os = "macos"))]
use libc::__error as address;

/// The calling thread's `errno`.
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library gives each thread an errno.
    let place = unsafe { address() };
    // SAFETY: it is the calling thread's own.
    unsafe { *place }
}

/// Sets the calling thread's `errno`.
pub(crate) fn set_errno(value: c_int) {
    // SAFETY: the C library gives each thread an errno.
    let place = unsafe { address() };
    // SAFETY: it is the calling thread's own.
    unsafe { *place = value };
}

//! Memory on UNIX systems other than Linux.

use std::ffi::{c_int, c_void};

use super::system::{self, lacking};
use crate::errno::Errno;

pub(crate) use system::{MAP_FIXED_NOREPLACE, MAP_NORESERVE};

/// Advice for madvise(2) that these systems lack. They refuse it (`EINVAL`), like an old Linux.
pub(crate) const MADV_COLD: c_int = -1;
/// As above.
pub(crate) const MADV_POPULATE_READ: c_int = -1;
/// As above.
pub(crate) const MADV_POPULATE_WRITE: c_int = -1;
/// As above.
pub(crate) const MADV_REMOVE: c_int = -1;

/// Maps no memory once more: `ENOTSUP`.
///
/// # Safety
///
/// None is needed.
pub(crate) const unsafe fn map_again(
    _: *mut c_void,
    _: usize,
    _: *mut c_void,
) -> Result<(), Errno> {
    Err(Errno(libc::ENOTSUP))
}

/// Says nothing about pages: mincore(2) means something else on each system, or does not exist.
///
/// # Safety
///
/// None is needed.
pub(crate) unsafe fn pages_in_memory(_: *mut c_void, _: usize, _: *mut u8) -> c_int {
    lacking()
}

/// Whether anything is mapped at an address, which is that of a page: msync(2) fails if not.
pub(crate) fn is_mapped(address: *mut c_void) -> bool {
    // SAFETY: this changes no byte of memory.
    unsafe { libc::msync(address, 1, libc::MS_ASYNC) == 0 }
}

/// How many processors there are.
pub(crate) fn processors() -> c_int {
    // SAFETY: sysconf takes a number only.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    c_int::try_from(count).unwrap_or(1)
}

/// Of what shmat(2) makes addresses a multiple (`SHMLBA`), in bytes.
pub(crate) fn attach_boundary() -> usize {
    crate::os::posix::page_size()
}

/// Whether memory at an address would reach beyond the address space of programs on most
/// machines: these systems tell with another error than that for too little memory.
pub(crate) const fn is_beyond(_: usize, _: usize) -> bool {
    false
}

/// The number of an ioctl(2). None of Linux's has a meaning here.
#[allow(
    clippy::cast_possible_wrap,
    clippy::cast_lossless,
    reason = "the type depends on the system"
)]
pub(crate) const fn ioctl_number(number: u32) -> system::Ioctl {
    number as system::Ioctl
}

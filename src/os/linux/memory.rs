//! What Linux offers about memory that other systems do not.

use std::ffi::{c_int, c_void};

use crate::errno::Errno;

/// Flags of mmap(2).
pub(crate) use libc::MAP_NORESERVE;
/// Advice for madvise(2).
pub(crate) use libc::{MADV_COLD, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_REMOVE};
/// As above; the libc crate lacks this and the next ones for Android.
pub(crate) const MAP_FIXED_NOREPLACE: c_int = 0x10_0000;
const MREMAP_MAYMOVE: c_int = 1;
const MREMAP_FIXED: c_int = 2;

unsafe extern "C" {
    fn mremap(from: *mut c_void, size: usize, to_size: usize, flags: c_int, ...) -> *mut c_void;
}

/// Maps shared memory once more, at an address where this process has mapped a place for it:
/// mremap(2) with an old size of 0.
///
/// # Safety
///
/// Nobody uses the place.
pub(crate) unsafe fn map_again(
    from: *mut c_void,
    size: usize,
    place: *mut c_void,
) -> Result<(), Errno> {
    let flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    // SAFETY: the new mapping replaces the place, which nobody uses.
    if unsafe { mremap(from, 0, size, flags, place) } == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}

/// mincore(2): sets the lowest bit of a byte for each page that is in memory.
///
/// # Safety
///
/// There is a byte for each page.
pub(crate) unsafe fn pages_in_memory(address: *mut c_void, size: usize, pages: *mut u8) -> c_int {
    // SAFETY: as the caller says.
    unsafe { libc::mincore(address, size, pages) }
}

/// Whether anything is mapped at an address. For `MS_ASYNC`, Linux does nothing, but returns ENOMEM
/// if nothing is mapped there (msync(2)), at a fraction of the cost of mincore(2). The C library's
/// function is a cancellation point.
pub(crate) fn is_mapped(address: *mut c_void) -> bool {
    // SAFETY: this changes nothing.
    unsafe { libc::syscall(libc::SYS_msync, address, 1, libc::MS_ASYNC) == 0 }
}

/// How many processors this thread may run on; `c_int::MAX` if there are more than can be counted.
pub(crate) fn processors() -> c_int {
    let mut set = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: `set` has that size.
    if unsafe { libc::sched_getaffinity(0, size, set.as_mut_ptr()) } != 0 {
        return c_int::MAX;
    }
    // SAFETY: a set consists of numbers, and the kernel has filled it in.
    let set = unsafe { set.assume_init() };
    // SAFETY: CPU_COUNT only counts bits.
    unsafe { libc::CPU_COUNT(&set) }
}

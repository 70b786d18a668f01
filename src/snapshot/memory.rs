//! Which pages of a segment are zero or untouched, found out without touching them.
//!
//! A segment's untouched pages take no memory. Reading one through a mapping, also
//! by write(2), makes the kernel allocate it.

use std::ffi::{c_int, c_uchar};
use std::fs::File;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::block::BLOCK;

/// The smallest page size of Linux.
const SMALLEST_PAGE: usize = 4096;

/// Whether pages of a block are in memory. The kernel does not distinguish pages
/// that were never touched from those that are swapped out, so this only chooses
/// how bytes are copied, never whether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residency {
    None,
    Some,
    /// The kernel does not tell: the program may have unmapped the memory.
    Unknown,
}

/// The residency of at most a block, which begins at a page boundary.
pub(super) fn residency(block: &[AtomicU8]) -> Residency {
    const IN_MEMORY: c_uchar = 1;
    let mut pages = [0; BLOCK / SMALLEST_PAGE];
    if block.len() > BLOCK {
        return Residency::Unknown;
    }
    let address = block.as_ptr().cast_mut().cast();
    // SAFETY: `pages` has room for each page of a block.
    if unsafe { libc::mincore(address, block.len(), pages.as_mut_ptr()) } != 0 {
        return Residency::Unknown;
    }
    if pages.iter().any(|page| page & IN_MEMORY != 0) {
        Residency::Some
    } else {
        Residency::None
    }
}

/// What pages are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// Faults in all pages at once, which costs less than a fault for each. Returns
/// whether it worked; kernels before Linux 5.14 cannot do it.
pub(super) fn populate(part: &[AtomicU8], purpose: Use) -> bool {
    const MADV_POPULATE_READ: c_int = 22;
    const MADV_POPULATE_WRITE: c_int = 23;
    let advice = match purpose {
        Use::Read => MADV_POPULATE_READ,
        Use::Write => MADV_POPULATE_WRITE,
    };
    advise(part, advice)
}

/// Zeroes bytes by returning their pages to the system, where it allows that.
pub(super) fn discard(part: &[AtomicU8]) -> bool {
    advise(part, libc::MADV_REMOVE)
}

fn advise(part: &[AtomicU8], advice: c_int) -> bool {
    // SAFETY: the advice changes no byte or, with MADV_REMOVE, sets bytes to zero,
    // which is allowed for atomics. Memory that is not mapped is an error.
    unsafe { libc::madvise(part.as_ptr().cast_mut().cast(), part.len(), advice) == 0 }
}

/// Whether all pages are mapped, with whatever protection.
pub(super) fn is_mapped(bytes: &[AtomicU8]) -> bool {
    let address = bytes.as_ptr().cast_mut().cast();
    // SAFETY: nothing changes: for MS_ASYNC Linux only reports ENOMEM where a page
    // is not mapped.
    unsafe { libc::msync(address, bytes.len(), libc::MS_ASYNC) == 0 }
}

/// Whether all bytes of a block, which begins at a page boundary, are zero now.
/// False where they cannot be read: the copy that follows reports why.
pub(super) fn is_zero(block: &[AtomicU8]) -> bool {
    // Populating first turns into an error what would be SIGSEGV or SIGBUS for a
    // reader: memory that is unmapped, unreadable or exhausted. mincore(2) would not
    // do: a page with PROT_NONE can be resident. Most blocks with data have some in
    // the first page.
    let looks_zero = |part| populate(part, Use::Read) && are_zero(part);
    let first = block.get(..SMALLEST_PAGE).unwrap_or(block);
    looks_zero(first) && looks_zero(block)
}

fn are_zero(bytes: &[AtomicU8]) -> bool {
    // SAFETY: bytes may be read as words, and both are atomic.
    let (head, words, tail) = unsafe { bytes.align_to::<AtomicU64>() };
    let zero = |byte: &AtomicU8| byte.load(Ordering::Relaxed) == 0;
    words.iter().all(|word| word.load(Ordering::Relaxed) == 0)
        && head.iter().all(zero)
        && tail.iter().all(zero)
}

/// The kernel's file behind a mapping, whose holes are the pages that were never
/// touched. Only privileged processes may open it.
pub(super) fn backing_file(mapping: &[AtomicU8]) -> Option<File> {
    // SAFETY: sysconf takes a number only.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let start = mapping.as_ptr().addr();
    let end = start + mapping.len().next_multiple_of(page);
    File::open(crate::allocate::text(format_args!(
        "/proc/self/map_files/{start:x}-{end:x}"
    )))
    .ok()
}

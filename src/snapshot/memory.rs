//! What the kernel can tell of a segment's memory, and do to it, without
//! touching pages that nobody has touched yet.
//!
//! A segment's untouched pages take no memory. Reading one through a mapping,
//! also by write(2), makes the kernel allocate it.

use std::ffi::{c_int, c_uchar};
use std::fs::File;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::large::BLOCK;

/// The smallest page that Linux has.
const SMALLEST_PAGE: usize = 4096;

/// Which pages of a block are in memory. The others were never touched, or are
/// swapped out; that the kernel does not tell apart, so this decides how
/// something is done, never whether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residency {
    None,
    Some,
    /// It can't be asked for: perhaps the program has unmapped the memory.
    Unknown,
}

/// How many pages of at most a block, which begins at a page, are in memory.
pub(super) fn residency(block: &[AtomicU8]) -> Residency {
    const IN_MEMORY: c_uchar = 1;
    let mut pages = [0; BLOCK / SMALLEST_PAGE];
    if block.len() > BLOCK {
        return Residency::Unknown;
    }
    let address = block.as_ptr().cast_mut().cast();
    // SAFETY: there is room for each page of a block.
    if unsafe { libc::mincore(address, block.len(), pages.as_mut_ptr()) } != 0 {
        return Residency::Unknown;
    }
    if pages.iter().any(|page| page & IN_MEMORY != 0) {
        Residency::Some
    } else {
        Residency::None
    }
}

/// What pages are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Maps all pages at once, which costs less than a fault for each. Says whether
/// they are there; older kernels than 5.14 can't.
pub(super) fn populate(part: &[AtomicU8], access: Access) -> bool {
    const MADV_POPULATE_READ: c_int = 22;
    const MADV_POPULATE_WRITE: c_int = 23;
    let advice = match access {
        Access::Read => MADV_POPULATE_READ,
        Access::Write => MADV_POPULATE_WRITE,
    };
    advise(part, advice)
}

/// Makes bytes zero by giving their pages back, if the system allows that.
pub(super) fn discard(part: &[AtomicU8]) -> bool {
    advise(part, libc::MADV_REMOVE)
}

fn advise(part: &[AtomicU8], advice: c_int) -> bool {
    // SAFETY: what is asked for changes no byte, or, with MADV_REMOVE, makes
    // them zero, which may be done to atomics; without a mapping it is an
    // error.
    unsafe { libc::madvise(part.as_ptr().cast_mut().cast(), part.len(), advice) == 0 }
}

/// Whether all pages are mapped, whatever may be done with them.
pub(super) fn is_mapped(bytes: &[AtomicU8]) -> bool {
    let address = bytes.as_ptr().cast_mut().cast();
    // SAFETY: nothing is changed: Linux does nothing for MS_ASYNC, but says
    // ENOMEM if there is a page that is not mapped.
    unsafe { libc::msync(address, bytes.len(), libc::MS_ASYNC) == 0 }
}

/// Whether all bytes of a block, which begins at a page, are zero at the moment.
/// `false` if they can't be looked at: it is for the kernel to say why.
pub(super) fn is_zero(block: &[AtomicU8]) -> bool {
    // What a program may not read, has unmapped, or there is no memory for, is
    // SIGSEGV or SIGBUS to who looks at it, but an error here. That a page is in
    // memory says nothing of that: it is also where the mapping is PROT_NONE.
    // The first page mostly tells.
    let looks_zero = |part| populate(part, Access::Read) && are_zero(part);
    let first = block.get(..SMALLEST_PAGE).unwrap_or(block);
    looks_zero(first) && looks_zero(block)
}

fn are_zero(bytes: &[AtomicU8]) -> bool {
    // SAFETY: bytes may be looked at as words, and both are atomic.
    let (head, words, tail) = unsafe { bytes.align_to::<AtomicU64>() };
    let zero = |byte: &AtomicU8| byte.load(Ordering::Relaxed) == 0;
    words.iter().all(|word| word.load(Ordering::Relaxed) == 0)
        && head.iter().all(zero)
        && tail.iter().all(zero)
}

/// The kernel's own file behind a mapping, in which lseek(2) tells exactly which
/// pages were never touched. Only privileged processes get it.
pub(super) fn backing_file(mapping: &[AtomicU8]) -> Option<File> {
    // SAFETY: sysconf takes a number only.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let start = mapping.as_ptr().addr();
    let end = start + mapping.len().next_multiple_of(page);
    File::open(crate::error::text(format_args!(
        "/proc/self/map_files/{start:x}-{end:x}"
    )))
    .ok()
}

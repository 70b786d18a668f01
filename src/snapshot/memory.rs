//! Which pages of a segment are zero or untouched, found out without touching them.
//!
//! A segment's untouched pages take no memory. Reading one through a mapping, also
//! by write(2), makes the kernel allocate it.

use std::ffi::{c_int, c_uchar};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

use super::block::BLOCK;
use crate::errno::Errno;
use crate::file::is_refusal;
use crate::os::{self, ioctl_number, page_size};

/// The smallest page size of Linux.
pub(super) const SMALLEST_PAGE: usize = 4096;

/// The most pages that one mincore(2) looks at.
const PAGES: usize = 4096;
/// In a page's byte of mincore(2).
const IN_MEMORY: c_uchar = 1;

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
    let mut pages = [0; BLOCK / SMALLEST_PAGE];
    match pages_in_memory(block, &mut pages) {
        None => Residency::Unknown,
        Some(pages) if pages.iter().copied().any(is_in_memory) => Residency::Some,
        Some(_) => Residency::None,
    }
}

fn is_in_memory(page: c_uchar) -> bool {
    page & IN_MEMORY != 0
}

/// mincore(2). `None` if it fails, or if `pages` is too small.
fn pages_in_memory<'a>(part: &[AtomicU8], pages: &'a mut [c_uchar]) -> Option<&'a [c_uchar]> {
    let pages = pages.get_mut(..part.len().div_ceil(page_size()))?;
    let address = part.as_ptr().cast_mut().cast();
    // SAFETY: `pages` has a byte for each page.
    let result = unsafe { os::pages_in_memory(address, part.len(), pages.as_mut_ptr()) };
    (result == 0).then_some(pages)
}

/// The first part of a range whose pages are in memory. The range begins at a page
/// boundary. The part is empty, and at the range's end, if no page is. `None` if the
/// kernel does not tell.
pub(super) fn first_resident(bytes: &[AtomicU8], range: &Range<usize>) -> Option<Range<usize>> {
    // So that a data block between two holes, and a large hole, both take few calls.
    const FIRST: usize = 16;
    /// A larger part is as good as several.
    const ENOUGH: usize = 1 << 20;
    let mut pages = [0; PAGES];
    let page = page_size();
    let mut found: Option<usize> = None;
    let mut at = range.start;
    let mut count = FIRST;
    while at < range.end {
        let end = range.end.min(at + count * page);
        let pages = pages_in_memory(bytes.get(at..end)?, &mut pages)?;
        let from_here = |index: usize| range.end.min(at + index * page);
        let skipped = match found {
            Some(_) => 0,
            None => pages
                .iter()
                .position(|page| is_in_memory(*page))
                .unwrap_or(pages.len()),
        };
        if found.is_some() || skipped < pages.len() {
            let start = *found.get_or_insert(from_here(skipped));
            let rest = pages.get(skipped..).unwrap_or(&[]);
            if let Some(length) = rest.iter().position(|page| !is_in_memory(*page)) {
                return Some(start..from_here(skipped + length));
            }
            if end - start >= ENOUGH {
                return Some(start..end);
            }
        }
        at = end;
        count = PAGES.min(count * 4);
    }
    Some(found.unwrap_or(range.end)..range.end)
}

/// Whether mincore(2) looks at all pages of the segment, not just at those that this
/// process has touched, as it does for huge pages. `start` is where a page is absent.
pub(super) fn shows_all_pages(bytes: &[AtomicU8], start: usize) -> bool {
    let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) else {
        return false;
    };
    let page = rest.get(..page_size()).unwrap_or(rest);
    // The kernel refuses it for huge pages. For an absent page it does nothing.
    advise(page, os::MADV_COLD)
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
    let advice = match purpose {
        Use::Read => os::MADV_POPULATE_READ,
        Use::Write => os::MADV_POPULATE_WRITE,
    };
    advise(part, advice)
}

/// Zeroes bytes by returning their pages to the system, where it allows that.
pub(super) fn discard(part: &[AtomicU8]) -> bool {
    advise(part, os::MADV_REMOVE)
}

fn advise(part: &[AtomicU8], advice: c_int) -> bool {
    // SAFETY: the advice changes no byte or, with MADV_REMOVE, sets bytes to zero,
    // which is allowed for atomics. Memory that is not mapped is an error.
    unsafe { libc::madvise(part.as_ptr().cast_mut().cast(), part.len(), advice) == 0 }
}

/// Whether all pages are mapped, with whatever protection. `None` if the kernel does not
/// tell.
pub(super) fn is_mapped(bytes: &[AtomicU8]) -> Option<bool> {
    let address = bytes.as_ptr().cast_mut().cast();
    // SAFETY: nothing changes: for MS_ASYNC Linux only reports ENOMEM where a page
    // is not mapped.
    if unsafe { libc::msync(address, bytes.len(), libc::MS_ASYNC) } == 0 {
        return Some(true);
    }
    match Errno::from(io::Error::last_os_error()) {
        errno if is_refusal(errno) => None,
        _ => Some(false),
    }
}

/// Whether all bytes are zero now. If they cannot be read, the kernel kills the program.
pub(super) fn are_zero(bytes: &[AtomicU8]) -> bool {
    // SAFETY: bytes may be read as words, and both are atomic.
    let (head, words, tail) = unsafe { bytes.align_to::<AtomicU64>() };
    let zero = |byte: &AtomicU8| byte.load(Ordering::Relaxed) == 0;
    let are_zero = words.iter().all(|word| word.load(Ordering::Relaxed) == 0)
        && head.iter().all(zero)
        && tail.iter().all(zero);
    // No later read happens before this point.
    fence(Ordering::Acquire);
    are_zero
}

/// /proc/self/pagemap, which shows for each page of this process whether the page table has
/// it. See `admin-guide/mm/pagemap.rst` in the kernel's documentation.
#[derive(Debug)]
pub(super) struct PageTable(File);

/// `struct pm_scan_arg` of `linux/fs.h`
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    region_count: u64,
    max_pages: u64,
    inverted: u64,
    required: u64,
    any_of: u64,
    reported: u64,
}

/// `struct page_region`
#[repr(C)]
#[derive(Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const _: () = assert!(size_of::<Scan>() == 96 && size_of::<Region>() == 24);

impl PageTable {
    /// `None` if the process may not read the file.
    pub(super) fn open() -> Option<Self> {
        File::open("/proc/self/pagemap").ok().map(Self)
    }

    /// Whether the page table has all pages of `part`, which begins at a page boundary. If so,
    /// and the mapping allows reads, all of these pages can be read: none is swapped out, failed,
    /// or a guard (`MADV_GUARD_INSTALL`). False on kernels before Linux 6.7.
    pub(super) fn has_all(&self, part: &[AtomicU8]) -> bool {
        const PAGEMAP_SCAN: u32 = 0xc060_6610;
        const PAGE_IS_PRESENT: u64 = 1 << 3;
        let start = part.as_ptr().addr();
        let end = start + part.len().next_multiple_of(page_size());
        let mut first = Region::default();
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            flags: 0,
            start: start as u64,
            end: end as u64,
            walk_end: 0,
            regions: (&raw mut first).expose_provenance() as u64,
            region_count: 1,
            max_pages: 0,
            inverted: 0,
            required: PAGE_IS_PRESENT,
            any_of: 0,
            reported: PAGE_IS_PRESENT,
        };
        // SAFETY: the kernel reads and writes the argument, and writes at most one region.
        let regions = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                ioctl_number(PAGEMAP_SCAN),
                &raw mut scan,
            )
        };
        regions == 1 && (first.start, first.end) == (start as u64, end as u64)
    }
}

/// The kernel's file behind a mapping, whose holes are the pages that were never
/// touched. Only privileged processes may open it.
pub(super) fn backing_file(mapping: &[AtomicU8]) -> Option<File> {
    let start = mapping.as_ptr().addr();
    let end = start + mapping.len().next_multiple_of(page_size());
    File::open(crate::allocate::text(format_args!(
        "/proc/self/map_files/{start:x}-{end:x}"
    )))
    .ok()
}

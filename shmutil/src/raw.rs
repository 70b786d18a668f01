//! System calls on memory that other processes may change at any time, and that
//! therefore cannot be a `&[u8]`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::sync::atomic::AtomicU8;

use crate::os;

/// write(2)
pub(crate) fn write(file: &File, bytes: &[AtomicU8]) -> io::Result<usize> {
    // SAFETY: the slice is readable memory of that length; the kernel copies.
    let result = unsafe { libc::write(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    count(result)
}

/// read(2)
pub(crate) fn read(file: &File, bytes: &[AtomicU8]) -> io::Result<usize> {
    let address = bytes.as_ptr().cast_mut().cast();
    // SAFETY: the slice is writable memory of that length: the bytes are
    // atomic, so a shared borrow may be written through.
    let result = unsafe { libc::read(file.as_raw_fd(), address, bytes.len()) };
    count(result)
}

/// Appends up to `most` bytes to a buffer with one read(2), without growing it.
/// Returns how many; 0 at the end of the input or when the buffer is full.
pub(crate) fn read_more(file: &File, most: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let room = buffer.spare_capacity_mut();
    let length = room.len().min(most);
    // SAFETY: the buffer has room for `length` bytes.
    let result = unsafe { libc::read(file.as_raw_fd(), room.as_mut_ptr().cast(), length) };
    let count = count(result)?;
    // SAFETY: the kernel has just filled `count` bytes behind the old ones.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

/// Copies `from` to the start of `to`, as far as it fits.
pub(crate) fn copy(from: &[u8], to: &[AtomicU8]) {
    let length = from.len().min(to.len());
    // SAFETY: both have `length` bytes, and don't overlap, because `from` is
    // borrowed as memory that nothing changes. Atomic bytes may be written
    // through a shared borrow; no other thread of this process uses them.
    unsafe {
        ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr().cast_mut().cast(), length);
    }
}

/// Allocates the pages of memory that is about to be filled, all at once
/// instead of by one page fault each. This is an optimization: errors are
/// ignored.
pub(crate) fn populate(bytes: &[AtomicU8]) {
    let start = bytes.as_ptr().cast_mut();
    let page = rustix::param::page_size();
    // The kernel takes whole pages.
    let skipped = start.align_offset(page);
    let Some(whole) = bytes.get(skipped..).filter(|part| !part.is_empty()) else {
        return;
    };
    // SAFETY: populating changes no byte. The range starts at a page of the
    // attached segment, and the kernel rounds its length up to the end of the
    // segment's last page.
    unsafe {
        libc::madvise(
            whole.as_ptr().cast_mut().cast(),
            whole.len(),
            os::MADV_POPULATE_WRITE,
        );
    }
}

/// Allocates a buffer, in huge pages where the system has them: small pages take
/// twice as long to fill.
pub(crate) fn roomy_buffer(capacity: usize) -> Result<Vec<u8>, std::collections::TryReserveError> {
    let mut buffer: Vec<u8> = Vec::new();
    buffer.try_reserve_exact(capacity)?;
    let page = rustix::param::page_size();
    let skipped = buffer.as_ptr().align_offset(page);
    if let Some(length) = buffer.capacity().checked_sub(skipped) {
        let start = buffer.as_mut_ptr().wrapping_add(skipped);
        // SAFETY: the advice changes no byte, and the range consists of whole
        // pages within the buffer.
        unsafe { libc::madvise(start.cast(), length / page * page, os::MADV_HUGEPAGE) };
    }
    Ok(buffer)
}

fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

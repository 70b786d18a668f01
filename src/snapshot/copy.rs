//! Copies bytes between memory and a file descriptor.
//!
//! The kernel copies, so other processes may write to the memory meanwhile, and
//! memory that the program has unmapped is `EFAULT` instead of a crash. (One
//! case remains: a large save that looks for zeros crashes, as any reader would,
//! if another thread unmaps the memory at that moment.)

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::AtomicU8;

use super::block::{BLOCK, parts};
use super::file::offset;
use crate::errno::Errno;

/// Writes all bytes at the descriptor's position.
pub(super) fn write(file: &File, bytes: &[AtomicU8]) -> Result<(), Errno> {
    let count = transfer(file, bytes, libc::POLLOUT, |fd, part, _| {
        // SAFETY: the slice is readable memory of that length.
        unsafe { libc::write(fd, part.as_ptr().cast(), part.len()) }
    })?;
    require_all(bytes, count)
}

/// Writes this many zeros at the descriptor's position.
pub(super) fn write_zeros(file: &File, count: usize) -> Result<(), Errno> {
    static ZEROS: [AtomicU8; BLOCK] = [const { AtomicU8::new(0) }; BLOCK];
    parts(0..count, BLOCK).try_for_each(|part| write(file, ZEROS.get(..part.len()).unwrap_or(&[])))
}

/// Writes all bytes from offset `start` on.
pub(super) fn write_at(file: &File, bytes: &[AtomicU8], start: usize) -> Result<(), Errno> {
    let count = transfer(file, bytes, libc::POLLOUT, |fd, part, done| {
        // SAFETY: the slice is readable memory of that length.
        unsafe { libc::pwrite(fd, part.as_ptr().cast(), part.len(), offset(start + done)) }
    })?;
    require_all(bytes, count)
}

/// No file should write 0 bytes without an error.
fn require_all(bytes: &[AtomicU8], count: usize) -> Result<(), Errno> {
    if count == bytes.len() {
        Ok(())
    } else {
        Err(Errno(libc::EIO))
    }
}

/// Reads from the descriptor's position until the file ends or the memory is full.
/// Returns the number of bytes.
pub(super) fn read(file: &File, bytes: &[AtomicU8]) -> Result<usize, Errno> {
    transfer(file, bytes, libc::POLLIN, |fd, part, _| {
        // SAFETY: the slice is writable memory of that length: the bytes are
        // atomic, so a shared borrow may be written through.
        unsafe { libc::read(fd, part.as_ptr().cast_mut().cast(), part.len()) }
    })
}

/// Reads from offset `start` until the file ends or the memory is full. Returns
/// the number of bytes.
pub(super) fn read_at(file: &File, bytes: &[AtomicU8], start: usize) -> Result<usize, Errno> {
    transfer(file, bytes, libc::POLLIN, |fd, part, done| {
        let at = offset(start + done);
        // SAFETY: as in `read`.
        unsafe { libc::pread(fd, part.as_ptr().cast_mut().cast(), part.len(), at) }
    })
}

/// Repeats a step, which is passed the number of bytes done so far, until all
/// bytes are transferred or it returns 0. Continues after short transfers and
/// signals, and waits where the descriptor does not block.
fn transfer(
    file: &File,
    bytes: &[AtomicU8],
    readiness: libc::c_short,
    step: impl Fn(c_int, &[AtomicU8], usize) -> isize,
) -> Result<usize, Errno> {
    let fd = file.as_raw_fd();
    let mut done = 0;
    while let Some(part) = bytes.get(done..).filter(|part| !part.is_empty()) {
        if let Ok(count) = usize::try_from(step(fd, part, done)) {
            if count == 0 {
                break;
            }
            done += count;
            continue;
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => wait_for(fd, readiness),
            _ => return Err(Errno::from(error)),
        }
    }
    Ok(done)
}

/// Waits until a descriptor is ready, or a signal arrives.
fn wait_for(fd: c_int, events: libc::c_short) {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: there is one pollfd. However the wait ends, the caller tries again.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

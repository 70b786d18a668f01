//! Copies bytes between memory and a file descriptor.
//!
//! The kernel copies, so other processes may write to the memory meanwhile, and
//! memory that the program has unmapped is `EFAULT` instead of a crash. (One
//! case remains: a large save that looks for zeros crashes, as any reader would,
//! if another thread unmaps the memory at that moment.)

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::AtomicU8;

use super::block::{BLOCK, parts};
use super::handlers;
use crate::errno::Errno;
use crate::file::Status;
use crate::file::first_allowed;
use crate::file::offset;
use crate::os;

/// What a signal handler that was installed without `SA_RESTART` does to a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// It ends the copy with `EINTR`, as with fread(3): a pipe, a terminal or a device may
    /// keep it waiting for ever.
    Ends,
    /// Nothing: a file does not keep it waiting.
    Ignored,
}

impl Interruption {
    /// The one for a file of this type.
    pub(super) const fn of(status: &Status) -> Self {
        if status.is_file() {
            Self::Ignored
        } else {
            Self::Ends
        }
    }
}

static ZEROS: [AtomicU8; BLOCK] = [const { AtomicU8::new(0) }; BLOCK];

/// Writes all bytes at the descriptor's position.
pub(super) fn write(
    file: &File,
    bytes: &[AtomicU8],
    interruption: Interruption,
) -> Result<(), Errno> {
    let count = transfer(file, bytes, libc::POLLOUT, interruption, |fd, part, _| {
        // SAFETY: the slice is readable memory of that length.
        result_of(unsafe { libc::write(fd, part.as_ptr().cast(), part.len()) })
    })?;
    require_all(bytes, count)
}

/// Writes this many zeros at the descriptor's position.
pub(super) fn write_zeros(
    file: &File,
    count: usize,
    interruption: Interruption,
) -> Result<(), Errno> {
    parts(0..count, BLOCK).try_for_each(|part| write(file, zeros(part.len()), interruption))
}

fn zeros(count: usize) -> &'static [AtomicU8] {
    ZEROS.get(..count).unwrap_or(&ZEROS)
}

/// Writes all bytes from offset `start` on.
pub(super) fn write_at(file: &File, bytes: &[AtomicU8], start: usize) -> Result<(), Errno> {
    let ignored = Interruption::Ignored;
    let count = transfer(file, bytes, libc::POLLOUT, ignored, |fd, part, done| {
        let at = offset(start + done);
        let vector = vector_of(part);
        first_allowed(&[
            // SAFETY: the slice is readable memory of that length.
            &|| result_of(unsafe { os::pwrite(fd, part.as_ptr().cast(), part.len(), at) }),
            // SAFETY: the vector describes the same memory.
            &|| result_of(unsafe { os::pwritev(fd, &raw const vector, 1, at) }),
        ])
    })?;
    require_all(bytes, count)
}

/// Writes zeros to a range of a file.
pub(super) fn write_zeros_at(file: &File, range: &Range<usize>) -> Result<(), Errno> {
    parts(range.clone(), BLOCK).try_for_each(|part| write_at(file, zeros(part.len()), part.start))
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
pub(super) fn read(
    file: &File,
    bytes: &[AtomicU8],
    interruption: Interruption,
) -> Result<usize, Errno> {
    transfer(file, bytes, libc::POLLIN, interruption, |fd, part, _| {
        // SAFETY: the slice is writable memory of that length: the bytes are
        // atomic, so a shared borrow may be written through.
        result_of(unsafe { libc::read(fd, part.as_ptr().cast_mut().cast(), part.len()) })
    })
}

/// Reads from offset `start` until the file ends or the memory is full. Returns
/// the number of bytes.
pub(super) fn read_at(file: &File, bytes: &[AtomicU8], start: usize) -> Result<usize, Errno> {
    let ignored = Interruption::Ignored;
    transfer(file, bytes, libc::POLLIN, ignored, |fd, part, done| {
        let at = offset(start + done);
        let (to, vector) = (part.as_ptr().cast_mut().cast(), vector_of(part));
        first_allowed(&[
            // SAFETY: as in `read`.
            &|| result_of(unsafe { os::pread(fd, to, part.len(), at) }),
            // SAFETY: as in `read`; the vector describes the same memory.
            &|| result_of(unsafe { os::preadv(fd, &raw const vector, 1, at) }),
        ])
    })
}

/// How many of the bytes that were read from offset `start` on are still in the file. While another
/// process truncates it, read(2) can return zeros in place of the bytes that are being cut off.
pub(super) fn still_there(file: &File, start: u64, count: usize) -> usize {
    let Ok(now) = Status::of(file) else {
        return count;
    };
    let left = usize::try_from(now.size.saturating_sub(start)).unwrap_or(usize::MAX);
    count.min(left)
}

fn vector_of(part: &[AtomicU8]) -> libc::iovec {
    libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    }
}

fn result_of(count: isize) -> Result<usize, Errno> {
    usize::try_from(count).map_err(|_| Errno::from(io::Error::last_os_error()))
}

/// Repeats a step, which is passed the number of bytes done so far, until all
/// bytes are transferred or it returns 0. Continues after short transfers, and waits
/// where the descriptor does not block.
fn transfer(
    file: &File,
    bytes: &[AtomicU8],
    readiness: libc::c_short,
    interruption: Interruption,
    step: impl Fn(c_int, &[AtomicU8], usize) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let fd = file.as_raw_fd();
    let mut done = 0;
    while let Some(part) = bytes.get(done..).filter(|part| !part.is_empty()) {
        match step(fd, part, done) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno(libc::EINTR)) if interruption == Interruption::Ignored => {}
            Err(Errno(libc::EAGAIN)) => wait_for(fd, readiness, interruption)?,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Waits until a descriptor is ready.
fn wait_for(fd: c_int, events: libc::c_short, interruption: Interruption) -> Result<(), Errno> {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: there is one pollfd.
    let result = unsafe { libc::poll(&raw mut poll, 1, -1) };
    let is_interrupted =
        result == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
    // poll(2) is not restarted after any handler. If all have SA_RESTART, the copy goes on.
    if is_interrupted && interruption == Interruption::Ends && handlers::may_interrupt() {
        return Err(Errno(libc::EINTR));
    }
    // However else the wait ends, the caller tries again.
    Ok(())
}

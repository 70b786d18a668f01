//! Overwrites a file that cannot be replaced: its directory is not writable or append-only,
//! or the file is a mount point. This is not atomic, but room for all bytes is reserved
//! first, so a full disk leaves the old ones as they are.

use std::fs::File;
use std::ops::Range;

use super::ascending;
use super::copy::{self, Interruption};
use super::touched::{Memory, Touched};
use crate::errno::Errno;
use crate::file;
use crate::file::Durability;
use crate::file::Size;
use crate::file::Status;
use crate::os;

pub(super) fn overwrite(
    memory: Memory<'_>,
    file: File,
    durability: Durability,
) -> Result<(), Errno> {
    let status = Status::of(&file)?;
    let (old, new) = (
        status.size,
        u64::try_from(memory.bytes.len()).unwrap_or(u64::MAX),
    );
    check_limit(new)?;
    if new < old {
        // Changes nothing, but if the file could not be cut, this is the time to know.
        file::set_size(&file, old)?;
    }
    if let Err(errno) = reserve(&file, &status, memory.bytes.len()) {
        // Frees what was reserved beyond the end.
        let _ = file::set_size(&file, old);
        return Err(errno);
    }
    ascending::write(&file, Touched::new(memory), Interruption::Ignored)?;
    if new < old {
        file::set_size(&file, new)?;
    }
    durability.wait_for(&file)?;
    file::close(file)
}

/// `EFBIG` if this process may not write files of that size (`RLIMIT_FSIZE`).
fn check_limit(size: u64) -> Result<(), Errno> {
    if os::file_size_limit() < size {
        return Err(Errno(libc::EFBIG));
    }
    Ok(())
}

/// Makes sure that there is room for all bytes, and changes none.
fn reserve(file: &File, status: &Status, size: usize) -> Result<(), Errno> {
    if size == 0 {
        return Ok(());
    }
    if !file::allocate(file, &(0..size), Size::Kept)? {
        fill(file, status, size)?;
    }
    // There, bytes are never overwritten where they are.
    if let Some(free) = free_if_copied_on_write(file) {
        if free < u64::try_from(size).unwrap_or(u64::MAX) {
            return Err(Errno(libc::ENOSPC));
        }
    }
    Ok(())
}

/// Does the work of fallocate(2): fills the holes of the file with zeros, and its end.
fn fill(file: &File, status: &Status, size: usize) -> Result<(), Errno> {
    let old = usize::try_from(status.size).unwrap_or(usize::MAX);
    let mut at = 0;
    while at < old.min(size) {
        let hole = hole_in(file, &(at..old.min(size)));
        copy::write_zeros_at(file, &hole)?;
        at = hole.end;
    }
    copy::write_zeros_at(file, &(old.min(size)..size))?;
    // Looking for holes has moved the descriptor's position.
    file::seek(file, 0, libc::SEEK_SET)?;
    // Some file systems find room only when they write.
    file::sync(file)
}

/// The first hole in a range. If there is none, or the file system does not tell, an empty
/// range at its end.
fn hole_in(file: &File, range: &Range<usize>) -> Range<usize> {
    let seek = |from, whence| file::seek(file, from, whence).ok();
    let Some(start) = seek(range.start, os::SEEK_HOLE).filter(|start| *start < range.end) else {
        return range.end..range.end;
    };
    let start = start.max(range.start);
    let end = seek(start, os::SEEK_DATA).filter(|end| *end > start);
    start..end.unwrap_or(range.end).min(range.end)
}

/// The free bytes of a file system that writes changed bytes to another place; `None` for
/// others.
fn free_if_copied_on_write(file: &File) -> Option<u64> {
    const BTRFS: u32 = 0x9123_683e;
    const BCACHEFS: u32 = 0xca45_1a4e;
    const ZFS: u32 = 0x2fc1_2fc1;
    let status = file::file_system(file).ok()?;
    [BTRFS, BCACHEFS, ZFS]
        .contains(&status.magic)
        .then(|| status.available.saturating_mul(status.unit))
}

//! Saves and loads of large regular files, which are fast and keep zeros small.
//!
//! docs/performance.md measures what each technique gains:
//!
//! * Blocks of zeros are neither written nor read. They become holes in the file,
//!   and holes become untouched pages of a segment.
//! * A save starts the transfer to the disk early, so the disk works while the rest
//!   is copied.
//! * A load into a new segment would fault in a million pages one by one. It faults
//!   in whole pieces instead, and uses two processors. (A save does not: two threads would
//!   not read the bytes in ascending order.)

#![forbid(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};

use super::ascending::{self, Part, Zeros};
use super::block::{BLOCK, parts};
use super::copy::{self, Interruption};
use super::memory::{self, Residency, Use};
use super::pair::{self, Threads};
use super::runs::Runs;
use super::touched::Touched;
use crate::errno::Errno;
use crate::file::Status;
use crate::file::{self, Size};

/// How many bytes are handed to the disk at a time.
const WINDOW: usize = 4 << 20;
/// How many bytes room is reserved for beyond those that are written next: at least, and at
/// most.
const LEAST_AHEAD: usize = 1 << 20;
const MOST_AHEAD: usize = 256 << 20;

/// Whether room on the disk is reserved for bytes before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// The file system has less to do then.
    Before,
    /// For a save that does not wait for the disk. With room reserved, ext4 would not
    /// write the bytes before the new name (`auto_da_alloc`, see ext4(5)).
    Delayed,
}

/// Writes all bytes to a new file, with holes where they are zero.
pub(super) fn write(
    file: &File,
    touched: Touched<'_>,
    allocation: Allocation,
) -> Result<(), Errno> {
    let bytes = touched.bytes();
    if memory::is_mapped(bytes) == Some(false) {
        // The program has unmapped a part of the segment, which must not be read.
        return Err(Errno(libc::EFAULT));
    }
    if !file::extend(file, bytes.len())? {
        return ascending::write(file, touched, Interruption::Ignored);
    }
    let mut handed_over = 0;
    let mut room = Room::default();
    ascending::for_each_part(touched, Zeros::Blocks, |part| {
        let range = match part {
            Part::Data(range) => range,
            Part::Zeros(range) => {
                room.end_at(file, range.start);
                return Ok(());
            }
        };
        let end = range.end;
        if allocation == Allocation::Before {
            room.make(file, &range, bytes.len())?;
        }
        copy::write_at(file, bytes.get(range.clone()).unwrap_or(&[]), range.start)?;
        if end - handed_over >= WINDOW {
            file::begin_write_back(file, &(handed_over..end));
            handed_over = end;
        }
        Ok(())
    })
}

/// The room that is reserved for a run of data, in larger and larger pieces: each call
/// waits for the blocks that are being written to the disk.
#[derive(Debug, Default)]
struct Room {
    /// Where the run begins.
    start: usize,
    /// Where the room ends.
    end: usize,
}

impl Room {
    /// Makes sure that there is room for `range`, which continues the run.
    fn make(&mut self, file: &File, range: &Range<usize>, size: usize) -> Result<(), Errno> {
        if range.end <= self.end {
            return Ok(());
        }
        if self.end < range.start {
            // After zeros, a new run begins.
            *self = Self {
                start: range.start,
                end: range.start,
            };
        }
        let start = self.end.max(range.start);
        // As much as the run has already, if it is long enough to be worth it.
        let ahead = match range.end - self.start {
            ..LEAST_AHEAD => 0,
            run => run.min(MOST_AHEAD),
        };
        let end = size.min(range.end + ahead);
        match file::allocate(file, &(start..end), Size::Grows) {
            // Perhaps it is enough for what comes.
            Err(Errno(libc::ENOSPC | libc::EDQUOT)) => {
                self.end = range.end;
                file::allocate(file, &(start..range.end), Size::Grows)?;
            }
            result => {
                result?;
                self.end = end;
            }
        }
        Ok(())
    }

    /// Ends the run, and gives back the room beyond it.
    fn end_at(&mut self, file: &File, end: usize) {
        if end < self.end {
            file::deallocate(file, &(end..self.end));
        }
        *self = Self { start: end, end };
    }
}

/// `EFAULT` if the program has unmapped a part of the segment. The stack of the second
/// thread could be placed in that gap, and be overwritten: if the kernel does not tell,
/// there is one thread, for which the kernel reports the gap.
fn threads_for(bytes: &[AtomicU8]) -> Result<Threads, Errno> {
    match memory::is_mapped(bytes) {
        Some(true) => Ok(Threads::Two),
        Some(false) => Err(Errno(libc::EFAULT)),
        None => Ok(Threads::One),
    }
}

/// Reads a file of `size` bytes, as much as file and memory both hold. Returns the
/// number of bytes.
pub(super) fn read(file: &File, size: usize, bytes: &[AtomicU8]) -> Result<usize, Errno> {
    let threads = threads_for(bytes)?;
    let expected = size.min(bytes.len());
    let runs = Runs::of_file(file, expected)?;
    // The end of a file that was cut off meanwhile looks like a hole.
    let size = usize::try_from(Status::of(file)?.size).unwrap_or(usize::MAX);
    let end = expected.min(size);
    let load = Load {
        file,
        bytes,
        runs,
        end: AtomicUsize::new(end),
        error: AtomicI32::new(0),
    };
    pair::for_each_piece(end, threads, |piece| load.try_piece(piece));
    match load.error.into_inner() {
        0 => Ok(copy::still_there(file, 0, load.end.into_inner())),
        errno => Err(Errno(errno)),
    }
}

/// A load in progress, by one thread or two.
struct Load<'a> {
    file: &'a File,
    bytes: &'a [AtomicU8],
    runs: Runs,
    /// The end of the last piece; it moves down if the file shrinks.
    end: AtomicUsize,
    /// The `errno` value of the first failure, or 0.
    error: AtomicI32,
}

impl Load<'_> {
    fn try_piece(&self, piece: Range<usize>) {
        let end = self.end.load(Ordering::Relaxed);
        if piece.start >= end {
            return;
        }
        match self.read_piece(&piece) {
            Ok(reached) if reached == piece.end => {}
            Ok(reached) => {
                self.end.fetch_min(reached, Ordering::Relaxed);
            }
            Err(Errno(errno)) => {
                let (none, relaxed) = (0, Ordering::Relaxed);
                let _ = self.error.compare_exchange(none, errno, relaxed, relaxed);
                self.end.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Returns the piece's end, or the file's if that comes first.
    fn read_piece(&self, piece: &Range<usize>) -> Result<usize, Errno> {
        let mut at = piece.start;
        while at < piece.end {
            let data = self.runs.first_in(&(at..piece.end));
            at = self.clear(&(at..data.start))?;
            if at < data.start || data.is_empty() {
                break;
            }
            at = self.read_data(&data)?;
            if at < data.end {
                break;
            }
        }
        Ok(at)
    }

    fn read_data(&self, data: &Range<usize>) -> Result<usize, Errno> {
        let memory = self.bytes.get(data.clone()).unwrap_or(&[]);
        let first = memory.get(..BLOCK).unwrap_or(memory);
        if memory::residency(first) == Residency::None {
            // If this fails, reading faults the pages in one by one.
            let _ = memory::populate(memory, Use::Write);
        }
        Ok(data.start + copy::read_at(self.file, memory, data.start)?)
    }

    /// Zeroes the memory of a hole in the file. Returns the hole's end, or the
    /// file's if that comes first.
    fn clear(&self, hole: &Range<usize>) -> Result<usize, Errno> {
        for block in parts(hole.clone(), BLOCK) {
            let memory = self.bytes.get(block.clone()).unwrap_or(&[]);
            // Pages that were touched stay: faulting them in again would cost more,
            // and the program may have locked them.
            let is_discarded = memory.len() == BLOCK
                && memory::residency(memory) == Residency::None
                && memory::discard(memory);
            if is_discarded {
                continue;
            }
            let reached = block.start + copy::read_at(self.file, memory, block.start)?;
            if reached < block.end {
                return Ok(reached);
            }
        }
        Ok(hole.end)
    }
}

//! Large regular files: what makes them fast, and files of zeros small.
//!
//! What each technique is worth is in docs/performance.md:
//!
//! * Blocks of zeros are neither written nor read. They become holes in the
//!   file, and holes become untouched pages of a segment.
//! * A save hands what it has written to the disk at once, so that the disk
//!   works while the rest is copied.
//! * A load into a new segment is a million page faults a page each; it maps
//!   whole pieces instead, and uses two processors.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize, Ordering};

use super::copy;
use super::memory::{self, Access, Residency};
use super::pair::{self, PIECE};
use crate::error::Errno;

/// From this size on it pays, in bytes.
pub(super) const LARGE: usize = 2 << 20;
/// What is zero or is not, in bytes: a multiple of every system's pages.
pub(super) const BLOCK: usize = 64 << 10;
/// What is handed to the disk at a time, in bytes.
const WINDOW: usize = 4 << 20;

/// Whether a new file's place on the disk is asked for before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    /// A full disk is known before a byte is written, and the file system has
    /// less to do.
    Before,
    /// For a save that does not wait: else ext4 would not see to it that the
    /// bytes are on the disk before the new name is (`auto_da_alloc`, ext4(5)).
    Delayed,
}

/// Writes all bytes to a new file, with holes where they are zero.
pub(super) fn write(file: &File, bytes: &[AtomicU8], allocation: Allocation) -> Result<(), Errno> {
    check_mapped(bytes)?;
    if !copy::extend(file, bytes.len())? {
        return copy::write(file, bytes);
    }
    let runs = runs_of_data(bytes)?;
    if allocation == Allocation::Before {
        for run in &runs.0 {
            copy::allocate(file, run)?;
        }
    }
    let mut handed_over = 0;
    for piece in runs.0.into_iter().flat_map(|run| parts(run, PIECE)) {
        copy::write_at(file, bytes.get(piece.clone()).unwrap_or(&[]), piece.start)?;
        if piece.end - handed_over >= WINDOW {
            copy::begin_write_back(file, &(handed_over..piece.end));
            handed_over = piece.end;
        }
    }
    Ok(())
}

/// `EFAULT` if the program has unmapped some of a segment: the other thread's
/// stack could come to lie in the gap, and be saved or read into.
fn check_mapped(bytes: &[AtomicU8]) -> Result<(), Errno> {
    if memory::is_mapped(bytes) {
        Ok(())
    } else {
        Err(Errno(libc::EFAULT))
    }
}

/// Where a segment is not zero.
fn runs_of_data(bytes: &[AtomicU8]) -> Result<Runs, Errno> {
    let touched = match memory::backing_file(bytes) {
        Some(file) => Runs::of_file(&file, bytes.len())?,
        None => Runs::whole(bytes.len())?,
    };
    let blocks = bytes.len().div_ceil(BLOCK);
    let mut has_data: Vec<AtomicBool> = Vec::new();
    has_data
        .try_reserve_exact(blocks)
        .map_err(|_| Errno(libc::ENOMEM))?;
    has_data.resize_with(blocks, AtomicBool::default);
    pair::for_each_piece(bytes.len(), |piece| {
        for block in parts(piece, BLOCK) {
            let is_hole = touched.first_in(&block).is_empty();
            if !is_hole && !memory::is_zero(bytes.get(block.clone()).unwrap_or(&[])) {
                if let Some(has_data) = has_data.get(block.start / BLOCK) {
                    has_data.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    let mut runs = Runs::default();
    for (block, has_data) in parts(0..bytes.len(), BLOCK).zip(has_data) {
        if has_data.into_inner() {
            runs.push(block)?;
        }
    }
    Ok(runs)
}

/// Ranges that have other bytes than zero, the rest has none, in order.
#[derive(Debug, Default)]
struct Runs(Vec<Range<usize>>);

impl Runs {
    fn whole(end: usize) -> Result<Self, Errno> {
        let mut runs = Self::default();
        runs.push(0..end)?;
        Ok(runs)
    }

    /// What is no hole in a file, up to `end`.
    fn of_file(file: &File, end: usize) -> Result<Self, Errno> {
        const UNIT: u64 = 512;
        let allocated = file.metadata()?.blocks().saturating_mul(UNIT);
        if usize::try_from(allocated).map_or(true, |allocated| allocated >= end) {
            return Self::whole(end);
        }
        let mut runs = Self::default();
        let mut at = 0;
        while at < end {
            let run = copy::data_in(file, &(at..end));
            at = run.end;
            if !run.is_empty() {
                runs.push(run)?;
            }
        }
        Ok(runs)
    }

    fn push(&mut self, next: Range<usize>) -> Result<(), Errno> {
        match self.0.last_mut() {
            Some(last) if last.end == next.start => last.end = next.end,
            _ => {
                self.0.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
                self.0.push(next);
            }
        }
        Ok(())
    }

    /// The first part of a range that is in a run; empty, and at its end, if
    /// there is none.
    fn first_in(&self, range: &Range<usize>) -> Range<usize> {
        let next = self.0.partition_point(|run| run.end <= range.start);
        match self.0.get(next) {
            Some(run) if run.start < range.end => {
                range.start.max(run.start)..range.end.min(run.end)
            }
            _ => range.end..range.end,
        }
    }
}

/// A range in parts of at most this size.
fn parts(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let Range { start, end } = range;
    (start..end)
        .step_by(size)
        .map(move |at| at..end.min(at + size))
}

/// Reads a file of this size, as much as both have; returns how many bytes.
pub(super) fn read(file: &File, size: usize, bytes: &[AtomicU8]) -> Result<usize, Errno> {
    check_mapped(bytes)?;
    let looked_at = size.min(bytes.len());
    let runs = Runs::of_file(file, looked_at)?;
    // What looked like a hole may have been cut off the file.
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let end = looked_at.min(size);
    let load = Load {
        file,
        bytes,
        runs,
        end: AtomicUsize::new(end),
        error: AtomicI32::new(0),
    };
    pair::for_each_piece(end, |piece| load.try_piece(piece));
    match load.error.into_inner() {
        0 => Ok(load.end.into_inner()),
        errno => Err(Errno(errno)),
    }
}

/// A load in progress, by one thread or two.
struct Load<'a> {
    file: &'a File,
    bytes: &'a [AtomicU8],
    runs: Runs,
    /// Where the last piece ends: less than at first if the file has shrunk.
    end: AtomicUsize,
    /// What the first failure was; 0 is none.
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

    /// Returns where the file ends, if it ends in this piece, or the piece's end.
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
            // If it can't be done, reading does it page by page.
            let _ = memory::populate(memory, Access::Write);
        }
        Ok(data.start + copy::read_at(self.file, memory, data.start)?)
    }

    /// Makes zero what is a hole in the file.
    fn clear(&self, hole: &Range<usize>) -> Result<usize, Errno> {
        let mut at = hole.start;
        while at < hole.end {
            let block = at..hole.end.min(at + BLOCK);
            let memory = self.bytes.get(block.clone()).unwrap_or(&[]);
            // Pages that were touched stay: to fault them in again would cost
            // more, and the program may have locked them.
            let untouched = memory.len() == BLOCK
                && memory::residency(memory) == Residency::None
                && memory::discard(memory);
            at = if untouched {
                block.end
            } else {
                block.start + copy::read_at(self.file, memory, block.start)?
            };
            if at < block.end {
                break;
            }
        }
        Ok(at)
    }
}

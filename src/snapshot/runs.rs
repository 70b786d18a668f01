//! Which ranges of a file, or of a segment's backing file, hold data. The others
//! are holes, which read as zeros and take no room.

#![forbid(unsafe_code)]

use std::fs::File;
use std::ops::Range;

use super::block::BLOCK;
use crate::errno::Errno;
use crate::file;
use crate::file::Status;
use crate::os;

/// Ranges with data, in ascending order, with holes between them.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Range<usize>>);

impl Runs {
    /// One range from 0 to `end`.
    pub(super) fn whole(end: usize) -> Result<Self, Errno> {
        let mut runs = Self::default();
        runs.push(0..end)?;
        Ok(runs)
    }

    /// The data of a file, up to `end`.
    pub(super) fn of_file(file: &File, end: usize) -> Result<Self, Errno> {
        const UNIT: u64 = 512;
        let allocated = Status::of(file)?.blocks.saturating_mul(UNIT);
        if usize::try_from(allocated).map_or(true, |allocated| allocated >= end) {
            return Self::whole(end);
        }
        let mut runs = Self::default();
        let mut at = 0;
        while at < end {
            let run = data_in(file, &(at..end), BLOCK);
            at = run.end;
            if !run.is_empty() {
                runs.push(run)?;
            }
        }
        Ok(runs)
    }

    /// Appends a range, which begins where the last one ends or behind it.
    pub(super) fn push(&mut self, next: Range<usize>) -> Result<(), Errno> {
        match self.0.last_mut() {
            Some(last) if last.end == next.start => last.end = next.end,
            _ => {
                self.0.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
                self.0.push(next);
            }
        }
        Ok(())
    }

    /// The first part of `range` that holds data; an empty range at its end if there
    /// is no data.
    pub(super) fn first_in(&self, range: &Range<usize>) -> Range<usize> {
        let next = self.0.partition_point(|run| run.end <= range.start);
        match self.0.get(next) {
            Some(run) if run.start < range.end => {
                range.start.max(run.start)..range.end.min(run.end)
            }
            _ => range.end..range.end,
        }
    }
}

/// The first part of a file's range that is not a hole, extended to whole units.
///
/// It is empty, and at the range's end, if all of it is a hole; it is the whole range
/// if the file system does not report holes.
pub(super) fn data_in(file: &File, range: &Range<usize>, unit: usize) -> Range<usize> {
    let start = match file::seek(file, range.start, os::SEEK_DATA) {
        Ok(start) if start >= range.start => start,
        Err(Errno(libc::ENXIO)) => return range.end..range.end,
        // Some files in /proc accept any `whence` and return unrelated offsets.
        _ => return range.clone(),
    };
    let end = file::seek(file, start, os::SEEK_HOLE)
        .ok()
        .filter(|end| *end > start)
        .and_then(|end| end.checked_next_multiple_of(unit))
        .unwrap_or(range.end);
    let start = (start - start % unit).clamp(range.start, range.end);
    start..end.clamp(start, range.end)
}

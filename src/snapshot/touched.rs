//! Which pages of a segment were ever touched. The others are zero and take no
//! memory, and reading one through a mapping, also by write(2), makes the kernel
//! allocate it.
//!
//! Two answers of the kernel are used:
//!
//! * `SEEK_DATA` on the file behind the mapping is exact, but only privileged processes may open
//!   that file of a System V segment.
//! * mincore(2) is for everybody, but reports a page that was swapped out as if it
//!   had never been touched. So it counts only where the kernel says, before and
//!   after, that no page of the segment is in swap space. (A page would have to be
//!   written to swap space and be read again between two calls to be missed.)
//!
//! If neither can be used, all pages count as touched.

#![forbid(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::AtomicU8;

use super::block::LARGE;
use super::{memory, runs};
use crate::errno::Errno;
use crate::os::page_size;

/// A segment's bytes, and what the kernel knows of their pages.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) bytes: &'a [AtomicU8],
    /// How many pages of the segment are in swap space now; `None` if that is not
    /// known.
    pub(crate) swapped: &'a dyn Fn() -> Option<u64>,
    /// Opens the file that the segment is, if it is one.
    pub(crate) file: &'a dyn Fn() -> Option<File>,
    /// Whether all bytes still exist: the file that the segment is may be truncated meanwhile.
    pub(crate) check_whole: &'a dyn Fn() -> Result<(), Errno>,
}

impl Memory<'_> {
    fn is_in_memory(&self) -> bool {
        (self.swapped)() == Some(0)
    }

    /// The file behind the mapping.
    fn backing_file(&self) -> Option<File> {
        (self.file)().or_else(|| memory::backing_file(self.bytes))
    }
}

/// Looks for the pages of a segment that were touched.
pub(super) struct Touched<'a> {
    memory: Memory<'a>,
    source: Source,
    /// Pages that were touched; whatever happens, they stay so.
    known: Range<usize>,
}

enum Source {
    /// mincore(2), which is trusted already or not.
    Residency { is_trusted: bool },
    /// The file behind the mapping.
    BackingFile(File),
    /// Every page may have been touched.
    Unknown,
}

impl<'a> Touched<'a> {
    pub(super) fn new(memory: Memory<'a>) -> Self {
        let residency = Source::Residency { is_trusted: false };
        let source = if memory.bytes.len() < LARGE {
            // It takes less time than opening a file.
            residency
        } else {
            memory.backing_file().map_or(residency, Source::BackingFile)
        };
        Self {
            memory,
            source,
            known: 0..0,
        }
    }

    /// As in a process that may not open the file behind the mapping.
    #[cfg(test)]
    pub(super) const fn unprivileged(memory: Memory<'a>) -> Self {
        Self {
            memory,
            source: Source::Residency { is_trusted: false },
            known: 0..0,
        }
    }

    pub(super) const fn bytes(&self) -> &'a [AtomicU8] {
        self.memory.bytes
    }

    /// The first part of `range`, which begins at a page boundary, that was touched. It
    /// is empty, and at the range's end, if nothing was touched.
    ///
    /// The bytes before it are zero at this moment; the program may touch them afterwards.
    pub(super) fn first_in(&mut self, range: &Range<usize>) -> Range<usize> {
        if !self.known.contains(&range.start) {
            self.known = self.look(range);
        }
        range.start.max(self.known.start)..range.end.min(self.known.end)
    }

    fn look(&mut self, range: &Range<usize>) -> Range<usize> {
        loop {
            match &self.source {
                Source::Unknown => return range.clone(),
                Source::BackingFile(file) => return runs::data_in(file, range, page_size()),
                Source::Residency { is_trusted } => {
                    match memory::first_resident(self.memory.bytes, range) {
                        Some(resident) if resident.start == range.start => return resident,
                        Some(resident) if *is_trusted && self.memory.is_in_memory() => {
                            return resident;
                        }
                        found => self.source = self.after(found.is_some() && !*is_trusted, range),
                    }
                }
            }
        }
    }

    /// What to ask next, once pages are said to be absent: mincore(2) again if it is to be
    /// trusted from now on, which `is_first` allows; otherwise something better.
    fn after(&self, is_first: bool, range: &Range<usize>) -> Source {
        let bytes = self.memory.bytes;
        if is_first && self.memory.is_in_memory() && memory::shows_all_pages(bytes, range.start) {
            return Source::Residency { is_trusted: true };
        }
        let file = match bytes.len() {
            ..LARGE => self.memory.backing_file(),
            _ => None, // it was tried first
        };
        file.map_or(Source::Unknown, Source::BackingFile)
    }
}

//! Which blocks of a segment that were touched are zero.
//!
//! The bytes are read in user space, where memory that the program has unmapped or made
//! unreadable would kill the process. `MADV_POPULATE_READ` of all pages turns that into an
//! error, but takes longer than reading them. So the kernel is asked three short questions
//! instead, each about many blocks: whether one mapping contains them, whether its first
//! page can be read (access is the same throughout a mapping), and whether the page table
//! has all pages. If the answer to all is yes, reading them works. Otherwise each block is
//! populated before it is read.

#![forbid(unsafe_code)]

use std::sync::atomic::AtomicU8;

use super::memory::{self, PageTable, SMALLEST_PAGE, Use};
use crate::os::Mappings;

/// What is known about a part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// All of its pages can be read.
    Known,
    /// Reading some of them may kill the process.
    Unknown,
}

/// Finds out which parts of a segment can be read.
pub(super) struct Finder {
    /// `None` if the system lacks one of them, or the process may not open it.
    tables: Option<(Mappings, PageTable)>,
}

impl Finder {
    pub(super) fn new() -> Self {
        let tables = || Some((Mappings::open()?, PageTable::open()?));
        Self { tables: tables() }
    }

    /// The access to a part that begins at a page boundary and is not empty.
    pub(super) fn access_to(&self, part: &[AtomicU8]) -> Access {
        let Some((mappings, table)) = &self.tables else {
            return Access::Unknown;
        };
        let start = part.as_ptr().addr();
        let is_in_one = mappings
            .around(start)
            .is_some_and(|mapping| mapping.contains(&(start + (part.len().max(1) - 1))));
        let first = part.get(..SMALLEST_PAGE).unwrap_or(part);
        if is_in_one && memory::populate(first, Use::Read) && table.has_all(part) {
            Access::Known
        } else {
            Access::Unknown
        }
    }
}

/// Whether all bytes of a block, which begins at a page boundary, are zero now.
/// False where they cannot be read: the copy that follows reports why.
pub(super) fn is_zero(block: &[AtomicU8], access: Access) -> bool {
    match access {
        Access::Known => memory::are_zero(block),
        Access::Unknown => {
            // mincore(2) would not do: a page with PROT_NONE can be resident. Most blocks
            // with data have some in the first page.
            let looks_zero = |part| memory::populate(part, Use::Read) && memory::are_zero(part);
            let first = block.get(..SMALLEST_PAGE).unwrap_or(block);
            looks_zero(first) && looks_zero(block)
        }
    }
}

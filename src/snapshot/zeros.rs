//! Finds the blocks of zeros among those that were touched.
//!
//! The bytes are read in user space, where the kernel would kill the process if the program has
//! unmapped them or made them unreadable. `MADV_POPULATE_READ` of all pages turns that into an
//! error, but takes longer than reading them. So the kernel answers three short questions
//! instead, each about many blocks: does one mapping contain them, can its first page be read
//! (access is the same throughout a mapping), and does the page table have all pages? If all
//! answers are yes, the blocks can be read. Otherwise each block is populated before it is read.

#![forbid(unsafe_code)]

use std::sync::atomic::AtomicU8;

use super::memory::{self, PageTable, SMALLEST_PAGE, Use};
use crate::os::Mappings;

/// Whether a part of a segment can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// All pages can be read.
    Known,
    /// Reading some pages may kill the process.
    Unknown,
}

/// Finds out which parts of a segment can be read.
pub(super) struct Finder {
    /// `None` if the system lacks one of the files, or the process may not open it.
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
/// False if they cannot be read: the copy that follows reports why.
pub(super) fn is_zero(block: &[AtomicU8], access: Access) -> bool {
    match access {
        Access::Known => memory::are_zero(block),
        Access::Unknown => {
            // mincore(2) would not suffice: a page with PROT_NONE can be resident. Most blocks
            // with data have some in the first page.
            let looks_zero = |part| memory::populate(part, Use::Read) && memory::are_zero(part);
            let first = block.get(..SMALLEST_PAGE).unwrap_or(block);
            looks_zero(first) && looks_zero(block)
        }
    }
}

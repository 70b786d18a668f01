//! The units in which large saves and loads look at memory and files.

#![forbid(unsafe_code)]

use std::ops::Range;

/// The unit that is either zero throughout or written, in bytes: a multiple of
/// every system's page size.
pub(super) const BLOCK: usize = 64 << 10;

/// The size in bytes from which on saves and loads look for holes and use two threads:
/// below it, that costs more than it gains.
pub(super) const LARGE: usize = 2 << 20;

/// Splits a range into parts of `size`; the last one may be shorter.
pub(super) fn parts(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let Range { start, end } = range;
    (start..end)
        .step_by(size)
        .map(move |at| at..end.min(at + size))
}

//! The units in which large saves and loads look at memory and files.

#![forbid(unsafe_code)]

use std::ops::Range;

/// The unit that is either zero throughout or written, in bytes: a multiple of
/// every system's page size.
pub(super) const BLOCK: usize = 64 << 10;

/// Splits a range into parts of `size`; the last one may be shorter.
pub(super) fn parts(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let Range { start, end } = range;
    (start..end)
        .step_by(size)
        .map(move |at| at..end.min(at + size))
}

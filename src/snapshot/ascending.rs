//! The order in which a save reads a segment: each byte once, at ascending addresses,
//! as one fwrite(3) does. So what a program stored before a flag at a lower address is
//! not missing from a save that has the flag.
//!
//! Nothing is decided in advance: whether a part is zero is found out when all before it
//! has been copied.

#![forbid(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::AtomicU8;

use super::block::BLOCK;
use super::copy::{self, Interruption};
use super::touched::Touched;
use super::zeros::{self, Finder};
use crate::errno::Errno;

/// The largest part that is copied at once, in bytes.
const PIECE: usize = 1 << 20;

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes to be copied now.
    Data(Range<usize>),
    /// Bytes that are zero now.
    Zeros(Range<usize>),
}

/// Which zeros are worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeros {
    /// Pages that were never touched: the kernel would allocate them.
    Untouched,
    /// Whole blocks, too.
    Blocks,
}

/// Passes all parts of a segment to `copy`, in ascending order.
pub(super) fn for_each_part(
    mut touched: Touched<'_>,
    zeros: Zeros,
    mut copy: impl FnMut(Part) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let bytes = touched.bytes();
    let finder = match zeros {
        Zeros::Untouched => None,
        Zeros::Blocks => Some(Finder::new()),
    };
    let mut at = 0;
    while at < bytes.len() {
        let data = touched.first_in(&(at..bytes.len()));
        if at < data.start {
            copy(Part::Zeros(at..data.start))?;
        }
        at = data.start;
        while at < data.end {
            let end = data.end.min(at + PIECE);
            let (zeros_end, data_end) = match &finder {
                None => (at, end),
                Some(finder) => next_parts(finder, bytes, &(at..end)),
            };
            if at < zeros_end {
                copy(Part::Zeros(at..zeros_end))?;
            }
            if zeros_end < data_end {
                copy(Part::Data(zeros_end..data_end))?;
            }
            at = data_end;
        }
    }
    Ok(())
}

/// Writes the whole segment at the descriptor's position.
pub(super) fn write(
    file: &File,
    touched: Touched<'_>,
    interruption: Interruption,
) -> Result<(), Errno> {
    let bytes = touched.bytes();
    for_each_part(touched, Zeros::Untouched, |part| match part {
        Part::Data(range) => copy::write(file, bytes.get(range).unwrap_or(&[]), interruption),
        Part::Zeros(range) => copy::write_zeros(file, range.len(), interruption),
    })
}

/// Returns two ends: that of the blocks of zeros at the start of a range, and that of the data
/// which follows them, up to the next block of zeros. The next call reads that block again.
fn next_parts(finder: &Finder, bytes: &[AtomicU8], range: &Range<usize>) -> (usize, usize) {
    let access = finder.access_to(bytes.get(range.clone()).unwrap_or(&[]));
    let mut zeros_end = range.start;
    let mut end = range.start;
    while end < range.end {
        // The file has its holes at the same places as a save of the whole segment.
        let block = end..range.end.min((end + 1).next_multiple_of(BLOCK));
        let is_zero = zeros::is_zero(bytes.get(block.clone()).unwrap_or(&[]), access);
        if is_zero && zeros_end < end {
            break;
        }
        end = block.end;
        if is_zero {
            zeros_end = end;
        }
    }
    (zeros_end, end)
}

//! Bytes collected from a pipe.

#![forbid(unsafe_code)]

use std::io::Write as _;

use crate::failure::Result;
use crate::new_segment::{NewSegment, Purpose};
use crate::raw;
use crate::transfer::to_u64;

/// Bytes collected from a pipe.
pub(super) struct Collected(pub(super) Vec<Vec<u8>>);

impl Collected {
    /// Creates a segment with these bytes.
    pub(super) fn load_new(self, purpose: Purpose<'_>) -> Result<()> {
        let size = self.0.iter().map(Vec::len).sum();
        let new = NewSegment::create(purpose, to_u64(size))?;
        let mut rest = new.bytes();
        let mut target = new.as_file();
        // Each piece is freed as soon as it is copied.
        for piece in self.0 {
            let (part, others) = rest.split_at(piece.len().min(rest.len()));
            rest = others;
            let written = match &mut target {
                Some(file) => file.write_all(&piece).is_ok(),
                None => false,
            };
            if !written {
                target = None;
                raw::populate(part);
                raw::copy(&piece, part);
            }
        }
        new.finish()
    }
}

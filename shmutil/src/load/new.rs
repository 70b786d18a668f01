//! A segment that a load creates.

#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::mem;
use std::sync::atomic::AtomicU8;

use shm_util::{Options, Segment};

use crate::change;
use crate::failure::{Failure, Result};
use crate::names::Name;
use crate::namespace;
use crate::raw;
use crate::transfer::to_u64;

/// The segment to create, except for its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose<'a> {
    pub(super) name: &'a Name,
    pub(super) mode: u32,
    pub(super) keep: bool,
}

/// A hidden segment that is being filled. Unless [`finish`](Self::finish) is called, it is
/// deleted: when it is dropped or, if this process is killed, by the next process that creates or
/// prunes segments in the namespace.
pub(super) struct NewSegment {
    segment: Segment,
}

impl NewSegment {
    pub(super) fn create(purpose: Purpose<'_>, size: u64) -> Result<Self> {
        let options = Options::new()
            .namespace(&namespace::selected())
            .mode(purpose.mode)
            .keep(purpose.keep)
            .hidden(true);
        let segment = change::create_with(options, purpose.name, size)?;
        Ok(Self { segment })
    }

    pub(super) const fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(super) fn bytes(&self) -> &[AtomicU8] {
        self.segment.bytes()
    }

    /// Opens the file that backs the segment. `None` without the privilege that
    /// this takes.
    pub(super) fn as_file(&self) -> Option<File> {
        let page = rustix::param::page_size();
        let start = self.bytes().as_ptr().addr();
        let end = start.checked_add(self.segment.len().next_multiple_of(page))?;
        OpenOptions::new()
            .write(true)
            .open(format!("/proc/self/map_files/{start:x}-{end:x}"))
            .ok()
    }

    /// Publishes the segment, and lets it outlive this process.
    pub(super) fn finish(self) -> Result<()> {
        self.segment
            .publish()
            .map_err(|error| Failure::library(&error, Some(self.segment.name())))?;
        mem::forget(self.segment);
        Ok(())
    }
}

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

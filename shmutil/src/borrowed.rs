//! Segments that this command attaches but must not delete.

#![forbid(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::Deref;

use shm_util::{Options, ReadOnlySegment, Segment};

use crate::failure::{Failure, Result};
use crate::names::Name;
use crate::namespace;

/// A segment that is only detached: destroying or dropping it would delete it if no other
/// process has it attached. If a command fails, the segment stays attached until this process
/// ends.
#[derive(Debug)]
pub(crate) struct Borrowed(ManuallyDrop<Segment>);

impl Borrowed {
    /// Leaves the segment and its name as they are.
    pub(crate) fn detach(self) -> Result<()> {
        let segment = ManuallyDrop::into_inner(self.0);
        segment
            .detach()
            .map_err(|error| Failure::library(&error, None))
    }
}

impl Deref for Borrowed {
    type Target = Segment;

    fn deref(&self) -> &Segment {
        &self.0
    }
}

/// Attaches a segment for reading. Dropping it only detaches it.
pub(crate) fn read_only(name: &Name) -> Result<ReadOnlySegment> {
    Options::new()
        .namespace(&namespace::selected())
        .open_read_only(&name.0)
        .map_err(|error| Failure::library(&error, Some(&name.0)))
}

/// Attaches a segment for reading and writing.
pub(crate) fn writable(name: &Name) -> Result<Borrowed> {
    Options::new()
        .namespace(&namespace::selected())
        .open(&name.0)
        .map(|segment| Borrowed(ManuallyDrop::new(segment)))
        .map_err(|error| Failure::library(&error, Some(&name.0)))
}

//! A segment that a command creates, fills and then publishes.

#![forbid(unsafe_code)]

use std::env;
use std::fs::{File, OpenOptions};
use std::mem;
use std::sync::atomic::AtomicU8;

use shm_util::{Namespace, Options, Permissions, Segment};

use crate::change;
use crate::failure::{Failure, Result};
use crate::names::Name;

/// The permission bits that the owner needs to fill a segment.
const READ_AND_WRITE: u32 = 0o600;

/// The segment to create, except for its size.
#[derive(Clone, Copy)]
pub(crate) struct Purpose<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a Name,
    pub(crate) mode: u32,
    pub(crate) keep: bool,
    /// The failure of an error of the library, with advice.
    pub(crate) failed: &'a dyn Fn(&shm_util::Error) -> Failure,
}

/// A hidden segment that is being filled. Unless [`finish`](Self::finish) is called, it is
/// deleted: when it is dropped or, if this process is killed, by the kernel, or by the next
/// process that creates or prunes segments in the namespace.
pub(crate) struct NewSegment<'a> {
    segment: Segment,
    purpose: Purpose<'a>,
}

impl<'a> NewSegment<'a> {
    pub(crate) fn create(purpose: Purpose<'a>, size: u64) -> Result<Self> {
        let Purpose { mode, failed, .. } = purpose;
        let options = Options::new()
            .mode(mode | READ_AND_WRITE)
            .keep(purpose.keep)
            .hidden(true);
        let segment = change::create_with(purpose.namespace, options, purpose.name, size, failed)?;
        Ok(Self { segment, purpose })
    }

    pub(crate) const fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn bytes(&self) -> &[AtomicU8] {
        self.segment.bytes()
    }

    /// Stores bytes from an offset on.
    pub(crate) fn write_at(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        let failed = self.purpose.failed;
        self.segment
            .write_at(offset, bytes)
            .map_err(|error| failed(&error))
    }

    /// Opens the file that backs the segment. `None` without the required privilege.
    pub(crate) fn as_file(&self) -> Option<File> {
        let page = rustix::param::page_size();
        let start = self.bytes().as_ptr().addr();
        let end = start.checked_add(self.segment.len().next_multiple_of(page))?;
        OpenOptions::new()
            .write(true)
            .open(format!("/proc/self/map_files/{start:x}-{end:x}"))
            .ok()
    }

    /// Publishes the segment, and lets it outlive this process.
    pub(crate) fn finish(self) -> Result<()> {
        let failed = self.purpose.failed;
        if self.purpose.mode & READ_AND_WRITE != READ_AND_WRITE {
            let permissions = Permissions {
                mode: Some(self.purpose.mode),
                ..Permissions::default()
            };
            self.segment
                .set_permissions(permissions)
                .map_err(|error| failed(&error))?;
        }
        // After a power failure, the name must not lead to bytes that were not written.
        if env::var_os("SHM_UTIL_SYNC").is_none_or(|value| value != "0") {
            self.segment.sync().map_err(|error| failed(&error))?;
        }
        self.segment.publish().map_err(|error| failed(&error))?;
        mem::forget(self.segment);
        Ok(())
    }
}

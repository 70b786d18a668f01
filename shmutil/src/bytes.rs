//! A segment's bytes, read in a way that turns missing pages into errors instead of signals.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use shm_util::{Kind, ReadOnlySegment};

use crate::failure::{self, Failure, Result};
use crate::names;
use crate::transfer::to_u64;

/// A segment's bytes. If the kernel has no page for some of them, as may happen to a segment in
/// unreserved huge pages and to a file that another process truncates, reading them is an error,
/// whereas an ordinary access would kill this process (SIGBUS).
pub(crate) struct Bytes<'a> {
    pub(crate) segment: &'a ReadOnlySegment,
    /// This process's memory as a file, see proc_pid_mem(5). `None` without /proc.
    memory: Option<File>,
}

impl<'a> Bytes<'a> {
    pub(crate) fn of(segment: &'a ReadOnlySegment) -> Self {
        Self {
            segment,
            memory: File::open("/proc/self/mem").ok(),
        }
    }

    /// Reads bytes that lie within the segment.
    pub(crate) fn read(&self, offset: usize, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        // Reading pages that were never touched would allocate them.
        let mut data = self.segment.data_from(offset);
        while data.start < offset + length {
            data.end = data.end.min(offset + length);
            if let Some(part) = bytes.get_mut(data.start - offset..data.end - offset) {
                self.read_data(data.start, part)?;
            }
            data = self.segment.data_from(data.end);
        }
        Ok(bytes)
    }

    /// Reads bytes that lie within the segment, including pages that were never touched.
    pub(crate) fn read_data(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let Some(memory) = &self.memory else {
            let failed = |error| Failure::library(&error, Some(self.segment.name()));
            return self.segment.read_at(offset, bytes).map_err(failed);
        };
        let start = to_u64(self.segment.as_ptr().addr());
        memory
            .read_exact_at(bytes, start.saturating_add(to_u64(offset)))
            .map_err(|error| self.unreadable(&error))
    }

    /// Fails if the segment is a file that was truncated: bytes beyond its new end may have been
    /// read as zeros.
    pub(crate) fn check_whole(&self) -> Result<()> {
        let name = self.segment.name();
        let info = self.segment.info();
        let size = info
            .map_err(|error| Failure::library(&error, Some(name)))?
            .size;
        if size == self.segment.len() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "read {}: another process has truncated its file from {} to {size} bytes; do not \
             change the sizes of files in this directory",
            names::quote(name),
            self.segment.len()
        )))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        let is_file = |info: shm_util::Info| info.kind == Kind::Directory;
        let advice = if self.segment.info().is_ok_and(is_file) {
            "another process may have truncated its file; do not change the sizes of files in this \
             directory"
        } else {
            "the system may lack memory for some of its pages: check HugePages_Free in \
             /proc/meminfo"
        };
        Failure::new(format!(
            "read {}: {}; {advice}",
            names::quote(self.segment.name()),
            failure::reason(error)
        ))
    }
}

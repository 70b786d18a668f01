//! Whether a save waits until its bytes are on the disk.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::Path;

use super::calls;
use crate::environment;
use crate::errno::Errno;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The bytes survive a power cut.
    Disk,
    /// The bytes survive the process (`SHM_UTIL_SYNC=0`).
    Memory,
}

impl Durability {
    /// The one that the environment selects.
    pub(crate) fn selected() -> Self {
        if environment::waits_for_disk() {
            Self::Disk
        } else {
            Self::Memory
        }
    }

    /// Waits for a file's bytes. Pipes and terminals have no disk.
    pub(crate) fn wait_for(self, file: &File) -> Result<(), Errno> {
        if self == Self::Memory {
            return Ok(());
        }
        not_supported_is_fine(calls::sync(file))
    }

    /// Waits for a file that has got a name, and for its entry in the directory.
    pub(crate) fn wait_for_entry(self, directory: &Path, file: &File) -> Result<(), Errno> {
        if self == Self::Memory {
            return Ok(());
        }
        // The file was on the disk as one without a name. Without a journal, a repair after a
        // power cut would find a name that leads to a deleted file, and remove it.
        not_supported_is_fine(calls::sync_all(file))?;
        self.wait_for_directory(directory, file)
    }

    /// Waits for the names in a directory; `file` is open on the same file system.
    pub(crate) fn wait_for_directory(self, directory: &Path, file: &File) -> Result<(), Errno> {
        if self == Self::Memory {
            return Ok(());
        }
        match calls::open(directory, libc::O_RDONLY | libc::O_DIRECTORY, 0) {
            Ok(directory) => self.wait_for(&directory),
            // The process may write to the directory but not read it.
            Err(_) => calls::sync_file_system(file),
        }
    }
}

/// Some file systems and devices have nothing to wait for.
fn not_supported_is_fine(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno(libc::EINVAL | libc::ENOTSUP)) => Ok(()),
        result => result,
    }
}

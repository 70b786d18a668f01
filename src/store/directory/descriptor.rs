//! A descriptor that stays open with an attachment, where a mapping does not keep the locks.
//!
//! The kernel maps a file of overlayfs through another file, that of the layer below. So the
//! mapping keeps the description of that file, and the locks on the one that was opened end with
//! its descriptor. The same is true of other file systems that are layers over others.

use std::fs::File;

use super::existing::Identity;
use super::file_system::FileSystem;
use crate::errno::Errno;
use crate::file::Status;
use crate::store::mapped::Mapped;

/// A descriptor of an attached segment's file. A child of fork has one of its own, which keeps
/// the same locks.
#[derive(Debug)]
pub(super) struct Descriptor {
    /// `None` only while it is dropped.
    file: Option<File>,
    identity: Identity,
    mapped: Option<u64>,
}

impl Descriptor {
    /// A descriptor for an attachment that was made with this file; `None` if its mapping keeps
    /// the locks.
    pub(super) fn of(
        file: &File,
        status: &Status,
        mapping: &Mapped,
    ) -> Result<Option<Self>, Errno> {
        match FileSystem::of_segment(file, status) {
            // FUSE can pass mappings through, too.
            FileSystem::Layer | FileSystem::Fuse => {}
            _ => return Ok(None),
        }
        Ok(Some(Self {
            file: Some(file.try_clone()?),
            identity: Identity::of(status),
            mapped: mapping.inode(),
        }))
    }

    /// The inode number of the file that is mapped; `None` if the system does not report it.
    pub(super) const fn mapped_inode(&self) -> Option<u64> {
        self.mapped
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else {
            return;
        };
        let is_ours = Status::of(&file).is_ok_and(|status| Identity::of(&status) == self.identity);
        // Daemons close all descriptors: the number may belong to another file by now.
        if !is_ours {
            std::mem::forget(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_descriptor_that_the_program_has_closed_is_left_alone() {
        let path = std::env::temp_dir().join(format!("shm_util.closed.{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let other = File::open("/").unwrap();
        std::fs::remove_file(&path).unwrap();
        let fd = file.as_raw_fd();
        let identity = Identity::of(&Status::of(&file).unwrap());
        let with = |file| Descriptor {
            file: Some(file),
            identity,
            mapped: None,
        };
        let copy = file.try_clone().unwrap();
        let copied = copy.as_raw_fd();
        drop(with(copy));
        // SAFETY: a closed descriptor is EBADF.
        assert_eq!(unsafe { libc::fcntl(copied, libc::F_GETFD) }, -1);
        // SAFETY: nobody else uses the descriptor.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), fd) }, fd);
        drop(with(file));
        // SAFETY: as above.
        assert_eq!(unsafe { libc::close(fd) }, 0, "it was not closed");
    }
}

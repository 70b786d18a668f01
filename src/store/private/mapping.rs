//! A mapping of a segment's memory, which does not unmap anything that has taken its place.

#![forbid(unsafe_code)]

use std::sync::atomic::AtomicU8;

use crate::errno::Errno;
use crate::request::{Access, Creation, Placement};
use crate::store::mapped::Mapped;

/// A mapping, and the identity of its memory. The program may have called munmap(2), and something
/// else may be mapped at the address now: then dropping it does nothing.
#[derive(Debug)]
pub(super) struct Mapping {
    /// `None` only while it is dropped.
    mapped: Option<Mapped>,
    /// The kernel gives each piece of memory an inode number; `None` if it does not reveal it.
    inode: Option<u64>,
}

impl Mapping {
    /// New memory, all zero, which children share.
    pub(super) fn new(
        size: usize,
        placement: Placement,
        creation: Creation,
    ) -> Result<Self, Errno> {
        let mapped = Mapped::anonymous(size, placement, creation)?;
        let inode = mapped.inode();
        Ok(Self {
            mapped: Some(mapped),
            inode,
        })
    }

    /// Maps the same memory once more.
    pub(super) fn again(&self, placement: Placement, access: Access) -> Result<Self, Errno> {
        let mapped = self.mapped.as_ref().ok_or(Errno(libc::EINVAL))?;
        Ok(Self {
            mapped: Some(mapped.again(placement, access)?),
            inode: self.inode,
        })
    }

    /// Where it is mapped.
    pub(super) fn address(&self) -> usize {
        self.mapped.as_ref().map_or(0, Mapped::address)
    }

    pub(super) fn bytes(&self) -> &[AtomicU8] {
        self.mapped.as_ref().map_or(&[], Mapped::bytes)
    }

    /// Whether the memory is still mapped at the address. Always asks the kernel: unmapping
    /// what the program has put there instead would destroy it.
    pub(super) fn is_there(&self) -> bool {
        match (&self.mapped, self.inode) {
            (Some(mapped), Some(inode)) => mapped.is_of(inode),
            _ => true,
        }
    }

    /// Forbids or allows the kernel to write the pages to swap space.
    pub(super) fn set_locked(&self, yes: bool) -> Result<(), Errno> {
        self.mapped
            .as_ref()
            .map_or(Ok(()), |mapped| mapped.set_locked(yes))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let (Some(mapped), Some(inode)) = (self.mapped.take(), self.inode) {
            mapped.unmap(inode);
        }
    }
}

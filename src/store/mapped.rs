//! Memory that is mapped with mmap(2): a file, or memory of this process and its children.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU8;

use crate::errno::Errno;
use crate::os::{self, Beginning, Piece, page_size};
use crate::request::{Access, Creation, Placement};

/// A mapping. Dropping it unmaps the memory.
#[derive(Debug)]
pub(super) struct Mapped {
    address: NonNull<c_void>,
    size: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and is only handed
// out as atomic bytes or as an address.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the first `size` bytes of a file. The mapping outlives the descriptor, and so do
    /// open file description locks that were taken through it.
    pub(super) fn file(
        file: &File,
        size: usize,
        placement: Placement,
        access: Access,
    ) -> Result<Self, Errno> {
        let (protection, flags) = (protection(access), libc::MAP_SHARED);
        Self::new(size, placement, protection, flags, file.as_raw_fd())
    }

    /// New memory, all zero, which children share.
    pub(super) fn anonymous(
        size: usize,
        placement: Placement,
        creation: Creation,
    ) -> Result<Self, Errno> {
        let reserving = if creation.no_reserve {
            os::MAP_NORESERVE
        } else {
            0
        };
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | reserving;
        Self::new(size, placement, protection(Access::ReadWrite), flags, -1)
    }

    /// Maps the same memory once more.
    pub(super) fn again(&self, placement: Placement, access: Access) -> Result<Self, Errno> {
        // Nothing else can be mapped there from now on.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | os::MAP_NORESERVE;
        let place = Self::new(self.size, placement, libc::PROT_NONE, flags, -1)?;
        let (from, to) = (self.address.as_ptr(), place.address.as_ptr());
        // SAFETY: nobody uses the place.
        if let Err(errno) = unsafe { os::map_again(from, self.size, to) } {
            // The kernel may have unmapped the place already, and another thread may have got it.
            place.abandon();
            return Err(errno);
        }
        // SAFETY: this memory was just mapped there, and nobody uses it.
        if unsafe { libc::mprotect(to, self.size, protection(access)) } != 0 {
            return Err(last());
        }
        Ok(place)
    }

    fn new(
        size: usize,
        placement: Placement,
        protection: c_int,
        flags: c_int,
        fd: c_int,
    ) -> Result<Self, Errno> {
        if !os::is_slice(size) {
            return Err(Errno(libc::ENOMEM));
        }
        let (wanted, flags) = match placement {
            Placement::Anywhere => (0, flags),
            Placement::At(address) => {
                let wanted = address & !(page_size() - 1);
                if wanted == 0 || os::is_of_the_kernel(wanted) {
                    return Err(Errno(libc::EINVAL));
                }
                (wanted, flags | os::MAP_FIXED_NOREPLACE)
            }
        };
        let hint = ptr::without_provenance_mut(wanted);
        // SAFETY: without MAP_FIXED the kernel never maps over anything.
        let address = unsafe { libc::mmap(hint, size, protection, flags, fd, 0) };
        if address == libc::MAP_FAILED {
            return Err(match (placement, last()) {
                // Something is mapped there, or the system does not allow the address.
                (Placement::At(_), Errno(libc::EEXIST | libc::EPERM)) => Errno(libc::EINVAL),
                (Placement::At(at), Errno(libc::ENOMEM)) if os::is_beyond(at, size) => {
                    Errno(libc::EINVAL)
                }
                (_, errno) => errno,
            });
        }
        let address = NonNull::new(address).ok_or(Errno(libc::EINVAL))?;
        let mapped = Self { address, size };
        // Kernels before Linux 4.17 take the address as a hint.
        if wanted != 0 && address.as_ptr().addr() != wanted {
            return Err(Errno(libc::EINVAL));
        }
        Ok(mapped)
    }

    /// Where it is mapped.
    pub(super) fn address(&self) -> usize {
        self.address.as_ptr().addr()
    }

    /// The bytes: atomic, because other processes may change them at any time.
    pub(super) const fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the kernel mapped `size` bytes there, which stay until the
        // mapping is dropped; AtomicU8 has the layout of a byte.
        unsafe { slice::from_raw_parts(self.address.as_ptr().cast::<AtomicU8>(), self.size) }
    }

    /// The inode number of the mapped file. Memory without a file has one, too.
    pub(super) fn inode(&self) -> Option<u64> {
        match os::beginning_at(self.address()) {
            Some(Beginning::File { inode, .. }) => Some(inode),
            _ => None,
        }
    }

    /// Whether the start of the file with this inode number is still mapped here. The program
    /// may have called munmap(2), and something else may be mapped here now, which must not be
    /// unmapped. True if the system does not report it.
    pub(super) fn is_of(&self, inode: u64) -> bool {
        match os::beginning_at(self.address()) {
            Some(Beginning::File { inode: found, .. }) => found == inode,
            Some(Beginning::Nothing) => false,
            None => true,
        }
    }

    /// Unmaps what is still mapped here of the file with this inode number. False, and nothing is
    /// unmapped, if not even its start is.
    pub(super) fn unmap(self, inode: u64) -> bool {
        let end = self.address() + self.size;
        match os::beginning_at(self.address()) {
            Some(Beginning::File {
                inode: found,
                end: first,
            }) if found == inode => {
                if first < end {
                    self.unmap_pieces(inode);
                }
                true
            }
            Some(_) => {
                self.abandon();
                false
            }
            None => true,
        }
    }

    /// The program has unmapped a part, and something else may be mapped there now; or it has
    /// given parts different protections.
    #[cold]
    fn unmap_pieces(self, inode: u64) {
        let start = self.address();
        let range = start..start + self.size;
        let unmap = |piece: Piece| {
            let is_ours = piece.inode == inode
                && u64::try_from(piece.range.start.wrapping_sub(start)) == Ok(piece.offset);
            if is_ours {
                let address = ptr::without_provenance_mut(piece.range.start);
                // SAFETY: this memory is a part of this mapping, which nothing borrows any more.
                unsafe { libc::munmap(address, piece.range.len()) };
            }
        };
        if os::for_each_piece(&range, unmap).is_some() {
            self.abandon();
        }
    }

    /// Whether the last page exists. If the file was truncated, an access to it would be SIGBUS.
    /// True if the system does not report it.
    pub(super) fn has_end(&self) -> bool {
        let page = page_size();
        let offset = self.size.saturating_sub(1) / page * page;
        let address = self.address.as_ptr().wrapping_byte_add(offset);
        // SAFETY: this changes no byte.
        let result = unsafe { libc::madvise(address, page, os::MADV_POPULATE_READ) };
        result == 0 || last() != Errno(libc::EFAULT)
    }

    /// Does not unmap the address: something else is mapped there now.
    pub(super) fn abandon(self) {
        std::mem::forget(self);
    }

    /// Forbids or allows the kernel to write the pages to swap space, see mlock(2).
    pub(super) fn set_locked(&self, yes: bool) -> Result<(), Errno> {
        let address = self.address.as_ptr();
        let result = if yes {
            // SAFETY: this changes no byte.
            unsafe { libc::mlock(address, self.size) }
        } else {
            // SAFETY: as above.
            unsafe { libc::munlock(address, self.size) }
        };
        if result == 0 { Ok(()) } else { Err(last()) }
    }

    /// Waits until changed pages are on the disk, see msync(2).
    pub(super) fn sync(&self) -> Result<(), Errno> {
        // SAFETY: this changes no byte.
        let result = unsafe { libc::msync(self.address.as_ptr(), self.size, libc::MS_SYNC) };
        if result == 0 { Ok(()) } else { Err(last()) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: called once for each mapping, when nothing borrows it any more.
        unsafe { libc::munmap(self.address.as_ptr(), self.size) };
    }
}

const fn protection(access: Access) -> c_int {
    match access {
        Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        Access::ReadOnly => libc::PROT_READ,
    }
}

fn last() -> Errno {
    Errno::from(io::Error::last_os_error())
}

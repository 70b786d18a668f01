//! An attachment of a System V segment in this process. See shmat(2).

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU8;

use super::doubt::Serial;
use super::shm::{Id, Key, cerr, last};
use crate::errno::Errno;
use crate::os;
use crate::request::{Access, Placement};

/// A segment's attachment in this process. Dropping it detaches the segment.
#[derive(Debug)]
pub(crate) struct Mapping {
    address: NonNull<c_void>,
    size: usize,
    serial: Serial,
}

// SAFETY: a mapping belongs to the process, not to a thread, and is only handed
// out as atomic bytes or as an address.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Attaches a segment. `size` is its real size in bytes, which the caller has
    /// from a status of the same segment. `ENOMEM` if no program of this word size can attach so
    /// much.
    pub(crate) fn attach(
        id: Id,
        placement: Placement,
        access: Access,
        size: usize,
    ) -> Result<Self, Errno> {
        if !os::is_slice(size) {
            return Err(Errno(libc::ENOMEM));
        }
        let access = match access {
            Access::ReadWrite => 0,
            Access::ReadOnly => os::SHM_RDONLY,
        };
        let (wanted, flags) = match placement {
            Placement::Anywhere => (ptr::null(), 0),
            Placement::At(address) => {
                // The lowest pages would come back as a NULL address.
                if address < os::attach_boundary() || os::is_of_the_kernel(address) {
                    return Err(Errno(libc::EINVAL));
                }
                (ptr::without_provenance(address), os::SHM_RND)
            }
        };
        // SAFETY: without SHM_REMAP the kernel never maps over anything.
        let address = unsafe { os::shmat(id.0, wanted, flags | access) };
        if address.addr() == usize::MAX {
            return Err(match (last(), placement) {
                (Errno(libc::ENOMEM), Placement::At(at)) if os::is_beyond(at, size) => {
                    Errno(libc::EINVAL)
                }
                (errno, _) => errno,
            });
        }
        let address = NonNull::new(address).ok_or(Errno(libc::EINVAL))?;
        Ok(Self {
            address,
            size,
            serial: Serial::next(address.as_ptr().addr()),
        })
    }

    /// Where the segment is attached.
    pub(crate) const fn address(&self) -> NonNull<c_void> {
        self.address
    }

    /// In bytes.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// The bytes: atomic, because other processes may change them at any time.
    pub(crate) const fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the kernel mapped `size` bytes there, which stay until the
        // mapping is dropped; AtomicU8 has the layout of a byte.
        unsafe { slice::from_raw_parts(self.address.as_ptr().cast::<AtomicU8>(), self.size) }
    }

    /// Whether its pages are of the ordinary size. Memory in huge pages that were not
    /// reserved (`SHM_NORESERVE`) may be missing: SIGBUS for whoever touches it. If the
    /// pages are not ordinary, but all there, that does as well.
    pub(crate) fn is_ordinary(&self) -> bool {
        // SAFETY: MADV_COLD, since Linux 5.4, changes no memory. It is refused for huge
        // pages, and for locked ones.
        match cerr(unsafe { libc::madvise(self.address.as_ptr(), self.size, os::MADV_COLD) }) {
            Err(Errno(libc::EINVAL)) => {}
            _ => return true,
        }
        // SAFETY: MADV_POPULATE_WRITE, since Linux 5.14, allocates memory and changes
        // none; it fails instead of raising SIGBUS.
        let populated = cerr(unsafe {
            libc::madvise(self.address.as_ptr(), self.size, os::MADV_POPULATE_WRITE)
        });
        // EINVAL: an older kernel, which does not tell.
        matches!(populated, Ok(_) | Err(Errno(libc::EINVAL)))
    }

    /// Whether something was attached at the same address since.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.serial.is_in_doubt(self.address.as_ptr().addr())
    }

    /// Whether the start of the segment that was created with this key, and has this
    /// identifier, is still attached at its address. The program may have called
    /// shmdt(2), or withheld the mapping from a child (`MADV_DONTFORK`), and something else
    /// may be mapped there now.
    pub(crate) fn is_of(&self, key: Key, id: Id) -> bool {
        let address = self.address.as_ptr().addr();
        os::is_segment_at(address, key.0, id.0).unwrap_or_else(|| self.is_there())
    }

    /// Whether anything is still mapped at its address.
    fn is_there(&self) -> bool {
        os::is_mapped(self.address.as_ptr())
    }

    /// Leaves the address alone: something else is mapped there now.
    pub(crate) fn abandon(self) {
        std::mem::forget(self);
    }

    /// Detaches the segment.
    pub(crate) fn detach(self) -> Result<(), Errno> {
        let address = self.address;
        std::mem::forget(self);
        detach_at(address)
    }
}

#[cfg(test)]
impl Mapping {
    /// A new segment without a key, which is deleted when this is dropped.
    pub(crate) fn nameless(size: usize) -> Self {
        // SAFETY: shmget takes numbers only.
        let id = Id(unsafe { os::shmget(libc::IPC_PRIVATE, size, 0o600) });
        let mapping = Self::attach(id, Placement::Anywhere, Access::ReadWrite, size).unwrap();
        super::shm::remove(id).unwrap();
        mapping
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Nothing can be done if the program has detached it itself.
        let _ = detach_at(self.address);
    }
}

fn detach_at(address: NonNull<c_void>) -> Result<(), Errno> {
    // SAFETY: called once for each mapping, when nothing borrows it any more.
    cerr(unsafe { os::shmdt(address.as_ptr()) }).map(drop)
}

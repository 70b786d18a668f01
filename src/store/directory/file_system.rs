//! The file system of a directory: whether it suits segments.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;
use crate::file::{self, Status};
use crate::os;

/// What matters about a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Its files outlive a reboot.
    Disk,
    /// Its files are in memory: there is no disk to wait for.
    Memory,
    /// Its files are those of another file system: a mapping is of the file there, not of the one
    /// that was opened, and does not keep that one's locks.
    Layer,
    /// Its files are in huge pages of this size in bytes.
    HugePages(usize),
    /// Other machines may change its files, and their locks and mappings are not coherent with
    /// this machine's. It has this name.
    Network(&'static str),
    /// A program serves its files (FUSE), so whether locks and mappings are coherent depends on
    /// that program.
    Fuse,
}

/// hugetlbfs
const HUGE_PAGES: u64 = 0x9584_58f6;

/// See statfs(2) and `linux/magic.h`.
const TYPES: &[(u64, FileSystem)] = &[
    (0x0102_1994, FileSystem::Memory), // tmpfs
    (0x8584_58f6, FileSystem::Memory), // ramfs
    (0x6573_5546, FileSystem::Fuse),
    (0x794c_7630, FileSystem::Layer), // overlayfs
    (0x0000_f15f, FileSystem::Layer), // eCryptfs
    (0x6969, FileSystem::Network("NFS")),
    (0x517b, FileSystem::Network("SMB")),
    (0xfe53_4d42, FileSystem::Network("SMB")),
    (0xff53_4d42, FileSystem::Network("SMB")),
    (0x00c3_6400, FileSystem::Network("Ceph")),
    (0x0102_1997, FileSystem::Network("9P")),
    (0x5346_414f, FileSystem::Network("AFS")),
    (0x6b41_4653, FileSystem::Network("AFS")),
    (0x7375_7245, FileSystem::Network("Coda")),
];

impl FileSystem {
    /// The file system of an open file.
    pub(crate) fn of(file: &File) -> Result<Self, Errno> {
        let status = file::file_system(file)?;
        let magic = u64::from(status.magic);
        if magic == HUGE_PAGES {
            return Ok(Self::HugePages(usize::try_from(status.unit).unwrap_or(1)));
        }
        let found = TYPES.iter().find(|(known, _)| *known == magic);
        Ok(found.map_or(Self::Disk, |(_, found)| *found))
    }

    /// The file system of a segment's file. It is cached, because calls ask for it again and again.
    pub(super) fn of_segment(file: &File, status: &Status) -> Self {
        /// The file systems of some devices, and in which second each was looked up.
        static KNOWN: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
        let (major, minor) = status.device;
        let device = (u64::from(major & 0xfff) << 20) | u64::from(minor & 0xf_ffff);
        let now = os::seconds(os::Clock::Monotonic) & 0x0fff_ffff;
        let place = KNOWN.get(minor as usize % KNOWN.len()).unwrap_or(&KNOWN[0]);
        for kind in [Self::Disk, Self::Memory, Self::Fuse, Self::Layer] {
            if place.load(Ordering::Relaxed) == kind.tag() | (now << 32) | device {
                return kind;
            }
        }
        // If a sandbox blocks the call, the file system is taken for a disk.
        let found = Self::of(file).unwrap_or(Self::Disk);
        if found.tag() != 0 {
            place.store(found.tag() | (now << 32) | device, Ordering::Relaxed);
        }
        found
    }

    const fn tag(self) -> u64 {
        match self {
            Self::Disk => 1 << 60,
            Self::Memory => 2 << 60,
            Self::Fuse => 3 << 60,
            Self::Layer => 4 << 60,
            Self::HugePages(_) | Self::Network(_) => 0,
        }
    }

    /// Whether changes must be written to a disk to outlive a power failure.
    pub(super) const fn has_disk(self) -> bool {
        matches!(
            self,
            Self::Disk | Self::Network(_) | Self::Fuse | Self::Layer
        )
    }
}

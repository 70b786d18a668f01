//! What a system knows of a file.

/// See stat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The type and the permission bits.
    pub(crate) mode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) links: u64,
    /// In bytes.
    pub(crate) size: u64,
    /// In units of 512 bytes.
    pub(crate) blocks: u64,
    /// When it was created, in seconds since 1970; `None` if the file system does not record
    /// that.
    pub(crate) created: Option<i64>,
    /// When its bytes were last changed.
    pub(crate) modified: i64,
    /// When it was last read or mapped; file systems do not record this every time.
    pub(crate) accessed: i64,
    /// When its bytes, owner, group, mode or number of links were last changed.
    pub(crate) changed: i64,
    pub(crate) inode: u64,
    pub(crate) device: (u32, u32),
    /// As statx(2) numbers them; 0 if the system does not report them.
    pub(crate) attributes: u64,
}

/// The file system of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSystemStatus {
    /// The lower half of its type as Linux numbers it, see `linux/magic.h`; 0 for one that is
    /// like any disk.
    pub(crate) magic: u32,
    /// The unit of `available`, in bytes; for huge pages, their size.
    pub(crate) unit: u64,
    /// How many units ordinary users may still fill.
    pub(crate) available: u64,
}

/// In a status's attributes: something is mounted here, so no other file can take its place.
pub(crate) const MOUNT_ROOT: u64 = 0x2000;
/// A directory in which names can only be created (see chattr(1)).
pub(crate) const APPEND_ONLY: u64 = 0x20;

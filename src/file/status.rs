//! What the kernel knows of a file. The standard library lacks the attributes, and
//! fails if statx(2) is refused after it has worked.

use std::ffi::{CStr, c_int};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::path::to_c;
use super::refused::is_refusal;
use crate::errno::Errno;
use crate::os;

/// See statx(2).
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
    attributes: u64,
}

impl Status {
    pub(crate) fn of(file: &File) -> Result<Self, Errno> {
        Self::at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
    }

    /// Does not follow a symbolic link.
    pub(crate) fn of_path(path: &Path) -> Result<Self, Errno> {
        Self::at(libc::AT_FDCWD, &to_c(path)?, libc::AT_SYMLINK_NOFOLLOW)
    }

    /// Follows symbolic links.
    pub(crate) fn of_target(path: &Path) -> Result<Self, Errno> {
        Self::at(libc::AT_FDCWD, &to_c(path)?, 0)
    }

    fn at(directory: c_int, path: &CStr, flags: c_int) -> Result<Self, Errno> {
        let mut raw = MaybeUninit::<libc::statx>::zeroed();
        // Not the C library's function, which is a cancellation point.
        // SAFETY: the path is a string, and there is room for a statx.
        let result = unsafe {
            libc::syscall(
                libc::SYS_statx,
                directory,
                path.as_ptr(),
                flags,
                libc::STATX_BASIC_STATS | libc::STATX_BTIME,
                raw.as_mut_ptr(),
            )
        };
        if result == 0 {
            // SAFETY: it is zero, or the kernel has filled it in.
            return Ok(Self::from(unsafe { raw.assume_init() }));
        }
        match Errno::from(io::Error::last_os_error()) {
            errno if is_refusal(errno) => Self::without_attributes(directory, path, flags)
                .map_err(|other| if is_refusal(other) { errno } else { other }),
            errno => Err(errno),
        }
    }

    fn without_attributes(directory: c_int, path: &CStr, flags: c_int) -> Result<Self, Errno> {
        let mut raw = MaybeUninit::<os::stat>::zeroed();
        // SAFETY: the path is a string, and there is room for a stat.
        let result = unsafe { os::fstatat(directory, path.as_ptr(), raw.as_mut_ptr(), flags) };
        if result != 0 {
            return Err(Errno::from(io::Error::last_os_error()));
        }
        // SAFETY: the kernel has filled it in.
        let raw = unsafe { raw.assume_init() };
        Ok(Self {
            mode: raw.st_mode,
            user: raw.st_uid,
            group: raw.st_gid,
            links: os::unsigned(raw.st_nlink),
            size: os::unsigned(raw.st_size),
            blocks: os::unsigned(raw.st_blocks),
            created: None,
            modified: os::time(raw.st_mtime),
            accessed: os::time(raw.st_atime),
            changed: os::time(raw.st_ctime),
            inode: os::unsigned(raw.st_ino),
            device: (libc::major(raw.st_dev), libc::minor(raw.st_dev)),
            attributes: 0,
        })
    }

    const fn has_type(&self, kind: u32) -> bool {
        self.mode & libc::S_IFMT == kind
    }

    pub(crate) const fn is_file(&self) -> bool {
        self.has_type(libc::S_IFREG)
    }

    pub(crate) const fn is_directory(&self) -> bool {
        self.has_type(libc::S_IFDIR)
    }

    pub(crate) const fn is_fifo(&self) -> bool {
        self.has_type(libc::S_IFIFO)
    }

    pub(crate) const fn is_link(&self) -> bool {
        self.has_type(libc::S_IFLNK)
    }

    /// The permission bits, set-uid, set-gid and sticky.
    pub(crate) const fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    pub(crate) const fn is_same_file(&self, other: &Self) -> bool {
        self.inode == other.inode
            && self.device.0 == other.device.0
            && self.device.1 == other.device.1
    }

    /// Whether both have the same type, mode, owner and group, so that one can replace
    /// the other.
    pub(crate) const fn is_alike(&self, other: &Self) -> bool {
        self.mode == other.mode && self.user == other.user && self.group == other.group
    }

    /// Whether something is mounted here: no other file can take its place.
    pub(crate) const fn is_mount_point(&self) -> bool {
        self.has(libc::STATX_ATTR_MOUNT_ROOT)
    }

    /// Whether it is a directory in which names can only be created (see chattr(1)).
    pub(crate) const fn is_append_only(&self) -> bool {
        self.has(libc::STATX_ATTR_APPEND)
    }

    #[expect(clippy::cast_sign_loss, reason = "the flags are positive")]
    const fn has(&self, attribute: c_int) -> bool {
        self.attributes & attribute as u64 != 0
    }
}

impl From<libc::statx> for Status {
    fn from(raw: libc::statx) -> Self {
        Self {
            mode: u32::from(raw.stx_mode),
            user: raw.stx_uid,
            group: raw.stx_gid,
            links: u64::from(raw.stx_nlink),
            size: raw.stx_size,
            blocks: raw.stx_blocks,
            created: (raw.stx_mask & libc::STATX_BTIME != 0).then_some(raw.stx_btime.tv_sec),
            modified: raw.stx_mtime.tv_sec,
            accessed: raw.stx_atime.tv_sec,
            changed: raw.stx_ctime.tv_sec,
            inode: raw.stx_ino,
            device: (raw.stx_dev_major, raw.stx_dev_minor),
            attributes: raw.stx_attributes,
        }
    }
}

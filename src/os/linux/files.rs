//! System calls for files that only Linux has. As in C, they return -1 and set `errno`.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::io;
use std::mem::MaybeUninit;

use super::abi;
use crate::errno::Errno;
use crate::os::file_status::{APPEND_ONLY, FileSystemStatus, MOUNT_ROOT, Status};
use crate::os::posix::{Replace, time, unsigned};

/// Opens the file itself, which may be a link, without access to its bytes.
pub(crate) use libc::O_PATH;
/// The errors of an attribute that a file does not have, and of damaged data.
pub(crate) use libc::{ENODATA, EUCLEAN};
/// For [`seek`](super::lseek).
pub(crate) use libc::{SEEK_DATA, SEEK_HOLE};

/// statx(2), not by the C library's function, which is a cancellation point. An empty path
/// is the file `directory` itself.
pub(crate) fn status_with_attributes(
    directory: c_int,
    path: &CStr,
    follow: Follow,
) -> Result<Status, Errno> {
    let mut raw = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a string, and there is room for a statx.
    let result = unsafe {
        libc::syscall(
            libc::SYS_statx,
            directory,
            path.as_ptr(),
            flags(path, follow),
            libc::STATX_BASIC_STATS | libc::STATX_BTIME,
            raw.as_mut_ptr(),
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: it is zero, or the kernel has filled it in.
    Ok(Status::from(unsafe { raw.assume_init() }))
}

/// Whether symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Yes,
    No,
}

fn flags(path: &CStr, follow: Follow) -> c_int {
    match follow {
        _ if path.is_empty() => libc::AT_EMPTY_PATH,
        Follow::Yes => 0,
        Follow::No => libc::AT_SYMLINK_NOFOLLOW,
    }
}

/// The same by fstatat(2), without what only statx(2) reports.
pub(crate) fn status(directory: c_int, path: &CStr, follow: Follow) -> Result<Status, Errno> {
    let mut raw = MaybeUninit::<abi::stat>::zeroed();
    let flags = flags(path, follow);
    // SAFETY: the path is a string, and there is room for a stat.
    let result = unsafe { abi::fstatat(directory, path.as_ptr(), raw.as_mut_ptr(), flags) };
    if result != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the kernel has filled it in.
    let raw = unsafe { raw.assume_init() };
    Ok(Status {
        mode: raw.st_mode,
        user: raw.st_uid,
        group: raw.st_gid,
        links: unsigned(raw.st_nlink),
        size: unsigned(raw.st_size),
        blocks: unsigned(raw.st_blocks),
        created: None,
        modified: time(raw.st_mtime),
        accessed: time(raw.st_atime),
        changed: time(raw.st_ctime),
        inode: unsigned(raw.st_ino),
        device: abi::device(raw.st_dev),
        attributes: 0,
    })
}

const _: () = assert!(
    MOUNT_ROOT as i128 == libc::STATX_ATTR_MOUNT_ROOT as i128
        && APPEND_ONLY as i128 == libc::STATX_ATTR_APPEND as i128
);

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

/// fstatfs(2)
pub(crate) fn file_system(fd: c_int) -> Result<FileSystemStatus, Errno> {
    let mut status = MaybeUninit::<abi::statfs>::zeroed();
    // SAFETY: the kernel writes a whole statfs.
    if unsafe { abi::fstatfs(fd, status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the kernel has filled it in.
    let status = unsafe { status.assume_init() };
    Ok(FileSystemStatus {
        magic: abi::magic(&status),
        unit: unsigned(status.f_bsize),
        available: unsigned(status.f_bavail),
    })
}

/// open(2) itself: the C library uses openat(2).
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "powerpc64",
    target_arch = "s390x"
))]
pub(crate) fn open_without_at(path: &CStr, flags: c_int, mode: u32) -> c_long {
    // For files of 2 GiB and more.
    let flags = flags | libc::O_LARGEFILE;
    // SAFETY: the path is a string.
    unsafe { libc::syscall(libc::SYS_open, path.as_ptr(), flags, mode) }
}

/// Other processors have no such call.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "powerpc64",
    target_arch = "s390x"
)))]
pub(crate) fn open_without_at(_: &CStr, _: c_int, _: u32) -> c_long {
    abi::set_errno(libc::ENOSYS);
    -1
}

/// The flag of open(2) for a file without a name in the directory that is opened; `None` if the
/// system has no such files.
pub(crate) const NAMELESS: Option<c_int> = Some(libc::O_TMPFILE);

/// Gives a name to a file without one (linkat(2) with `AT_EMPTY_PATH`), which is faster than by its
/// path in /proc; but before Linux 6.10 only privileged processes may, and others get `ENOENT`.
pub(crate) fn link_descriptor(fd: c_int, to: &CStr) -> c_int {
    let here = libc::AT_FDCWD;
    // SAFETY: both paths are strings.
    unsafe { libc::linkat(fd, c"".as_ptr(), here, to.as_ptr(), libc::AT_EMPTY_PATH) }
}

/// Whether a file keeps its size when room beyond its end is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Grows,
    Kept,
}

/// fallocate(2): reserves room.
pub(crate) fn allocate(fd: c_int, start: i64, length: i64, size: Size) -> c_int {
    let mode = match size {
        Size::Grows => 0,
        Size::Kept => libc::FALLOC_FL_KEEP_SIZE,
    };
    // SAFETY: fallocate takes numbers only.
    unsafe { abi::fallocate(fd, mode, start, length) }
}

/// fallocate(2): makes a hole.
pub(crate) fn deallocate(fd: c_int, start: i64, length: i64) -> c_int {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: fallocate takes numbers only.
    unsafe { abi::fallocate(fd, mode, start, length) }
}

const SYNC_FILE_RANGE_WRITE: u32 = 2;

unsafe extern "C" {
    // The libc crate does not have it for Android.
    fn sync_file_range(fd: c_int, start: i64, length: i64, flags: u32) -> c_int;
}

/// sync_file_range(2): starts writing to the disk.
pub(crate) fn begin_write_back(fd: c_int, start: i64, length: i64) {
    // SAFETY: it takes numbers only. The caller waits for the disk later, and gets an error then.
    unsafe { sync_file_range(fd, start, length, SYNC_FILE_RANGE_WRITE) };
}

/// fdatasync(2)
pub(crate) fn sync_data(fd: c_int) -> c_int {
    // SAFETY: fdatasync takes a number only.
    unsafe { libc::fdatasync(fd) }
}

/// syncfs(2)
pub(crate) fn sync_file_system(fd: c_int) -> c_int {
    // SAFETY: syncfs takes a number only.
    unsafe { libc::syncfs(fd) }
}

/// fchown(2) without it: fchownat(2) with `AT_EMPTY_PATH`.
pub(crate) fn change_owner_at(fd: c_int, user: u32, group: u32) -> c_int {
    // SAFETY: the path is a string.
    unsafe { libc::fchownat(fd, c"".as_ptr(), user, group, libc::AT_EMPTY_PATH) }
}

/// renameat2(2)
pub(crate) fn rename(from: &CStr, to: &CStr, replace: Replace) -> c_long {
    let here = libc::AT_FDCWD;
    let flags = match replace {
        Replace::Yes => 0,
        Replace::No => libc::RENAME_NOREPLACE,
    };
    let (from, to) = (from.as_ptr(), to.as_ptr());
    // SAFETY: both paths are strings.
    unsafe { libc::syscall(libc::SYS_renameat2, here, from, here, to, flags) }
}

/// The target of a symbolic link that was itself opened: readlinkat(2).
pub(crate) fn read_open_link(link: c_int, target: &mut [u8]) -> isize {
    let (room, length) = (target.as_mut_ptr().cast(), target.len());
    // SAFETY: the name is a string, and the length is the buffer's.
    unsafe { libc::readlinkat(link, c"".as_ptr(), room, length) }
}

/// Records of the kernel, `struct linux_dirent64`, see getdents(2).
#[repr(align(8))]
struct Records([u8; 4096]);

/// The offsets of a record's length and of the name.
const LENGTH: usize = 16;
const NAME: usize = 19;

/// Passes each name in an open directory, in no particular order.
pub(crate) fn for_each_entry<E>(
    directory: c_int,
    failed: impl Fn(Errno) -> E,
    mut work: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut records = Records([0; 4096]);
    loop {
        let length = read(directory, &mut records).map_err(&failed)?;
        let mut rest = records.0.get(..length).unwrap_or(&[]);
        if rest.is_empty() {
            return Ok(());
        }
        while let Some((record, behind)) = first(rest) {
            let name = record.get(NAME..).unwrap_or(&[]);
            work(name.split(|&byte| byte == 0).next().unwrap_or(&[]))?;
            rest = behind;
        }
    }
}

/// The first record, and what is behind it.
fn first(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = records.get(LENGTH..LENGTH + 2)?.try_into().ok()?;
    records.split_at_checked(usize::from(u16::from_ne_bytes(length)))
}

/// The number of bytes that were read; 0 at the end, and if the directory was removed.
fn read(directory: c_int, records: &mut Records) -> Result<usize, Errno> {
    let buffer = records.0.as_mut_ptr();
    // SAFETY: the buffer has that many bytes.
    let length = unsafe { libc::syscall(libc::SYS_getdents64, directory, buffer, records.0.len()) };
    usize::try_from(length).or_else(|_| match Errno::from(io::Error::last_os_error()) {
        Errno(libc::ENOENT) => Ok(0),
        errno => Err(errno),
    })
}

/// A file whose attributes are meant: an open one, or that of a path.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    Descriptor(c_int),
    Path(&'a CStr),
}

/// fgetxattr(2) and getxattr(2)
pub(crate) fn attribute(of: Of<'_>, name: &CStr, value: *mut u8, size: usize) -> isize {
    let (name, value) = (name.as_ptr(), value.cast::<c_void>());
    match of {
        // SAFETY: the name is a string, and the caller's buffer has that size.
        Of::Descriptor(fd) => unsafe { libc::fgetxattr(fd, name, value, size) },
        // SAFETY: as above.
        Of::Path(path) => unsafe { libc::getxattr(path.as_ptr(), name, value, size) },
    }
}

/// fsetxattr(2) and setxattr(2)
pub(crate) fn set_attribute(of: Of<'_>, name: &CStr, value: &[u8]) -> c_int {
    let (name, size, value) = (name.as_ptr(), value.len(), value.as_ptr().cast());
    match of {
        // SAFETY: the name is a string, and the value has that size.
        Of::Descriptor(fd) => unsafe { libc::fsetxattr(fd, name, value, size, 0) },
        // SAFETY: as above.
        Of::Path(path) => unsafe { libc::setxattr(path.as_ptr(), name, value, size, 0) },
    }
}

/// fremovexattr(2) and removexattr(2)
pub(crate) fn remove_attribute(of: Of<'_>, name: &CStr) -> c_int {
    match of {
        // SAFETY: the name is a string.
        Of::Descriptor(fd) => unsafe { libc::fremovexattr(fd, name.as_ptr()) },
        // SAFETY: as above.
        Of::Path(path) => unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) },
    }
}

/// Watches a directory for new files (inotify(7)): a descriptor that becomes readable. `None` if
/// that is not possible.
pub(crate) fn watch(directory: &CStr) -> Option<c_int> {
    // SAFETY: it takes a number only.
    let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
    if fd < 0 {
        return None;
    }
    let events = libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF;
    // SAFETY: the path is a string.
    if unsafe { libc::inotify_add_watch(fd, directory.as_ptr(), events) } < 0 {
        // SAFETY: nobody else knows the descriptor.
        unsafe { libc::close(fd) };
        return None;
    }
    Some(fd)
}

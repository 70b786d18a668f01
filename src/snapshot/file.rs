//! System calls for files that the standard library lacks.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;

use crate::errno::Errno;

/// An offset as the kernel takes it. No memory is larger than the largest file.
pub(super) fn offset(offset: usize) -> libc::off_t {
    libc::off_t::try_from(offset).unwrap_or(libc::off_t::MAX)
}

/// 0, or the `errno` value of a call that returns -1.
fn check(result: libc::c_int) -> Result<(), Errno> {
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from(io::Error::last_os_error()))
    }
}

/// The result of a step that some file systems do not support, and that writing
/// makes unnecessary: false where it failed. Only a lack of room is an error.
fn if_supported(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(errno @ Errno(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => Err(errno),
        Err(_) => Ok(false),
    }
}

/// Makes a new file `size` bytes long. False where the file system cannot extend a
/// file without writing to it.
pub(super) fn extend(file: &File, size: usize) -> Result<bool, Errno> {
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    if_supported(file.set_len(size).map_err(Errno::from))
}

/// Reserves room for a range of a file. Fails only if there is too little room.
pub(super) fn allocate(file: &File, range: &Range<usize>) -> Result<(), Errno> {
    let (start, length) = (offset(range.start), offset(range.len()));
    // SAFETY: fallocate takes numbers only.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), 0, start, length) };
    if_supported(check(result)).map(drop)
}

/// Starts writing a range of a file to the disk, without waiting for it.
pub(super) fn begin_write_back(file: &File, range: &Range<usize>) {
    let (start, length) = (offset(range.start), offset(range.len()));
    // SAFETY: sync_file_range takes numbers only. The caller waits for the disk
    // later, and gets an error then.
    unsafe { libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE) };
}

/// The first offset, from `from` on, of data or of a hole: `whence` is `SEEK_DATA`
/// or `SEEK_HOLE`. Moves the descriptor's position.
pub(super) fn seek(file: &File, from: usize, whence: libc::c_int) -> Result<usize, Errno> {
    // SAFETY: lseek takes numbers only.
    let found = unsafe { libc::lseek(file.as_raw_fd(), offset(from), whence) };
    usize::try_from(found).map_err(|_| Errno::from(io::Error::last_os_error()))
}

/// Closes a file. Some file systems report errors of earlier writes only here.
pub(super) fn close(file: File) -> Result<(), Errno> {
    // SAFETY: the descriptor is ours, and is not used again.
    match check(unsafe { libc::close(file.into_raw_fd()) }) {
        // Linux has closed it.
        Err(Errno(libc::EINTR)) => Ok(()),
        result => result,
    }
}

/// The directory in which each open descriptor has a path.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";

/// Gives a name to a file that was opened without one (`O_TMPFILE`, see open(2)).
pub(super) fn link(file: &File, path: &Path) -> Result<(), Errno> {
    let from = CString::new(format!("{DESCRIPTORS}/{}", file.as_raw_fd()))
        .map_err(|_| Errno(libc::EINVAL))?;
    let to = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: both paths end with a NUL.
    check(unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    })
}

/// The target of a symbolic link that was itself opened (`O_PATH`).
pub(super) fn target_of(link: &File) -> Result<PathBuf, Errno> {
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: the name is a string, and the length is the buffer's.
    let length = unsafe {
        libc::readlinkat(
            link.as_raw_fd(),
            c"".as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let target = buffer.get(..length).unwrap_or(&buffer);
    Ok(PathBuf::from(OsStr::from_bytes(target)))
}

/// Whether a file is in /proc, where a link may lead to a file that has no name.
pub(super) fn is_in_proc(file: &File) -> bool {
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is open, and the kernel writes a whole statfs.
    let result = unsafe { libc::fstatfs(file.as_raw_fd(), status.as_mut_ptr()) };
    // SAFETY: it is zero, or the kernel has filled it in.
    result == 0 && unsafe { status.assume_init() }.f_type == libc::PROC_SUPER_MAGIC
}

/// Locks a file with flock(2) until it is closed, at the latest by the process's
/// death. False if another process has it locked, or it cannot be locked.
pub(super) fn try_to_lock(file: &File) -> bool {
    // SAFETY: the descriptor is open.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Gives the file `to` the access control list of `from` (see acl(5)), or removes
/// the one that it inherited from its directory if `from` has none.
///
/// `EPERM` if the list cannot be copied: the file would have other permissions than
/// before.
pub(super) fn copy_access_control_list(from: &File, to: &File) -> Result<(), Errno> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    let name = c"system.posix_acl_access".as_ptr();
    let size_in = |fd| {
        // SAFETY: the name is a string. With a length of 0 nothing is written.
        let size = unsafe { libc::fgetxattr(fd, name, ptr::null_mut(), 0) };
        usize::try_from(size).unwrap_or(0)
    };
    let size = size_in(from);
    if size == 0 {
        if size_in(to) > 0 {
            // SAFETY: the name is a string.
            unsafe { libc::fremovexattr(to, name) };
        }
        return Ok(());
    }
    let mut list = Vec::<u8>::new();
    list.try_reserve_exact(size)
        .map_err(|_| Errno(libc::ENOMEM))?;
    list.resize(size, 0);
    // SAFETY: the length is that of `list`.
    let size = unsafe { libc::fgetxattr(from, name, list.as_mut_ptr().cast(), list.len()) };
    let copied = usize::try_from(size).is_ok_and(|size| {
        list.truncate(size);
        // SAFETY: the length is that of `list`.
        unsafe { libc::fsetxattr(to, name, list.as_ptr().cast(), list.len(), 0) == 0 }
    });
    if copied {
        Ok(())
    } else {
        Err(Errno(libc::EPERM))
    }
}

/// Writes the whole file system of a file to the disk, and waits for that.
pub(super) fn sync_file_system(file: &File) -> Result<(), Errno> {
    // SAFETY: the descriptor is open.
    check(unsafe { libc::syncfs(file.as_raw_fd()) })
}

//! System calls for files, and what replaces those that are refused.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _};
use std::path::Path;

use super::descriptor::above_standard;
use super::path::{by_path, of_descriptor, to_c};
use super::refused::first_allowed;
use crate::errno::Errno;
use crate::os::{self, Replace};

pub(crate) use crate::os::{FileSystemStatus, Size};

/// An offset as the kernel takes it. No memory is larger than the largest file.
pub(crate) fn offset(offset: usize) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// The `errno` value of a call that returns -1.
pub(crate) fn check(result: impl Into<i64>) -> Result<i64, Errno> {
    match result.into() {
        -1 => Err(Errno::from(io::Error::last_os_error())),
        result => Ok(result),
    }
}

/// Opens a file, with a descriptor above 2. `EINTR` if a signal handler interrupts the
/// wait for a FIFO's other end; the standard library would wait again.
pub(crate) fn open(path: &Path, flags: c_int, mode: u32) -> Result<File, Errno> {
    let path = to_c(path)?;
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: the path is a string.
    let call = || check(unsafe { os::open(path.as_ptr(), flags, mode) });
    let descriptor = first_allowed(&[&call, &|| check(os::open_without_at(&path, flags, mode))])?;
    let descriptor = c_int::try_from(descriptor).map_err(|_| Errno(libc::EBADF))?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    above_standard(unsafe { File::from_raw_fd(descriptor) })
}

/// Whether the effective user may access a file: `mode` is a combination of `R_OK`, `W_OK` and
/// `X_OK`, see access(2).
pub(crate) fn may_access(path: &Path, mode: c_int) -> bool {
    to_c(path).is_ok_and(|path| {
        // SAFETY: the path is a string.
        let call = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, os::AT_EACCESS) };
        call == 0
    })
}

/// Sets a file's size. Writes nothing, so a larger file ends with a hole.
pub(crate) fn set_size(file: &File, size: u64) -> Result<(), Errno> {
    let size = i64::try_from(size).map_err(|_| Errno(libc::EFBIG))?;
    let by_path = || {
        by_path(file, |path| {
            // SAFETY: the path is a string.
            check(unsafe { os::truncate(path.as_ptr(), size) })
        })
    };
    // SAFETY: ftruncate takes numbers only.
    let call = || check(unsafe { os::ftruncate(file.as_raw_fd(), size) });
    loop {
        match first_allowed(&[&call, &by_path]) {
            Err(Errno(libc::EINTR)) => {}
            result => return result.map(drop),
        }
    }
}

/// Makes a new file `size` bytes long. False where the file system cannot extend a
/// file without writing to it.
pub(crate) fn extend(file: &File, size: usize) -> Result<bool, Errno> {
    match set_size(file, u64::try_from(size).unwrap_or(u64::MAX)) {
        Ok(()) => Ok(true),
        Err(errno @ Errno(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => Err(errno),
        Err(_) => Ok(false),
    }
}

/// Reserves room for a range of a file. False where the file system cannot do that;
/// the error if there is too little room.
pub(crate) fn allocate(file: &File, range: &Range<usize>, size: Size) -> Result<bool, Errno> {
    let (start, length) = (offset(range.start), offset(range.len()));
    loop {
        match check(os::allocate(file.as_raw_fd(), start, length, size)) {
            Ok(_) => return Ok(true),
            Err(Errno(libc::EINTR)) => {}
            Err(errno @ Errno(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => return Err(errno),
            Err(_) => return Ok(false),
        }
    }
}

/// Gives back the room of a range of a file, which becomes a hole; where that is not
/// possible, it stays.
pub(crate) fn deallocate(file: &File, range: &Range<usize>) {
    let (start, length) = (offset(range.start), offset(range.len()));
    os::deallocate(file.as_raw_fd(), start, length);
}

/// Starts writing a range of a file to the disk, without waiting for it.
pub(crate) fn begin_write_back(file: &File, range: &Range<usize>) {
    let (start, length) = (offset(range.start), offset(range.len()));
    os::begin_write_back(file.as_raw_fd(), start, length);
}

/// The first offset, from `from` on, of data or of a hole: `whence` is `SEEK_DATA`
/// or `SEEK_HOLE`. Moves the descriptor's position.
pub(crate) fn seek(file: &File, from: usize, whence: libc::c_int) -> Result<usize, Errno> {
    // SAFETY: lseek takes numbers only.
    let found = unsafe { os::lseek(file.as_raw_fd(), offset(from), whence) };
    usize::try_from(found).map_err(|_| Errno::from(io::Error::last_os_error()))
}

/// Waits until a file's bytes are on the disk.
pub(crate) fn sync(file: &File) -> Result<(), Errno> {
    let fd = file.as_raw_fd();
    first_allowed(&[
        &|| check(os::sync_data(fd)),
        // SAFETY: fsync takes a number only.
        &|| check(unsafe { libc::fsync(fd) }),
        &|| sync_file_system(file).map(|()| 0),
    ])
    .map(drop)
}

/// Waits until a file's bytes and what the kernel knows of it are on the disk.
pub(crate) fn sync_all(file: &File) -> Result<(), Errno> {
    let fd = file.as_raw_fd();
    // SAFETY: fsync takes a number only.
    let fsync = || check(unsafe { libc::fsync(fd) });
    first_allowed(&[&fsync, &|| sync_file_system(file).map(|()| 0)]).map(drop)
}

/// Sets the time of a file's last access to now or, if only its owner may do that and `writes` is
/// true, that of its last change, too. Not every process may.
pub(crate) fn note_use(file: &File, writes: bool) {
    let time = |tv_nsec| {
        // SAFETY: a time of 0 is one.
        let mut time = unsafe { MaybeUninit::<libc::timespec>::zeroed().assume_init() };
        time.tv_nsec = tv_nsec;
        time
    };
    let access_only = [time(libc::UTIME_NOW), time(libc::UTIME_OMIT)];
    // SAFETY: the descriptor is open, and there are two times.
    let result = unsafe { libc::futimens(file.as_raw_fd(), access_only.as_ptr()) };
    if result != 0 && writes {
        // SAFETY: without times, both are set to now.
        unsafe { libc::futimens(file.as_raw_fd(), std::ptr::null()) };
    }
}

/// Writes the whole file system of a file to the disk, and waits for that.
pub(crate) fn sync_file_system(file: &File) -> Result<(), Errno> {
    check(os::sync_file_system(file.as_raw_fd())).map(drop)
}

/// Closes a file. Some file systems report errors of earlier writes only here.
pub(crate) fn close(file: File) -> Result<(), Errno> {
    // SAFETY: the descriptor is ours, and is not used again.
    match check(unsafe { libc::close(file.into_raw_fd()) }) {
        // Linux has closed it.
        Err(Errno(libc::EINTR)) => Ok(()),
        result => result.map(drop),
    }
}

/// Gives a name to a file that was opened without one (`O_TMPFILE`, see open(2)).
pub(crate) fn link(file: &File, path: &Path) -> Result<(), Errno> {
    let (to, here) = (to_c(path)?, libc::AT_FDCWD);
    let fd = file.as_raw_fd();
    // Faster, and without /proc; but before Linux 6.10 only for privileged processes.
    match check(os::link_descriptor(fd, &to)) {
        Err(Errno(libc::ENOENT)) => {}
        result => return result.map(drop),
    }
    let from = of_descriptor(file)?;
    let follow = libc::AT_SYMLINK_FOLLOW;
    // SAFETY: both paths are strings.
    check(unsafe { libc::linkat(here, from.as_ptr(), here, to.as_ptr(), follow) }).map(drop)
}

/// Renames a file, whatever `to` named before.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    let (from, to, here) = (to_c(from)?, to_c(to)?, libc::AT_FDCWD);
    first_allowed(&[
        // SAFETY: both paths are strings.
        &|| check(unsafe { libc::rename(from.as_ptr(), to.as_ptr()) }),
        &|| check(os::rename(&from, &to, Replace::Yes)),
        // SAFETY: as above.
        &|| check(unsafe { libc::renameat(here, from.as_ptr(), here, to.as_ptr()) }),
    ])
    .map(drop)
}

/// Renames a file. `EEXIST` if `to` names one.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    let check_first = || match super::status::Status::of_path(to) {
        Err(Errno(libc::ENOENT)) => rename(from, to),
        _ => Err(Errno(libc::EEXIST)),
    };
    first_allowed(&[&|| rename_new_at_once(from, to), &check_first])
}

/// The same, but fails where the system cannot do that in one step.
pub(crate) fn rename_new_at_once(from: &Path, to: &Path) -> Result<(), Errno> {
    let (from_c, to_c) = (to_c(from)?, to_c(to)?);
    let link = || {
        // SAFETY: both paths are strings.
        check(unsafe { libc::link(from_c.as_ptr(), to_c.as_ptr()) })?;
        unlink(from).map(|()| 0)
    };
    let without_replacing = || check(os::rename(&from_c, &to_c, Replace::No));
    first_allowed(&[&without_replacing, &link]).map(drop)
}

/// Removes a name of a file.
pub(crate) fn unlink(path: &Path) -> Result<(), Errno> {
    let path = to_c(path)?;
    first_allowed(&[
        // SAFETY: the path is a string.
        &|| check(unsafe { libc::unlink(path.as_ptr()) }),
        // SAFETY: as above.
        &|| check(unsafe { libc::unlinkat(libc::AT_FDCWD, path.as_ptr(), 0) }),
    ])
    .map(drop)
}

/// The file system of an open file.
pub(crate) fn file_system(file: &File) -> Result<FileSystemStatus, Errno> {
    os::file_system(file.as_raw_fd())
}

/// Whether a file is in /proc, where a link may lead to a file that has no name.
pub(crate) fn is_in_proc(file: &File) -> bool {
    const PROC: u32 = 0x9fa0; // PROC_SUPER_MAGIC
    file_system(file).is_ok_and(|status| status.magic == PROC)
}

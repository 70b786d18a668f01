//! The copying core: bytes between a segment and a file descriptor, and the
//! system calls for files that the standard library lacks.
//!
//! The kernel copies, so it does not matter what other processes write to the
//! segment meanwhile; and if the program has unmapped it behind our back,
//! that is `EFAULT`, not a crash. (Unless another thread does so just while a
//! large save looks for zeros: that is a fault, as any look at it would be.)

use std::ffi::{CString, OsStr, c_int};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::AtomicU8;

use super::large::BLOCK;
use crate::error::Errno;

/// Writes all bytes where the descriptor is.
pub(super) fn write(file: &File, bytes: &[AtomicU8]) -> Result<(), Errno> {
    let count = transfer(file, bytes, libc::POLLOUT, |fd, part, _| {
        // SAFETY: the slice is readable memory of that length.
        unsafe { libc::write(fd, part.as_ptr().cast(), part.len()) }
    })?;
    all_of(bytes, count)
}

/// Writes all bytes from an offset on.
pub(super) fn write_at(file: &File, bytes: &[AtomicU8], start: usize) -> Result<(), Errno> {
    let count = transfer(file, bytes, libc::POLLOUT, |fd, part, done| {
        let at = file_offset(start + done);
        // SAFETY: the slice is readable memory of that length.
        unsafe { libc::pwrite(fd, part.as_ptr().cast(), part.len(), at) }
    })?;
    all_of(bytes, count)
}

/// No file should take nothing without saying why.
fn all_of(bytes: &[AtomicU8], count: usize) -> Result<(), Errno> {
    if count == bytes.len() {
        Ok(())
    } else {
        Err(Errno(libc::EIO))
    }
}

/// Reads from where the descriptor is until the file ends or the memory is full;
/// returns how many bytes.
pub(super) fn read(file: &File, bytes: &[AtomicU8]) -> Result<usize, Errno> {
    transfer(file, bytes, libc::POLLIN, |fd, part, _| {
        // SAFETY: the slice is writable memory of that length: the bytes are
        // atomic, so a shared borrow may be written through.
        unsafe { libc::read(fd, part.as_ptr().cast_mut().cast(), part.len()) }
    })
}

/// The same from an offset on.
pub(super) fn read_at(file: &File, bytes: &[AtomicU8], start: usize) -> Result<usize, Errno> {
    transfer(file, bytes, libc::POLLIN, |fd, part, done| {
        let at = file_offset(start + done);
        // SAFETY: as above.
        unsafe { libc::pread(fd, part.as_ptr().cast_mut().cast(), part.len(), at) }
    })
}

/// Goes on after short transfers and signals; waits for descriptors that
/// don't block. The step is told how many bytes are done.
fn transfer(
    file: &File,
    bytes: &[AtomicU8],
    readiness: libc::c_short,
    step: impl Fn(c_int, &[AtomicU8], usize) -> isize,
) -> Result<usize, Errno> {
    let fd = file.as_raw_fd();
    let mut done = 0;
    while let Some(part) = bytes.get(done..).filter(|part| !part.is_empty()) {
        if let Ok(count) = usize::try_from(step(fd, part, done)) {
            if count == 0 {
                break;
            }
            done += count;
            continue;
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => wait_for(fd, readiness),
            _ => return Err(Errno::from(error)),
        }
    }
    Ok(done)
}

/// Memory's sizes are offsets in a file too: no memory is larger.
fn file_offset(offset: usize) -> libc::off_t {
    libc::off_t::try_from(offset).unwrap_or(libc::off_t::MAX)
}

/// The first part of a file's range that is not a hole, rounded to whole blocks.
/// It is empty, and at the range's end, if there is none; and all of the range
/// if the file system does not tell.
pub(super) fn data_in(file: &File, range: &Range<usize>) -> Range<usize> {
    let seek = |from: usize, whence| {
        // SAFETY: lseek takes numbers only. Nobody uses the descriptor's offset.
        let found = unsafe { libc::lseek(file.as_raw_fd(), file_offset(from), whence) };
        usize::try_from(found).map_err(|_| io::Error::last_os_error())
    };
    let start = match seek(range.start, libc::SEEK_DATA) {
        Ok(start) if start >= range.start => start,
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            return range.end..range.end;
        }
        // Some files in /proc take any whence, and answer what they like.
        _ => return range.clone(),
    };
    let end = seek(start, libc::SEEK_HOLE)
        .ok()
        .filter(|end| *end > start)
        .and_then(|end| end.checked_next_multiple_of(BLOCK))
        .unwrap_or(range.end);
    let start = (start - start % BLOCK).clamp(range.start, range.end);
    start..end.clamp(start, range.end)
}

/// Where a descriptor is in its file; 0 if it has no place there.
pub(super) fn position(file: &File) -> u64 {
    // SAFETY: lseek takes numbers only.
    let offset = unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_CUR) };
    u64::try_from(offset).unwrap_or(0)
}

/// Gives a new file its size. Says whether it has it: not every file system
/// can make a file longer without writing to it.
pub(super) fn extend(file: &File, size: usize) -> Result<bool, Errno> {
    if_possible(file.set_len(u64::try_from(size).unwrap_or(u64::MAX)))
}

/// Has the file system find a place for a range of a file. An error only if
/// there is none.
pub(super) fn allocate(file: &File, range: &Range<usize>) -> Result<(), Errno> {
    let (start, length) = (file_offset(range.start), file_offset(range.len()));
    // SAFETY: fallocate takes numbers only.
    let result = match unsafe { libc::fallocate(file.as_raw_fd(), 0, start, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    if_possible(result).map(drop)
}

/// Whether something was done that not every file system can do, and that
/// writing does too. An error only if there is no place.
fn if_possible(result: io::Result<()>) -> Result<bool, Errno> {
    match result.map_err(Errno::from) {
        Ok(()) => Ok(true),
        Err(errno @ Errno(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => Err(errno),
        Err(_) => Ok(false),
    }
}

/// Has the disk begin to write a range of a file, which nobody waits for here.
pub(super) fn begin_write_back(file: &File, range: &Range<usize>) {
    let (start, length) = (file_offset(range.start), file_offset(range.len()));
    // SAFETY: sync_file_range takes numbers only. An error comes again from
    // whoever waits.
    unsafe { libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE) };
}

fn wait_for(fd: c_int, events: libc::c_short) {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one pollfd is told, and one is there. Whatever ends the wait,
    // the caller tries again.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

/// Closes a file, and says what a file system says only now.
pub(super) fn close(file: File) -> Result<(), Errno> {
    // SAFETY: the descriptor is ours, and is not used again.
    if unsafe { libc::close(file.into_raw_fd()) } == 0 {
        return Ok(());
    }
    match Errno::from(io::Error::last_os_error()) {
        // Linux has closed it.
        Errno(libc::EINTR) => Ok(()),
        errno => Err(errno),
    }
}

/// Another descriptor for what a descriptor of the process is open on.
pub(super) fn duplicate(fd: c_int) -> Result<File, Errno> {
    // SAFETY: fcntl says EBADF if there is no such descriptor.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) };
    if copy == -1 {
        return Err(match Errno::from(io::Error::last_os_error()) {
            // The number to begin at is above the limit of open files.
            Errno(libc::EINVAL) => Errno(libc::EMFILE),
            errno => errno,
        });
    }
    // SAFETY: the descriptor is new, so it is nobody else's.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// Where a descriptor has a path.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";

/// Gives a file without a name (`O_TMPFILE`, see open(2)) its name.
pub(super) fn link(file: &File, path: &Path) -> Result<(), Errno> {
    let from = CString::new(format!("{DESCRIPTORS}/{}", file.as_raw_fd()))
        .map_err(|_| Errno(libc::EINVAL))?;
    let to = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: both paths end with a NUL.
    let result = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from(io::Error::last_os_error()))
    }
}

/// Where a symbolic link leads that was opened itself (`O_PATH`).
pub(super) fn target_of(link: &File) -> Result<PathBuf, Errno> {
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: the name is a string, and there is room for as many bytes as are
    // told.
    let length = unsafe {
        libc::readlinkat(
            link.as_raw_fd(),
            c"".as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    };
    let target = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let target = buffer.get(..target).unwrap_or(&buffer);
    Ok(PathBuf::from(OsStr::from_bytes(target)))
}

/// Whether a file is one of /proc's, where a link may lead to what has no name.
pub(super) fn is_in_proc(file: &File) -> bool {
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is open, and the kernel writes a whole statfs.
    let result = unsafe { libc::fstatfs(file.as_raw_fd(), status.as_mut_ptr()) };
    // SAFETY: it is zero, or the kernel has filled it in.
    result == 0 && unsafe { status.assume_init() }.f_type == libc::PROC_SUPER_MAGIC
}

/// Locks a file (flock(2)) until it is closed, at the latest by the death of the
/// process. False if somebody else has it locked, or it can't be.
pub(super) fn try_to_lock(file: &File) -> bool {
    // SAFETY: the descriptor is open.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Gives a file the access control list of another (see acl(5)), which is more
/// than its mode says; or none, where it got one from its directory.
pub(super) fn access_control_list(from: &File, to: &File) -> Result<(), Errno> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    let name = c"system.posix_acl_access".as_ptr();
    let size_in = |fd| {
        // SAFETY: the name is a string; no bytes are asked for, only their number.
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
    // SAFETY: there is room for as many bytes as are told.
    let size = unsafe { libc::fgetxattr(from, name, list.as_mut_ptr().cast(), list.len()) };
    let copied = usize::try_from(size).is_ok_and(|size| {
        list.truncate(size);
        // SAFETY: `list` holds the bytes that are passed.
        unsafe { libc::fsetxattr(to, name, list.as_ptr().cast(), list.len(), 0) == 0 }
    });
    // Without it the file would be other people's than it was.
    if copied {
        Ok(())
    } else {
        Err(Errno(libc::EPERM))
    }
}

/// Waits until the whole file system that a file is on has been written.
pub(super) fn sync_file_system(file: &File) -> Result<(), Errno> {
    // SAFETY: the descriptor is open.
    if unsafe { libc::syncfs(file.as_raw_fd()) } == 0 {
        Ok(())
    } else {
        Err(Errno::from(io::Error::last_os_error()))
    }
}

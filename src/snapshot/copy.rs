//! The copying core: bytes between a segment and a file descriptor, and the
//! system calls for files that the standard library lacks.
//!
//! The kernel copies, so it does not matter what other processes write to the
//! segment meanwhile; and if the program has unmapped it behind our back,
//! that is `EFAULT`, not a crash.

use std::ffi::{CString, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use crate::error::Errno;

/// Writes all bytes.
pub(super) fn write(file: &File, bytes: &[AtomicU8]) -> Result<(), Errno> {
    transfer(file, bytes, libc::POLLOUT, |fd, part| {
        // SAFETY: the slice is readable memory of that length.
        unsafe { libc::write(fd, part.as_ptr().cast(), part.len()) }
    })
    .and_then(|count| {
        if count == bytes.len() {
            Ok(())
        } else {
            // No file should take nothing without saying why.
            Err(Errno(libc::EIO))
        }
    })
}

/// Reads until the file ends or the memory is full; returns how many bytes.
pub(super) fn read(file: &File, bytes: &[AtomicU8]) -> Result<usize, Errno> {
    transfer(file, bytes, libc::POLLIN, |fd, part| {
        // SAFETY: the slice is writable memory of that length: the bytes are
        // atomic, so a shared borrow may be written through.
        unsafe { libc::read(fd, part.as_ptr().cast_mut().cast(), part.len()) }
    })
}

/// Goes on after short transfers and signals; waits for descriptors that
/// don't block.
fn transfer(
    file: &File,
    bytes: &[AtomicU8],
    readiness: libc::c_short,
    step: impl Fn(c_int, &[AtomicU8]) -> isize,
) -> Result<usize, Errno> {
    let fd = file.as_raw_fd();
    let mut done = 0;
    while let Some(part) = bytes.get(done..).filter(|part| !part.is_empty()) {
        if let Ok(count) = usize::try_from(step(fd, part)) {
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

/// Waits until the whole file system that a file is on has been written.
pub(super) fn sync_file_system(file: &File) -> Result<(), Errno> {
    // SAFETY: the descriptor is open.
    if unsafe { libc::syncfs(file.as_raw_fd()) } == 0 {
        Ok(())
    } else {
        Err(Errno::from(io::Error::last_os_error()))
    }
}

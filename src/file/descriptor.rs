//! The descriptors that saves and loads use: above 2, and sometimes ones that the
//! process has open already.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::errno::Errno;
use crate::os;

/// Keeps a file off the descriptors 0 to 2. In a program that has closed those, a
/// `printf` of another thread would write into the file.
pub(crate) fn above_standard(file: File) -> Result<File, Errno> {
    if file.as_raw_fd() > libc::STDERR_FILENO {
        Ok(file)
    } else {
        // A clone never gets one of them.
        Ok(file.try_clone()?)
    }
}

/// A copy of the descriptor that a path such as `/dev/stdout` or `/dev/fd/3` names.
///
/// Opening such a path instead would start at the beginning of a file, and fail for
/// a socket.
pub(crate) fn inherited(path: &Path) -> Result<Option<File>, Errno> {
    let number = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        let number: c_int = digits.parse().ok()?;
        // The names of these files are plain numbers, without signs or leading zeros.
        (digits == "0" || !digits.starts_with(['0', '+', '-'])).then_some(number)
    };
    let descriptor = match path.as_os_str().as_bytes() {
        b"/dev/stdin" => Some(libc::STDIN_FILENO),
        b"/dev/stdout" => Some(libc::STDOUT_FILENO),
        b"/dev/stderr" => Some(libc::STDERR_FILENO),
        path => path
            .strip_prefix(b"/dev/fd/")
            .or_else(|| path.strip_prefix(b"/proc/self/fd/"))
            .and_then(number),
    };
    descriptor.map(duplicate).transpose()
}

fn duplicate(fd: c_int) -> Result<File, Errno> {
    // SAFETY: fcntl fails with EBADF if the descriptor is not open.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) };
    if copy == -1 {
        return Err(match Errno::from(io::Error::last_os_error()) {
            // The lowest number allowed here is above the limit of open files.
            Errno(libc::EINVAL) => Errno(libc::EMFILE),
            errno => errno,
        });
    }
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// A descriptor's position in its file; 0 if it has none.
pub(crate) fn position(file: &File) -> u64 {
    // SAFETY: lseek takes numbers only.
    let offset = unsafe { os::lseek(file.as_raw_fd(), 0, libc::SEEK_CUR) };
    u64::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_descriptors_lead_to_one() {
        let descriptor_of = |name: &str| inherited(Path::new(name)).map(|file| file.is_some());
        for name in ["/dev/fd/0", "/proc/self/fd/2", "/dev/stdin", "/dev/stderr"] {
            assert_eq!(descriptor_of(name), Ok(true), "{name}");
        }
        for name in ["", "00", "01", "+1", "-1", "-0", "1x", " 1", "99999999999"] {
            for directory in ["/dev/fd/", "/proc/self/fd/"] {
                let name = format!("{directory}{name}");
                assert_eq!(descriptor_of(&name), Ok(false), "{name}");
            }
        }
        assert_eq!(descriptor_of("/dev/fd/2000000000"), Err(Errno(libc::EBADF)));
    }
}

//! The standard descriptors, without what Rust adds to them: buffers, and the
//! rule that a closed one reads as empty and swallows all output.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The linker puts this pointer into the array of functions that run before
/// main.
#[used]
// SAFETY: the C library calls the pointers in this section as `extern "C"`
// functions, from one thread, with arguments that may be ignored.
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = occupy_closed;

/// Opens something unusable in place of each closed standard descriptor.
/// Otherwise Rust's runtime would open /dev/null there, for reading and writing,
/// and a save to a closed standard output would succeed.
extern "C" fn occupy_closed() {
    // open(2) returns the lowest free descriptor.
    for (descriptor, path, flags) in [
        (libc::STDIN_FILENO, c"/dev/null", libc::O_WRONLY),
        // A directory can't be written to through /dev/stdout either.
        (libc::STDOUT_FILENO, c"/", libc::O_RDONLY),
        (libc::STDERR_FILENO, c"/", libc::O_RDONLY),
    ] {
        // SAFETY: F_GETFD only queries; the descriptor need not be open.
        let is_open = unsafe { libc::fcntl(descriptor, libc::F_GETFD) } != -1;
        if !is_open {
            // SAFETY: the path is a NUL-terminated string.
            unsafe { libc::open(path.as_ptr(), flags) };
        }
    }
}

/// Returns standard output, unbuffered.
pub(crate) fn output() -> io::Result<File> {
    duplicate(libc::STDOUT_FILENO)
}

/// If `path` names a descriptor of this process, returns that descriptor.
/// Opening the path again would start reading at the beginning of a file that
/// another process may have read in part.
pub(crate) fn inherited(path: &Path) -> Option<io::Result<File>> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    let descriptor = match path.as_os_str().as_bytes() {
        b"-" | b"/dev/stdin" => Some(libc::STDIN_FILENO),
        path => path
            .strip_prefix(b"/dev/fd/")
            .or_else(|| path.strip_prefix(b"/proc/self/fd/"))
            .and_then(number),
    };
    descriptor.map(duplicate)
}

fn duplicate(descriptor: libc::c_int) -> io::Result<File> {
    // SAFETY: this leaves open descriptors alone, and fails if this one is closed.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    if copy == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nothing else owns it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

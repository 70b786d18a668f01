//! The standard descriptors, without what Rust has before them: a buffer, and
//! the habit to take a closed one for an empty input, or an output that goes
//! nowhere.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The linker puts it where functions are that run before main.
#[used]
// SAFETY: the C library calls what is in this section as `extern "C"`
// functions, in one thread, with arguments that may be left unread.
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = occupy_closed;

/// Puts something into the place of each closed descriptor that can't be used
/// for what it is there for. Before main, Rust would open /dev/null there, for
/// reading and writing, and a save to a closed output would be a success.
extern "C" fn occupy_closed() {
    // What opens a descriptor gets the lowest that is free.
    for (descriptor, path, flags) in [
        (libc::STDIN_FILENO, c"/dev/null", libc::O_WRONLY),
        // Also who opens /dev/stdout anew can't write to a directory.
        (libc::STDOUT_FILENO, c"/", libc::O_RDONLY),
        (libc::STDERR_FILENO, c"/", libc::O_RDONLY),
    ] {
        // SAFETY: it looks at a descriptor, which need not be open.
        let is_open = unsafe { libc::fcntl(descriptor, libc::F_GETFD) } != -1;
        if !is_open {
            // SAFETY: the path is a string that ends with NUL.
            unsafe { libc::open(path.as_ptr(), flags) };
        }
    }
}

/// Standard output.
pub(crate) fn output() -> io::Result<File> {
    duplicate(libc::STDOUT_FILENO)
}

/// What this process has open already, if that is what a path says. Opened
/// anew, a file that was read in part would begin at its start.
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
    // SAFETY: it changes no descriptor that is open, and fails if this is none.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    if copy == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else closes it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

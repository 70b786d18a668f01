//! Waits until a name exists, without polling where the system allows.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::existing;
use super::store::Directory;
use crate::errno::Errno;
use crate::error::Result;
use crate::file::Status;
use crate::os::{self, Uncancelled};

/// A file system may not report changes by other machines or mounts, so the waiter looks again
/// after this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How long the waiter sleeps if the system does not report new files (inotify(7)).
const POLL: Duration = Duration::from_millis(10);

/// A name that did not exist a moment ago.
#[derive(Debug)]
pub(crate) struct Absent {
    /// Where its file will be.
    path: PathBuf,
    /// Whether another program is about to fill the file.
    is_empty: bool,
}

impl Directory {
    /// `None` if the name exists.
    pub(in crate::store) fn expect(&self, name: &[u8]) -> Result<Option<Absent>> {
        let doing = "wait for";
        let _uncancelled = Uncancelled::new();
        let path = self.path_of(doing, name)?;
        self.check_exists(&format_args!("wait for a name"))?;
        let is_empty = match Status::of_path(&path) {
            Ok(status) if status.is_file() && status.size == 0 => true,
            Ok(status) => match existing::is_no_segment(doing, name, &status) {
                None => return Ok(None),
                Some(error) => return Err(error),
            },
            Err(Errno(libc::ENOENT)) => false,
            Err(errno) => return Err(existing::refused(errno, doing, name, &path)),
        };
        Ok(Some(Absent { path, is_empty }))
    }
}

impl Absent {
    /// Sleeps until a name appears, but at most for `limit`; the caller then looks again.
    /// Returns whether a signal handler ended the sleep.
    pub(in crate::store) fn sleep(&self, limit: Duration) -> bool {
        let _uncancelled = Uncancelled::new();
        let watch = self.watch();
        if watch.is_some() && Status::of_path(&self.path) != Err(Errno(libc::ENOENT)) {
            // It appeared before the watch began.
            return false;
        }
        let limit = limit.min(if watch.is_some() { LONGEST_SLEEP } else { POLL });
        let milliseconds = c_int::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX);
        let mut poll = libc::pollfd {
            fd: watch.as_ref().map_or(-1, File::as_raw_fd),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: there is one pollfd; a negative descriptor is ignored.
        let result = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        result == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    }

    /// A descriptor that becomes readable when a file appears. `None` if the system does not report
    /// that, or if the file is there and will be filled.
    ///
    /// Closing it takes a millisecond, so a caller who does not wait gets none.
    fn watch(&self) -> Option<File> {
        if self.is_empty {
            return None;
        }
        watch(self.path.parent()?)
    }
}

/// Watches a directory for new files.
fn watch(directory: &Path) -> Option<File> {
    let path = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(
        directory.as_os_str(),
    ));
    let fd = os::watch(&path.ok()?)?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Some(unsafe { File::from_raw_fd(fd) })
}

//! Waits until a name exists, without polling where the system allows.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::path::Path;
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
    /// It becomes readable when a file appears. `None` if the system does not report that.
    watch: Option<File>,
}

impl Directory {
    /// `None` if the name exists.
    pub(in crate::store) fn expect(&self, name: &[u8]) -> Result<Option<Absent>> {
        let doing = "wait for";
        let _uncancelled = Uncancelled::new();
        let path = self.path_of(doing, name)?;
        self.check_exists(&format_args!("wait for a name"))?;
        let watch = watch(self.path());
        match Status::of_path(&path) {
            // Another program may be about to fill it.
            Ok(status) if status.is_file() && status.size == 0 => Ok(Some(Absent { watch: None })),
            Ok(status) => match existing::is_no_segment(doing, name, &status) {
                None => Ok(None),
                Some(error) => Err(error),
            },
            Err(Errno(libc::ENOENT)) => Ok(Some(Absent { watch })),
            Err(errno) => Err(existing::refused(errno, doing, name, &path)),
        }
    }
}

impl Absent {
    /// Sleeps until a name appears, but at most for `limit`; the caller then looks again.
    /// Returns whether a signal handler ended the sleep.
    pub(in crate::store) fn sleep(&self, limit: Duration) -> bool {
        let limit = limit.min(if self.watch.is_some() {
            LONGEST_SLEEP
        } else {
            POLL
        });
        let _uncancelled = Uncancelled::new();
        let milliseconds = c_int::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX);
        let mut poll = libc::pollfd {
            fd: self.watch.as_ref().map_or(-1, File::as_raw_fd),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: there is one pollfd; a negative descriptor is ignored.
        let result = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        result == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
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

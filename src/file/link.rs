//! Symbolic links.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::calls;
use super::status::Status;
use crate::errno::Errno;
use crate::os;

/// A symbolic link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) status: Status,
    pub(crate) target: PathBuf,
    /// Whether it is in /proc, where a link may lead to a file that has no name.
    pub(crate) is_in_proc: bool,
}

impl Link {
    /// `None` if the path is not a link. Its status and its target are those of one link, even if
    /// another process exchanges it.
    pub(crate) fn at(path: &Path) -> Result<Option<Self>, Errno> {
        if os::O_PATH == 0 {
            return Self::at_unopened(path);
        }
        let link = match calls::open(path, os::O_PATH | libc::O_NOFOLLOW, 0) {
            Err(Errno(libc::ENOENT)) => return Ok(None),
            link => link?,
        };
        let status = Status::of(&link)?;
        if !status.is_link() {
            return Ok(None);
        }
        let mut buffer = [0_u8; libc::PATH_MAX as usize];
        let length = os::read_open_link(link.as_raw_fd(), &mut buffer);
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        let target = buffer.get(..length).unwrap_or(&buffer);
        Ok(Some(Self {
            status,
            target: PathBuf::from(OsStr::from_bytes(target)),
            is_in_proc: calls::is_in_proc(&link),
        }))
    }

    /// The same where a link cannot be opened.
    fn at_unopened(path: &Path) -> Result<Option<Self>, Errno> {
        loop {
            let status = match Status::of_path(path) {
                Err(Errno(libc::ENOENT)) => return Ok(None),
                status => status?,
            };
            if !status.is_link() {
                return Ok(None);
            }
            let target = std::fs::read_link(path);
            // A link never changes: another one would have another number or time.
            let now = Status::of_path(path).ok();
            if now.is_some_and(|now| now.is_same_file(&status) && now.changed == status.changed) {
                return Ok(Some(Self {
                    status,
                    target: target?,
                    is_in_proc: false,
                }));
            }
        }
    }
}

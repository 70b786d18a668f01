//! Which file a save writes to: symbolic links are followed, unless they may be a
//! trap.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::errno::Errno;
use crate::file::Link;
use crate::file::Status;
use crate::file::directory_of;
use crate::file::inherited;
use crate::os;

/// As many symbolic links as the kernel follows.
const MAXIMUM_LINKS: usize = 40;

/// The mode of a directory, such as /tmp, in which everybody may create files but
/// remove only their own.
const STICKY_AND_WRITABLE: u32 = 0o1002;

/// The file that a path means once the symbolic links at its end are followed.
pub(super) enum Target {
    /// A file that the process has open.
    Descriptor(File),
    /// A file that exists or will be created: the path to open, and the file's name.
    /// They differ where a link in /proc leads to a file that another process has
    /// open, and which may have another name by now, or none.
    Named {
        path: PathBuf,
        name: PathBuf,
        /// The file that has the name now.
        found: Option<Status>,
    },
}

impl Target {
    /// `EEXIST` if a link has disappeared meanwhile: the caller starts again.
    pub(super) fn of(path: &Path) -> Result<Self, Errno> {
        let mut path = path.to_path_buf();
        for _ in 0..=MAXIMUM_LINKS {
            if let Some(file) = inherited(&path)? {
                return Ok(Self::Descriptor(file));
            }
            let found = Status::of_path(&path).ok();
            if !found.is_some_and(|found| found.is_link()) {
                let name = path.clone();
                return Ok(Self::Named { path, name, found });
            }
            let Some(link) = trusted_link(&path)? else {
                return Err(Errno(libc::EEXIST));
            };
            let name = directory_of(&path).join(link.target);
            if link.is_in_proc {
                let found = Status::of_path(&name).ok();
                return Ok(Self::Named { path, name, found });
            }
            path = name;
        }
        Err(Errno(libc::ELOOP))
    }
}

/// A symbolic link that may be followed. `None` if the path is no longer a link. `EACCES` if
/// another user made the link in a directory where everybody may: it may be a trap.
///
/// The kernel has the same rule where `fs.protected_symlinks` is set (see proc(5)). Here it always
/// applies, and to this very link: nobody can exchange it between the check and its use.
fn trusted_link(path: &Path) -> Result<Option<Link>, Errno> {
    let Some(link) = Link::at(path)? else {
        return Ok(None);
    };
    let directory = Status::of_target(directory_of(path))?;
    let is_everybodys = directory.mode & STICKY_AND_WRITABLE == STICKY_AND_WRITABLE;
    let trusted = [os::effective_user().0, directory.user];
    if is_everybodys && !trusted.contains(&link.status.user) {
        return Err(Errno(libc::EACCES));
    }
    Ok(Some(link))
}

//! Which file a save writes to: symbolic links are followed, unless they may be a
//! trap.

#![forbid(unsafe_code)]

use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::descriptor::inherited;
use super::file;
use crate::errno::Errno;
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
    Named { path: PathBuf, name: PathBuf },
}

impl Target {
    /// `EEXIST` if a link has disappeared meanwhile: the caller starts again.
    pub(super) fn of(path: &Path) -> Result<Self, Errno> {
        let mut path = path.to_path_buf();
        for _ in 0..=MAXIMUM_LINKS {
            if let Some(file) = inherited(&path)? {
                return Ok(Self::Descriptor(file));
            }
            if fs::read_link(&path).is_err() {
                let name = path.clone();
                return Ok(Self::Named { path, name });
            }
            let Some(link) = Link::open(&path)? else {
                return Err(Errno(libc::EEXIST));
            };
            let name = directory_of(&path).join(link.target);
            if link.is_in_proc {
                return Ok(Self::Named { path, name });
            }
            path = name;
        }
        Err(Errno(libc::ELOOP))
    }
}

/// A symbolic link that may be followed.
struct Link {
    target: PathBuf,
    is_in_proc: bool,
}

impl Link {
    /// `None` if the path is no longer a link. `EACCES` if another user made the link
    /// in a directory where everybody may: it may be a trap.
    ///
    /// The kernel has the same rule where `fs.protected_symlinks` is set (see
    /// proc(5)). Here it always applies, and to this very link: it is opened, so
    /// nobody can exchange it between the check and its use.
    fn open(path: &Path) -> Result<Option<Self>, Errno> {
        let link = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_NOFOLLOW)
            .open(path);
        let link = match link.map_err(Errno::from) {
            Err(Errno(libc::ENOENT)) => return Ok(None),
            link => link?,
        };
        let metadata = link.metadata()?;
        if !metadata.is_symlink() {
            return Ok(None);
        }
        let directory = directory_of(path).metadata()?;
        let is_everybodys = directory.mode() & STICKY_AND_WRITABLE == STICKY_AND_WRITABLE;
        let trusted = [os::effective_user().0, directory.uid()];
        if is_everybodys && !trusted.contains(&metadata.uid()) {
            return Err(Errno(libc::EACCES));
        }
        Ok(Some(Self {
            target: file::target_of(&link)?,
            is_in_proc: file::is_in_proc(&link),
        }))
    }
}

/// `EACCES` if the kernel would refuse to open another user's file with `O_CREAT`, as
/// fopen(3) does: in a directory where everybody may create files it may be a trap
/// (`fs.protected_regular` and `fs.protected_fifos`, see proc(5)).
pub(super) fn refuse_trap(path: &Path, found: &Metadata) -> Result<(), Errno> {
    let kind = found.file_type();
    if !(kind.is_file() || kind.is_fifo()) || found.uid() == os::effective_user().0 {
        return Ok(());
    }
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(path);
    match opened.map_err(Errno::from) {
        Err(errno @ Errno(libc::EACCES)) => Err(errno),
        _ => Ok(()),
    }
}

/// The directory that a path's last component is in.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

pub(super) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

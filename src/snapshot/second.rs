//! The second file of a save, which replaces the first.
//!
//! Where the file system supports it (`O_TMPFILE`), it has no name until it is complete,
//! so a process that dies leaves nothing. Elsewhere it has a name that depends only on the
//! first one's, so the next save removes what a process that died has left. The file is
//! locked while its process lives.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{attributes, lock};
use crate::errno::Errno;
use crate::file;
use crate::file::Status;
use crate::file::TemporaryName;
use crate::file::directory_of;
use crate::os;

/// The beginning of temporary names that do not depend on the path.
const PREFIX: &str = ".shm_util.";

/// The file to replace.
#[derive(Clone, Copy)]
pub(super) struct Old<'a> {
    pub(super) file: &'a File,
    pub(super) status: &'a Status,
}

/// Whether a second file has a name from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nameless,
    Named,
}

/// Set if this process may not name a nameless file, which is known only when the file
/// has been written: the next save need not write it twice.
static LINKS_ARE_REFUSED: AtomicBool = AtomicBool::new(false);

impl Kind {
    /// The one to try first.
    pub(super) fn first() -> Self {
        if LINKS_ARE_REFUSED.load(Ordering::Relaxed) {
            Self::Named
        } else {
            Self::Nameless
        }
    }
}

/// How a file came to its name, or did not.
#[derive(Debug)]
pub(super) enum Published {
    Done(File),
    /// The nameless file may not get a name. A named one may do.
    LinkRefused,
}

/// The second file, which disappears unless it is published.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) file: File,
    name: Option<TemporaryName>,
}

impl Second {
    /// A new file beside `path` with the old one's owner, group, mode and access control
    /// list, or with the defaults if there is no old one.
    pub(super) fn new(path: &Path, old: Option<Old<'_>>, kind: Kind) -> Result<Self, Errno> {
        let second = match kind {
            Kind::Nameless => Self::nameless(path, old),
            Kind::Named => Self::named(path, old),
        };
        let second = match second {
            // The file system, the kernel or a sandbox does not support it.
            Err(errno) if kind == Kind::Nameless && file::is_nameless_unsupported(errno) => {
                Self::named(path, old)?
            }
            second => second?,
        };
        if let Some(old) = old {
            attributes::copy(old.file, old.status, &second.file)?;
        }
        Ok(second)
    }

    fn nameless(path: &Path, old: Option<Old<'_>>) -> Result<Self, Errno> {
        // Nobody can open it, so it may have its mode from the start. Its group may not
        // be the right one yet.
        let mode = old.map_or(0o666, |old| old.status.permissions() & 0o777);
        let nameless = os::NAMELESS.ok_or(Errno(libc::EOPNOTSUPP))?;
        let flags = libc::O_WRONLY | nameless;
        let file = file::open(directory_of(path), flags, mode)?;
        Ok(Self { file, name: None })
    }

    fn named(path: &Path, old: Option<Old<'_>>) -> Result<Self, Errno> {
        // Nobody else may read the copy of a secret before its mode is set.
        let mode = if old.is_some() { 0o600 } else { 0o666 };
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let open = |name: &Path| file::open(name, flags, mode);
        let fixed = fixed_name(path);
        for _ in 0..2 {
            match open(&fixed) {
                Ok(file) => match lock::try_to_lock(&file) {
                    // From now on nobody takes it for a leftover.
                    Ok(()) if has_name(&file, &fixed) => {
                        let name = Some(TemporaryName::at(fixed));
                        return Ok(Self { file, name });
                    }
                    // Another save took it for one, and removes it.
                    Ok(()) | Err(Errno(libc::EWOULDBLOCK)) => break,
                    Err(_) => {
                        drop(TemporaryName::at(fixed));
                        break;
                    }
                },
                Err(Errno(libc::EEXIST)) if remove_leftover(&fixed, is_of_this_user) => {}
                Err(Errno(libc::EEXIST | libc::ENAMETOOLONG)) => break,
                Err(errno) => return Err(errno),
            }
        }
        let (file, name) = TemporaryName::new(directory_of(path), PREFIX, open)?;
        let name = Some(name);
        Ok(Self { file, name })
    }

    /// Names the file `path`. If it replaces no file, it replaces nothing else either
    /// (`EEXIST`): what has appeared there may be a device.
    pub(super) fn publish(self, path: &Path, replaces: bool) -> Result<Published, Errno> {
        let Self { file, name } = self;
        match (replaces, name) {
            (true, Some(name)) => name.rename(path)?,
            (false, Some(name)) => name.rename_new(path)?,
            (replaces, None) => {
                let linked = if replaces {
                    link_beside(&file, path).map(Some)
                } else {
                    file::link(&file, path).map(|()| None)
                };
                match linked {
                    Err(errno)
                        if file::is_nameless_unsupported(errno) || errno == Errno(libc::ENOENT) =>
                    {
                        LINKS_ARE_REFUSED.store(true, Ordering::Relaxed);
                        return Ok(Published::LinkRefused);
                    }
                    linked => {
                        if let Some(name) = linked? {
                            name.rename(path)?;
                        }
                    }
                }
            }
        }
        Ok(Published::Done(file))
    }
}

/// The temporary name that depends only on the path.
fn fixed_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".shm_util");
    directory_of(path).join(name)
}

fn has_name(file: &File, name: &Path) -> bool {
    match (Status::of_path(name), Status::of(file)) {
        (Ok(named), Ok(opened)) => named.is_same_file(&opened),
        _ => false,
    }
}

/// Gives a complete file that has no name one beside `path`, from which it can be renamed.
fn link_beside(file: &File, path: &Path) -> Result<TemporaryName, Errno> {
    let name = fixed_name(path);
    if lock::try_to_lock(file).is_ok() {
        let is_alike = |found: &Status| Status::of(file).is_ok_and(|ours| ours.is_alike(found));
        for _ in 0..2 {
            match file::link(file, &name) {
                Ok(()) => return Ok(TemporaryName::at(name)),
                Err(Errno(libc::EEXIST)) if remove_leftover(&name, is_alike) => {}
                Err(errno) if file::is_nameless_unsupported(errno) => return Err(errno),
                Err(_) => break,
            }
        }
    }
    // The name is too long, or another file has it, or another save uses it.
    let ((), name) = TemporaryName::new(directory_of(path), PREFIX, |name| file::link(file, name))?;
    Ok(name)
}

fn is_of_this_user(found: &Status) -> bool {
    found.user == os::effective_user().0
}

/// Removes the file that a killed save to the same path has left: one that no process has
/// locked, and that `is_ours` accepts. Returns whether it is gone.
fn remove_leftover(name: &Path, is_ours: impl Fn(&Status) -> bool) -> bool {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    // Its mode may allow only one of the two.
    let opened = file::open(name, flags | libc::O_RDONLY, 0);
    let Ok(leftover) = opened.or_else(|_| file::open(name, flags | libc::O_WRONLY, 0)) else {
        return false;
    };
    let accepts = |found: Status| found.is_file() && found.links == 1 && is_ours(&found);
    Status::of(&leftover).is_ok_and(accepts)
        && lock::try_to_lock(&leftover).is_ok()
        && has_name(&leftover, name)
        && file::unlink(name).is_ok()
}

//! Replaces a file by a complete new one, so that its name always leads to all of the
//! old bytes or all of the new ones.
//!
//! The bytes go to a second file in the same directory, which then takes over the
//! first one's name with rename(2). Where the file system supports it (`O_TMPFILE`),
//! the second file has no name until then, so a process that dies leaves nothing.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::block::LARGE;
use super::descriptor::above_standard;
use super::durability::Durability;
use super::large::{self, Allocation};
use super::resolve::{directory_of, is_same_file};
use super::touched::{Memory, Touched};
use super::{ascending, file};
use crate::errno::Errno;
use crate::os;

/// The file to replace.
#[derive(Clone, Copy)]
pub(super) struct Old<'a> {
    pub(super) file: &'a File,
    pub(super) metadata: &'a Metadata,
}

/// The outcome of replacing a file.
pub(super) enum Replaced {
    Done,
    /// The directory does not allow it; nothing has changed.
    NotAllowed(Errno),
}

/// Puts a new file in the place of the one named `path`: `old`, if that exists. After
/// an error the old file is unchanged. `EEXIST` if another file has taken the name.
pub(super) fn replace(
    memory: Memory<'_>,
    path: &Path,
    old: Option<Old<'_>>,
    durability: Durability,
) -> Result<Replaced, Errno> {
    // `Path` drops a final slash or dot, with which the kernel expects a directory.
    if path.file_name().is_none() || !path.as_os_str().as_bytes().ends_with(name_of(path)) {
        return Err(Errno(libc::ENOENT));
    }
    let directory = directory_of(path);
    let second = match Second::new(directory, old) {
        Err(errno) if is_about_the_directory(errno) => {
            return Ok(Replaced::NotAllowed(errno));
        }
        second => second?,
    };
    write(&second.file, memory, durability)?;
    match (old, fs::symlink_metadata(path)) {
        // Not only the new file of another save, but something else.
        (Some(old), Ok(found)) if !is_alike(&found, old.metadata) => {
            return Err(Errno(libc::EEXIST));
        }
        _ => {}
    }
    let file = match second.publish(path, old.is_some()) {
        Err(errno) if is_about_the_directory(errno) => {
            return Ok(Replaced::NotAllowed(errno));
        }
        file => file?,
    };
    durability.wait_for_entry(directory, &file)?;
    file::close(file)?;
    Ok(Replaced::Done)
}

/// Whether the directory, not the file or the disk, prevents the replacement: the
/// process may not create a second file in it or give it the first one's owner, or the
/// file is a mount point.
fn is_about_the_directory(Errno(errno): Errno) -> bool {
    [
        libc::EACCES,
        libc::EPERM,
        libc::EROFS,
        libc::EBUSY,
        libc::EXDEV,
    ]
    .contains(&errno)
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], |name| name.as_bytes())
}

fn write(file: &File, memory: Memory<'_>, durability: Durability) -> Result<(), Errno> {
    let touched = Touched::new(memory);
    if memory.bytes.len() < LARGE {
        ascending::write(file, touched)?;
    } else {
        let allocation = match durability {
            Durability::Disk => Allocation::Before,
            Durability::Memory => Allocation::Delayed,
        };
        large::write(file, touched, allocation)?;
    }
    durability.wait_for(file)
}

/// Whether two files have the same kind, mode, owner and group, so that one can
/// replace the other.
fn is_alike(one: &Metadata, other: &Metadata) -> bool {
    let facts = |file: &Metadata| (file.mode(), file.uid(), file.gid());
    facts(one) == facts(other)
}

/// The second file, which disappears unless it is published.
#[derive(Debug)]
struct Second {
    file: File,
    name: Option<TemporaryName>,
}

impl Second {
    /// A new file with the old one's owner, group, mode and access control list, or
    /// with the defaults if there is no old one.
    fn new(directory: &Path, old: Option<Old<'_>>) -> Result<Self, Errno> {
        let second = Self::open(directory, old.is_some())?;
        if let Some(Old { file, metadata }) = old {
            let new = second.file.metadata()?;
            if (new.uid(), new.gid()) != (metadata.uid(), metadata.gid()) {
                let (user, group) = (Some(metadata.uid()), Some(metadata.gid()));
                std::os::unix::fs::fchown(&second.file, user, group)?;
            }
            let mode = Permissions::from_mode(metadata.mode() & 0o7777);
            second.file.set_permissions(mode)?;
            file::copy_access_control_list(file, &second.file)?;
        }
        Ok(second)
    }

    fn open(directory: &Path, replaces: bool) -> Result<Self, Errno> {
        let mut options = OpenOptions::new();
        // Nobody else may read the copy of a secret before its mode is set.
        options
            .write(true)
            .mode(if replaces { 0o600 } else { 0o666 });
        // Without /proc, a file without a name could not get one later.
        if Path::new(file::DESCRIPTORS).exists() {
            let nameless = options.custom_flags(libc::O_TMPFILE).open(directory);
            match nameless.map_err(Errno::from) {
                // The file system, or the kernel, does not support them.
                Err(Errno(libc::ENOTSUP | libc::EISDIR | libc::EINVAL)) => {}
                result => {
                    return Ok(Self {
                        file: above_standard(result?)?,
                        name: None,
                    });
                }
            }
        }
        options.custom_flags(0).create_new(true);
        let (file, name) = TemporaryName::new(directory, |name| Ok(options.open(name)?))?;
        Ok(Self {
            file: above_standard(file)?,
            name: Some(name),
        })
    }

    /// Names the file `path`. If it replaces no file, it replaces nothing else either
    /// (`EEXIST`): what has appeared there may be a device.
    fn publish(self, path: &Path, replaces: bool) -> Result<File, Errno> {
        let Self { file, name } = self;
        match (replaces, name) {
            (false, None) => file::link(&file, path)?,
            (true, None) => link_over(&file, path)?,
            (false, Some(_)) if path.symlink_metadata().is_ok() => {
                return Err(Errno(libc::EEXIST));
            }
            (_, Some(name)) => name.rename(path)?,
        }
        Ok(file)
    }
}

/// A name that is removed unless its file is renamed.
#[derive(Debug)]
struct TemporaryName(Option<PathBuf>);

impl TemporaryName {
    /// Calls `make` with paths in a directory until it does not fail with `EEXIST`.
    fn new<T>(
        directory: &Path,
        make: impl Fn(&Path) -> Result<T, Errno>,
    ) -> Result<(T, Self), Errno> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let mut name = OsString::from(".shm_util.");
            name.push(os::process().0.to_string());
            name.push(".");
            name.push(COUNTER.fetch_add(1, Ordering::Relaxed).to_string());
            let path = directory.join(name);
            match make(&path) {
                Err(Errno(libc::EEXIST)) => {}
                result => return result.map(|made| (made, Self(Some(path)))),
            }
        }
    }

    /// Renames the file to `path`, whatever that named before.
    fn rename(mut self, path: &Path) -> Result<(), Errno> {
        if let Some(name) = &self.0 {
            fs::rename(name, path)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            // The save reports its own error, not this one.
            let _ = fs::remove_file(name);
        }
    }
}

/// Puts a complete file that has no name in the place of the one at `path`.
///
/// That takes two steps, link and rename. The name between them depends only on the
/// path, so the next save finds what a process killed between them has left. The file
/// is locked while its process lives.
fn link_over(file: &File, path: &Path) -> Result<(), Errno> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".shm_util");
    let name = directory_of(path).join(name);
    if file::try_to_lock(file) {
        for _ in 0..2 {
            match file::link(file, &name) {
                Ok(()) => return TemporaryName(Some(name)).rename(path),
                Err(Errno(libc::EEXIST)) if remove_leftover(&name, file) => {}
                Err(_) => break,
            }
        }
    }
    // The name is too long, or another file has it, or another save uses it.
    let ((), name) = TemporaryName::new(directory_of(path), |name| file::link(file, name))?;
    name.rename(path)
}

/// Removes the file that a killed save to the same path has left: one that is like
/// `file` and that no process has locked. Returns whether it is gone.
fn remove_leftover(name: &Path, file: &File) -> bool {
    let open = |options: &mut OpenOptions| {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        options.custom_flags(flags).open(name)
    };
    // Its mode may allow only one of the two.
    let opened = open(OpenOptions::new().read(true));
    let Ok(leftover) = opened.or_else(|_| open(OpenOptions::new().write(true))) else {
        return false;
    };
    let is_ours = match (leftover.metadata(), file.metadata()) {
        (Ok(found), Ok(ours)) => found.is_file() && found.nlink() == 1 && is_alike(&found, &ours),
        _ => false,
    };
    let still_has_the_name = || match (fs::symlink_metadata(name), leftover.metadata()) {
        (Ok(named), Ok(opened)) => is_same_file(&named, &opened),
        _ => false,
    };
    is_ours && file::try_to_lock(&leftover) && still_has_the_name() && fs::remove_file(name).is_ok()
}

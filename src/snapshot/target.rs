//! Where a save goes, so that whoever opens the file sees all of the old or
//! all of the new bytes, and the file stays what it was.
//!
//! The new bytes go to a second file in the same directory, which then takes
//! the first one's name with rename(2). Until then it has no name of its own
//! where the file system allows that (`O_TMPFILE`), so a process that dies on
//! the way leaves nothing.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::large::{self, Allocation};
use super::{above_standard, copy};
use crate::error::Errno;
use crate::process;

/// As many symbolic links as the kernel follows.
const MAXIMUM_LINKS: usize = 40;

/// How often a file that comes and goes is looked at again.
const ATTEMPTS: usize = 100;

/// Whether a save waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// It survives a power cut.
    Disk,
    /// It survives the process (`SHM_UTIL_SYNC=0`).
    Memory,
}

impl Durability {
    fn selected() -> Self {
        match process::variable(c"SHM_UTIL_SYNC") {
            Ok(Some(value)) if value == b"0" => Self::Memory,
            _ => Self::Disk,
        }
    }

    /// Waits for a file's bytes. Pipes and terminals have no disk.
    fn wait_for(self, file: &File) -> Result<(), Errno> {
        if self == Self::Memory {
            return Ok(());
        }
        match file.sync_data().map_err(Errno::from) {
            Err(Errno(libc::EINVAL | libc::ENOTSUP)) => Ok(()),
            result => result,
        }
    }

    /// Waits for the entry of a file in a directory.
    fn wait_for_entry(self, directory: &Path, file: &File) -> Result<(), Errno> {
        if self == Self::Memory {
            return Ok(());
        }
        match File::open(directory) {
            Ok(directory) => self.wait_for(&directory),
            // It may be written to, but not be read.
            Err(_) => copy::sync_file_system(file),
        }
    }
}

/// Writes all bytes to the file that a path leads to.
pub(super) fn write(bytes: &[AtomicU8], path: &Path) -> Result<(), Errno> {
    let durability = Durability::selected();
    for _ in 0..ATTEMPTS {
        match write_to(bytes, path, durability) {
            // What was looked at is not what is there now.
            Err(Errno(libc::EEXIST)) => {}
            result => return result,
        }
    }
    Err(Errno(libc::EEXIST))
}

fn write_to(bytes: &[AtomicU8], path: &Path, durability: Durability) -> Result<(), Errno> {
    let path = match resolve(path)? {
        Resolved::Descriptor(file) => return straight(bytes, file, durability),
        Resolved::Path(path) => path,
    };
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(&path);
    match opened.map_err(Errno::from) {
        Ok(file) => {
            let file = above_standard(file)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return straight(bytes, file, durability);
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if is_same_file(&found, &metadata) => {}
                // Another one has come to the path.
                Ok(_) => return Err(Errno(libc::EEXIST)),
                // A link in /proc to a file that has no path.
                Err(_) => return in_place(bytes, file, durability),
            }
            match replace(bytes, &path, Some(&metadata), durability) {
                Err(errno) if is_about_the_directory(errno) => in_place(bytes, file, durability),
                result => result,
            }
        }
        Err(Errno(libc::ENOENT)) => replace(bytes, &path, None, durability),
        Err(errno) => Err(errno),
    }
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether replacing a file by another makes no difference to anyone but by
/// its contents.
fn is_alike(one: &Metadata, other: &Metadata) -> bool {
    let facts = |file: &Metadata| (file.mode(), file.uid(), file.gid());
    facts(one) == facts(other)
}

/// What a path means when its last part's symbolic links are followed.
enum Resolved {
    /// What the process has open already.
    Descriptor(File),
    /// A file, or one that is to be made.
    Path(PathBuf),
}

fn resolve(path: &Path) -> Result<Resolved, Errno> {
    let mut path = path.to_path_buf();
    for _ in 0..MAXIMUM_LINKS {
        if let Some(file) = inherited(&path)? {
            return Ok(Resolved::Descriptor(file));
        }
        match fs::read_link(&path) {
            Ok(target) => path = directory_of(&path).join(target),
            Err(_) => return Ok(Resolved::Path(path)),
        }
    }
    Err(Errno(libc::ELOOP))
}

/// A descriptor that the process has already, if that is what the path says:
/// opened anew, a file would begin at its start, and a socket not open at all.
pub(super) fn inherited(path: &Path) -> Result<Option<File>, Errno> {
    let number = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        let number: libc::c_int = digits.parse().ok()?;
        (number.to_string() == digits).then_some(number)
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
    descriptor.map(copy::duplicate).transpose()
}

/// Writes to a device, a pipe or the like.
fn straight(bytes: &[AtomicU8], file: File, durability: Durability) -> Result<(), Errno> {
    copy::write(&file, bytes)?;
    durability.wait_for(&file)?;
    copy::close(file)
}

/// Overwrites a file that can't be replaced, as libgpl does.
fn in_place(bytes: &[AtomicU8], file: File, durability: Durability) -> Result<(), Errno> {
    copy::write(&file, bytes)?;
    file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    straight(&[], file, durability)
}

/// Whether the directory, not the file or the disk, is what does not allow the
/// file to be replaced: no right to make a second file in it, or to give it
/// the first one's owner, or the file is a mount point.
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

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Puts a new file in the place of the one that `path` names, which has the
/// metadata `old` if it exists. After an error the old one is whole.
fn replace(
    bytes: &[AtomicU8],
    path: &Path,
    old: Option<&Metadata>,
    durability: Durability,
) -> Result<(), Errno> {
    // A name that the kernel takes for a directory would lose its last part.
    if path.file_name().is_none() || !path.as_os_str().as_bytes().ends_with(name_of(path)) {
        return Err(Errno(libc::ENOENT));
    }
    let directory = directory_of(path);
    let second = Second::new(directory, old)?;
    write_new(&second.file, bytes, durability)?;
    match (old, fs::symlink_metadata(path)) {
        // Something else has come to the path: not just another save's file.
        (Some(old), Ok(found)) if !is_alike(&found, old) => return Err(Errno(libc::EEXIST)),
        _ => {}
    }
    let file = second.publish(path, old)?;
    durability.wait_for_entry(directory, &file)?;
    copy::close(file)
}

fn write_new(file: &File, bytes: &[AtomicU8], durability: Durability) -> Result<(), Errno> {
    if bytes.len() < large::LARGE {
        copy::write(file, bytes)?;
    } else {
        let allocation = match durability {
            Durability::Disk => Allocation::Before,
            Durability::Memory => Allocation::Delayed,
        };
        large::write(file, bytes, allocation)?;
    }
    durability.wait_for(file)
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], |name| name.as_bytes())
}

/// The second file, which is gone again unless it is published.
#[derive(Debug)]
struct Second {
    file: File,
    name: Option<TemporaryName>,
}

/// A name that is removed unless the file gets its own.
#[derive(Debug)]
struct TemporaryName(Option<PathBuf>);

impl TemporaryName {
    /// Makes a file under a name that nothing in the directory has.
    fn new<T>(
        directory: &Path,
        make: impl Fn(&Path) -> Result<T, Errno>,
    ) -> Result<(T, Self), Errno> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let mut name = OsString::from(".shm_util.");
            name.push(process::id().to_string());
            name.push(".");
            name.push(COUNTER.fetch_add(1, Ordering::Relaxed).to_string());
            let path = directory.join(name);
            match make(&path) {
                Err(Errno(libc::EEXIST)) => {}
                result => return result.map(|made| (made, Self(Some(path)))),
            }
        }
    }

    /// Puts the file in the place of whatever `path` names.
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
            // What can't be removed can't be helped.
            let _ = fs::remove_file(name);
        }
    }
}

impl Second {
    /// A new file with the old one's owner, group and mode, or with those that
    /// a new one gets.
    fn new(directory: &Path, old: Option<&Metadata>) -> Result<Self, Errno> {
        let second = Self::open(directory, old.is_some())?;
        if let Some(old) = old {
            let file = &second.file;
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        Ok(second)
    }

    fn open(directory: &Path, replaces: bool) -> Result<Self, Errno> {
        let mut options = OpenOptions::new();
        // Nobody may read a copy of a secret before its mode is set.
        options
            .write(true)
            .mode(if replaces { 0o600 } else { 0o666 });
        // Without /proc it could not be given a name afterwards.
        if Path::new(copy::DESCRIPTORS).exists() {
            let nameless = options.custom_flags(libc::O_TMPFILE).open(directory);
            match nameless.map_err(Errno::from) {
                // The file system, or the kernel, has no files without a name.
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

    /// Gives the file its name: in the place of the old one, or, if there was
    /// none, of nothing else (`EEXIST`): what is there now may be a device.
    fn publish(self, path: &Path, old: Option<&Metadata>) -> Result<File, Errno> {
        let Self { file, name } = self;
        match (old, name) {
            (None, None) => copy::link(&file, path)?,
            (Some(_), None) => link_over(&file, path)?,
            (None, Some(_)) if exists(path) => return Err(Errno(libc::EEXIST)),
            (_, Some(name)) => name.rename(path)?,
        }
        Ok(file)
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Puts a complete file that has no name in the place of the one at `path`.
///
/// That takes two steps, link and rename. The name between them depends on
/// the path alone, so a process that is killed there leaves one file at the
/// most, and the next save to the path takes the second step for it. The same
/// helps two that save to one path at a time: each finds its own file renamed
/// by itself or by the other.
fn link_over(file: &File, path: &Path) -> Result<(), Errno> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".shm_util");
    let name = directory_of(path).join(name);
    let file_is_there = || match (fs::symlink_metadata(&name), file.metadata()) {
        (Ok(found), Ok(file)) => is_same_file(&found, &file),
        _ => false,
    };
    let rename = || match fs::rename(&name, path).map_err(Errno::from) {
        // Somebody else has renamed it.
        Err(Errno(libc::ENOENT)) if !file_is_there() && exists(path) => Ok(()),
        result => result,
    };
    for _ in 0..ATTEMPTS {
        match copy::link(file, &name) {
            Ok(()) => {
                return rename().inspect_err(|_| drop(TemporaryName(Some(name.clone()))));
            }
            Err(Errno(libc::EEXIST)) if rename().is_ok() => {}
            Err(_) => break,
        }
    }
    // The name is too long, or somebody else's, or very much in demand.
    let ((), name) = TemporaryName::new(directory_of(path), |name| copy::link(file, name))?;
    name.rename(path)
}

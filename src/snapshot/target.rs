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
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::large::{self, Allocation};
use super::{above_standard, copy};
use crate::error::Errno;
use crate::process;

/// As many symbolic links as the kernel follows.
const MAXIMUM_LINKS: usize = 40;

/// The bits of a directory in which everybody may make files, and remove only
/// their own.
const STICKY_FOR_ALL: u32 = 0o1002;

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
    Err(Errno(libc::EAGAIN))
}

fn write_to(bytes: &[AtomicU8], path: &Path, durability: Durability) -> Result<(), Errno> {
    let (path, name) = match resolve(path)? {
        Resolved::Descriptor(file) => return straight(bytes, file, durability),
        Resolved::Named { path, name } => (path, name),
    };
    let is_in_proc = path != name;
    // Where a link could come that was not there before, it is not followed.
    let no_follow = if is_in_proc { 0 } else { libc::O_NOFOLLOW };
    let found = fs::symlink_metadata(&name).ok();
    if let Some(found) = &found {
        may_write(&name, found)?;
    }
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY | no_follow)
        .open(&path);
    match opened.map_err(Errno::from) {
        Ok(file) => {
            let file = above_standard(file)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return straight(bytes, file, durability);
            }
            match found {
                Some(found) if is_same_file(&found, &metadata) => {}
                // A link in /proc to a file that has no path.
                _ if is_in_proc => return in_place(bytes, file, durability),
                // Another one has come to the path.
                _ => return Err(Errno(libc::EEXIST)),
            }
            let old = Old {
                file: &file,
                metadata: &metadata,
            };
            match replace(bytes, &name, Some(old), durability)? {
                Replaced::Done => Ok(()),
                Replaced::NotAllowed(_) => in_place(bytes, file, durability),
            }
        }
        Err(Errno(libc::ENOENT)) => match replace(bytes, &name, None, durability)? {
            Replaced::Done => Ok(()),
            Replaced::NotAllowed(errno) => Err(errno),
        },
        // A link has come to the path.
        Err(Errno(libc::ELOOP)) if fs::read_link(&path).is_ok() => Err(Errno(libc::EEXIST)),
        Err(errno) => Err(errno),
    }
}

/// The file that is to be replaced.
#[derive(Clone, Copy)]
struct Old<'a> {
    file: &'a File,
    metadata: &'a Metadata,
}

/// Whether the kernel lets those write to a file of another user's who ask for
/// it to be made if need be, as fopen(3) does: where everybody may make files,
/// it may be a trap (`fs.protected_regular` and `fs.protected_fifos`, see
/// proc(5)).
fn may_write(path: &Path, found: &Metadata) -> Result<(), Errno> {
    let kind = found.file_type();
    if !(kind.is_file() || kind.is_fifo()) || found.uid() == process::effective_user() {
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
    /// A file, or one that is to be made: where it is opened, and which name it
    /// has. They differ where a link in /proc leads to what is open elsewhere,
    /// which need not have that name, or any.
    Named { path: PathBuf, name: PathBuf },
}

fn resolve(path: &Path) -> Result<Resolved, Errno> {
    let mut path = path.to_path_buf();
    for _ in 0..=MAXIMUM_LINKS {
        if let Some(file) = inherited(&path)? {
            return Ok(Resolved::Descriptor(file));
        }
        if fs::read_link(&path).is_err() {
            let name = path.clone();
            return Ok(Resolved::Named { path, name });
        }
        let Some(link) = Link::open(&path)? else {
            return Err(Errno(libc::EEXIST));
        };
        let name = directory_of(&path).join(link.target);
        if link.is_in_proc {
            return Ok(Resolved::Named { path, name });
        }
        path = name;
    }
    Err(Errno(libc::ELOOP))
}

/// A symbolic link that may be followed.
struct Link {
    target: PathBuf,
    is_in_proc: bool,
}

impl Link {
    /// `None` if it is none any more. `EACCES` if everybody may make links here
    /// and this is another user's: it may be a trap. What the kernel does where
    /// `fs.protected_symlinks` is set (see proc(5)), but nobody can put another
    /// link there between this look and the kernel's.
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
        let is_everybodys = directory.mode() & STICKY_FOR_ALL == STICKY_FOR_ALL;
        let trusted = [process::effective_user(), directory.uid()];
        if is_everybodys && !trusted.contains(&metadata.uid()) {
            return Err(Errno(libc::EACCES));
        }
        Ok(Some(Self {
            target: copy::target_of(&link)?,
            is_in_proc: copy::is_in_proc(&link),
        }))
    }
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

/// What came of replacing a file.
enum Replaced {
    Done,
    /// Nothing was done: the directory does not allow it.
    NotAllowed(Errno),
}

/// Puts a new file in the place of the one that `path` names, `old` if it
/// exists. After an error the old one is whole.
fn replace(
    bytes: &[AtomicU8],
    path: &Path,
    old: Option<Old<'_>>,
    durability: Durability,
) -> Result<Replaced, Errno> {
    // A name that the kernel takes for a directory would lose its last part.
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
    write_new(&second.file, bytes, durability)?;
    match (old, fs::symlink_metadata(path)) {
        // Something else has come to the path: not just another save's file.
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
    copy::close(file)?;
    Ok(Replaced::Done)
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
    /// A new file with the old one's owner, group, mode and access control list,
    /// or with those that a new one gets.
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
            copy::access_control_list(file, &second.file)?;
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
    fn publish(self, path: &Path, replaces: bool) -> Result<File, Errno> {
        let Self { file, name } = self;
        match (replaces, name) {
            (false, None) => copy::link(&file, path)?,
            (true, None) => link_over(&file, path)?,
            (false, Some(_)) if path.symlink_metadata().is_ok() => {
                return Err(Errno(libc::EEXIST));
            }
            (_, Some(name)) => name.rename(path)?,
        }
        Ok(file)
    }
}

/// Puts a complete file that has no name in the place of the one at `path`.
///
/// That takes two steps, link and rename. The name between them depends on
/// the path alone, so that the next save to the path finds what a process
/// leaves that is killed there. It is locked as long as its maker lives.
fn link_over(file: &File, path: &Path) -> Result<(), Errno> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".shm_util");
    let name = directory_of(path).join(name);
    if copy::try_to_lock(file) {
        for _ in 0..2 {
            match copy::link(file, &name) {
                Ok(()) => return TemporaryName(Some(name)).rename(path),
                Err(Errno(libc::EEXIST)) if remove_leftover(&name, file) => {}
                Err(_) => break,
            }
        }
    }
    // The name is too long, or somebody else's, or in use.
    let ((), name) = TemporaryName::new(directory_of(path), |name| copy::link(file, name))?;
    name.rename(path)
}

/// Removes what a save to the same path has left that was killed: a file as
/// `file` is, that nobody has locked. Says whether it is gone.
fn remove_leftover(name: &Path, file: &File) -> bool {
    let open = |options: &mut OpenOptions| {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        options.custom_flags(flags).open(name)
    };
    // Whichever of the two its mode allows.
    let opened = open(OpenOptions::new().read(true));
    let Ok(leftover) = opened.or_else(|_| open(OpenOptions::new().write(true))) else {
        return false;
    };
    let is_ours = match (leftover.metadata(), file.metadata()) {
        (Ok(found), Ok(ours)) => found.is_file() && found.nlink() == 1 && is_alike(&found, &ours),
        _ => false,
    };
    let is_there_still = || match (fs::symlink_metadata(name), leftover.metadata()) {
        (Ok(named), Ok(opened)) => is_same_file(&named, &opened),
        _ => false,
    };
    is_ours && copy::try_to_lock(&leftover) && is_there_still() && fs::remove_file(name).is_ok()
}

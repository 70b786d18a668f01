//! A new file, until it has its name.
//!
//! Where the file system supports it (`O_TMPFILE`), it has no name until it is complete, so a
//! process that dies leaves nothing. Elsewhere it has a temporary name. If its creator dies, the
//! next process that makes such a file removes it.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::existing::{self, Identity, KEPT, MODE_BITS};
use super::file_name::LONGEST;
use super::file_system::FileSystem;
use super::lock::{self, Byte, Claim};
use super::store::Directory;
use crate::allocate::require_memory_for;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::{self, Durability, Size, Status, TemporaryName};
use crate::os;
use crate::quoted::Doing;
use crate::request::{Access, Creation, Lifetime, check_mode};

/// How temporary names begin.
const PREFIX: &str = ".shm_util_new.";

/// Set once the system has refused to give a nameless file of this process a name, which shows only
/// on trying.
static LINKS_ARE_REFUSED: AtomicBool = AtomicBool::new(false);

/// A new file that counts as attached, and disappears unless it is published.
#[derive(Debug)]
pub(super) struct Fresh {
    /// Dropped first: while the file is open, nobody takes it for a leftover.
    name: Option<TemporaryName>,
    /// For the call that has created it; later ones use `still_open`.
    pub(super) file: File,
    /// The byte that it has locked.
    pub(super) byte: Byte,
    identity: Identity,
    durability: Durability,
}

/// Why a file could not get its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpublished {
    /// Something has the name: EEXIST.
    Taken,
    /// The system refuses to give the nameless file a name. A file with a temporary name may work.
    LinkRefused,
    Failed(Errno),
    /// It has its name, but it is not known whether the name outlives a power failure.
    NotDurable(Errno),
}

impl Fresh {
    /// A file of zeros, and its status.
    pub(super) fn new(
        directory: &Directory,
        name: &[u8],
        size: NonZeroUsize,
        creation: Creation,
        lifetime: Lifetime,
    ) -> Result<(Self, Status)> {
        let doing = Doing("create", name);
        let failed = |errno: Errno| errno.during(format_args!("{doing}"));
        check_mode(doing, Some(creation.mode))?;
        if lifetime == Lifetime::Transient {
            return Err(Errno(libc::ENOTSUP).during(format_args!(
                "{doing}: files in {directory} cannot be transient, because the kernel does not \
                 delete them with their last process"
            )));
        }
        let (file, byte, temporary) = if LINKS_ARE_REFUSED.load(Ordering::Relaxed) {
            named(directory)
        } else {
            nameless(directory)
        }
        .map_err(|errno| match errno {
            Errno(libc::EACCES) if directory.check_exists(&doing).is_ok() => errno
                .during(format_args!(
                    "{doing}: this user may not write to {directory}"
                ))
                .because(Reason::Namespace),
            errno => directory.refused(errno, &doing),
        })?;
        let mut status = Status::of(&file).map_err(failed)?;
        let system = FileSystem::of_segment(&file, &status);
        directory.check(system, &doing)?;
        match system {
            FileSystem::HugePages(page) if size.get() % page != 0 => {
                return Err(Error::argument(format_args!(
                    "{doing} of {size} bytes: in {directory}, the size must be a multiple of the \
                     huge page size, {page} bytes"
                )));
            }
            FileSystem::Disk | FileSystem::Memory | FileSystem::Fuse | FileSystem::Layer
                if creation.huge_pages =>
            {
                return Err(Errno(libc::ENOTSUP).during(format_args!(
                    "{doing}: {directory} is not on hugetlbfs, which huge pages come from"
                )));
            }
            _ => {}
        }
        let durability = if system.has_disk() {
            Durability::selected()
        } else {
            Durability::Memory
        };
        let kept = if lifetime == Lifetime::Kept { KEPT } else { 0 };
        let mode = creation.mode & MODE_BITS | kept;
        // The calls below set the mode and the size to exactly this, or fail.
        status.mode = file::FILE_TYPE | mode;
        status.size = u64::try_from(size.get()).unwrap_or(u64::MAX);
        let fresh = Self {
            name: temporary,
            file,
            byte,
            identity: Identity::of(&status),
            durability,
        };
        file::set_mode(&fresh.file, mode).map_err(failed)?;
        reserve(&fresh.file, size.get(), creation)
            .map_err(|errno| no_room(errno, &doing, directory, size.get(), system))?;
        // A name must not lead to half a file after a power failure.
        durability.wait_for(&fresh.file).map_err(failed)?;
        Ok((fresh, status))
    }

    /// The file and its status. `EBADF` if the program has closed the descriptor, as daemons do:
    /// another file may have its number by now.
    pub(super) fn still_open(&self) -> std::result::Result<(&File, Status), Errno> {
        match Status::of(&self.file)? {
            status if Identity::of(&status) == self.identity => Ok((&self.file, status)),
            _ => Err(Errno(libc::EBADF)),
        }
    }

    /// Whether it was published, perhaps by the other process after a fork.
    pub(super) fn was_published(&self, path: &Path) -> bool {
        let has_its_name = || matches!(self.identity.at(path), Ok(Some(_)));
        match self.still_open() {
            Ok((_, status)) if self.name.is_none() => status.links > 0,
            _ => has_its_name(),
        }
    }

    /// Closes the file, unless the program has done that.
    pub(super) fn close(self) {
        let is_lost = matches!(self.still_open(), Err(Errno(libc::EBADF)));
        let Self { file, name, .. } = self;
        drop(name);
        if is_lost {
            std::mem::forget(file);
        }
    }

    /// Gives the file its name.
    pub(super) fn publish(
        &self,
        directory: &Directory,
        path: &Path,
    ) -> std::result::Result<(), Unpublished> {
        let linked = match &self.name {
            Some(name) => name.rename_new_at_once(path),
            None => match file::link(&self.file, path) {
                Err(errno) if is_link_refused(errno, directory) => {
                    LINKS_ARE_REFUSED.store(true, Ordering::Relaxed);
                    return Err(Unpublished::LinkRefused);
                }
                linked => linked,
            },
        };
        linked.map_err(|errno| match errno {
            Errno(libc::EEXIST) => Unpublished::Taken,
            errno => Unpublished::Failed(errno),
        })?;
        self.durability
            .wait_for_entry(directory.path(), &self.file)
            .map_err(Unpublished::NotDurable)
    }
}

/// Whether the system refuses to give a nameless file a name, although the directory exists.
fn is_link_refused(errno: Errno, directory: &Directory) -> bool {
    (file::is_nameless_unsupported(errno) || errno == Errno(libc::ENOENT))
        && Status::of_target(directory.path()).is_ok()
}

type New = (File, Byte, Option<TemporaryName>);

fn nameless(directory: &Directory) -> std::result::Result<New, Errno> {
    let open = |flag| file::open(directory.path(), libc::O_RDWR | flag, 0o600);
    let nameless = os::NAMELESS.ok_or(Errno(libc::EOPNOTSUPP));
    match nameless.and_then(open) {
        Ok(file) => match lock::attach(&file)? {
            Some(byte) => Ok((file, byte, None)),
            None => Err(Errno(libc::EAGAIN)),
        },
        // The file system, the kernel or a sandbox does not support it.
        Err(errno) if file::is_nameless_unsupported(errno) => named(directory),
        Err(errno) => Err(errno),
    }
}

fn named(directory: &Directory) -> std::result::Result<New, Errno> {
    const ATTEMPTS: usize = 100;
    sweep(directory.path());
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let open = |path: &Path| file::open(path, flags, 0o600);
    for _ in 0..ATTEMPTS {
        let (file, name) = TemporaryName::new(directory.path(), PREFIX, open)?;
        // From now on, no process takes it for a file that was left behind.
        let byte = lock::attach(&file)?;
        let is_there = Identity::of(&Status::of(&file)?).at(name.path())?.is_some();
        if let Some(byte) = byte.filter(|_| is_there) {
            return Ok((file, byte, Some(name)));
        }
        // Another process takes it for a leftover, and removes it.
        name.leave();
    }
    Err(Errno(libc::EAGAIN))
}

/// Removes the temporary files that dead processes have left in a directory.
pub(super) fn sweep(directory: &Path) {
    if require_memory_for(directory.as_os_str().len() + LONGEST).is_err() {
        return;
    }
    let Ok(opened) = file::open(directory, libc::O_RDONLY | libc::O_DIRECTORY, 0) else {
        return;
    };
    // Whatever cannot be read now is left to the next process.
    let _ = file::for_each_entry(
        &opened,
        |errno| errno,
        |name| {
            if is_temporary(name) {
                sweep_one(&directory.join(OsStr::from_bytes(name)));
            }
            Ok(())
        },
    );
}

/// Whether a file name is one of those that files have until they are complete.
pub(super) fn is_temporary(file_name: &[u8]) -> bool {
    file_name.starts_with(PREFIX.as_bytes())
}

fn sweep_one(path: &Path) {
    let Ok(left) = existing::open(path, Access::ReadWrite) else {
        return;
    };
    let Ok(status) = Status::of(&left) else {
        return;
    };
    if !status.is_file() {
        return;
    }
    let Ok(Some(_claimed)) = lock::claim(&left, path, Claim::Segment) else {
        return;
    };
    if matches!(Identity::of(&status).at(path), Ok(Some(_))) {
        // On an error, another process may still remove it.
        let _ = file::unlink(path);
    }
}

/// Gives a new file this size, and makes sure that there is room for all of it, unless the program
/// asked for no reservation.
fn reserve(file: &File, size: usize, creation: Creation) -> std::result::Result<(), Errno> {
    if u64::try_from(size).unwrap_or(u64::MAX) > os::file_size_limit() {
        return Err(Errno(libc::EFBIG));
    }
    if creation.no_reserve {
        return file::set_size(file, u64::try_from(size).unwrap_or(u64::MAX));
    }
    if file::allocate(file, &(0..size), Size::Grows)? {
        return Ok(());
    }
    write_zeros(file, size)
}

/// Writes zeros to a new file where room cannot be reserved in any other way.
#[cold]
fn write_zeros(file: &File, size: usize) -> std::result::Result<(), Errno> {
    const ZEROS: [u8; 16384] = [0; 16384];
    let mut at = 0;
    while at < size {
        let part = ZEROS.get(..size - at).unwrap_or(&ZEROS);
        match file.write_at(part, u64::try_from(at).unwrap_or(u64::MAX)) {
            Ok(0) => return Err(Errno(libc::EIO)),
            Ok(count) => at += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The error if there is no room for a new file.
#[cold]
fn no_room(
    errno: Errno,
    doing: &dyn std::fmt::Display,
    directory: &Directory,
    size: usize,
    system: FileSystem,
) -> Error {
    let limit = os::file_size_limit();
    match errno {
        Errno(libc::EFBIG) if u64::try_from(size).unwrap_or(u64::MAX) > limit => errno
            .during(format_args!(
                "{doing} of {size} bytes: RLIMIT_FSIZE allows files of {limit} bytes; raise it \
                 with 'ulimit -f'"
            ))
            .because(Reason::Limit),
        Errno(libc::ENOSPC) if matches!(system, FileSystem::HugePages(_)) => {
            errno.during(format_args!(
                "{doing} of {size} bytes: too few huge pages are free; raise vm.nr_hugepages with \
                 sysctl(8)"
            ))
        }
        Errno(libc::ENOSPC) => errno.during(format_args!(
            "{doing} of {size} bytes: the file system of {directory} is full"
        )),
        Errno(libc::EDQUOT) => errno.during(format_args!(
            "{doing} of {size} bytes: the disk quota in {directory} is used up"
        )),
        errno => errno.during(format_args!("{doing} of {size} bytes in {directory}")),
    }
}

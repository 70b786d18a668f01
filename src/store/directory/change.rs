//! Changes and removes a segment's file, whichever process attaches it, detaches it or dies
//! meanwhile.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::existing::{self, Identity};
use super::file_system::FileSystem;
use super::lock::{self, Byte, Claim};
use super::store::{Directory, Pauses, impatient};
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::{self, Durability, Status};
use crate::ids::UserId;
use crate::os;
use crate::quoted::Quoted;
use crate::request::Access;

/// What became of a segment that may have no holder any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is deleted.
    Deleted,
    /// The name does not stand for this segment any more.
    Gone,
    /// Others have it attached, or the segment that has the name now.
    InUse,
    /// The lock of the attachment that has just ended is still there: a child that another thread
    /// starts has a copy of all descriptors until it calls exec, among them one that a call of this
    /// library had open at that moment.
    Spawning,
    /// Another process is changing, attaching or deleting it at this moment.
    Changing,
    /// It stays, whether a process has it attached or not.
    Kept,
}

/// How many milliseconds a last holder waits for a child that another thread is starting.
const MOST_SPAWNS: u32 = 100;

impl Directory {
    /// Deletes a segment that this process has just detached, if no process has it attached and it
    /// is not kept. Waits for a process that is changing or deleting it. `own` is the byte that
    /// the attachment had locked, if no child can share the lock on purpose.
    pub(super) fn delete_if_unused(
        &self,
        name: &[u8],
        path: &Path,
        segment: Identity,
        own: Option<Byte>,
    ) -> Result<Fate> {
        let mut pauses = Pauses::new();
        let mut spawns = 0;
        loop {
            match self.try_to_delete(name, path, segment, own, |_| true)? {
                Fate::Spawning if spawns == MOST_SPAWNS => return Ok(Fate::InUse),
                Fate::Spawning => {
                    std::thread::sleep(Duration::from_millis(1));
                    spawns += 1;
                }
                Fate::Changing => pauses.pause().map_err(|_| impatient("delete", name))?,
                fate => return Ok(fate),
            }
        }
    }

    /// Deletes a segment if no process has it attached, it is not kept, and `may_go` allows it. `own`
    /// is as above.
    pub(super) fn try_to_delete(
        &self,
        name: &[u8],
        path: &Path,
        segment: Identity,
        own: Option<Byte>,
        may_go: impl Fn(&Status) -> bool,
    ) -> Result<Fate> {
        let failed = |errno| existing::refused(errno, "delete", name, path);
        let opened = match open_to_change(path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Fate::Gone),
            Err(errno) => return Self::leave_to_owner(errno, name, path, segment),
        };
        // Most often, others have it attached. Looking at its locks is faster than trying to lock
        // the file, and requires only that the file has the name.
        if lock::is_attached(&opened).map_err(failed)? {
            let is_own_left = own.is_some_and(|byte| lock::is_locked(&opened, byte) == Ok(true));
            return Ok(if is_own_left {
                Fate::Spawning
            } else {
                Fate::InUse
            });
        }
        // A lock on another segment's file would delay processes that attach that segment.
        match Status::of(&opened).map_err(failed)? {
            status if Identity::of(&status) != segment => return Ok(Fate::Gone),
            status if existing::is_kept(&status) => return Ok(Fate::Kept),
            _ => {}
        }
        let Some(_claimed) = lock::claim(&opened, path, Claim::Segment).map_err(failed)? else {
            return Ok(Fate::Changing);
        };
        // From here on, no process can attach it or change its name.
        match segment.at(path).map_err(failed)? {
            None => Ok(Fate::Gone),
            Some(status) if existing::is_kept(&status) => Ok(Fate::Kept),
            Some(status) if !may_go(&status) => Ok(Fate::Kept),
            Some(status) => {
                self.unlink("delete", name, path, &opened, &status)?;
                Ok(Fate::Deleted)
            }
        }
    }

    /// Leaves a segment that this process may not delete. If this was the last holder, that is an
    /// error, because the segment stays.
    #[cold]
    fn leave_to_owner(errno: Errno, name: &[u8], path: &Path, segment: Identity) -> Result<Fate> {
        let found = segment.at(path);
        let failed = |errno| existing::refused(errno, "delete", name, path);
        let Some(status) = found.map_err(failed)? else {
            return Ok(Fate::Gone);
        };
        if existing::is_kept(&status) {
            return Ok(Fate::Kept);
        }
        // If that can't be found out, this process may be the last.
        let is_attached = existing::is_attached(path).or_else(|other| match other {
            Errno(libc::EACCES) => Ok(false),
            other => Err(failed(other)),
        })?;
        if is_attached {
            return Ok(Fate::InUse);
        }
        match errno {
            // The same error as for System V segments.
            Errno(libc::EACCES) => Err(belongs_to_another("delete", name, &status)),
            errno => Err(failed(errno)),
        }
    }

    /// Works on the file of a name while no other process changes it: a last holder waits before it
    /// deletes the file. `None` if the name stands for no segment, or not for `segment`.
    pub(super) fn with_claim<T>(
        doing: &str,
        name: &[u8],
        path: &Path,
        segment: Option<Identity>,
        work: impl Fn(&File, &Status) -> Result<T>,
    ) -> Result<Option<T>> {
        let failed = |errno| existing::refused(errno, doing, name, path);
        let mut pauses = Pauses::new();
        loop {
            let opened = match open_to_change(path) {
                Ok(Some(opened)) => opened,
                Ok(None) => {
                    let found = Status::of_path(path).ok().filter(|_| segment.is_none());
                    let error =
                        found.and_then(|found| existing::is_no_segment(doing, name, &found));
                    return error.map_or(Ok(None), Err);
                }
                Err(errno) => return Err(may_not_change(errno, doing, name, path)),
            };
            let status = Status::of(&opened).map_err(failed)?;
            let found = Identity::of(&status);
            if segment.is_some_and(|segment| segment != found) {
                return Ok(None);
            }
            // An empty file is not a segment, unless it was truncated while a process had it
            // attached.
            if segment.is_none() {
                if let Some(error) = existing::is_no_segment(doing, name, &status) {
                    return Err(error);
                }
            } else if !status.is_file() {
                return Ok(None);
            }
            let Some(_claimed) = lock::claim(&opened, path, Claim::Name).map_err(failed)? else {
                pauses.pause().map_err(|_| impatient(doing, name))?;
                continue;
            };
            let Some(status) = found.at(path).map_err(failed)? else {
                // It was removed meanwhile.
                continue;
            };
            return work(&opened, &status).map(Some);
        }
    }

    /// Removes the name of a file that this process has claimed.
    pub(super) fn unlink(
        &self,
        doing: &str,
        name: &[u8],
        path: &Path,
        file: &File,
        status: &Status,
    ) -> Result<()> {
        let failed = |errno| existing::refused(errno, doing, name, path);
        file::unlink(path).map_err(|errno| match errno {
            Errno(libc::EACCES) => errno
                .during(format_args!(
                    "{doing} segment {}: this user may not write to {self}",
                    Quoted(name)
                ))
                .because(Reason::Namespace),
            errno => failed(errno),
        })?;
        self.wait_for_disk(file, status).map_err(failed)
    }

    /// Waits until the changed directory is on the disk, if its file system has one.
    fn wait_for_disk(&self, file: &File, status: &Status) -> std::result::Result<(), Errno> {
        let system = FileSystem::of_segment(file, status);
        if system.has_disk() {
            Durability::selected().wait_for_directory(self.path(), file)?;
        }
        Ok(())
    }
}

/// Opens a segment's file for a lock that needs write access. `None` if the name stands for no
/// regular file. The owner may lock a file even if its mode does not allow writing.
fn open_to_change(path: &Path) -> std::result::Result<Option<File>, Errno> {
    match existing::open(path, Access::ReadWrite) {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EISDIR | libc::ENXIO)) => {
            Ok(None)
        }
        Err(Errno(libc::EACCES)) => open_own(path),
        Err(errno) => Err(errno),
    }
}

/// Opens a file of this user, whatever its mode. The mode changes for a moment, but only for its
/// owner, who may change it at any time. `None` if it is no regular file: a device, for example,
/// where the file system is mounted without devices.
#[cold]
fn open_own(path: &Path) -> std::result::Result<Option<File>, Errno> {
    let refused = Errno(libc::EACCES);
    if os::O_PATH == 0 {
        return Err(refused);
    }
    let found = file::open(path, os::O_PATH | libc::O_NOFOLLOW, 0)?;
    let status = Status::of(&found)?;
    if !status.is_file() {
        return Ok(None);
    }
    if UserId(status.user) != os::effective_user() {
        return Err(refused);
    }
    let link = crate::allocate::text(format_args!("/proc/self/fd/{}", found.as_raw_fd()));
    let link = PathBuf::from(link);
    let widened = status.permissions() | 0o600;
    file::set_mode_of_path(&link, widened)?;
    let opened = match file::open(&link, libc::O_RDWR | libc::O_NONBLOCK, 0) {
        Ok(opened) => opened,
        Err(errno) => {
            file::set_mode_of_path(&link, status.permissions())?;
            return Err(errno);
        }
    };
    // Another process may have set another mode, or the mark of a kept segment, meanwhile.
    let mut pauses = Pauses::new();
    let claimed = loop {
        let claimed = lock::claim(&opened, path, Claim::Name)?;
        if claimed.is_some() || pauses.pause().is_err() {
            break claimed;
        }
    };
    let now = Status::of(&opened)?;
    let restored = if now.permissions() == widened {
        file::set_mode(&opened, status.permissions())
    } else {
        Ok(())
    };
    if let Some(claimed) = claimed {
        lock::release_name(&opened, claimed)?;
    }
    restored.map(|()| Some(opened))
}

/// The error if a process may not open a file for a change.
#[cold]
fn may_not_change(errno: Errno, doing: &str, name: &[u8], path: &Path) -> Error {
    match (errno, Status::of_path(path)) {
        (Errno(libc::EACCES), Ok(status)) => belongs_to_another(doing, name, &status),
        _ => existing::refused(errno, doing, name, path),
    }
}

#[cold]
fn belongs_to_another(doing: &str, name: &[u8], status: &Status) -> Error {
    Errno(libc::EPERM)
        .during(format_args!(
            "{doing} segment {} of user {}",
            Quoted(name),
            status.user
        ))
        .because(Reason::Owner)
}

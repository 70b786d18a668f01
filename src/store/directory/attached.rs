//! A segment's attachment, until it is detached; and the deletion of the segment by the last
//! process.

#![forbid(unsafe_code)]

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::descriptor::Descriptor;
use super::existing::{self, Identity};
use super::fresh::{Fresh, Unpublished};
use super::lock::Byte;
use super::store::Directory;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::Status;
use crate::fork;
use crate::info::{Info, Permissions};
use crate::name::OwnedName;
use crate::os::Uncancelled;
use crate::quoted::Quoted;
use crate::request::{Access, Lifetime, Swapping};
use crate::store::mapped::Mapped;

/// A segment that this process has attached.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(super) name: OwnedName,
    pub(super) directory: Directory,
    pub(super) path: PathBuf,
    /// When it was attached.
    pub(super) status: Status,
    pub(super) is_new: bool,
    pub(super) access: Access,
    /// A hidden file. It stays open until the segment is detached, so that it can get its name.
    pub(super) hidden: Option<Fresh>,
    pub(super) is_published: AtomicBool,
    /// `None` once it was detached.
    pub(super) hold: Option<Hold>,
}

/// What keeps a segment attached.
#[derive(Debug)]
pub(super) struct Hold {
    mapping: Mapped,
    /// `None` where the mapping keeps the locks.
    descriptor: Option<Descriptor>,
    /// The byte that the attachment has locked.
    byte: Byte,
    /// When it was attached, in forks.
    generation: (u32, u32),
}

impl Hold {
    pub(super) fn new(mapping: Mapped, descriptor: Option<Descriptor>, byte: Byte) -> Self {
        Self {
            mapping,
            descriptor,
            byte,
            generation: fork::generation(),
        }
    }

    /// The locked byte, if this process has not forked since. A child that another thread is
    /// starting (vfork(2), `posix_spawn(3)`) may still keep the lock until it calls exec.
    fn own_byte(&self) -> Option<Byte> {
        (self.generation == fork::generation()).then_some(self.byte)
    }
}

impl Attached {
    #[inline]
    pub(in crate::store) fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    #[inline]
    pub(in crate::store) fn bytes(&self) -> &[AtomicU8] {
        match &self.hold {
            Some(hold) => hold.mapping.bytes(),
            None => &[],
        }
    }

    #[inline]
    pub(in crate::store) const fn access(&self) -> Access {
        self.access
    }

    #[inline]
    pub(in crate::store) const fn is_closed(&self) -> bool {
        self.hold.is_none()
    }

    #[inline]
    pub(in crate::store) const fn was_created(&self) -> bool {
        self.is_new
    }

    fn identity(&self) -> Identity {
        Identity::of(&self.status)
    }

    fn is_hidden(&self) -> bool {
        let is_published = |fresh: &Fresh| {
            self.is_published.load(Ordering::Acquire) || fresh.was_published(&self.path)
        };
        self.hidden
            .as_ref()
            .is_some_and(|fresh| !is_published(fresh))
    }

    pub(in crate::store) fn info(&self) -> Result<Info> {
        let _uncancelled = Uncancelled::new();
        if let Some(fresh) = self.hidden.as_ref().filter(|_| self.is_hidden()) {
            let (_, status) = fresh.still_open().map_err(self.not_open("look at"))?;
            return Ok(Info {
                hidden: true,
                ..existing::info(self.name(), &status, 1)?
            });
        }
        let found = self
            .identity()
            .at(&self.path)
            .map_err(|errno| errno.during(format_args!("look at {self}")))?;
        match found {
            Some(status) => {
                let count = existing::count(&self.path)
                    .map_err(|errno| errno.during(format_args!("look at {self}")))?;
                existing::info(self.name(), &status, count)
            }
            // It has lost its name, so this returns what was known when it was attached, and counts
            // only this attachment.
            None => Ok(Info {
                kept: false,
                ..existing::info(self.name(), &self.status, 1)?
            }),
        }
    }

    pub(in crate::store) fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        if let Some(fresh) = self.hidden.as_ref().filter(|_| self.is_hidden()) {
            let (file, status) = fresh
                .still_open()
                .map_err(self.not_open("set the permissions of"))?;
            return super::by_name::change_permissions(self.name(), file, &status, permissions);
        }
        Directory::change_permissions(self.name(), &self.path, Some(self.identity()), permissions)?
            .ok_or_else(|| self.lost("set the permissions of"))
    }

    pub(in crate::store) fn set_swapping(&self, swapping: Swapping) -> Result<()> {
        super::by_name::set_swapping(self.name(), swapping)
    }

    pub(in crate::store) fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        if let Some(fresh) = self.hidden.as_ref().filter(|_| self.is_hidden()) {
            let (file, status) = fresh.still_open().map_err(self.not_open("keep"))?;
            return super::by_name::change_lifetime(self.name(), file, &status, lifetime);
        }
        Directory::change_lifetime(self.name(), &self.path, Some(self.identity()), lifetime)?
            .ok_or_else(|| self.lost("keep"))
    }

    pub(in crate::store) fn publish(&self) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        let not_hidden = || {
            Errno(libc::EINVAL)
                .during(format_args!(
                    "publish {self}: it is not hidden, or was published before"
                ))
                .because(Reason::NotHidden)
        };
        let fresh = self.hidden.as_ref().filter(|_| self.is_hidden());
        let Some(fresh) = fresh else {
            return Err(not_hidden());
        };
        fresh.still_open().map_err(self.not_open("publish"))?;
        let published = fresh.publish(&self.directory, &self.path);
        if let Ok(()) | Err(Unpublished::NotDurable(_)) = published {
            self.is_published.store(true, Ordering::Release);
        }
        match published {
            Ok(()) => Ok(()),
            Err(Unpublished::NotDurable(errno)) => Err(errno.during(format_args!(
                "write the name of {self} to the disk of {}; it is published",
                self.directory
            ))),
            // Another thread, or the parent or child of a fork, was faster.
            Err(Unpublished::Taken) if matches!(self.identity().at(&self.path), Ok(Some(_))) => {
                Err(not_hidden())
            }
            Err(Unpublished::Taken) => Err(Errno(libc::EEXIST).during(format_args!(
                "publish {self}: another segment already has the name"
            ))),
            Err(Unpublished::LinkRefused) => Err(Errno(libc::ENOTSUP).during(format_args!(
                "publish {self}: a sandbox does not allow a nameless file to get a name; the next \
                 hidden segment of this process has a temporary name"
            ))),
            Err(Unpublished::Failed(errno)) => {
                Err(errno.during(format_args!("publish {self} in {}", self.directory)))
            }
        }
    }

    pub(in crate::store) fn remove(&self) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        if self.is_hidden() {
            return Err(Errno(libc::EIDRM).during(format_args!(
                "remove {self}: it is hidden, and has no name yet"
            )));
        }
        self.directory
            .remove_file(self.name(), &self.path, Some(self.identity()))?
            .ok_or_else(|| {
                Errno(libc::EIDRM).during(format_args!(
                    "remove {self}: it has lost its name, which may be another segment's by now"
                ))
            })
    }

    pub(in crate::store) fn sync(&self) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        match &self.hold {
            Some(hold) => hold
                .mapping
                .sync()
                .map_err(|errno| errno.during(format_args!("write {self} to the disk"))),
            None => Ok(()),
        }
    }

    pub(in crate::store) fn check_whole(&self) -> Result<()> {
        let expected = self.status.size;
        let found = self.identity().at(&self.path).ok().flatten();
        let is_short = match (&found, &self.hold) {
            (Some(status), _) if status.size < expected => true,
            // It may have been truncated and lost its name.
            (_, Some(hold)) => !hold.mapping.has_end(),
            _ => false,
        };
        if !is_short {
            return Ok(());
        }
        let size = found.map_or(0, |status| status.size);
        Err(Errno(libc::EIO).during(format_args!(
            "use {self}: its file was truncated from {expected} to {size} bytes"
        )))
    }

    /// The error if the file of a hidden segment can't be used.
    fn not_open(&self, doing: &str) -> impl Fn(Errno) -> Error {
        move |errno| match errno {
            Errno(libc::EBADF) => errno.during(format_args!(
                "{doing} {self}: the program has closed its descriptor, which a hidden segment \
                 needs"
            )),
            errno => errno.during(format_args!("{doing} {self}")),
        }
    }

    fn lost(&self, doing: &str) -> Error {
        Errno(libc::EIDRM).during(format_args!("{doing} {self}: it has lost its name"))
    }

    /// Rolls back this attachment's creation: the segment does not outlive it.
    #[cfg(feature = "capi")]
    pub(in crate::store) fn give_up(&self) {
        let _ = self.set_lifetime(Lifetime::Used);
    }

    pub(in crate::store) fn detach(&mut self) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        self.release().map(drop)
    }

    pub(in crate::store) fn close(&mut self) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        let own = self.hold.as_ref().and_then(Hold::own_byte);
        let released = self.release();
        if matches!(released, Ok(false)) {
            return released.map(drop);
        }
        // This is done even if the program has unmapped the segment itself: otherwise it would be
        // an orphan.
        let deleted =
            self.directory
                .delete_if_unused(self.name.bytes(), &self.path, self.identity(), own);
        released.and(deleted).map(drop)
    }

    /// Unmaps the segment if it is still mapped. False if it was detached before.
    fn release(&mut self) -> Result<bool> {
        let Some(hold) = self.hold.take() else {
            return Ok(false);
        };
        let Hold {
            mapping,
            descriptor,
            ..
        } = hold;
        let inode = match &descriptor {
            Some(descriptor) => descriptor.mapped_inode(),
            None => Some(self.status.inode),
        };
        // The descriptor of a file that was never published also keeps its memory.
        if let Some(fresh) = self.hidden.take() {
            fresh.close();
        }
        if inode.is_none_or(|inode| mapping.unmap(inode)) {
            return Ok(true);
        }
        Err(Errno(libc::EINVAL)
            .during(format_args!(
                "detach {self}: it is not attached there any more (the program may have called \
                 munmap)"
            ))
            .because(Reason::Detached))
    }

    /// The segment's file, if it still has its name.
    pub(in crate::store) fn file(&self) -> Option<std::fs::File> {
        let opened = existing::open(&self.path, Access::ReadOnly).ok()?;
        let status = Status::of(&opened).ok()?;
        (Identity::of(&status) == self.identity()).then_some(opened)
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}", Quoted(self.name.bytes()))
    }
}

//! Creates or attaches the segment of a name.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::attached::{Attached, Hold};
use super::descriptor::Descriptor;
use super::existing::{self, Identity};
use super::file_system::FileSystem;
use super::fresh::{Fresh, Unpublished};
use super::lock;
use super::store::{Directory, Pauses, impatient};
use crate::allocate::{Boxed, Room};
use crate::environment;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::{self, Status};
use crate::name::OwnedName;
use crate::os::Uncancelled;
use crate::quoted::{Doing, Quoted};
use crate::request::{Access, Placement, Request, Target, Wanted, already_exists};
use crate::store::mapped::Mapped;

/// What a look-up of a name found.
enum Found {
    /// Its segment, attached.
    Segment(Status, Hold),
    /// Nothing.
    Nothing,
    /// A segment that a process is deleting or has deleted.
    Dying,
}

/// A new segment.
struct Made {
    status: Status,
    hold: Hold,
    hidden: Option<Fresh>,
}

impl Directory {
    pub(in crate::store) fn attach(
        &self,
        name: OwnedName,
        request: &Request,
    ) -> Result<Boxed<Attached>> {
        let _uncancelled = Uncancelled::new();
        let doing = request.wanted.doing();
        let no_memory = |errno: Errno| errno.during(format_args!("{doing} a segment in {self}"));
        let room = Room::new().map_err(no_memory)?;
        let path = self.path_of(doing, name.bytes())?;
        let mut pauses = Pauses::new();
        loop {
            let found = self.find(name.bytes(), &path, request)?;
            let (status, hold, made) = match (found, request.wanted) {
                (Found::Segment(status, hold), _) => (status, hold, None),
                (Found::Dying, _) => {
                    pauses.pause().map_err(|_| impatient(doing, name.bytes()))?;
                    continue;
                }
                (Found::Nothing, Wanted::OfSize(size) | Wanted::New(size)) => {
                    let Some(made) = self.make(name.bytes(), &path, size, request)? else {
                        continue;
                    };
                    (made.status, made.hold, Some(made.hidden))
                }
                (Found::Nothing, Wanted::Existing | Wanted::ExistingOfSize(_)) => {
                    return Err(self.no_such(Target::Name(name.bytes())));
                }
            };
            let attached = Attached {
                name,
                directory: self.clone(),
                path,
                status,
                is_new: made.is_some(),
                access: request.access,
                hidden: made.flatten(),
                is_published: AtomicBool::new(false),
                hold: Some(hold),
            };
            return room.fill(attached).map_err(no_memory);
        }
    }

    /// Attaches the segment that has a name now.
    fn find(&self, name: &[u8], path: &Path, request: &Request) -> Result<Found> {
        let doing = request.wanted.doing();
        let failed = |errno| existing::refused(errno, doing, name, path);
        let is_new = matches!(request.wanted, Wanted::New(_));
        let opened = match existing::open(path, request.access) {
            Ok(opened) => opened,
            Err(Errno(libc::ENOENT)) => return Ok(Found::Nothing),
            Err(_) if is_new && Status::of_path(path).is_ok() => {
                return Err(taken(doing, name, path));
            }
            Err(errno) => return Err(self.not_opened(errno, doing, name, path)),
        };
        if is_new {
            return Err(taken(doing, name, path));
        }
        // Everything that can fail comes before the lock. Otherwise, the last holder of the segment
        // could take a failing call for another holder, and leave the segment behind.
        let status = Status::of(&opened).map_err(failed)?;
        let size = Self::check_segment(name, &status, request)?;
        let system = FileSystem::of_segment(&opened, &status);
        self.check(system, &format_args!("{doing} segment {}", Quoted(name)))?;
        let mapping = Mapped::file(&opened, size, request.placement, request.access)
            .map_err(|errno| not_mapped(name, request.placement, size, errno))?;
        let descriptor = Descriptor::of(&opened, &status, &mapping).map_err(failed)?;
        // No process deletes a segment that is locked. It may have been deleted before that.
        // A link count would not show that: the file may have other names, such as a backup's.
        let Some(byte) = lock::attach(&opened).map_err(failed)? else {
            return Ok(Found::Dying);
        };
        if Identity::of(&status).at(path).map_err(failed)?.is_none() {
            return Ok(Found::Dying);
        }
        file::note_use(&opened, request.access == Access::ReadWrite);
        Ok(Found::Segment(status, Hold::new(mapping, descriptor, byte)))
    }

    /// The size in bytes of an existing segment, if that is what was asked for.
    fn check_segment(name: &[u8], status: &Status, request: &Request) -> Result<usize> {
        if let Some(error) = existing::is_no_segment("attach", name, status) {
            return Err(error);
        }
        let size = usize::try_from(status.size).map_err(|_| {
            Errno(libc::ENOMEM).during(format_args!(
                "attach segment {} of {} bytes",
                Quoted(name),
                status.size
            ))
        })?;
        request.wanted.check(name, size).map(|()| size)
    }

    /// Creates a segment. `None` if another process has given the name to a segment meanwhile, and
    /// that segment will do.
    fn make(
        &self,
        name: &[u8],
        path: &Path,
        size: NonZeroUsize,
        request: &Request,
    ) -> Result<Option<Made>> {
        let lifetime = environment::lifetime(request.lifetime);
        loop {
            let (fresh, status) = Fresh::new(self, name, size, request.creation, lifetime)?;
            // This comes before it gets its name, so that a failure leaves nothing.
            let size = size.get();
            let mapping = Mapped::file(&fresh.file, size, request.placement, request.access)
                .map_err(|errno| not_mapped(name, request.placement, size, errno))?;
            let descriptor = Descriptor::of(&fresh.file, &status, &mapping)
                .map_err(|errno| errno.during(format_args!("create segment {}", Quoted(name))))?;
            let hold = Hold::new(mapping, descriptor, fresh.byte);
            if request.hidden {
                let hidden = Some(fresh);
                return Ok(Some(Made {
                    status,
                    hold,
                    hidden,
                }));
            }
            match fresh.publish(self, path) {
                // Some FUSE file systems show the named file as another one.
                Ok(())
                    if FileSystem::of_segment(&fresh.file, &status) == FileSystem::Fuse
                        && existing::is_attached(path) != Ok(true) =>
                {
                    let _ = file::unlink(path);
                    return Err(Errno(libc::ENOTSUP).during(format_args!(
                        "create segment {}: the file system of {self} does not keep the locks of \
                         a file that gets a name; choose another directory",
                        Quoted(name)
                    )));
                }
                Ok(()) => {
                    let hidden = None;
                    return Ok(Some(Made {
                        status,
                        hold,
                        hidden,
                    }));
                }
                Err(Unpublished::LinkRefused) => {}
                Err(Unpublished::Taken) if matches!(request.wanted, Wanted::New(_)) => {
                    return Err(taken(request.wanted.doing(), name, path));
                }
                Err(Unpublished::Taken) => return Ok(None),
                Err(Unpublished::NotDurable(errno)) => {
                    drop((hold, fresh));
                    let segment = Identity::of(&status);
                    self.delete_if_unused(name, path, segment, None)?;
                    return Err(errno.during(format_args!(
                        "write the name of segment {} to the disk of {self}",
                        Quoted(name)
                    )));
                }
                Err(Unpublished::Failed(errno)) => {
                    let doing = Doing("create", name);
                    return Err(self.refused(errno, &doing));
                }
            }
        }
    }

    /// The error if the file that has a name can't be opened.
    #[cold]
    fn not_opened(&self, errno: Errno, doing: &str, name: &[u8], path: &Path) -> Error {
        match Status::of_path(path) {
            Ok(status) => existing::is_no_segment(doing, name, &status)
                .unwrap_or_else(|| existing::refused(errno, doing, name, path)),
            Err(_) => self.refused(errno, &format_args!("{doing} segment {}", Quoted(name))),
        }
    }
}

#[cold]
fn taken(doing: &str, name: &[u8], path: &Path) -> Error {
    let found = Status::of_path(path).ok();
    if let Some(error) = found.and_then(|status| existing::is_no_segment(doing, name, &status)) {
        return error;
    }
    let size = found.map_or(0, |status| status.size);
    already_exists(name, size)
}

#[cold]
fn not_mapped(name: &[u8], placement: Placement, size: usize, errno: Errno) -> Error {
    let error = errno.during(format_args!(
        "attach segment {} of {size} bytes{placement}",
        Quoted(name)
    ));
    match (errno, placement) {
        (Errno(libc::EINVAL), Placement::At(_)) => error.because(Reason::Address),
        _ => error,
    }
}

//! Named segments: create, attach, detach, and the deletion by the last one.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use crate::error::{Errno, Quoted, Result};
use crate::fork::{Call, Purpose};
use crate::name::OwnedName;
use crate::process;
use crate::registry::{Entry, Lookup, NAME_MAX, Name, Registry};
use crate::snapshot::{self, Loaded};
use crate::sysv::{self, Mapping, Placement, Status};

/// How often a segment that others delete while it is being mapped is looked
/// for again.
const ATTEMPTS: usize = 10_000;

/// Identifiers are used again after some four million creations, which take
/// longer than this.
const ID_IS_FRESH: Duration = Duration::from_secs(1);

/// A named shared memory segment, mapped into this process.
///
/// A segment is deleted when the last process that has it mapped destroys it,
/// with [`destroy`](Self::destroy) or by dropping it. If that process dies
/// instead, the segment keeps its bytes and its name. Other processes, C ones
/// that use `shm_util.h` too, may read and write it at any time.
///
/// ```
/// use shm_util::Segment;
/// use std::sync::atomic::Ordering;
///
/// let ours = Segment::create("doc-example", 4096)?;
/// ours.bytes()[0].store(42, Ordering::Relaxed);
///
/// let theirs = Segment::open("doc-example")?;
/// assert_eq!(theirs.bytes()[0].load(Ordering::Relaxed), 42);
/// assert_eq!(theirs.id(), ours.id());
///
/// theirs.destroy()?;
/// ours.destroy()?; // the last one: the segment is deleted
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Debug)]
pub struct Segment {
    name: OwnedName,
    entry: Entry,
    origin: Origin,
    /// The registry that the name was found in, even if it is gone by now.
    registry: Arc<Registry>,
    /// `None` only after it was detached.
    mapping: Option<Mapping>,
}

/// Which segment is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One that exists.
    Existing,
    /// One that exists with at least so many bytes, or a new one.
    OfSize(NonZeroUsize),
}

/// Where a segment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It was there.
    Found,
    /// This process has made it.
    Made,
}

/// How a destroyed handle left the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is deleted.
    Deleted,
    /// Somebody else has it mapped.
    InUse,
}

impl Segment {
    /// Makes a segment of `size` bytes, all zero, or maps the one that has this
    /// name already.
    ///
    /// # Errors
    ///
    /// * `EINVAL`: `size` is 0, the segment exists with fewer bytes, or the name
    ///   has a zero byte in it, which no C program could say.
    /// * `ENAMETOOLONG`: the name has more than 1000 bytes.
    /// * `ENOSPC`, `ENOMEM`: there is no room, see shmget(2).
    /// * `EACCES`: the name space, or the segment, is another user's.
    /// * `ETIMEDOUT`: a stopped process has kept the registry locked for 10 s.
    /// * `EUCLEAN`, `ENOTSUP`: the registry was overwritten, or is another
    ///   version's.
    pub fn create(name: impl AsRef<[u8]>, size: usize) -> Result<Self> {
        let name = name.as_ref();
        let Some(size) = NonZeroUsize::new(size) else {
            return Err(Errno(libc::EINVAL)
                .during(format_args!("make segment {} of 0 bytes", Quoted(name))));
        };
        Self::map(name, Wanted::OfSize(size), Placement::Anywhere)
    }

    /// Maps the segment of this name.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none; else as [`create`](Self::create).
    pub fn open(name: impl AsRef<[u8]>) -> Result<Self> {
        Self::map(name.as_ref(), Wanted::Existing, Placement::Anywhere)
    }

    /// What both do, and `shmCreate`.
    pub(crate) fn map(name: &[u8], wanted: Wanted, placement: Placement) -> Result<Self> {
        if name.len() > NAME_MAX {
            return Err(Errno(libc::ENAMETOOLONG).during(format_args!(
                "use a name of {} bytes, which may have {NAME_MAX}",
                name.len()
            )));
        }
        if name.contains(&0) {
            return Err(Errno(libc::EINVAL).during(format_args!(
                "use the name {}, which has a zero byte in it",
                Quoted(name)
            )));
        }
        let _call = Call::begin(Purpose::Change)?;
        // The program's own string may change at any time.
        let owned = OwnedName::new(name)
            .map_err(|errno| errno.during(format_args!("map segment {}", Quoted(name))))?;
        let name = Name::new(owned.bytes());
        for _ in 0..ATTEMPTS {
            let registry = Registry::current()?;
            let names = registry.lock()?;
            let (entry, origin) = match (names.look_up(&name)?, wanted) {
                (Lookup::Found(entry), Wanted::OfSize(size)) if entry.size < size.get() => {
                    return Err(Errno(libc::EINVAL).during(format_args!(
                        "map segment {} with {size} bytes, which has {}",
                        Quoted(name.bytes()),
                        entry.size
                    )));
                }
                (Lookup::Found(entry), _) => (entry, Origin::Found),
                (Lookup::Absent, Wanted::OfSize(size)) => {
                    (names.create(&name, size.get())?, Origin::Made)
                }
                (Lookup::Absent, Wanted::Existing) => {
                    return Err(Errno(libc::ENOENT)
                        .during(format_args!("find segment {}", Quoted(name.bytes()))));
                }
                (Lookup::NotCurrent, _) => {
                    drop(names);
                    registry.forget();
                    continue;
                }
            };
            // Mapping may take seconds (mlockall), so others may come in now,
            // and may even delete the segment before it is mapped.
            drop(names);
            if let Some(mapping) = attach(&registry, &name, entry, origin, placement)? {
                return Ok(Self {
                    name: owned,
                    entry,
                    origin,
                    registry,
                    mapping: Some(mapping),
                });
            }
        }
        Err(Errno(libc::EAGAIN).during(format_args!(
            "map segment {}, which others make and delete all the time",
            Quoted(name.bytes())
        )))
    }

    /// The name, any bytes but zero.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    /// The System V identifier, as `ipcs -m` shows it, good for shmctl(2).
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.entry.id
    }

    /// The size in bytes, as it was asked for when the segment was made.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether the segment has no bytes, which none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, which other processes may change at any time.
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        self.mapping.as_ref().map_or(&[], Mapping::bytes)
    }

    /// Writes all bytes to a file, all or nothing, as `shmSave` does, but with
    /// the file name as it is.
    ///
    /// # Errors
    ///
    /// What open(2), write(2), fsync(2) or rename(2) say. The old file is whole.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<()> {
        self.save_within(&Call::begin(Purpose::Copy)?, file.as_ref())
    }

    /// The same within a call that has begun.
    pub(crate) fn save_within(&self, _call: &Call, file: &Path) -> Result<()> {
        snapshot::save(self.bytes(), file)
    }

    /// Reads bytes from a file, as many as both have, as `shmLoad` does, but
    /// with the file name as it is.
    ///
    /// # Errors
    ///
    /// What open(2) or read(2) say, and `EINVAL` if the file is empty.
    pub fn load(&self, file: impl AsRef<Path>) -> Result<Loaded> {
        self.load_within(&Call::begin(Purpose::Copy)?, file.as_ref())
    }

    /// The same within a call that has begun.
    pub(crate) fn load_within(&self, _call: &Call, file: &Path) -> Result<Loaded> {
        snapshot::load(self.bytes(), file)
    }

    /// Takes the mapping away, and deletes the segment and its name if nobody
    /// else has it mapped.
    ///
    /// # Errors
    ///
    /// The mapping is gone whatever comes back; the segment and its name stay
    /// on an error, as if this process had died:
    ///
    /// * `EPERM`: this was the last process, but the segment is another user's.
    /// * `EINVAL`: the mapping was gone already, by shmdt(2).
    /// * `EDEADLK`, `ETIMEDOUT`, `EUCLEAN`: see [`create`](Self::create).
    pub fn destroy(mut self) -> Result<()> {
        let call = Call::begin(Purpose::Change)?;
        self.close(&call)
    }

    /// What destroying and dropping do, within a call that fork waits for.
    pub(crate) fn close(&mut self, _call: &Call) -> Result<()> {
        let Some(mapping) = self.mapping.take() else {
            return Ok(());
        };
        // Who found the segment probably leaves others with it; if not, that
        // is noticed below, and costs another mapping.
        let fate = match self.origin {
            // One mapping is ours only if ours is there: the program may have
            // called shmdt(2), or kept it from a child (MADV_DONTFORK).
            Origin::Made if mapping.is_there() => self.delete_if_last(1),
            Origin::Made | Origin::Found => Ok(Fate::InUse),
        };
        // Whether that worked or the mapping was gone already: it is now.
        let detached = self.detach(mapping);
        if fate? == Fate::Deleted {
            return detached;
        }
        // Only now does this process not count any more: of two that leave at
        // once, each has seen the other until now.
        while self.is_abandoned()? {
            // The memory of a segment that is deleted while it is mapped is
            // freed when it is unmapped, that is, without the lock.
            let mapping = Mapping::attach(self.entry.id, Placement::Anywhere, self.entry.size).ok();
            let fate = self.delete_if_last(u64::from(mapping.is_some()));
            drop(mapping);
            if fate? == Fate::Deleted {
                break;
            }
        }
        detached
    }

    fn detach(&self, mapping: Mapping) -> Result<()> {
        mapping
            .detach()
            .map_err(|errno| errno.during(format_args!("detach {self}")))
    }

    /// Whether the segment is there and nobody has it mapped.
    fn is_abandoned(&self) -> Result<bool> {
        match self.entry.status() {
            Ok(Some(status)) => Ok(status.mappings == 0),
            Ok(None) => {
                self.registry.lock()?.remove_stale(&self.entry)?;
                Ok(false)
            }
            Err(errno) => Err(errno.during(format_args!("look at {self}"))),
        }
    }

    /// Marks the segment for deletion and frees its name, unless there are more
    /// mappings than those that this process still has.
    fn delete_if_last(&self, own_mappings: u64) -> Result<Fate> {
        let is_last = |status: &Status| status.mappings <= own_mappings;
        let names = self.registry.lock().inspect_err(|error| {
            // An overwritten registry names nothing any more, so nobody can
            // be about to attach the segment, and nobody would ever find it.
            if error.errno() == libc::EUCLEAN
                && matches!(self.entry.status(), Ok(Some(status)) if is_last(&status))
            {
                let _ = sysv::remove(self.entry.id);
            }
        })?;
        match self.entry.status() {
            // Who is about to attach it looks at the name afterwards, and
            // starts again when it finds it freed.
            Ok(Some(status)) if is_last(&status) => match names.remove(&self.entry)? {
                Ok(()) => Ok(Fate::Deleted),
                Err(errno) => Err(errno.during(format_args!(
                    "delete {self}, which user {} made",
                    status.creator
                ))),
            },
            Ok(Some(_)) => Ok(Fate::InUse),
            Ok(None) => names.remove_stale(&self.entry).map(|()| Fate::Deleted),
            Err(errno) => Err(errno.during(format_args!("look at {self}"))),
        }
    }
}

/// Attaches a segment that the registry named a moment ago. `None` if it was
/// deleted since. A new one that can't be attached is deleted.
fn attach(
    registry: &Registry,
    name: &Name<'_>,
    entry: Entry,
    origin: Origin,
    placement: Placement,
) -> Result<Option<Mapping>> {
    let begun = process::coarse_time();
    let attached = Mapping::attach(entry.id, placement, entry.size);
    let names = registry.lock()?;
    if !names.has(&entry)? {
        return Ok(None);
    }
    match attached {
        // Nobody can delete it from here on: whoever takes the lock next sees
        // our mapping.
        Ok(mapping) if process::coarse_time() < begun + ID_IS_FRESH => Ok(Some(mapping)),
        // This process was stopped meanwhile, perhaps for so long that the
        // identifier is another segment's by now.
        Ok(mapping) => match entry.status() {
            Ok(Some(_)) => Ok(Some(mapping)),
            _ => Ok(None),
        },
        Err(errno) => {
            match entry.status() {
                Ok(None) => return Ok(None),
                // Nothing is lost: nobody has seen it.
                Ok(Some(status))
                    if origin == Origin::Made && status.mappings == 0 && !status.ever_attached =>
                {
                    let _ = names.remove(&entry)?;
                }
                _ => {}
            }
            Err(errno.during(format_args!(
                "attach segment {} (id {}, {} bytes){placement}",
                Quoted(name.bytes()),
                entry.id,
                entry.size
            )))
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.mapping.is_none() {
            return;
        }
        // An error is for those who ask for it, with `destroy`.
        if let Ok(call) = Call::begin(Purpose::Change) {
            let _ = self.close(&call);
        }
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "segment {} (id {})",
            Quoted(self.name.bytes()),
            self.entry.id
        )
    }
}

//! Named segments: create, attach, detach, and the deletion by the last one.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use crate::error::{Errno, Error, Quoted, Result, try_to_vec};
use crate::fork::{self, Call, Purpose};
use crate::info::{Info, Permissions};
use crate::name::OwnedName;
use crate::options::Options;
use crate::process;
use crate::registry::{Entry, Lifetime, Lookup, NAME_MAX, Name, Names, Registry, Removal};
use crate::snapshot::{self, Loaded};
use crate::sysv::{self, Access, Making, Mapping, Placement, Status, Swapping};

/// How often a segment that others delete while it is being mapped is looked
/// for again.
const ATTEMPTS: usize = 10_000;

/// Identifiers are used again after some four million creations, which take
/// longer than so many seconds, or one more.
const ID_IS_FRESH: u64 = 1;

/// A named shared memory segment, mapped into this process.
///
/// A segment is deleted when the last process that has it mapped destroys it,
/// with [`destroy`](Self::destroy) or by dropping it. If that process dies
/// instead, the segment keeps its bytes and its name. Other processes, C ones
/// that use `shm_util.h` too, may read and write it at any time.
///
/// [`Options`] are for segments that are not made or mapped in the usual way.
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
    access: Access,
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
    /// One that exists with at least so many bytes.
    ExistingOfSize(NonZeroUsize),
    /// One that exists with at least so many bytes, or a new one.
    OfSize(NonZeroUsize),
    /// A new one.
    New(NonZeroUsize),
}

impl Wanted {
    /// How many bytes one that exists must have.
    const fn least(self) -> Option<NonZeroUsize> {
        match self {
            Self::ExistingOfSize(size) | Self::OfSize(size) => Some(size),
            Self::Existing | Self::New(_) => None,
        }
    }
}

/// How a segment is to be mapped, and how a new one is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) wanted: Wanted,
    pub(crate) placement: Placement,
    pub(crate) access: Access,
    pub(crate) making: Making,
    /// That of a new one, unless `SHM_UTIL_KEEP` asks for [`Lifetime::Kept`].
    pub(crate) lifetime: Lifetime,
}

impl Terms {
    /// Those of `shmCreate`.
    pub(crate) const fn usual(wanted: Wanted, placement: Placement) -> Self {
        Self {
            wanted,
            placement,
            access: Access::ReadWrite,
            making: Making::with_mode(Options::USUAL_MODE),
            lifetime: Lifetime::Used,
        }
    }
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
    /// It stays, whether anybody has it mapped or not.
    Kept,
}

/// Checks what a program gave for a name.
pub(crate) fn check_name(name: &[u8]) -> Result<()> {
    if name.contains(&0) {
        return Err(Errno(libc::EINVAL).during(format_args!(
            "use the name {}, which has a zero byte in it",
            Quoted(name)
        )));
    }
    check_length(name)
}

fn check_length(name: &[u8]) -> Result<()> {
    if name.len() > NAME_MAX {
        return Err(Errno(libc::ENAMETOOLONG).during(format_args!(
            "use a name of {} bytes, which may have {NAME_MAX}",
            name.len()
        )));
    }
    Ok(())
}

/// The error of a name that has no segment.
pub(crate) fn no_such(name: &[u8]) -> Error {
    Errno(libc::ENOENT).during(format_args!("find segment {}", Quoted(name)))
}

impl Segment {
    /// Makes a segment of `size` bytes, all zero, or maps the one that has this
    /// name already.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let first = Segment::create("doc-create", 5000)?;
    /// let second = Segment::create("doc-create", 100)?; // the same one
    /// assert_eq!((second.id(), second.len()), (first.id(), 5000));
    /// assert_eq!(Segment::create("doc-create", 5001).unwrap_err().errno(), libc::EINVAL);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
        Options::new().create(name, size)
    }

    /// Maps the segment of this name.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// assert_eq!(Segment::open("doc-open").unwrap_err().errno(), libc::ENOENT);
    /// let segment = Segment::create("doc-open", 100)?;
    /// assert_eq!(Segment::open("doc-open")?.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none; else as [`create`](Self::create).
    pub fn open(name: impl AsRef<[u8]>) -> Result<Self> {
        Options::new().open(name)
    }

    /// What both do, and `shmCreate`, whose names have no zero byte.
    pub(crate) fn map(name: &[u8], terms: Terms) -> Result<Self> {
        let wanted = terms.wanted;
        check_length(name)?;
        let _call = Call::begin(Purpose::Change)?;
        // The program's own string may change at any time.
        let owned = OwnedName::new(name)
            .map_err(|errno| errno.during(format_args!("map segment {}", Quoted(name))))?;
        let name = Name::new(owned.bytes());
        for _ in 0..ATTEMPTS {
            let registry = Registry::current()?;
            let begun = process::coarse_seconds();
            let names = registry.lock()?;
            let (entry, origin) = match (names.look_up(&name)?, wanted) {
                (Lookup::Found(entry), Wanted::New(_)) => {
                    return Err(Errno(libc::EEXIST).during(format_args!(
                        "make segment {}, which exists with {} bytes",
                        Quoted(name.bytes()),
                        entry.size
                    )));
                }
                (Lookup::Found(entry), _) => match wanted.least() {
                    Some(size) if entry.size < size.get() => {
                        return Err(Errno(libc::EINVAL).during(format_args!(
                            "map segment {} with {size} bytes, which has {}",
                            Quoted(name.bytes()),
                            entry.size
                        )));
                    }
                    _ => (entry, Origin::Found),
                },
                (Lookup::Absent, Wanted::OfSize(size) | Wanted::New(size)) => {
                    (make(&names, &name, size, &terms)?, Origin::Made)
                }
                (Lookup::Absent, Wanted::Existing | Wanted::ExistingOfSize(_)) => {
                    return Err(no_such(name.bytes()));
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
            if let Some(mapping) = attach(&registry, &name, entry, begun, &terms)? {
                return Ok(Self {
                    name: owned,
                    entry,
                    origin,
                    access: terms.access,
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
    ///
    /// ```
    /// let segment = shm_util::Segment::create(b"doc-name \xff", 100)?;
    /// assert_eq!(segment.name(), b"doc-name \xff");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    /// The System V identifier, as `ipcs -m` shows it, good for shmctl(2).
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-id", 100)?;
    /// assert_eq!(segment.id(), segment.info()?.id);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.entry.id
    }

    /// The size in bytes, as it was asked for when the segment was made.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-len", 5000)?; // not whole pages
    /// assert_eq!(segment.len(), 5000);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether the segment has no bytes, which none has.
    ///
    /// ```
    /// assert!(!shm_util::Segment::create("doc-is-empty", 1)?.is_empty());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, which other processes may change at any time.
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let segment = shm_util::Segment::create("doc-bytes", 100)?;
    /// let counter = &segment.bytes()[7];
    /// assert_eq!(counter.load(Ordering::Relaxed), 0);
    /// counter.fetch_add(1, Ordering::Relaxed);
    /// assert_eq!(counter.load(Ordering::Relaxed), 1);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        self.mapping.as_ref().map_or(&[], Mapping::bytes)
    }

    /// Writes all bytes to a file, all or nothing, as `shmSave` does, but with
    /// the file name as it is.
    ///
    /// ```
    /// let file = std::env::temp_dir().join(format!("doc-save.{}", std::process::id()));
    /// let segment = shm_util::Segment::create("doc-save", 5000)?;
    /// segment.save(&file)?;
    /// assert_eq!(std::fs::read(&file).unwrap(), [0; 5000]);
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let file = std::env::temp_dir().join(format!("doc-load.{}", std::process::id()));
    /// std::fs::write(&file, "good morning").unwrap();
    /// let segment = shm_util::Segment::create("doc-load", 5000)?;
    /// let loaded = segment.load(&file)?;
    /// assert_eq!(segment.bytes()[0].load(Ordering::Relaxed), b'g');
    /// assert!(loaded.bytes == 12 && loaded.sizes_differ());
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What open(2) or read(2) say, and `EINVAL` if the file is empty.
    pub fn load(&self, file: impl AsRef<Path>) -> Result<Loaded> {
        self.load_within(&Call::begin(Purpose::Copy)?, file.as_ref())
    }

    /// The same within a call that has begun.
    pub(crate) fn load_within(&self, _call: &Call, file: &Path) -> Result<Loaded> {
        if self.access == Access::ReadOnly {
            return Err(Errno(libc::EACCES).during(format_args!(
                "load {} into {self}, which is mapped for reading only",
                Quoted(file.as_os_str().as_bytes())
            )));
        }
        snapshot::load(self.bytes(), file)
    }

    /// What is known of the segment now. Of one that has lost its name (see
    /// [`remove`](crate::remove)) too: its key is 0 then.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-segment-info", 100)?;
    /// let info = segment.info()?;
    /// assert_eq!((info.size, info.mode, info.mappings), (100, 0o660, 1));
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EACCES`: the segment is another user's, who does not let us read it
    ///   (before Linux 4.17).
    /// * `EIDRM`: this process is in another IPC name space now.
    /// * `EDEADLK`, `EUCLEAN`: see [`create`](Self::create).
    pub fn info(&self) -> Result<Info> {
        self.info_within(&Call::begin(Purpose::Change)?)
    }

    /// The same within a call that has begun.
    pub(crate) fn info_within(&self, _call: &Call) -> Result<Info> {
        let status = self.status("look at")?;
        let lifetime = self.registry.lifetime(&self.entry)?;
        let name = try_to_vec(self.name())
            .map_err(|errno| errno.during(format_args!("look at {self}")))?;
        let lifetime = lifetime.unwrap_or(Lifetime::Used);
        Ok(Info::new(name, &self.entry, &status, lifetime))
    }

    /// Changes the segment's owner, group and permission bits (`IPC_SET`). Its
    /// creator may change them back.
    ///
    /// ```
    /// use shm_util::{Permissions, Segment};
    ///
    /// let segment = Segment::create("doc-set-permissions", 100)?;
    /// segment.set_permissions(Permissions { mode: Some(0o600), ..Permissions::default() })?;
    /// assert_eq!(segment.info()?.mode, 0o600);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EPERM`: the segment is another user's.
    /// * `EINVAL`: the mode has bits beyond 0o777, or there is no such user.
    /// * `EACCES`, `EIDRM`: see [`info`](Self::info).
    /// * `ETIMEDOUT`, `EUCLEAN`, `EDEADLK`: see [`create`](Self::create).
    pub fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        self.set_permissions_within(&Call::begin(Purpose::Change)?, permissions)
    }

    /// The same within a call that has begun.
    pub(crate) fn set_permissions_within(
        &self,
        _call: &Call,
        permissions: Permissions,
    ) -> Result<()> {
        let failed = |errno: Errno| errno.during(format_args!("set the permissions of {self}"));
        let change = permissions.to_change().map_err(|errno| {
            errno.during(format_args!(
                "set the permissions of {self} to mode 0{:o}, which is more than permission bits",
                permissions.mode.unwrap_or(0)
            ))
        })?;
        // The kernel takes all of them at once: so that nobody else's change is
        // undone who changes another one at this moment.
        let _names = self.registry.lock()?;
        self.status("set the permissions of")?;
        sysv::set(self.entry.id, change).map_err(failed)
    }

    /// Keeps the segment in memory: no page of it is written to swap space
    /// (`SHM_LOCK`). A page that was never used is not made by this.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-lock", 4096)?;
    /// match segment.lock() {
    ///     Ok(()) => assert!(segment.info()?.locked),
    ///     Err(error) => println!("{error}"), // the system lets this user lock less
    /// }
    /// segment.unlock()?;
    /// assert!(!segment.info()?.locked);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EPERM`: the segment is another user's, or `RLIMIT_MEMLOCK` is 0.
    /// * `ENOMEM`: it is larger than `RLIMIT_MEMLOCK` lets us lock.
    /// * `EACCES`, `EIDRM`, `EDEADLK`: see [`info`](Self::info).
    pub fn lock(&self) -> Result<()> {
        self.set_swapping_within(&Call::begin(Purpose::Change)?, Swapping::Forbidden)
    }

    /// Undoes [`lock`](Self::lock).
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-unlock", 4096)?;
    /// segment.unlock()?; // also if it is not locked
    /// assert!(!segment.info()?.locked);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock), but for `ENOMEM`.
    pub fn unlock(&self) -> Result<()> {
        self.set_swapping_within(&Call::begin(Purpose::Change)?, Swapping::Allowed)
    }

    /// What both do within a call that has begun.
    pub(crate) fn set_swapping_within(&self, _call: &Call, swapping: Swapping) -> Result<()> {
        let doing = match swapping {
            Swapping::Forbidden => "lock",
            Swapping::Allowed => "unlock",
        };
        self.status(doing)?;
        sysv::set_swapping(self.entry.id, swapping)
            .map_err(|errno| errno.during(format_args!("{doing} {self}")))
    }

    /// Has the segment outlive its last user, until its name is removed with
    /// [`remove`](crate::remove); or not any more.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// Segment::create("doc-segment-keep", 100)?.keep(true)?; // and dropped
    /// let segment = Segment::open("doc-segment-keep")?;
    /// segment.keep(false)?;
    /// segment.destroy()?; // the last one
    /// assert!(Segment::open("doc-segment-keep").is_err());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EPERM`: the segment is another user's.
    /// * `EIDRM`: it has lost its name: it, or the registry, was removed.
    /// * `EACCES`: it may not be looked at (before Linux 4.17).
    /// * `ETIMEDOUT`, `EUCLEAN`, `EDEADLK`: see [`create`](Self::create).
    pub fn keep(&self, yes: bool) -> Result<()> {
        self.keep_within(&Call::begin(Purpose::Change)?, Lifetime::kept_if(yes))
    }

    /// The same within a call that has begun.
    pub(crate) fn keep_within(&self, _call: &Call, lifetime: Lifetime) -> Result<()> {
        let names = self.registry.lock()?;
        if set_lifetime(&names, self.name(), &self.entry, lifetime)? {
            return Ok(());
        }
        Err(Errno(libc::EIDRM).during(format_args!("keep {self}, which has lost its name")))
    }

    /// Of a handle that nobody gets: a segment that was made for it does not
    /// outlive it.
    pub(crate) fn give_up(&self) {
        if self.origin == Origin::Made {
            let names = self.registry.lock();
            let _ = names.and_then(|names| names.set_lifetime(&self.entry, Lifetime::Used));
        }
    }

    /// The status of the segment, which has lost its name perhaps.
    fn status(&self, doing: &str) -> Result<Status> {
        self.entry
            .status_of_mapped()
            .map_err(|errno| errno.during(format_args!("{doing} {self}")))
    }

    /// Takes the mapping away, and deletes the segment and its name if nobody
    /// else has it mapped, and it is not kept.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let one = Segment::create("doc-destroy", 100)?;
    /// let other = Segment::open("doc-destroy")?;
    /// one.destroy()?;
    /// assert_eq!(other.len(), 100);
    /// other.destroy()?;
    /// assert!(Segment::open("doc-destroy").is_err());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
            Origin::Made => self
                .delete_if_last(|status| status.mappings <= 1 && is_its_mapping(status, &mapping)),
            Origin::Found => Ok(Fate::InUse),
        };
        // Whether that worked or the mapping was gone already: it is now.
        let detached = self.detach(mapping);
        if fate? == Fate::Deleted {
            return detached;
        }
        // Only now does this process not count any more: of two that leave at
        // once, each has seen the other until now. That nobody keeps it is
        // looked at then, too, and without another mapping.
        while self.is_abandoned()? && !self.registry.keeps(&self.entry)? {
            // The memory of a segment that is deleted while it is mapped is
            // freed when it is unmapped, that is, without the lock.
            let mapping = attach_again(&self.entry, self.access);
            let own_mappings = u64::from(mapping.is_some());
            let fate = self.delete_if_last(|status| status.mappings <= own_mappings);
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

    /// Marks the segment for deletion and frees its name, unless it is kept, or
    /// there are more mappings than those that this process still has.
    fn delete_if_last(&self, is_last: impl Fn(&Status) -> bool) -> Result<Fate> {
        let names = self.registry.lock().inspect_err(|error| {
            // An overwritten registry names nothing any more, so nobody can
            // be about to attach the segment, and nobody would ever find it. But
            // a kept one may be worth a search by hand.
            if error.errno() == libc::EUCLEAN
                && !self.registry.still_names(&self.entry)
                && !matches!(
                    self.registry.lifetime(&self.entry),
                    Ok(Some(Lifetime::Kept))
                )
                && matches!(self.entry.status(), Ok(Some(status)) if is_last(&status))
            {
                let _ = sysv::remove(self.entry.id);
            }
        })?;
        if self.registry.keeps(&self.entry)? {
            return Ok(Fate::Kept);
        }
        match names.remove_if(&self.entry, &is_last)? {
            Removal::Removed | Removal::Missing => Ok(Fate::Deleted),
            Removal::Spared => Ok(Fate::InUse),
            Removal::Failed(errno) => Err(match self.entry.status() {
                Ok(Some(status)) => errno.during(format_args!(
                    "delete {self}, which user {} made",
                    status.creator
                )),
                _ => errno.during(format_args!("delete {self}")),
            }),
        }
    }
}

/// Makes a segment for a name that has none.
fn make(names: &Names<'_>, name: &Name<'_>, size: NonZeroUsize, terms: &Terms) -> Result<Entry> {
    let lifetime = if process::variable_is_nonzero(c"SHM_UTIL_KEEP") {
        Lifetime::Kept
    } else {
        terms.lifetime
    };
    names.create(name, size.get(), terms.making, lifetime)
}

/// Changes how long a segment lives, which is for those who may remove it.
/// False if it has lost its name.
pub(crate) fn set_lifetime(
    names: &Names<'_>,
    name: &[u8],
    entry: &Entry,
    lifetime: Lifetime,
) -> Result<bool> {
    let failed = |errno: Errno| {
        errno.during(format_args!(
            "keep segment {} (id {})",
            Quoted(name),
            entry.id
        ))
    };
    let Some(status) = entry.status().map_err(failed)? else {
        return Ok(false);
    };
    if names.lifetime(entry)? == Some(lifetime) {
        return Ok(true);
    }
    entry.may_be_removed(&status).map_err(failed)?;
    names.set_lifetime(entry, lifetime)
}

/// Attaches a segment that is to be removed, so that its memory is freed when
/// it is detached again, that is, without the lock.
pub(crate) fn attach_again(entry: &Entry, access: Access) -> Option<Mapping> {
    Mapping::attach(entry.id, Placement::Anywhere, access, entry.size).ok()
}

/// Whether a segment's only mapping is this one: the program may have called
/// shmdt(2), or kept it from a child (`MADV_DONTFORK`).
fn is_its_mapping(status: &Status, mapping: &Mapping) -> bool {
    // What this process has attached, and nobody has ever detached.
    let is_all_there_was =
        status.detached == 0 && u32::try_from(status.last_process) == Ok(fork::process());
    is_all_there_was || mapping.is_there()
}

/// Attaches a segment that the registry named a moment ago, not before second
/// `begun`. `None` if it was deleted since. A new one that can't be attached is
/// deleted.
fn attach(
    registry: &Registry,
    name: &Name<'_>,
    entry: Entry,
    begun: u64,
    terms: &Terms,
) -> Result<Option<Mapping>> {
    let placement = terms.placement;
    let attached = Mapping::attach(entry.id, placement, terms.access, entry.size);
    // If not, this process was stopped meanwhile, perhaps for so long that the
    // identifier is another segment's by now.
    let is_fresh = process::coarse_seconds() <= begun + ID_IS_FRESH;
    let is_sure = registry.still_names(&entry) && is_fresh;
    let attached = match attached {
        Ok(mapping) if is_sure => return Ok(Some(mapping)),
        attached => attached,
    };
    let names = registry.lock()?;
    if !names.has(&entry)? {
        return Ok(None);
    }
    match attached {
        Ok(mapping) => match entry.status() {
            Ok(Some(_)) => Ok(Some(mapping)),
            _ => Ok(None),
        },
        Err(errno) => {
            // Nothing is lost with what nobody has seen. It may be another's who
            // is about to map it, and then makes a new one: while this attempt
            // lasted, the kernel counted it as a mapping, so that nobody else
            // can be relied on to remove it.
            let is_unseen = |status: &Status| status.mappings == 0 && !status.was_ever_attached();
            if names.remove_if(&entry, is_unseen)? == Removal::Missing {
                return Ok(None);
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

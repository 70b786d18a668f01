//! Functions of a namespace: create and attach segments; inspect, list, keep, remove, prune and
//! wait for them by name or identifier. The functions of `names` do the same in the current
//! namespace.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::errno::Errno;
use crate::error::Result;
use crate::fork::{Call, Purpose};
use crate::info::{Info, Permissions, RegistryInfo};
use crate::name;
use crate::namespace::Namespace;
use crate::options::Options;
use crate::read_only::ReadOnlySegment;
use crate::request::{Access, Lifetime, Swapping, Target};
use crate::segment::Segment;
use crate::store::Store;

impl Namespace {
    /// Creates a segment, or attaches the existing one of this name: see
    /// [`Segment::create`]. [`Options::namespace`] combines a namespace with other options.
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/create")?;
    /// let segment = plant.create("sensors", 100)?;
    /// assert_eq!(segment.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::create`].
    pub fn create(&self, name: impl AsRef<[u8]>, size: usize) -> Result<Segment> {
        Options::new().namespace(self).create(name, size)
    }

    /// Attaches the existing segment of this name: see [`Segment::open`].
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/open")?;
    /// assert_eq!(plant.open("sensors").unwrap_err().errno(), libc::ENOENT);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::open`].
    pub fn open(&self, name: impl AsRef<[u8]>) -> Result<Segment> {
        Options::new().namespace(self).open(name)
    }

    /// Attaches the segment of a System V identifier, if it is one of this namespace: see
    /// [`Options::open_by_id`].
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/open-by-id")?;
    /// let segment = plant.create("sensors", 100)?;
    /// assert_eq!(plant.open_by_id(segment.id())?.name(), b"sensors");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Options::open_by_id`].
    pub fn open_by_id(&self, id: i32) -> Result<Segment> {
        Options::new().namespace(self).open_by_id(id)
    }

    /// What is known about the segment of a name: see [`info`](crate::info()).
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/info")?;
    /// let segment = plant.create("sensors", 100)?;
    /// assert_eq!(plant.info("sensors")?.id, segment.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`info`](crate::info()).
    pub fn info(&self, name: impl AsRef<[u8]>) -> Result<Info> {
        let name = name.as_ref();
        let _call = begin("look at", name)?;
        Store::of(self)?.info(Target::Name(name))
    }

    /// What is known about the segment of a System V identifier, if it is one of this
    /// namespace.
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/info-by-id")?;
    /// let segment = plant.create("sensors", 100)?;
    /// assert_eq!(plant.info_by_id(segment.id())?.name, b"sensors");
    /// assert_eq!(plant.info_by_id(-1).unwrap_err().errno(), libc::ENOENT);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOENT` if no segment of this namespace has this identifier; otherwise as
    /// [`info`](crate::info()).
    pub fn info_by_id(&self, id: i32) -> Result<Info> {
        let _call = Call::begin(Purpose::Change)?;
        Store::of(self)?.info(Target::Id(id))
    }

    /// All segments of the namespace, in no particular order: see [`list`](crate::list).
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/list")?;
    /// let segment = plant.create("sensors", 100)?;
    /// assert_eq!(plant.list()?.len(), 1);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](crate::list).
    pub fn list(&self) -> Result<Vec<Info>> {
        let _call = Call::begin(Purpose::Change)?;
        Store::of(self)?.list()
    }

    /// Makes the segment of a name a kept one, or an ordinary one again: see
    /// [`keep`](crate::keep).
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/keep")?;
    /// let segment = plant.create("sensors", 100)?;
    /// plant.keep("sensors", true)?;
    /// assert!(segment.info()?.kept);
    /// plant.keep("sensors", false)?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`keep`](crate::keep).
    pub fn keep(&self, name: impl AsRef<[u8]>, yes: bool) -> Result<()> {
        let name = name.as_ref();
        let _call = begin("keep", name)?;
        Store::of(self)?.set_lifetime(name, Lifetime::kept_if(yes))
    }

    /// Changes the owner, group and permission bits of the segment of a name, without
    /// attaching it: see [`Segment::set_permissions`].
    ///
    /// ```
    /// use shm_util::{Namespace, Permissions};
    ///
    /// let plant = Namespace::at("/doc/within/set-permissions")?;
    /// let segment = plant.create("sensors", 100)?;
    /// let mode = Permissions { mode: Some(0o600), ..Permissions::default() };
    /// plant.set_permissions("sensors", mode)?;
    /// assert_eq!(segment.info()?.mode, 0o600);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EPERM`: the segment belongs to another user.
    /// * `EINVAL`: the mode has bits beyond 0o777, or the user or group is invalid.
    /// * otherwise as [`info`](crate::info()).
    pub fn set_permissions(&self, name: impl AsRef<[u8]>, permissions: Permissions) -> Result<()> {
        let name = name.as_ref();
        let _call = begin("set the permissions of", name)?;
        Store::of(self)?.set_permissions(name, permissions)
    }

    /// Locks the segment of a name in memory, without attaching it: see [`Segment::lock`].
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/lock")?;
    /// let segment = plant.create("sensors", 4096)?;
    /// match plant.lock("sensors") {
    ///     Ok(()) => assert!(segment.info()?.locked),
    ///     Err(error) => println!("{error}"), // RLIMIT_MEMLOCK is too low
    /// }
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EPERM`: the segment belongs to another user, or `RLIMIT_MEMLOCK` is 0.
    /// * `ENOMEM`: the segment is larger than `RLIMIT_MEMLOCK` allows.
    /// * otherwise as [`info`](crate::info()).
    pub fn lock(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.set_swapping("lock", name.as_ref(), Swapping::Forbidden)
    }

    /// Unlocks the segment of a name; see [`lock`](Self::lock).
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/unlock")?;
    /// let segment = plant.create("sensors", 4096)?;
    /// plant.unlock("sensors")?; // even if it is not locked
    /// assert!(!segment.info()?.locked);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock), except that `RLIMIT_MEMLOCK` causes no error.
    pub fn unlock(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.set_swapping("unlock", name.as_ref(), Swapping::Allowed)
    }

    fn set_swapping(&self, doing: &str, name: &[u8], swapping: Swapping) -> Result<()> {
        let _call = begin(doing, name)?;
        Store::of(self)?.set_swapping(name, swapping)
    }

    /// Removes a name at once, and deletes its segment when the last process detaches it:
    /// see [`remove`](crate::remove).
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/remove")?;
    /// let segment = plant.create("sensors", 100)?;
    /// plant.remove("sensors")?;
    /// assert!(plant.list()?.is_empty());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`remove`](crate::remove).
    pub fn remove(&self, name: impl AsRef<[u8]>) -> Result<()> {
        let name = name.as_ref();
        let _call = begin("remove", name)?;
        Store::of(self)?.remove(Target::Name(name))
    }

    /// Removes the name of the segment of a System V identifier, if it is one of this
    /// namespace, and deletes the segment when the last process detaches it. Another
    /// segment that gets the name meanwhile keeps it.
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/remove-by-id")?;
    /// let segment = plant.create("sensors", 100)?;
    /// plant.remove_by_id(segment.id())?;
    /// assert_eq!(plant.remove_by_id(segment.id()).unwrap_err().errno(), libc::ENOENT);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `ENOENT`: no segment of this namespace has this identifier.
    /// * otherwise as [`remove`](crate::remove).
    pub fn remove_by_id(&self, id: i32) -> Result<()> {
        let _call = Call::begin(Purpose::Change)?;
        Store::of(self)?.remove(Target::Id(id))
    }

    /// Waits until a segment of this name exists, at most for `limit`: see
    /// [`wait`](crate::wait).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let plant = shm_util::Namespace::at("/doc/within/wait")?;
    /// let limit = Duration::from_millis(1);
    /// assert_eq!(plant.wait("sensors", limit).unwrap_err().errno(), libc::ETIMEDOUT);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wait`](crate::wait).
    pub fn wait(&self, name: impl AsRef<[u8]>, limit: Duration) -> Result<()> {
        let name = name.as_ref();
        let target = Target::Name(name);
        let start = Instant::now();
        loop {
            let absent = {
                let _call = begin("wait for", name)?;
                Store::of(self)?.expect(name)?
            };
            let Some(absent) = absent else {
                return Ok(());
            };
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Errno(libc::ETIMEDOUT).during(format_args!(
                    "no {target} in {self} after {} ms",
                    limit.as_millis()
                )));
            }
            // This waits outside of calls, so that a fork by another thread need not wait for it.
            if absent.sleep(left) {
                return Err(Errno(libc::EINTR).during(format_args!("wait for {target}")));
            }
        }
    }

    /// Deletes orphans that have been unused for at least `minimum_age`: see
    /// [`prune`](crate::prune).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let plant = shm_util::Namespace::at("/doc/within/prune")?;
    /// plant.create("sensors", 100)?.detach()?;
    /// assert_eq!(plant.prune(Duration::ZERO)?.len(), 1);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`prune`](crate::prune).
    pub fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        let _call = Call::begin(Purpose::Change)?;
        Store::of(self)?.prune(minimum_age)
    }

    /// What is known about the registry of the namespace: see
    /// [`registry`](crate::registry).
    ///
    /// ```
    /// let plant = shm_util::Namespace::at("/doc/within/registry")?;
    /// assert!(plant.registry()?.is_none());
    /// let segment = plant.create("sensors", 100)?;
    /// assert_eq!(plant.registry()?.map(|registry| registry.names), Some(1));
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`registry`](crate::registry).
    pub fn registry(&self) -> Result<Option<RegistryInfo>> {
        let _call = Call::begin(Purpose::Change)?;
        Store::of(self)?.registry()
    }
}

impl Options {
    /// Attaches the segment of a System V identifier, if it is one of the
    /// [namespace](Self::namespace). [`Segment::name`] returns its name, which the registry
    /// contains. If another process removes the name and creates it again meanwhile, this
    /// attaches the segment that had this identifier, or none.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Segment::create("doc-open-by-id", 100)?;
    /// let again = Options::new().open_by_id(segment.id())?;
    /// assert_eq!(again.name(), b"doc-open-by-id");
    /// assert_eq!(Options::new().open_by_id(-1).unwrap_err().errno(), libc::ENOENT);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOENT` if no segment of the namespace has this identifier, even if another
    /// segment has it; otherwise as [`open`](Self::open).
    pub fn open_by_id(&self, id: i32) -> Result<Segment> {
        self.attach_id(id, Access::ReadWrite)
    }

    /// Attaches the segment of a System V identifier for reading only: see
    /// [`open_by_id`](Self::open_by_id).
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Segment::create("doc-view-by-id", 100)?;
    /// let view = Options::new().open_read_only_by_id(segment.id())?;
    /// assert_eq!(view.name(), b"doc-view-by-id");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open_by_id`](Self::open_by_id).
    pub fn open_read_only_by_id(&self, id: i32) -> Result<ReadOnlySegment> {
        self.attach_id(id, Access::ReadOnly).map(ReadOnlySegment)
    }

    /// Does the work of both, and of `shmxAttachId`.
    pub(crate) fn attach_id(&self, id: i32, access: Access) -> Result<Segment> {
        let request = self.request(Target::Id(id), self.wanted_existing(), access)?;
        let _call = Call::begin(Purpose::Change)?;
        Ok(Segment {
            attached: Store::of(&self.namespace)?.attach_id(id, &request)?,
        })
    }
}

/// Begins a call that does something with the segment of a name.
fn begin(doing: &str, name: &[u8]) -> Result<Call> {
    name::check(doing, name)?;
    Call::begin(Purpose::Change)
}

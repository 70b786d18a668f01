//! What an attached segment's owner may look at and change: its status, its permission
//! bits, its lifetime, its name.

#![forbid(unsafe_code)]

use crate::error::Result;
use crate::fork::{Call, Purpose};
use crate::info::{Info, Permissions};
use crate::request::{Lifetime, Swapping};
use crate::segment::Segment;

impl Segment {
    /// What is known about the segment now. If it has lost its name (see
    /// [`remove`](crate::remove)), its key is 0.
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
    /// * `EACCES`: the segment belongs to another user and may not be read (only
    ///   before Linux 4.17).
    /// * `EIDRM`: this process has moved to another IPC namespace.
    /// * `EDEADLK`, `EUCLEAN`: see [`create`](Self::create).
    pub fn info(&self) -> Result<Info> {
        self.info_within(&Call::begin(Purpose::Change)?)
    }

    /// The same within a call that has begun.
    pub(crate) fn info_within(&self, _call: &Call) -> Result<Info> {
        self.attached.info()
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
    /// * `EPERM`: the segment belongs to another user.
    /// * `EINVAL`: the mode has bits beyond 0o777, or the user or group is invalid.
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
        self.attached.set_permissions(permissions)
    }

    /// Locks the segment in memory: no page of it is written to swap space
    /// (`SHM_LOCK`). Pages that were never used are not allocated. Private memory is locked with
    /// mlock(2), which allocates all pages, and which children do not inherit.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-lock", 4096)?;
    /// match segment.lock() {
    ///     Ok(()) => assert!(segment.info()?.locked),
    ///     Err(error) => println!("{error}"), // RLIMIT_MEMLOCK is too low
    /// }
    /// segment.unlock()?;
    /// assert!(!segment.info()?.locked);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EPERM`: the segment belongs to another user, or `RLIMIT_MEMLOCK` is 0.
    /// * `ENOMEM`: it is larger than `RLIMIT_MEMLOCK` allows.
    /// * `ENOTSUP`: it is a file. Each process can lock its own mapping with mlock(2).
    /// * `EACCES`, `EIDRM`, `EDEADLK`: see [`info`](Self::info).
    pub fn lock(&self) -> Result<()> {
        self.set_swapping_within(&Call::begin(Purpose::Change)?, Swapping::Forbidden)
    }

    /// Unlocks the segment; see [`lock`](Self::lock).
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-unlock", 4096)?;
    /// segment.unlock()?; // even if it is not locked
    /// assert!(!segment.info()?.locked);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock), except `ENOMEM`.
    pub fn unlock(&self) -> Result<()> {
        self.set_swapping_within(&Call::begin(Purpose::Change)?, Swapping::Allowed)
    }

    /// Locks or unlocks it within a call that has begun.
    pub(crate) fn set_swapping_within(&self, _call: &Call, swapping: Swapping) -> Result<()> {
        self.attached.set_swapping(swapping)
    }

    /// Makes the segment a kept one, which outlives its last holder until its name is
    /// removed with [`remove`](crate::remove); or an ordinary one again.
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
    /// * `EINVAL`: the segment is [transient](crate::Options::transient), and `yes` is true.
    /// * `EPERM`: the segment belongs to another user.
    /// * `EIDRM`: it has lost its name: its name or the registry was removed.
    /// * `EACCES`: its status may not be read (only before Linux 4.17).
    /// * `ETIMEDOUT`, `EUCLEAN`, `EDEADLK`: see [`create`](Self::create).
    pub fn keep(&self, yes: bool) -> Result<()> {
        self.keep_within(&Call::begin(Purpose::Change)?, Lifetime::kept_if(yes))
    }

    /// The same within a call that has begun.
    pub(crate) fn keep_within(&self, _call: &Call, lifetime: Lifetime) -> Result<()> {
        self.attached.set_lifetime(lifetime)
    }

    /// Waits until everything that was stored in the segment before this call is on the disk, if
    /// the segment is a file in a [directory](crate::Namespace#kinds-of-memory). Without this call,
    /// the kernel writes the bytes to the disk at some time, in no particular order. Other kinds of
    /// memory end with a reboot at the latest: for those, this returns at once.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-sync", 100)?;
    /// segment.write_at(0, b"good morning")?;
    /// segment.sync()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of msync(2), such as `EIO`; `EDEADLK`: see [`create`](Self::create).
    pub fn sync(&self) -> Result<()> {
        self.sync_within(&Call::begin(Purpose::Copy)?)
    }

    /// The same within a call that has begun.
    pub(crate) fn sync_within(&self, _call: &Call) -> Result<()> {
        self.attached.sync()
    }

    /// Gives a hidden segment, created with [`Options::hidden`](crate::Options::hidden), its
    /// name: from then on, other processes find it, with everything that was stored in it
    /// before.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let hidden = Options::new().hidden(true);
    /// let first = hidden.create("doc-publish", 100)?;
    /// let second = hidden.create("doc-publish", 200)?; // neither has the name yet
    /// first.publish()?;
    /// assert_eq!(second.publish().unwrap_err().errno(), libc::EEXIST);
    /// second.destroy()?;
    /// assert_eq!(Segment::open("doc-publish")?.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EEXIST`: another segment has got the name in the meantime. This one stays hidden.
    /// * `EINVAL`: the segment was not created hidden, or was published before.
    /// * `EIDRM`: the segment was deleted with ipcrm(1), or this process has moved to another IPC
    ///   namespace.
    /// * `EACCES`, `ETIMEDOUT`, `EUCLEAN`, `EDEADLK`: see [`create`](Self::create).
    pub fn publish(&self) -> Result<()> {
        self.publish_within(&Call::begin(Purpose::Change)?)
    }

    /// The same within a call that has begun.
    pub(crate) fn publish_within(&self, _call: &Call) -> Result<()> {
        self.attached.publish()
    }

    /// Removes the segment's name at once, as [`remove`](crate::remove) does, but only if
    /// the name still belongs to this segment: another segment that has got the name
    /// meanwhile keeps it. This segment is deleted when the last process detaches it.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let old = Segment::create("doc-segment-remove", 100)?;
    /// old.remove()?;
    /// let new = Segment::create("doc-segment-remove", 100)?; // another one
    /// assert_eq!(old.remove().unwrap_err().errno(), libc::EIDRM);
    /// assert_eq!(Segment::open("doc-segment-remove")?.id(), new.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EIDRM`: the segment has lost its name: its name, the segment or the registry was
    ///   removed, or this process has moved to another IPC namespace; or it is hidden, and has
    ///   no name yet.
    /// * `EPERM`: the segment belongs to another user.
    /// * `EACCES`: its status may not be read (only before Linux 4.17).
    /// * `ETIMEDOUT`, `EUCLEAN`, `EDEADLK`: see [`create`](Self::create).
    pub fn remove(&self) -> Result<()> {
        self.remove_within(&Call::begin(Purpose::Change)?)
    }

    /// The same within a call that has begun.
    pub(crate) fn remove_within(&self, _call: &Call) -> Result<()> {
        self.attached.remove()
    }
}

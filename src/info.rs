//! What is known of segments and of the registry, as the caller gets it.

#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Errno;
use crate::registry::{Entry, Lifetime};
use crate::sysv::{Change, MODE_BITS, Status};

/// What is known of a segment.
///
/// Times are those of the kernel, in whole seconds. See shmctl(2).
///
/// ```
/// let segment = shm_util::Segment::create("doc-struct-info", 100)?;
/// let info = segment.info()?;
/// assert_eq!(info.creator_pid, i32::try_from(std::process::id()).unwrap());
/// assert!(info.attached.is_some() && info.detached.is_none());
/// # Ok::<(), shm_util::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The name, any bytes but zero.
    pub name: Vec<u8>,
    /// The System V identifier, as `ipcs -m` shows it.
    pub id: i32,
    /// The System V key; 0 of a segment that has lost its name.
    pub key: i32,
    /// In bytes.
    pub size: usize,
    /// When it was made.
    pub created: SystemTime,
    /// When it was last mapped.
    pub attached: Option<SystemTime>,
    /// When it was last unmapped, by its user or by the user's death.
    pub detached: Option<SystemTime>,
    /// When it was made, or its owner or permission bits were last set.
    pub changed: SystemTime,
    /// The process that made it; 0 if it can't be seen from here.
    pub creator_pid: i32,
    /// The process that last mapped or unmapped it; 0 if none did, or it can't
    /// be seen from here.
    pub last_pid: i32,
    /// The owner's user id.
    pub uid: u32,
    /// The owner's group id.
    pub gid: u32,
    /// The user id of who made it.
    pub creator_uid: u32,
    /// The group id of who made it.
    pub creator_gid: u32,
    /// The nine permission bits.
    pub mode: u32,
    /// How many mappings there are, in all processes. A process may have several,
    /// and mprotect(2) may split one in two.
    pub mappings: u64,
    /// Whether it may not be written to swap space (`SHM_LOCK`).
    pub locked: bool,
    /// Whether it outlives its last user.
    pub kept: bool,
}

impl Info {
    pub(crate) fn new(name: Vec<u8>, entry: &Entry, status: &Status, lifetime: Lifetime) -> Self {
        Self {
            name,
            id: entry.id,
            key: i32::from_ne_bytes(status.key.to_ne_bytes()),
            size: status.size,
            created: UNIX_EPOCH + Duration::from_secs(entry.created),
            attached: time(status.attached),
            detached: time(status.detached),
            changed: time(status.changed).unwrap_or(UNIX_EPOCH),
            creator_pid: status.creator_process,
            last_pid: status.last_process,
            uid: status.owner,
            gid: status.group,
            creator_uid: status.creator,
            creator_gid: status.creator_group,
            mode: status.mode,
            mappings: status.mappings,
            locked: status.is_locked,
            kept: lifetime == Lifetime::Kept,
        }
    }
}

/// A time of the kernel, which is 0 where something has never happened.
fn time(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Who may use a segment: what is `None` stays as it is. See
/// [`Segment::set_permissions`](crate::Segment::set_permissions).
///
/// ```
/// use shm_util::Permissions;
///
/// let segment = shm_util::Segment::create("doc-permissions", 100)?;
/// let read_only_for_the_group = Permissions { mode: Some(0o640), ..Permissions::default() };
/// segment.set_permissions(read_only_for_the_group)?;
/// assert_eq!(segment.info()?.mode, 0o640);
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The owner's user id.
    pub uid: Option<u32>,
    /// The owner's group id.
    pub gid: Option<u32>,
    /// The nine permission bits.
    pub mode: Option<u32>,
}

impl Permissions {
    pub(crate) fn to_change(self) -> Result<Change, Errno> {
        if self.mode.is_some_and(|mode| mode & !MODE_BITS != 0) {
            return Err(Errno(libc::EINVAL));
        }
        Ok(Change {
            owner: self.uid,
            group: self.gid,
            mode: self.mode,
        })
    }
}

/// What is known of the registry of a name space: the segment in which it is
/// written which name belongs to which segment.
///
/// ```
/// let segment = shm_util::Segment::create("doc-registry-info", 100)?;
/// if let Some(registry) = shm_util::registry()? {
///     println!("{} of {} names", registry.names, registry.capacity);
/// }
/// # Ok::<(), shm_util::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryInfo {
    /// The System V identifier, as `ipcs -m` shows it.
    pub id: i32,
    /// In bytes.
    pub size: usize,
    /// How many names it has room for.
    pub capacity: usize,
    /// How many names it has.
    pub names: usize,
    /// The owner's user id.
    pub owner: u32,
    /// The nine permission bits.
    pub mode: u32,
    /// How many mappings there are: about as many as processes that have used a
    /// name of this name space.
    pub mappings: u64,
}

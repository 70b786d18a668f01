//! Plain data that describes segments and the registry.

#![forbid(unsafe_code)]

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::quoted::Quoted;

/// What a segment is. Its [namespace](crate::Namespace#kinds-of-memory) selects this.
///
/// ```
/// use shm_util::{Kind, Segment};
///
/// let segment = Segment::create("doc-kind", 100)?;
/// assert_eq!(segment.info()?.kind, Kind::SysV);
/// # Ok::<(), shm_util::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A System V segment, see shmget(2).
    SysV,
    /// A file in a directory, mapped with mmap(2).
    Directory,
    /// Memory of this process and of the children that it forks.
    Private,
}

/// What is known about a segment.
///
/// The kernel measures the times, in whole seconds. See shmctl(2). Fields that the [kind](Kind) of
/// a segment does not record are 0, -1 or `None`, as noted below.
///
/// ```
/// let segment = shm_util::Segment::create("doc-struct-info", 100)?;
/// let info = segment.info()?;
/// assert_eq!(info.creator_pid, i32::try_from(std::process::id()).unwrap());
/// assert!(info.attached.is_some() && info.detached.is_none());
/// # Ok::<(), shm_util::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Info {
    /// The name, any bytes but zero.
    pub name: Vec<u8>,
    /// What the segment is.
    pub kind: Kind,
    /// The System V identifier, as `ipcs -m` shows it; -1 for other kinds.
    pub id: i32,
    /// The System V key; 0 if the segment is transient or has lost its name, and for other
    /// kinds.
    pub key: i32,
    /// The size in bytes.
    pub size: usize,
    /// When it was created.
    pub created: SystemTime,
    /// When it was last attached; `None` also for kinds other than System V segments.
    pub attached: Option<SystemTime>,
    /// When it was last detached, or its holder died; `None` also for other kinds.
    pub detached: Option<SystemTime>,
    /// When it was created, or its owner or permission bits were last set; for a file, also when
    /// its bytes were last changed.
    pub changed: SystemTime,
    /// The process that created it; 0 if that is in another PID namespace, and for files.
    pub creator_pid: i32,
    /// The process that last attached or detached it; 0 if none did, or it is in
    /// another PID namespace, and for kinds other than System V segments.
    pub last_pid: i32,
    /// The owner's user id.
    pub uid: u32,
    /// The owner's group id.
    pub gid: u32,
    /// The creator's user id; for a file, the owner's.
    pub creator_uid: u32,
    /// The creator's group id; for a file, the owner's.
    pub creator_gid: u32,
    /// The nine permission bits; for a file, without the execute bits.
    pub mode: u32,
    /// The number of attachments in all processes. A process may have several, and
    /// mprotect(2) may split one in two. A forked child shares its parent's attachments of
    /// files, and each counts once. For private memory, only the attachments of this process count.
    pub mappings: u64,
    /// Whether it is locked in memory (`SHM_LOCK`).
    pub locked: bool,
    /// Whether it is a kept segment, which outlives its holders.
    pub kept: bool,
    /// Whether the segment is transient: it does not outlive its last holder, however that
    /// process ends.
    pub transient: bool,
    /// Whether the segment is hidden, until it is [published](crate::Segment::publish). Only
    /// [`Segment::info`](crate::Segment::info) sees such a segment, and
    /// [`prune`](crate::prune), which deletes it if its creator has died.
    pub hidden: bool,
}

/// Shows the name as text, escaped where it is not UTF-8.
impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("name", &format_args!("{}", Quoted(&self.name)))
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("key", &format_args!("{:#x}", self.key))
            .field("size", &self.size)
            .field("created", &self.created)
            .field("attached", &self.attached)
            .field("detached", &self.detached)
            .field("changed", &self.changed)
            .field("creator_pid", &self.creator_pid)
            .field("last_pid", &self.last_pid)
            .field("uid", &self.uid)
            .field("gid", &self.gid)
            .field("creator_uid", &self.creator_uid)
            .field("creator_gid", &self.creator_gid)
            .field("mode", &format_args!("{:#o}", self.mode))
            .field("mappings", &self.mappings)
            .field("locked", &self.locked)
            .field("kept", &self.kept)
            .field("transient", &self.transient)
            .field("hidden", &self.hidden)
            .finish()
    }
}

/// A time from the kernel, which is 0 if something never happened.
pub(crate) fn time_of(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Who may use a segment. `None` leaves a value as it is. See
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

/// What is known of the registry of a namespace: the segment that records which
/// name belongs to which segment.
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
    /// The size in bytes.
    pub size: usize,
    /// How many names it has room for.
    pub capacity: usize,
    /// How many names it has.
    pub names: usize,
    /// The owner's user id.
    pub owner: u32,
    /// The nine permission bits.
    pub mode: u32,
    /// The number of attachments: about one for each process that has used a name
    /// of this namespace.
    pub mappings: u64,
}

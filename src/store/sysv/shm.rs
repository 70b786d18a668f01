//! shmget(2) and shmctl(2) as safe functions that return `Result`.

use std::ffi::c_int;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

use crate::errno::Errno;
use crate::ids::{GroupId, ProcessId, UserId};
use crate::os;
use crate::os::Listed;
use crate::request::{Creation, MODE_BITS, Swapping};
use crate::store::users::Users;

/// A System V key. 0 (`IPC_PRIVATE`) is never one of this library's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) u32);

impl Key {
    /// The same 32 bits with a sign, as programs have them.
    pub(crate) const fn to_c(self) -> i32 {
        i32::from_ne_bytes(self.0.to_ne_bytes())
    }

    pub(crate) const fn from_c(key: i32) -> Self {
        Self(u32::from_ne_bytes(key.to_ne_bytes()))
    }
}

/// A System V identifier, as `ipcs -m` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) c_int);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the kernel knows of a segment (`IPC_STAT`), as far as it is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// 0 as soon as the segment is marked for deletion.
    pub(crate) key: Key,
    /// Whether it is marked for deletion. Its memory stays until the last process
    /// detaches it.
    pub(crate) is_removed: bool,
    /// In bytes.
    pub(crate) size: usize,
    /// How many attachments exist, in all processes. A process may have several,
    /// and mprotect(2) may split one in two: see [`Status::users`].
    pub(crate) mappings: u64,
    /// The nine permission bits.
    pub(crate) mode: u32,
    /// Whether it may not be swapped out (`SHM_LOCK`).
    pub(crate) is_locked: bool,
    /// `IPC_SET` can give a segment to another owner. The creator stays.
    pub(crate) owner: UserId,
    pub(crate) group: GroupId,
    pub(crate) creator: UserId,
    pub(crate) creator_group: GroupId,
    pub(crate) creator_process: ProcessId,
    /// The process that last attached or detached it.
    pub(crate) last_process: ProcessId,
    /// Seconds since 1970; 0 if that never happened.
    pub(crate) attached: i64,
    pub(crate) detached: i64,
    /// Seconds since 1970, when the segment was created or `IPC_SET` changed it.
    pub(crate) changed: i64,
}

impl Status {
    /// Whether any process has ever attached the segment.
    pub(crate) const fn was_ever_attached(&self) -> bool {
        self.attached != 0
    }

    /// Whether this may be the status of a segment of this many bytes. The kernel shows a 32-bit
    /// program the lower half of a larger size.
    pub(crate) fn shows_size(&self, bytes: u64) -> bool {
        let lower = bytes & u64::try_from(usize::MAX).unwrap_or(u64::MAX);
        u64::try_from(self.size) == Ok(lower)
    }

    /// Who has the segment attached, if this process has `ours` attachments.
    pub(crate) const fn users(&self, ours: u64) -> Users {
        match self.mappings {
            0 => Users::Nobody,
            mappings if mappings <= ours => Users::OnlyUs,
            _ => Users::Others,
        }
    }
}

pub(super) fn cerr(result: c_int) -> Result<c_int, Errno> {
    if result == -1 {
        Err(last())
    } else {
        Ok(result)
    }
}

pub(super) fn last() -> Errno {
    Errno::from(std::io::Error::last_os_error())
}

/// Whether an error means that the segment of an identifier does not exist (any
/// more).
pub(crate) const fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno(libc::EINVAL | libc::EIDRM))
}

/// Creates a segment of `size` zero bytes. `EEXIST` if the key is in use.
pub(crate) fn create(key: Key, size: usize, creation: Creation) -> Result<Id, Errno> {
    let mut flags = os::IPC_CREAT | os::IPC_EXCL;
    flags |= c_int::try_from(creation.mode & MODE_BITS).map_err(|_| Errno(libc::EINVAL))?;
    if creation.huge_pages {
        flags |= os::HUGE_PAGES.ok_or(Errno(libc::ENOTSUP))?;
    }
    if creation.no_reserve {
        flags |= os::SHM_NORESERVE;
    }
    // SAFETY: shmget takes numbers only.
    cerr(unsafe { os::shmget(os::key_to_c(key.to_c()), size, flags) }).map(Id)
}

/// Finds the segment of a key. `ENOENT` if it does not exist, `EINVAL` if it has
/// fewer than `size` bytes.
pub(crate) fn find(key: Key, size: usize) -> Result<Id, Errno> {
    // SAFETY: shmget takes numbers only.
    cerr(unsafe { os::shmget(os::key_to_c(key.to_c()), size, 0) }).map(Id)
}

/// `IPC_STAT`, also of a segment that this process may not read: `ipcs -m` shows
/// the same to everybody. `EACCES` where the system does not.
fn raw_status(id: Id) -> Result<os::shmid_ds, Errno> {
    let mut raw = MaybeUninit::<os::shmid_ds>::zeroed();
    let mut look = || {
        // SAFETY: the kernel writes a whole shmid_ds to the place it is given.
        cerr(unsafe { os::shmctl(id.0, os::IPC_STAT, raw.as_mut_ptr()) })
    };
    if let Err(errno) = look() {
        if errno != Errno(libc::EACCES) {
            return Err(errno);
        }
        if let Some(raw) = os::unreadable_status(id.0) {
            return Ok(raw);
        }
        // Or it was removed meanwhile.
        look()?;
    }
    // SAFETY: it is zero, or the kernel has filled it in.
    Ok(unsafe { raw.assume_init() })
}

/// What the kernel knows of a segment; `None` if no segment has this identifier.
#[inline]
pub(crate) fn status(id: Id) -> Result<Option<Status>, Errno> {
    match raw_status(id) {
        Ok(raw) => Ok(Some(Status::from(raw))),
        Err(errno) if is_gone(errno) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// All segments that this process may read and that have a status which is `wanted`.
pub(crate) fn all(wanted: impl Fn(&Status) -> bool) -> Result<Vec<(Id, Status)>, Errno> {
    all_by(Listed::Readable, wanted)
}

/// As above, and where the system shows them also the segments that this process may not read.
pub(crate) fn all_of_everybody(
    wanted: impl Fn(&Status) -> bool,
) -> Result<Vec<(Id, Status)>, Errno> {
    all_by(Listed::All, wanted)
}

fn all_by(listed: Listed, wanted: impl Fn(&Status) -> bool) -> Result<Vec<(Id, Status)>, Errno> {
    let mut found = Vec::new();
    os::for_each_segment(listed, |id, raw| {
        let status = Status::from(raw);
        if wanted(&status) {
            found.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
            found.push((Id(id), status));
        }
        Ok(())
    })?;
    Ok(found)
}

impl From<os::shmid_ds> for Status {
    fn from(raw: os::shmid_ds) -> Self {
        let mode = u32::try_from(os::unsigned(raw.shm_perm.mode)).unwrap_or(0);
        Self {
            key: Key::from_c(os::key_from_c(os::key_of(&raw.shm_perm))),
            is_removed: mode & os::SHM_DEST != 0,
            size: usize::try_from(os::unsigned(raw.shm_segsz)).unwrap_or(usize::MAX),
            mappings: os::unsigned(raw.shm_nattch),
            mode: mode & MODE_BITS,
            is_locked: mode & os::SHM_LOCKED != 0,
            owner: UserId(raw.shm_perm.uid),
            group: GroupId(raw.shm_perm.gid),
            creator: UserId(raw.shm_perm.cuid),
            creator_group: GroupId(raw.shm_perm.cgid),
            creator_process: process(raw.shm_cpid),
            last_process: process(raw.shm_lpid),
            attached: os::time(raw.shm_atime),
            detached: os::time(raw.shm_dtime),
            changed: os::time(raw.shm_ctime),
        }
    }
}

/// The kernel returns 0 for a process outside the caller's PID namespace.
fn process(id: libc::pid_t) -> ProcessId {
    ProcessId(u32::try_from(id).unwrap_or(0))
}

/// What `IPC_SET` changes; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) owner: Option<UserId>,
    pub(crate) group: Option<GroupId>,
    pub(crate) mode: Option<u32>,
}

/// Changes a segment's permission bits; its owner stays.
pub(crate) fn set_mode(id: Id, mode: u32) -> Result<(), Errno> {
    let mode = Some(mode);
    set(
        id,
        Change {
            mode,
            ..Change::default()
        },
    )
}

/// Gives a segment to a group; its owner and mode stay.
pub(crate) fn set_group(id: Id, group: GroupId) -> Result<(), Errno> {
    let group = Some(group);
    set(
        id,
        Change {
            group,
            ..Change::default()
        },
    )
}

/// `IPC_SET`. `EPERM` if this process may not change the segment at all.
pub(crate) fn set(id: Id, change: Change) -> Result<(), Errno> {
    let mut raw = raw_status(id)?;
    let perm = &mut raw.shm_perm;
    perm.uid = change.owner.map_or(perm.uid, |owner| owner.0);
    perm.gid = change.group.map_or(perm.gid, |group| group.0);
    if let Some(mode) = change.mode {
        perm.mode = os::to_c(mode & MODE_BITS)?;
    }
    // SAFETY: the kernel reads a whole shmid_ds, which IPC_STAT has filled in.
    cerr(unsafe { os::shmctl(id.0, os::IPC_SET, &raw mut raw) }).map(drop)
}

/// Whether this process may change or delete a segment: `EPERM` if not. Changes
/// nothing, not even the time of the last change.
pub(crate) fn may_change(id: Id) -> Result<(), Errno> {
    const NOBODY: u32 = u32::MAX;
    let nobody = Change {
        owner: Some(UserId(NOBODY)),
        group: Some(GroupId(NOBODY)),
        mode: None,
    };
    match set(id, nobody) {
        // The kernel checks the right to change it first, then the user.
        Err(Errno(libc::EINVAL)) => Ok(()),
        result => result,
    }
}

/// Sets whether a segment may be written to swap space.
pub(crate) fn set_swapping(id: Id, swapping: Swapping) -> Result<(), Errno> {
    cerr(os::set_swapping(id.0, swapping == Swapping::Allowed)).map(drop)
}

/// Whether this process may delete the segment of an identifier. True if the segment
/// does not exist any more.
pub(crate) fn may_be_removed(id: i32) -> bool {
    may_change(Id(id)) != Err(Errno(libc::EPERM))
}

/// Marks a segment for deletion; the kernel frees its memory when the last
/// process detaches it.
pub(crate) fn remove(id: Id) -> Result<(), Errno> {
    // SAFETY: IPC_RMID ignores the third argument.
    cerr(unsafe { os::shmctl(id.0, os::IPC_RMID, ptr::null_mut()) }).map(drop)
}

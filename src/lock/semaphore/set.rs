//! semget(2), semop(2) and semctl(2) as functions that return `Result`: sets of one semaphore.

use std::ffi::{c_int, c_short};
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::errno::Errno;
use crate::ids::{GroupId, UserId};
use crate::os;

/// The identifier of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(pub(super) c_int);

/// What the kernel knows of a set (`IPC_STAT`), as far as it is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) key: c_int,
    /// The number of its semaphores.
    pub(super) count: usize,
    /// The nine permission bits.
    pub(super) mode: u32,
    pub(super) owner: UserId,
    pub(super) group: GroupId,
    pub(super) creator: UserId,
    pub(super) creator_group: GroupId,
}

/// How long to wait for a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    No,
    UpTo(Duration),
}

/// Whether an error means that the set of an identifier does not exist (any more).
pub(super) const fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno(libc::EINVAL | libc::EIDRM))
}

fn checked(result: c_int) -> Result<c_int, Errno> {
    if result == -1 {
        Err(std::io::Error::last_os_error().into())
    } else {
        Ok(result)
    }
}

/// Finds the set of a key. `ENOENT` if it does not exist.
pub(super) fn find(key: c_int) -> Result<Set, Errno> {
    // SAFETY: semget takes numbers only.
    checked(unsafe { os::semget(os::key_to_c(key), 0, 0) }).map(Set)
}

/// Creates a set of one semaphore, whose value is 0. `EEXIST` if the key is in use.
pub(super) fn create(key: c_int, mode: u32) -> Result<Set, Errno> {
    let mode = c_int::try_from(mode).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: semget takes numbers only.
    checked(unsafe { os::semget(os::key_to_c(key), 1, os::IPC_CREAT | os::IPC_EXCL | mode) })
        .map(Set)
}

/// Whether any segment of shared memory has this key.
pub(super) fn is_key_of_a_segment(key: c_int) -> bool {
    // SAFETY: shmget takes numbers only.
    checked(unsafe { os::shmget(os::key_to_c(key), 0, 0) }) != Err(Errno(libc::ENOENT))
}

/// One operation on the semaphore.
fn operation(change: c_short, flags: c_int) -> os::sembuf {
    os::sembuf {
        sem_num: 0,
        sem_op: change,
        sem_flg: c_short::try_from(flags).unwrap_or(0),
    }
}

impl Set {
    fn raw_status(self) -> Result<os::semid_ds, Errno> {
        let mut raw = MaybeUninit::<os::semid_ds>::zeroed();
        // SAFETY: the kernel writes a whole semid_ds to the place it is given.
        checked(unsafe { os::semctl(self.0, 0, os::IPC_STAT, raw.as_mut_ptr()) })?;
        // SAFETY: it was zeroed, holds numbers only, and the kernel has filled it in.
        Ok(unsafe { raw.assume_init() })
    }

    pub(super) fn status(self) -> Result<Status, Errno> {
        self.raw_status().map(|raw| Status::from(&raw))
    }

    /// Gives the set to an owner and a group, with these permission bits. Only its owner and
    /// its creator can.
    pub(super) fn set_permissions(
        self,
        owner: UserId,
        group: GroupId,
        mode: u32,
    ) -> Result<(), Errno> {
        let mut raw = self.raw_status()?;
        raw.sem_perm.uid = owner.0;
        raw.sem_perm.gid = group.0;
        raw.sem_perm.mode = mode.try_into().map_err(|_| Errno(libc::EINVAL))?;
        // SAFETY: the kernel only reads the status.
        checked(unsafe { os::semctl(self.0, 0, os::IPC_SET, &raw const raw) }).map(drop)
    }

    /// In one step, waits until the value is 0 and makes it 1, which the kernel undoes when
    /// this process ends. `EAGAIN` if that is not possible in time, `EINTR` if a signal
    /// handler ended the wait.
    pub(super) fn take(self, wait: Wait) -> Result<(), Errno> {
        let flags = match wait {
            Wait::No => os::IPC_NOWAIT,
            Wait::UpTo(_) => 0,
        };
        let mut operations = [operation(0, flags), operation(1, flags | os::SEM_UNDO)];
        let result = match wait {
            Wait::No => {
                // SAFETY: there are two operations.
                unsafe { os::semop(self.0, operations.as_mut_ptr(), 2) }
            }
            Wait::UpTo(limit) => os::semop_within(self.0, &mut operations, limit),
        };
        checked(result).map(drop)
    }

    /// Makes the value 0 again, which [`take`](Self::take) has made 1.
    pub(super) fn give(self) {
        let mut operations = [operation(-1, os::SEM_UNDO | os::IPC_NOWAIT)];
        // SAFETY: there is one operation. If it fails, the set was removed.
        unsafe { os::semop(self.0, operations.as_mut_ptr(), 1) };
    }

    /// Removes the set. Those who wait for it get `EIDRM`.
    pub(super) fn remove(self) {
        // SAFETY: this command takes numbers only. If it fails, another process has removed
        // the set, or only another user may.
        unsafe { os::semctl(self.0, 0, os::IPC_RMID) };
    }
}

/// All sets that this process may read; none where the system does not list them.
pub(super) fn all() -> Vec<(Set, Status)> {
    let sets = os::all_sets().into_iter();
    sets.map(|(id, raw)| (Set(id), Status::from(&raw)))
        .collect()
}

impl From<&os::semid_ds> for Status {
    fn from(raw: &os::semid_ds) -> Self {
        let perm = &raw.sem_perm;
        Self {
            key: os::key_from_c(os::key_of(perm)),
            count: usize::try_from(raw.sem_nsems).unwrap_or(usize::MAX),
            mode: u32::from(perm.mode) & 0o777,
            owner: UserId(perm.uid),
            group: GroupId(perm.gid),
            creator: UserId(perm.cuid),
            creator_group: GroupId(perm.cgid),
        }
    }
}

impl Status {
    pub(super) fn is_owned_by(&self, owner: UserId, group: GroupId, mode: u32) -> bool {
        (self.owner, self.group, self.mode) == (owner, group, mode)
    }
}

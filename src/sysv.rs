//! System V shared memory: thin safe wrappers in which return codes become
//! `Result`. See shmget(2), shmop(2) and shmctl(2).

use std::ffi::{c_int, c_ulong, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU8;

use crate::error::Errno;

/// A System V key; 0 (`IPC_PRIVATE`) is never one of ours.
pub(crate) type Key = u32;

/// A System V identifier, as `ipcs -m` shows it.
pub(crate) type Id = c_int;

/// What `IPC_STAT` tells of a segment, as far as it is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// 0 as soon as the segment is marked for deletion.
    pub(crate) key: Key,
    /// Whether it is: it is there until its last mapping is gone.
    pub(crate) is_removed: bool,
    /// In bytes.
    pub(crate) size: usize,
    /// How many mappings there are, in all processes. It counts mappings, not
    /// processes, and mprotect(2) can split one: only "none", "one" and
    /// "more" mean something.
    pub(crate) mappings: u64,
    /// The nine permission bits.
    pub(crate) mode: u32,
    /// Whether it may not be swapped out (`SHM_LOCK`).
    pub(crate) is_locked: bool,
    /// Owner's and creator's user and group ids. IPC_SET can give a segment
    /// away, but not change who made it.
    pub(crate) owner: libc::uid_t,
    pub(crate) group: libc::gid_t,
    pub(crate) creator: libc::uid_t,
    pub(crate) creator_group: libc::gid_t,
    /// The process that made the segment, and the one that last attached or
    /// detached it; 0 if it can't be seen from here.
    pub(crate) creator_process: libc::pid_t,
    pub(crate) last_process: libc::pid_t,
    /// Seconds since 1970; 0 if that has never happened.
    pub(crate) attached: i64,
    pub(crate) detached: i64,
    /// When it was made, or `IPC_SET` changed it.
    pub(crate) changed: i64,
}

impl Status {
    /// Whether any process has ever attached the segment.
    pub(crate) const fn was_ever_attached(&self) -> bool {
        self.attached != 0
    }
}

// Linux's, see shmctl(2).
const SHM_STAT: c_int = 13;
const SHM_INFO: c_int = 14;
const SHM_STAT_ANY: c_int = 15;
const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;
/// How many bits of an identifier are an index: so many, or where the kernel
/// runs with `ipcmni_extend`, so many.
const INDEX_BITS: [u32; 2] = [15, 24];

fn cerr(result: c_int) -> Result<c_int, Errno> {
    if result == -1 {
        Err(last())
    } else {
        Ok(result)
    }
}

fn last() -> Errno {
    Errno::from(std::io::Error::last_os_error())
}

/// The nine permission bits.
pub(crate) const MODE_BITS: u32 = 0o777;

/// How a segment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Making {
    /// The permission bits; the umask has no say in them.
    pub(crate) mode: u32,
    /// `SHM_HUGETLB`
    pub(crate) huge_pages: bool,
    /// `SHM_NORESERVE`
    pub(crate) no_reserve: bool,
}

impl Making {
    /// Of ordinary pages.
    pub(crate) const fn with_mode(mode: u32) -> Self {
        Self {
            mode,
            huge_pages: false,
            no_reserve: false,
        }
    }
}

/// Makes a segment of `size` zero bytes. `EEXIST` if the key is in use.
pub(crate) fn create(key: Key, size: usize, making: Making) -> Result<Id, Errno> {
    let mut flags = libc::IPC_CREAT | libc::IPC_EXCL;
    flags |= c_int::try_from(making.mode & MODE_BITS).map_err(|_| Errno(libc::EINVAL))?;
    if making.huge_pages {
        flags |= libc::SHM_HUGETLB;
    }
    if making.no_reserve {
        flags |= libc::SHM_NORESERVE;
    }
    // SAFETY: shmget takes numbers only.
    cerr(unsafe { libc::shmget(to_c(key), size, flags) })
}

/// Finds the segment of a key. `ENOENT` if there is none, `EINVAL` if it has
/// fewer than `size` bytes.
pub(crate) fn find(key: Key, size: usize) -> Result<Id, Errno> {
    // SAFETY: shmget takes numbers only.
    cerr(unsafe { libc::shmget(to_c(key), size, 0) })
}

/// A key is 32 bits, which C takes for a signed number.
const fn to_c(key: Key) -> libc::key_t {
    libc::key_t::from_ne_bytes(key.to_ne_bytes())
}

/// `IPC_STAT`, also of a segment that this process may not read: what `ipcs -m`
/// shows to everybody. `EACCES` on a kernel older than Linux 4.17 only.
fn raw_status(id: Id) -> Result<libc::shmid_ds, Errno> {
    // Zeros for valgrind, which does not know SHM_STAT_ANY.
    let mut raw = MaybeUninit::<libc::shmid_ds>::zeroed();
    // SAFETY: the kernel writes a whole shmid_ds to the place it is given.
    match cerr(unsafe { libc::shmctl(id, libc::IPC_STAT, raw.as_mut_ptr()) }) {
        Err(Errno(libc::EACCES)) => {}
        // SAFETY: it is zero, or the kernel has filled it in.
        result => return result.map(|_| unsafe { raw.assume_init() }),
    }
    for bits in INDEX_BITS {
        let index = id & ((1 << bits) - 1);
        // SAFETY: as above.
        let found = unsafe { libc::shmctl(index, SHM_STAT_ANY, raw.as_mut_ptr()) };
        if found == id {
            // SAFETY: as above.
            return Ok(unsafe { raw.assume_init() });
        }
    }
    // Or it was removed meanwhile.
    // SAFETY: as above.
    cerr(unsafe { libc::shmctl(id, libc::IPC_STAT, raw.as_mut_ptr()) })?;
    // SAFETY: as above.
    Ok(unsafe { raw.assume_init() })
}

/// What the kernel knows of a segment. One marked for deletion shows key 0.
pub(crate) fn status(id: Id) -> Result<Status, Errno> {
    raw_status(id).map(Status::from)
}

/// All segments whose status this process may know.
pub(crate) fn all() -> impl Iterator<Item = (Id, Status)> {
    let mut info = MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: for SHM_INFO the kernel writes a struct shm_info, for which a
    // shmid_ds has more than room; only the highest index is of interest.
    let highest = unsafe { libc::shmctl(0, SHM_INFO, info.as_mut_ptr()) };
    (0..=highest).filter_map(|index| {
        let mut raw = MaybeUninit::<libc::shmid_ds>::uninit();
        // SAFETY: the kernel writes a whole shmid_ds to the place it is given.
        let id = cerr(unsafe { libc::shmctl(index, SHM_STAT, raw.as_mut_ptr()) }).ok()?;
        // SAFETY: SHM_STAT succeeded, so the kernel has filled it in.
        Some((id, Status::from(unsafe { raw.assume_init() })))
    })
}

impl From<libc::shmid_ds> for Status {
    fn from(raw: libc::shmid_ds) -> Self {
        let mode = u32::from(raw.shm_perm.mode);
        Self {
            key: Key::from_ne_bytes(raw.shm_perm.__key.to_ne_bytes()),
            is_removed: mode & SHM_DEST != 0,
            size: raw.shm_segsz,
            mappings: raw.shm_nattch,
            mode: mode & MODE_BITS,
            is_locked: mode & SHM_LOCKED != 0,
            owner: raw.shm_perm.uid,
            group: raw.shm_perm.gid,
            creator: raw.shm_perm.cuid,
            creator_group: raw.shm_perm.cgid,
            creator_process: raw.shm_cpid,
            last_process: raw.shm_lpid,
            attached: raw.shm_atime,
            detached: raw.shm_dtime,
            changed: raw.shm_ctime,
        }
    }
}

/// What `IPC_SET` changes of a segment; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) owner: Option<libc::uid_t>,
    pub(crate) group: Option<libc::gid_t>,
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
pub(crate) fn set_group(id: Id, group: libc::gid_t) -> Result<(), Errno> {
    let group = Some(group);
    set(
        id,
        Change {
            group,
            ..Change::default()
        },
    )
}

/// `IPC_SET`. Whoever may change nothing at all gets `EPERM`.
pub(crate) fn set(id: Id, change: Change) -> Result<(), Errno> {
    let mut raw = raw_status(id)?;
    let perm = &mut raw.shm_perm;
    perm.uid = change.owner.unwrap_or(perm.uid);
    perm.gid = change.group.unwrap_or(perm.gid);
    if let Some(mode) = change.mode {
        perm.mode = (mode & MODE_BITS)
            .try_into()
            .map_err(|_| Errno(libc::EINVAL))?;
    }
    // SAFETY: the kernel reads a whole shmid_ds, which IPC_STAT has filled in.
    cerr(unsafe { libc::shmctl(id, libc::IPC_SET, &raw mut raw) }).map(drop)
}

/// Whether this process may change or remove a segment: `EPERM` if not. Nothing is
/// changed, nor the time of the last change.
pub(crate) fn may_change(id: Id) -> Result<(), Errno> {
    const NOBODY: u32 = u32::MAX;
    let nobody = Change {
        owner: Some(NOBODY),
        group: Some(NOBODY),
        mode: None,
    };
    match set(id, nobody) {
        // Only who may change it is told that there is no such user.
        Err(Errno(libc::EINVAL)) => Ok(()),
        result => result,
    }
}

/// Whether a segment may be swapped out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swapping {
    /// `SHM_LOCK`
    Forbidden,
    /// `SHM_UNLOCK`
    Allowed,
}

/// Sets whether a segment may be swapped out.
pub(crate) fn set_swapping(id: Id, swapping: Swapping) -> Result<(), Errno> {
    let command = match swapping {
        Swapping::Forbidden => libc::SHM_LOCK,
        Swapping::Allowed => libc::SHM_UNLOCK,
    };
    // SAFETY: both commands ignore the third argument.
    cerr(unsafe { libc::shmctl(id, command, ptr::null_mut()) }).map(drop)
}

/// Marks a segment for deletion; its memory goes with its last mapping.
pub(crate) fn remove(id: Id) -> Result<(), Errno> {
    // SAFETY: IPC_RMID ignores the third argument.
    cerr(unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) }).map(drop)
}

/// What `IPC_INFO` tells (`struct shminfo` in shmctl(2)).
#[repr(C)]
struct Limits {
    shmmax: c_ulong,
    shmmin: c_ulong,
    shmmni: c_ulong,
    shmseg: c_ulong,
    shmall: c_ulong,
    _unused: [c_ulong; 4],
}

/// The largest number of segments that the system allows (`SHMMNI`).
pub(crate) fn maximum_segments() -> usize {
    let mut limits = MaybeUninit::<Limits>::uninit();
    // SAFETY: for IPC_INFO the kernel writes the limits, for which the
    // pointer has room; the cast is how shmctl(2) asks for it.
    let result = unsafe { libc::shmctl(0, libc::IPC_INFO, limits.as_mut_ptr().cast()) };
    if result == -1 {
        return 0;
    }
    // SAFETY: IPC_INFO succeeded, so the kernel has filled it in.
    let limits = unsafe { limits.assume_init() };
    usize::try_from(limits.shmmni).unwrap_or(usize::MAX)
}

/// Where a segment is to be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Where the system likes.
    Anywhere,
    /// At this address, rounded down to a multiple of `SHMLBA`.
    At(usize),
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => Ok(()),
            Self::At(address) => write!(f, " at {address:#x}"),
        }
    }
}

/// What a mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading and writing.
    ReadWrite,
    /// Reading: a store is SIGSEGV.
    ReadOnly,
}

/// Where the part of the address space ends that a program has on most
/// machines. Beyond it the kernel says `ENOMEM`, as if memory were short,
/// unless the machine has more.
const LAST_ADDRESS: usize = (1 << 47) - 4096;

/// A mapping of a segment in this process, taken away when it is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    address: NonNull<c_void>,
    size: usize,
}

// SAFETY: a mapping is the process's, not a thread's, and is only handed out
// as atomic bytes or as an address.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the segment. `size` is the segment's real size: a status of the
    /// same segment said so.
    pub(crate) fn attach(
        id: Id,
        placement: Placement,
        access: Access,
        size: usize,
    ) -> Result<Self, Errno> {
        let access = match access {
            Access::ReadWrite => 0,
            Access::ReadOnly => libc::SHM_RDONLY,
        };
        let (wanted, flags) = match placement {
            Placement::Anywhere => (ptr::null(), 0),
            Placement::At(address) => {
                // The lowest page would come back as a NULL address.
                if address < page_size() || address > usize::MAX / 2 {
                    return Err(Errno(libc::EINVAL));
                }
                (ptr::without_provenance(address), libc::SHM_RND)
            }
        };
        // SAFETY: without SHM_REMAP the kernel never maps over anything.
        let address = unsafe { libc::shmat(id, wanted, flags | access) };
        if address.addr() == usize::MAX {
            return Err(match (last(), placement) {
                (Errno(libc::ENOMEM), Placement::At(at)) if at + size > LAST_ADDRESS => {
                    Errno(libc::EINVAL)
                }
                (errno, _) => errno,
            });
        }
        let address = NonNull::new(address).ok_or(Errno(libc::EINVAL))?;
        Ok(Self { address, size })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> NonNull<c_void> {
        self.address
    }

    /// In bytes.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// The bytes: atomic, because other processes may change them at any time.
    pub(crate) const fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the kernel mapped `size` bytes there, which stay until the
        // mapping is dropped; AtomicU8 has the layout of a byte.
        unsafe { slice::from_raw_parts(self.address.as_ptr().cast::<AtomicU8>(), self.size) }
    }

    /// Whether anything is mapped at its address still.
    pub(crate) fn is_there(&self) -> bool {
        // SAFETY: nothing is changed: Linux does nothing for MS_ASYNC, but says
        // ENOMEM if nothing is mapped there (msync(2)), at a fraction of the
        // cost of mincore(2). The C library's function may be cancelled.
        unsafe { libc::syscall(libc::SYS_msync, self.address.as_ptr(), 1, libc::MS_ASYNC) == 0 }
    }

    /// Takes the mapping away.
    pub(crate) fn detach(self) -> Result<(), Errno> {
        let address = self.address;
        std::mem::forget(self);
        detach_at(address)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Nothing can be done about a mapping that is not there any more.
        let _ = detach_at(self.address);
    }
}

fn detach_at(address: NonNull<c_void>) -> Result<(), Errno> {
    // SAFETY: called once for each mapping, when nothing borrows it any more.
    cerr(unsafe { libc::shmdt(address.as_ptr()) }).map(drop)
}

fn page_size() -> usize {
    // SAFETY: sysconf takes a number only.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// Makes a segment that no key leads to, for tests.
#[cfg(test)]
pub(crate) fn create_private(size: usize) -> Id {
    // SAFETY: shmget takes numbers only.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, size, 0o600) };
    assert_ne!(id, -1);
    id
}

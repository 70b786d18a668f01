//! System V segments as Linux has them, see shmctl(2).

use std::ffi::{c_int, c_ulong};
use std::mem::MaybeUninit;
use std::ptr;

pub(crate) use libc::{
    IPC_CREAT, IPC_EXCL, IPC_RMID, IPC_SET, IPC_STAT, SHM_RDONLY, SHM_RND, key_t, shmat, shmctl,
    shmdt, shmget, shmid_ds,
};

use crate::errno::Errno;
use crate::os::posix::unsigned;
use crate::os::sysv::{Limits, Usage};

const SHM_STAT: c_int = 13;
const SHM_INFO: c_int = 14;
const SHM_STAT_ANY: c_int = 15;
/// In a segment's mode: it is marked for deletion.
pub(crate) const SHM_DEST: u32 = 0o1000;
/// In a segment's mode: it may not be swapped out.
pub(crate) const SHM_LOCKED: u32 = 0o2000;
/// How many bits of an identifier are an index: the second where the kernel was
/// booted with `ipcmni_extend`.
const INDEX_BITS: [u32; 2] = [15, 24];

/// The flag of shmget(2) for huge pages; `None` if segments cannot have them.
pub(crate) const HUGE_PAGES: Option<c_int> = Some(libc::SHM_HUGETLB);
/// The flag of shmget(2) for memory without a reservation.
pub(crate) use libc::SHM_NORESERVE;

/// The status of a segment that this process may not read. `None` if there is no such segment,
/// and on kernels before Linux 4.17.
pub(crate) fn unreadable_status(id: c_int) -> Option<shmid_ds> {
    for bits in INDEX_BITS {
        let index = id & ((1 << bits) - 1);
        // Zeroed for valgrind, which does not know SHM_STAT_ANY.
        let mut raw = MaybeUninit::<shmid_ds>::zeroed();
        // SAFETY: the kernel writes a whole shmid_ds to the place it is given.
        let found = unsafe { shmctl(index, SHM_STAT_ANY, raw.as_mut_ptr()) };
        if found == id {
            // SAFETY: it is zero, or the kernel has filled it in.
            return Some(unsafe { raw.assume_init() });
        }
    }
    None
}

/// Whether [`for_each_segment`] works.
pub(crate) const LISTS_SEGMENTS: bool = true;
/// Whether a segment that is marked for deletion can be attached as long as a process has it
/// attached.
pub(crate) const ATTACHES_REMOVED: bool = true;

/// Whose segments are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Those that this process may read.
    Readable,
    /// On kernels since Linux 4.17, all.
    All,
}

/// Passes the identifier and the status of each segment.
pub(crate) fn for_each_segment(
    listed: Listed,
    mut work: impl FnMut(c_int, shmid_ds) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let commands: &[c_int] = match listed {
        Listed::Readable => &[SHM_STAT],
        Listed::All => &[SHM_STAT_ANY, SHM_STAT],
    };
    let mut info = MaybeUninit::<shmid_ds>::uninit();
    // SAFETY: for SHM_INFO the kernel writes a struct shm_info, for which a
    // shmid_ds has more than room; only the highest index is of interest.
    let highest = checked(unsafe { shmctl(0, SHM_INFO, info.as_mut_ptr()) })?;
    for index in 0..=highest {
        // Zeroed for valgrind, which does not know SHM_STAT_ANY.
        let mut raw = MaybeUninit::<shmid_ds>::zeroed();
        let mut look = |&command| {
            // SAFETY: the kernel writes a whole shmid_ds to the place it is given.
            checked(unsafe { shmctl(index, command, raw.as_mut_ptr()) })
        };
        let mut found = Err(Errno(libc::EINVAL));
        for command in commands {
            found = look(command);
            if found.is_ok() {
                break;
            }
        }
        match found {
            // SAFETY: the command succeeded, so the kernel has filled the structure.
            Ok(id) => work(id, unsafe { raw.assume_init() })?,
            Err(Errno(libc::EINVAL | libc::EIDRM | libc::EACCES)) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn checked(result: c_int) -> Result<c_int, Errno> {
    if result == -1 {
        Err(std::io::Error::last_os_error().into())
    } else {
        Ok(result)
    }
}

/// Sets whether a segment may be written to swap space.
pub(crate) fn set_swapping(id: c_int, is_allowed: bool) -> c_int {
    let command = if is_allowed {
        libc::SHM_UNLOCK
    } else {
        libc::SHM_LOCK
    };
    // SAFETY: both commands ignore the third argument.
    unsafe { shmctl(id, command, ptr::null_mut()) }
}

/// What `IPC_INFO` returns (`struct shminfo` in shmctl(2)).
#[repr(C)]
struct RawLimits {
    shmmax: c_ulong,
    shmmin: c_ulong,
    shmmni: c_ulong,
    shmseg: c_ulong,
    shmall: c_ulong,
    _unused: [c_ulong; 4],
}

/// `IPC_INFO`
pub(crate) fn limits() -> Limits {
    let mut raw = MaybeUninit::<RawLimits>::uninit();
    // SAFETY: for IPC_INFO the kernel writes the limits, for which the
    // pointer has room; the cast is how shmctl(2) asks for it.
    let result = unsafe { shmctl(0, libc::IPC_INFO, raw.as_mut_ptr().cast()) };
    if result == -1 {
        return Limits::default();
    }
    // SAFETY: IPC_INFO succeeded, so the kernel has filled it in.
    let raw = unsafe { raw.assume_init() };
    Limits {
        shmmax: unsigned(raw.shmmax),
        shmmni: unsigned(raw.shmmni),
        shmall: unsigned(raw.shmall),
    }
}

/// What `SHM_INFO` returns (`struct shm_info` in shmctl(2)).
#[repr(C)]
struct RawUsage {
    used_ids: c_int,
    shm_tot: c_ulong,
    shm_rss: c_ulong,
    shm_swp: c_ulong,
    _unused: [c_ulong; 2],
}

/// `SHM_INFO`; `None` if it can't be read.
pub(crate) fn usage() -> Option<Usage> {
    let mut raw = MaybeUninit::<RawUsage>::uninit();
    // SAFETY: for SHM_INFO the kernel writes the usage, for which the
    // pointer has room; the cast is how shmctl(2) asks for it.
    let result = unsafe { shmctl(0, SHM_INFO, raw.as_mut_ptr().cast()) };
    if result == -1 {
        return None;
    }
    // SAFETY: SHM_INFO succeeded, so the kernel has filled it in.
    let raw = unsafe { raw.assume_init() };
    Some(Usage {
        segments: unsigned(raw.used_ids),
        pages: unsigned(raw.shm_tot),
        pages_in_swap: unsigned(raw.shm_swp),
    })
}

/// A key as C has it: on some systems, the type has more than 32 bits.
pub(crate) const fn key_to_c(key: i32) -> key_t {
    key
}

/// The same the other way round.
pub(crate) const fn key_from_c(key: key_t) -> i32 {
    key
}

/// A segment's key.
pub(crate) fn key_of(permissions: &libc::ipc_perm) -> key_t {
    // The libc crate is about to correct musl's name of the member.
    #[cfg(target_env = "musl")]
    #[allow(deprecated)]
    return permissions.__ipc_perm_key;
    #[cfg(not(target_env = "musl"))]
    permissions.__key
}

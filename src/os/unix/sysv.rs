//! System V segments on UNIX systems other than Linux.

use std::ffi::c_int;

use super::system;
use crate::errno::Errno;
use crate::os::sysv::{Limits, Usage};

pub(crate) use libc::{IPC_CREAT, IPC_EXCL, IPC_RMID, IPC_SET, key_t, shmat, shmdt, shmget};

/// Flags of shmat(2), which the libc crate lacks for some of these systems. All have the same.
pub(crate) const SHM_RDONLY: c_int = 0o10_000;
/// As above.
pub(crate) const SHM_RND: c_int = 0o20_000;

pub(crate) use system::{IPC_STAT, SHM_DEST, key_of, shmctl, shmid_ds};

/// In a segment's mode: no system shows that a segment may not be swapped out.
pub(crate) const SHM_LOCKED: u32 = 1 << 31;
/// Segments cannot have huge pages on request.
pub(crate) const HUGE_PAGES: Option<c_int> = None;
/// Memory is not reserved in any case.
pub(crate) const SHM_NORESERVE: c_int = 0;

/// The status of a segment that this process may not read is unknown.
pub(crate) const fn unreadable_status(_: c_int) -> Option<shmid_ds> {
    None
}

/// Whether [`for_each_segment`] works.
pub(crate) const LISTS_SEGMENTS: bool = false;
/// Whether a segment that is marked for deletion can be attached as long as a process has it
/// attached.
pub(crate) const ATTACHES_REMOVED: bool = false;

/// Whose segments are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Those that this process may read.
    Readable,
    /// All.
    All,
}

/// These systems have no portable call that lists segments: `ENOTSUP`.
pub(crate) fn for_each_segment(
    _: Listed,
    _: impl FnMut(c_int, shmid_ds) -> Result<(), Errno>,
) -> Result<(), Errno> {
    Err(Errno(libc::ENOTSUP))
}

/// Sets whether a segment may be written to swap space: not here.
pub(crate) fn set_swapping(_: c_int, _: bool) -> c_int {
    system::set_errno(libc::ENOTSUP);
    -1
}

/// The system's limits, 0 where it does not report one.
pub(crate) fn limits() -> Limits {
    let [shmmax, shmmni, shmall] = system::limits();
    Limits {
        shmmax,
        shmmni,
        shmall,
    }
}

/// The system does not report how much memory all segments use together.
pub(crate) const fn usage() -> Option<Usage> {
    None
}

/// A key as C has it: on some systems, the type has more than 32 bits.
#[allow(clippy::useless_conversion, reason = "the type depends on the system")]
pub(crate) fn key_to_c(key: i32) -> key_t {
    key_t::from(key)
}

/// The lower 32 bits of a key.
#[allow(
    clippy::cast_possible_truncation,
    clippy::unnecessary_cast,
    reason = "the type depends on the system"
)]
pub(crate) const fn key_from_c(key: key_t) -> i32 {
    key as i32
}

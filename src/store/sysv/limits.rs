//! The system's limits on System V segments, and what to do about them. See
//! "Shared memory limits" in shmget(2).

#![forbid(unsafe_code)]

use std::fmt;

use super::layout;
use crate::errno::Errno;
use crate::os;
use crate::request::Creation;

/// The size in bytes of a registry that is created now, without the random number of
/// bytes that is added.
pub(super) fn registry_size() -> usize {
    layout::size_of_registry(registry_capacity())
}

/// The number of slots of a registry that is created now. It is smaller than the number of
/// segments suggests if SHMMAX, or what is left of SHMALL, requires it.
pub(crate) fn registry_capacity() -> usize {
    let limits = os::limits();
    let free_pages = limits
        .shmall
        .saturating_sub(os::usage().unwrap_or_default().pages);
    let page = u64::try_from(os::page_size()).unwrap_or(4096);
    let room = limits.shmmax.min(free_pages.saturating_mul(page));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let mut capacity = capacity_wanted(&limits);
    // A segment must find room beside it.
    let too_large = |capacity| layout::size_of_registry(capacity) + layout::PAGE_SIZE > room / 2;
    while capacity > *layout::CAPACITIES.start() && too_large(capacity) {
        capacity /= 2;
    }
    capacity
}

/// The number of slots that SHMMNI asks for.
pub(crate) fn registry_capacity_wanted() -> usize {
    capacity_wanted(&os::limits())
}

fn capacity_wanted(limits: &os::Limits) -> usize {
    layout::capacity_for(usize::try_from(limits.shmmni).unwrap_or(usize::MAX))
}

/// The part of a message that names the limit a call ran into and how to raise
/// it; empty if no limit is known to be the cause.
pub(super) struct Remedy {
    pub(super) errno: Errno,
    /// The size in bytes that was asked for.
    pub(super) size: usize,
    /// `None` if the segment existed already and was to be attached.
    pub(super) creation: Option<Creation>,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.creation, self.errno) {
            (Some(creation), errno) if creation.huge_pages => huge_pages(errno, f),
            (Some(_), Errno(libc::EINVAL)) => {
                let maximum = os::limits().shmmax;
                if u64::try_from(self.size).is_ok_and(|size| size > maximum) {
                    write!(f, ", SHMMAX is {maximum}; raise kernel.shmmax")?;
                }
                Ok(())
            }
            (Some(_), Errno(libc::ENOSPC)) => out_of_room(f),
            (_, Errno(libc::EAGAIN)) => f.write_str(
                ", more than RLIMIT_MEMLOCK allows to lock (mlockall); raise it with 'ulimit -l'",
            ),
            _ => Ok(()),
        }
    }
}

fn huge_pages(errno: Errno, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(" with huge pages")?;
    f.write_str(match errno {
        Errno(libc::ENOMEM) => ", too few of which are free; raise vm.nr_hugepages",
        Errno(libc::EPERM) => {
            ", which requires CAP_IPC_LOCK or membership in the group vm.hugetlb_shm_group"
        }
        Errno(libc::ENOTSUP) => ", which System V segments have only on Linux",
        _ => "",
    })
}

fn out_of_room(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let limits = os::limits();
    let usage = os::usage().unwrap_or_default();
    if usage.segments >= limits.shmmni {
        write!(
            f,
            ", SHMMNI allows {} segments, all in use; destroy some or raise kernel.shmmni",
            limits.shmmni
        )
    } else {
        write!(
            f,
            ", SHMALL allows {} pages, {} are in use; destroy segments or raise kernel.shmall",
            limits.shmall, usage.pages
        )
    }
}

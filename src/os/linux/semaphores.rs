//! System V semaphores as Linux has them, see semctl(2).

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::time::Duration;

pub(crate) use libc::{IPC_NOWAIT, SEM_UNDO, sembuf, semctl, semget, semid_ds, semop};

/// semtimedop(2)
pub(crate) fn semop_within(set: c_int, operations: &mut [sembuf], limit: Duration) -> c_int {
    unsafe extern "C" {
        fn semtimedop(
            set: c_int,
            operations: *mut sembuf,
            count: libc::size_t,
            limit: *const libc::timespec,
        ) -> c_int;
    }
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let (count, operations) = (operations.len(), operations.as_mut_ptr());
    // SAFETY: the pointer and the length are those of one slice, and the kernel only reads the limit.
    unsafe { semtimedop(set, operations, count, &raw const limit) }
}

/// The identifier and the status of each set that this process may read.
pub(crate) fn all_sets() -> Vec<(c_int, semid_ds)> {
    let mut info = MaybeUninit::<[u64; 32]>::zeroed();
    // SAFETY: for SEM_INFO the kernel writes a struct seminfo of ten numbers.
    let highest = unsafe { semctl(0, 0, libc::SEM_INFO, info.as_mut_ptr()) };
    (0..=highest)
        .filter_map(|index| {
            let mut raw = MaybeUninit::<semid_ds>::zeroed();
            // SAFETY: the kernel writes a whole semid_ds to the place it is given.
            let id = unsafe { semctl(index, 0, libc::SEM_STAT, raw.as_mut_ptr()) };
            // SAFETY: it was zeroed, and holds numbers only.
            (id >= 0).then(|| (id, unsafe { raw.assume_init() }))
        })
        .collect()
}

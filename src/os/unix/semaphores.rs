//! System V semaphores on UNIX systems other than Linux.

use std::ffi::c_int;
use std::time::Duration;

use super::system;

pub(crate) use libc::IPC_NOWAIT;
pub(crate) use system::{SEM_UNDO, sembuf, semctl, semget, semid_ds, semop};

/// semop(2) that ends after some time (`EAGAIN`), by trying again and again.
pub(crate) fn semop_within(set: c_int, operations: &mut [sembuf], limit: Duration) -> c_int {
    const PAUSE: Duration = Duration::from_micros(100);
    let mut waited = Duration::ZERO;
    loop {
        let (count, first) = (operations.len(), operations.as_mut_ptr());
        for operation in &mut *operations {
            operation.sem_flg |= no_wait();
        }
        // SAFETY: the pointer and the length are those of one slice.
        let result = unsafe { semop(set, first, count) };
        if result == 0 || system::errno() != libc::EAGAIN || waited >= limit {
            return result;
        }
        let pause = PAUSE.min(limit.saturating_sub(waited));
        std::thread::sleep(pause);
        waited += pause;
    }
}

fn no_wait() -> std::ffi::c_short {
    std::ffi::c_short::try_from(IPC_NOWAIT).unwrap_or(0)
}

/// The identifier and the status of each set: these systems have no portable call that lists them.
pub(crate) const fn all_sets() -> Vec<(c_int, semid_ds)> {
    Vec::new()
}

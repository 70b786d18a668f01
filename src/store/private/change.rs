//! Changes a segment's permissions, lifetime, and whether it may be swapped out: the code shared
//! by changes of an attached segment and changes by name.

#![forbid(unsafe_code)]

use super::record::Record;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::info::Permissions;
use crate::lock::Mutex;
use crate::quoted::{Doing, Quoted};
use crate::request::{Lifetime, SETTING, Swapping, check_mode};

/// Held while a segment is locked or unlocked in memory, so that the record shows what was done
/// last. This is not the lock of the names, because locking a segment may take seconds.
static SWAPPING: Mutex<()> = Mutex::new(());

/// Checks permissions. `EINVAL` if the mode has bits beyond 0777, or an id is invalid.
pub(super) fn check(permissions: Permissions, name: &[u8]) -> Result<()> {
    const INVALID: Option<u32> = Some(u32::MAX);
    let doing = Doing(SETTING, name);
    check_mode(doing, permissions.mode)?;
    if [permissions.uid, permissions.gid].contains(&INVALID) {
        return Err(Errno(libc::EINVAL).during(format_args!("{doing}")));
    }
    Ok(())
}

/// Changes the lifetime, with the names locked.
pub(super) fn set_lifetime(record: &Record, lifetime: Lifetime) -> Result<()> {
    match (record.lifetime(), lifetime) {
        // A transient segment was never kept.
        (Lifetime::Transient, Lifetime::Used | Lifetime::Transient) => Ok(()),
        (Lifetime::Transient, Lifetime::Kept) => Err(Errno(libc::EINVAL)
            .during(format_args!(
                "keep segment {}: it is transient, and is deleted when its last attachment ends",
                Quoted(record.name())
            ))
            .because(Reason::Transient)),
        _ => {
            record.keep(lifetime == Lifetime::Kept);
            Ok(())
        }
    }
}

/// Locks or unlocks a segment in memory, without holding the lock of the names.
pub(super) fn set_swapping(record: &Record, swapping: Swapping) -> Result<()> {
    let failed = |errno| failed_to(swapping, errno, record);
    let _one_at_a_time = SWAPPING.lock().map_err(failed)?;
    record
        .set_locked(swapping == Swapping::Forbidden)
        .map_err(failed)
}

/// The error if a segment could not be locked or unlocked.
#[cold]
fn failed_to(swapping: Swapping, errno: Errno, record: &Record) -> Error {
    let doing = match swapping {
        Swapping::Forbidden => "lock",
        Swapping::Allowed => "unlock",
    };
    let name = Quoted(record.name());
    match errno {
        Errno(libc::ENOMEM) => errno.during(format_args!(
            "{doing} segment {name} in memory, RLIMIT_MEMLOCK does not allow its size; raise it \
             with 'ulimit -l'"
        )),
        _ => errno.during(format_args!("{doing} segment {name}")),
    }
}

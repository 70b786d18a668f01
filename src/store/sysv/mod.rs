//! System V segments, named by a registry.
//!
//! | file       | job |
//! | ---------- | --- |
//! | `attach`   | create or attach the segment of a name |
//! | `attached` | a segment's attachment, until it is detached, and deleted if it was the last |
//! | `by_name`  | what needs no attachment: look, list, keep, remove, prune |
//! | `open`     | find, create, complete, supersede, retire a registry |
//! | `registry` | a registry: its lock, and whether it is still current |
//! | `names`    | under the lock: look up, insert and remove names |
//! | `recover`  | roll back what a dead holder of the lock left unfinished |
//! | `listing`  | all names |
//! | `entry`    | a segment that a registry names |
//! | `table`    | the hash table of names |
//! | `layout`   | the bytes in shared memory |
//! | `keys`     | keys, and who may be trusted with a registry |
//! | `limits`   | SHMMAX, SHMALL, SHMMNI, RLIMIT_MEMLOCK in messages |
//! | `mapping`  | shmat(2), shmdt(2) |
//! | `shm`      | shmget(2), shmctl(2) |
//! | `proc`     | /proc/sysvipc/shm |

mod attach;
mod attached;
mod by_name;
#[cfg(any(test, fuzzing))]
// Its job is to fail.
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod damage;
mod entry;
mod keys;
mod layout;
mod limits;
mod listing;
mod mapping;
mod names;
mod open;
mod proc;
mod recover;
mod registry;
mod shm;
mod table;
#[cfg(test)]
mod tests;

pub(super) use attached::Attached;
#[cfg(any(test, fuzzing))]
pub(crate) use damage::survive_damage;
pub use keys::Kind;
pub(crate) use open::retire_all;
pub use proc::{Row, SEGMENT_TABLE, parse_segment_table};

use crate::errno::Errno;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::quoted::Quoted;

/// Whether this process may delete the segment of an identifier.
pub(crate) fn may_be_removed(id: i32) -> bool {
    shm::may_change(shm::Id(id)) != Err(Errno(libc::EPERM))
}

/// The size in bytes of a registry that is created now.
pub(crate) fn registry_size() -> usize {
    let segments = usize::try_from(shm::limits().shmmni).unwrap_or(usize::MAX);
    layout::size_of_registry(layout::capacity_for(segments))
}

/// How often to try again when other processes undo something in between.
const ATTEMPTS: usize = 10_000;

/// The System V segments of a namespace.
pub(crate) struct SysV {
    namespace: Namespace,
}

impl SysV {
    pub(super) const fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    /// The error of a name that has no segment.
    fn no_such(&self, name: &[u8]) -> Error {
        Errno(libc::ENOENT).during(format_args!(
            "no segment {} in {}",
            Quoted(name),
            self.namespace
        ))
    }

    /// The error of a name that changes too often.
    fn restless(name: &[u8]) -> Error {
        Errno(libc::EAGAIN).during(format_args!(
            "find segment {}: other processes keep creating and deleting it",
            Quoted(name)
        ))
    }
}

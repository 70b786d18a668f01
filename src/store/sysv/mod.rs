//! System V segments, named by a registry.
//!
//! | file       | job |
//! | ---------- | --- |
//! | `attach`   | create or attach the segment of a name |
//! | `attached` | a segment's attachment, until it is detached, and deleted if it was the last |
//! | `by_name`  | what needs no attachment: look, list, keep, remove, prune |
//! | `look_up`  | look up a name or an identifier, under the lock |
//! | `change`   | change permissions and swapping |
//! | `wait`     | wait until a name exists |
//! | `opened`   | the registries that this process has attached |
//! | `open`     | find, create, complete a registry |
//! | `takeover` | take over the names of a registry that was removed |
//! | `everybody` | the namespaces of all users |
//! | `sweep`    | remove registries that were left behind |
//! | `registry` | a registry: its lock, and whether it is still current |
//! | `names`    | look up names, without and with the lock; insert and remove them |
//! | `locked`   | a registry whose lock is held |
//! | `hidden`   | delete hidden segments of dead creators; free names of transient segments |
//! | `publish`  | attach a hidden segment, make it transient, publish it |
//! | `recover`  | roll back what a dead holder of the lock left unfinished |
//! | `keep`     | change how long a segment lives |
//! | `listing`  | all names |
//! | `entry`    | a segment that a registry names |
//! | `table`    | the hash table of names |
//! | `extent`   | where the bytes of a name are |
//! | `layout`   | the bytes in shared memory |
//! | `state`    | the state of a slot |
//! | `sizes`    | how large a registry and its parts are |
//! | `hash`     | names and hash functions, part of the format |
//! | `keys`     | keys, and who may be trusted with a registry |
//! | `limits`   | SHMMAX, SHMALL, SHMMNI, RLIMIT_MEMLOCK in messages |
//! | `doubt`    | whether what is mapped at an address may have changed |
//! | `mapping`  | shmat(2), shmdt(2) |
//! | `shm`      | shmget(2), shmctl(2) |
//! | `proc`     | /proc/sysvipc/shm |
//! | `swap`     | how much of a segment is in swap space |
//! | `store`    | the segments of a namespace |

mod attach;
mod attached;
mod by_name;
mod change;
#[cfg(any(test, fuzzing))]
// Its job is to fail.
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod damage;
mod doubt;
mod entry;
mod everybody;
mod extent;
mod hash;
mod hidden;
mod keep;
mod keys;
mod layout;
mod limits;
mod listing;
mod locked;
mod look_up;
mod mapping;
mod names;
mod open;
mod opened;
mod proc;
mod publish;
mod recover;
mod registry;
mod shm;
mod sizes;
mod state;
mod store;
mod swap;
mod sweep;
mod table;
mod takeover;
#[cfg(test)]
mod tests;
mod wait;

pub(super) use attached::Attached;
#[cfg(any(test, fuzzing))]
pub(crate) use damage::survive_damage;
pub use everybody::Unreadable;
pub(crate) use everybody::{Foreign, Found, everybodys};
pub use hidden::Hidden;
pub use keys::KeyKind;
pub(crate) use limits::{registry_capacity, registry_capacity_wanted};
pub(crate) use opened::retire_all;
pub use proc::{Row, SEGMENT_TABLE, parse_segment_table};
pub(crate) use shm::may_be_removed;
pub(crate) use sizes::most_bytes_of_registry;
pub(super) use store::SysV;
pub use sweep::{LeftBehind, Whose};
pub(crate) use sweep::{left_behind, sweep_and_note};
pub(crate) use takeover::removed_in_use;
pub(super) use wait::Absent;

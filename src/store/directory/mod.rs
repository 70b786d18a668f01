//! Files in a directory, one for each name, mapped with mmap(2).
//!
//! The file system is the registry. A segment is a regular file with exactly its bytes, so the
//! shell's commands and every language's mmap work on it, and it lives as long as the file: if
//! that is on a disk, it outlives a reboot. There is no other record of names, and nothing that a
//! process could leave half changed:
//!
//! * A new file gets its name, by link(2) or rename(2), when it is complete. A process that dies
//!   before that leaves nothing, or a temporary file that the next ones remove.
//! * Locks that end with the mapping show who has a segment attached, see `lock`. No descriptor
//!   stays open, so a program that closes all of its descriptors is still counted. On overlayfs
//!   and other layers, one stays open, see `descriptor`.
//! * The last holder locks the file exclusively, and then removes it. A process that wants to
//!   attach it at that moment waits, and looks the name up again.
//!
//! | file          | job |
//! | ------------- | --- |
//! | `attach`      | create or attach the segment of a name |
//! | `attached`    | a segment's attachment, until it is detached, and deleted if it was the last |
//! | `by_name`     | operations without an attachment: look, list, keep, remove, prune |
//! | `inspect`     | questions that only an administrator's tool asks |
//! | `wait`        | wait until a name exists |
//! | `fresh`       | a new file, until it has its name |
//! | `change`      | change or remove a file, whichever process attaches it meanwhile |
//! | `existing`    | what a name stands for now |
//! | `lock`        | the locks of attachments and changes |
//! | `descriptor`  | a descriptor that keeps these locks where a mapping does not |
//! | `file_name`   | the file names of segments |
//! | `file_system` | whether a file system suits segments |
//! | `store`       | the directory of a namespace |

mod attach;
mod attached;
mod by_name;
mod change;
mod descriptor;
mod existing;
mod file_name;
mod file_system;
mod fresh;
mod inspect;
mod lock;
mod store;
#[cfg(test)]
mod tests;
mod wait;

pub(super) use attached::Attached;
pub use file_system::FileSystem;
pub use inspect::{DirectoryState, SegmentFile, Stranger};
pub(super) use store::Directory;
pub(super) use wait::Absent;

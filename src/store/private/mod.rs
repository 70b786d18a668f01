//! Memory of this process and of the children that it forks, for systems with a single address
//! space, sandboxes without System V shared memory, and tests of programs that share memory.
//!
//! | file       | job |
//! | ---------- | --- |
//! | `store`    | the segments of the namespace |
//! | `attach`   | create or attach the segment of a name |
//! | `attached` | a segment's attachment, until it is detached, and deleted if it was the last |
//! | `by_name`  | operations without an attachment: look, list, keep, remove, prune |
//! | `change`   | change permissions, lifetime and swapping |
//! | `wait`     | wait until a name exists |
//! | `names`    | the names of this process, under a lock |
//! | `tables`   | the two copies of the names, one of which every fork leaves whole |
//! | `record`   | a segment: its memory, and what is known about it |
//! | `mapping`  | a mapping, which does not unmap anything that has taken its place |
//!
//! There are no files, no descriptors and no System V segments, so nothing is left behind
//! however the process ends.
//!
//! # Memory
//!
//! The call that creates a segment maps its memory once: this is its *base*, which stays mapped as
//! long as the segment exists. Every attachment for reading and writing shares the base, so two
//! creates of one name return the same address, as in libgpl on VxWorks. An attachment for reading
//! only, or at another address, is a mapping of its own, which ends with the attachment.
//!
//! If the program itself unmaps the base with munmap(2), the segment is gone: its name is absent
//! for the next call, and destroying or detaching an attachment that shared the base is `EINVAL`.
//!
//! # Fork
//!
//! A child has a copy of the names, and of the attachments, and shares the bytes of the segments
//! that existed. From then on, each has its own names and its own count: what one of them creates,
//! removes, keeps or destroys changes nothing in the other. execve(2) ends all names.
//!
//! # Differences from System V segments
//!
//! * Owner, group and permission bits are stored and reported. No other user could attach a
//!   segment, so nothing checks them, and the process may set any valid owner, as the owner of a
//!   System V segment may.
//! * Locking a segment in memory (mlock(2)) also allocates the pages that were never used. A child
//!   does not inherit the lock.
//! * Huge pages are `ENOTSUP`.

mod attach;
mod attached;
mod by_name;
mod change;
mod mapping;
mod names;
mod record;
mod store;
mod tables;
mod wait;

pub(super) use attached::Attached;
pub(super) use store::Private;
pub(super) use wait::Absent;

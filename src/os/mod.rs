//! What the library asks of the operating system: the same names on each system.
//!
//! | file          | job |
//! | ------------- | --- |
//! | `posix`       | what all systems offer in the same way |
//! | `file_status`, `sysv` | plain data |
//! | `hooks`       | functions that the system calls at the start and at the end |
//! | `linux`       | Linux, with glibc, musl or bionic (Android) |
//! | `unix`        | other systems, and in `unix/system` what differs between them |
//! | `mapped`, `user_map` | what /proc shows on Linux |
//!
//! `--cfg shm_util_os="unix"` selects `unix` on Linux, so that it can be tested here. Its lock is a
//! semaphore.

mod file_status;
mod hooks;
#[cfg(not(shm_util_os = "unix"))]
mod linux;
mod mapped;
mod posix;
mod sysv;
#[cfg(shm_util_os = "unix")]
mod unix;
mod user_map;

#[cfg(not(shm_util_os = "unix"))]
use linux as selected;
#[cfg(shm_util_os = "unix")]
use unix as selected;

pub(crate) use file_status::*;
pub(crate) use hooks::{at_exit, at_start};
pub(crate) use mapped::{Beginning, Mappings, Piece, beginning_at, for_each_piece, is_segment_at};
pub(crate) use posix::*;
pub(crate) use selected::*;
pub(crate) use sysv::*;
pub(crate) use user_map::Map;

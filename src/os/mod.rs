//! What the library asks of the operating system: the same names on each system.
//!
//! | file          | job |
//! | ------------- | --- |
//! | `posix`       | what all systems offer in the same way |
//! | `file_status`, `sysv` | plain data |
//! | `linux`       | Linux, with glibc, musl or bionic (Android) |
//! | `mapped`, `user_map` | what /proc shows; nothing elsewhere |

mod file_status;
mod linux;
mod mapped;
mod posix;
mod sysv;
mod user_map;

pub(crate) use file_status::*;
pub(crate) use linux::*;
pub(crate) use mapped::{Beginning, Mappings, Piece, beginning_at, for_each_piece, is_segment_at};
pub(crate) use posix::*;
pub(crate) use sysv::*;
pub(crate) use user_map::Map;

//! What the library asks of the operating system apart from shared memory: a
//! dozen functions, with the same names on each system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mapped;
#[cfg(target_os = "linux")]
mod user_map;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(target_os = "linux")]
pub(crate) use mapped::{Beginning, Mappings, Piece, beginning_at, for_each_piece, is_segment_at};
#[cfg(target_os = "linux")]
pub(crate) use user_map::Map;

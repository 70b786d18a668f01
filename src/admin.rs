//! What only an administrator's tool needs. Not part of the stable interface.

#![forbid(unsafe_code)]

pub use crate::store::{Kind, Row, SEGMENT_TABLE, parse_segment_table};

/// Whether this process may delete the segment of an identifier. Finds out without
/// deleting or changing it.
#[must_use]
pub fn may_be_removed(id: i32) -> bool {
    crate::store::may_be_removed(id)
}

/// The size in bytes of a registry that is created now.
#[must_use]
pub fn registry_size() -> usize {
    crate::store::registry_size()
}

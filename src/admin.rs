//! What only an administrator's tool needs. Not part of the stable interface.

#![forbid(unsafe_code)]

use crate::error::Result;
use crate::namespace::{Namespace, Resolved};
pub use crate::store::{Kind, Row, SEGMENT_TABLE, parse_segment_table};

/// What identifies a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// It is that of this user id.
    User(u32),
    /// It is that of a user whom this process's user namespace does not map; this is the id
    /// outside of it.
    UserOutside(u32),
    /// It is selected by this absolute path.
    Path(Vec<u8>),
}

/// What identifies a namespace now.
///
/// # Errors
///
/// `ELOOP`, `ENAMETOOLONG`, `ENOENT`: it is the current one, and `NOB_DATABASE` cannot be
/// translated.
pub fn identity(namespace: &Namespace) -> Result<Identity> {
    Ok(match namespace.resolve()? {
        Resolved::User(user) => Identity::User(user.0),
        Resolved::Path(path) => Identity::Path(path),
    })
}

/// Whether this process may delete the segment of an identifier. Finds out without
/// deleting or changing it.
#[must_use]
pub fn may_be_removed(id: i32) -> bool {
    crate::store::may_be_removed(id)
}

/// The size of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrySize {
    /// How many names it has room for.
    pub capacity: usize,
    /// At most, in bytes.
    pub bytes: usize,
}

impl RegistrySize {
    fn of(capacity: usize) -> Self {
        Self {
            capacity,
            bytes: crate::store::most_bytes_of_registry(capacity),
        }
    }
}

/// The size of a registry that is created now. SHMMAX and SHMALL may make it smaller
/// than [`registry_size_wanted`].
#[must_use]
pub fn registry_size() -> RegistrySize {
    RegistrySize::of(crate::store::registry_capacity())
}

/// The size of a registry that has room for as many names as the system allows segments
/// (SHMMNI).
#[must_use]
pub fn registry_size_wanted() -> RegistrySize {
    RegistrySize::of(crate::store::registry_capacity_wanted())
}

/// The registries of a namespace that were removed (ipcrm(1)) while processes
/// use them: their identifiers and numbers of names. The next process that creates or
/// attaches a segment moves the names to another registry.
///
/// # Errors
///
/// `ELOOP`, `ENAMETOOLONG`, `ENOENT`: `NOB_DATABASE` cannot be translated.
pub fn removed_in_use(namespace: &Namespace) -> Result<Vec<(i32, usize)>> {
    crate::store::removed_in_use(&namespace.resolve()?)
}

/// The identifiers of the registries that programs of this user left behind: nobody has
/// them attached, and they have no names.
#[must_use]
pub fn left_behind() -> Vec<i32> {
    crate::store::left_behind()
}

/// Removes the registries that programs of this user left behind, and returns how many
/// those were.
#[allow(clippy::must_use_candidate)] // it does something
pub fn sweep() -> usize {
    crate::store::sweep()
}

//! What only an administrator's tool needs. Not part of the stable interface.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::error::{Error, Result};
use crate::fork::{Call, Purpose};
use crate::info::{Info, RegistryInfo};
use crate::namespace::{Namespace, Registered, Resolved};
pub use crate::store::{
    DirectoryState, FileSystem, Hidden, KeyKind, LeftBehind, Row, SEGMENT_TABLE, SegmentFile,
    Stranger, Unreadable, Whose, parse_segment_table,
};
use crate::store::{Foreign, Found, Store};

/// The error of a registry that was overwritten.
pub const EUCLEAN: i32 = crate::os::EUCLEAN;

/// What identifies a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The namespace of the user with this id.
    User(u32),
    /// The namespace of a user whom this process's user namespace does not map; this is the
    /// user's id outside.
    UserOutside(u32),
    /// The namespace of this absolute path.
    Path(Vec<u8>),
    /// The directory of this absolute path, which ends in `/`.
    Directory(Vec<u8>),
    /// The memory of this process.
    Private,
}

/// Returns what identifies a namespace now.
///
/// # Errors
///
/// `ELOOP`, `ENAMETOOLONG`, `ENOENT`: it is the current namespace, and the value of
/// `NOB_DATABASE` cannot be translated.
pub fn identity(namespace: &Namespace) -> Result<Identity> {
    namespace.resolve().map(Identity::from)
}

impl From<Resolved> for Identity {
    fn from(namespace: Resolved) -> Self {
        match namespace {
            Resolved::SysV(registered) => registered.into(),
            Resolved::Directory(path) => Self::Directory(path.to_vec()),
            Resolved::Private => Self::Private,
        }
    }
}

impl From<Registered> for Identity {
    fn from(namespace: Registered) -> Self {
        match namespace {
            Registered::User(user) => Self::User(user.0),
            Registered::Path(path) => Self::Path(path),
        }
    }
}

/// A namespace that this process may inspect.
pub struct Space {
    identity: Identity,
    access: Access,
}

enum Access {
    /// This process may use the namespace.
    Own(Namespace),
    /// This process may only read the registry, which it does not trust.
    Foreign(Foreign),
}

/// The namespaces that this process may inspect: the given one, and all that have a registry,
/// in the order of their identities; and the registries that this process may not read.
///
/// # Errors
///
/// Those of [`identity`], and `ENOSYS` where the system has no segments.
pub fn spaces(namespace: &Namespace) -> Result<(Vec<Space>, Vec<Unreadable>)> {
    let _call = Call::begin(Purpose::Change)?;
    let selected = namespace.resolve()?;
    let mut spaces = vec![Space {
        identity: selected.clone().into(),
        access: Access::Own(namespace.clone()),
    }];
    let mut unreadable = Vec::new();
    let trusted = match &selected {
        Resolved::SysV(registered) => Some(registered),
        Resolved::Directory(_) | Resolved::Private => None,
    };
    let registries = match crate::store::everybodys(trusted) {
        // The selected namespace does not need the System V segments that this system lacks.
        Err(error) if trusted.is_none() && is_missing(&error) => Vec::new(),
        found => found?,
    };
    for found in registries {
        match found {
            Found::Ours(registered) => {
                let namespace = match &registered {
                    Registered::User(_) => Namespace::of_user(),
                    Registered::Path(path) => Namespace::of_registry(path)?,
                };
                spaces.push(Space {
                    identity: registered.into(),
                    access: Access::Own(namespace),
                });
            }
            Found::Foreign(foreign) => spaces.push(Space {
                identity: match Identity::from(foreign.namespace().clone()) {
                    Identity::User(user) if !foreign.is_mapped => Identity::UserOutside(user),
                    identity => identity,
                },
                access: Access::Foreign(foreign),
            }),
            Found::Unreadable(one) => unreadable.push(one),
        }
    }
    // Any user can store any path in a registry, so all foreign ones of the same path stay.
    let is_foreign = |space: &Space| matches!(space.access, Access::Foreign(_));
    spaces.sort_by(|one, other| {
        (&one.identity, is_foreign(one)).cmp(&(&other.identity, is_foreign(other)))
    });
    spaces.dedup_by(|one, other| !is_foreign(one) && one.identity == other.identity);
    Ok((spaces, unreadable))
}

/// Whether the system has no System V segments, or a sandbox blocks them.
fn is_missing(error: &Error) -> bool {
    matches!(error.errno(), libc::ENOSYS | libc::EPERM)
}

impl Space {
    /// What identifies the namespace.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether this process may use the namespace, not only inspect it.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self.access, Access::Own(_))
    }

    /// See [`Namespace::list`].
    ///
    /// # Errors
    ///
    /// As [`Namespace::list`].
    pub fn list(&self) -> Result<Vec<Info>> {
        match &self.access {
            Access::Own(namespace) => namespace.list(),
            Access::Foreign(foreign) => {
                let _call = Call::begin(Purpose::Change)?;
                foreign.list()
            }
        }
    }

    /// See [`Namespace::prune`]. In a namespace that this process may not use, only segments
    /// that the creator of its registry created are deleted.
    ///
    /// # Errors
    ///
    /// As [`Namespace::prune`]; and `EAGAIN` if a process died while it changed the registry of
    /// a namespace that this process may not use.
    pub fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        match &self.access {
            Access::Own(namespace) => namespace.prune(minimum_age),
            Access::Foreign(foreign) => {
                let _call = Call::begin(Purpose::Change)?;
                foreign.prune(minimum_age)
            }
        }
    }

    /// Whether [`prune`](Self::prune) would delete this orphan if it was old enough.
    #[must_use]
    pub fn may_prune(&self, info: &Info) -> bool {
        match &self.access {
            Access::Own(namespace) => may_be_deleted(namespace, info),
            Access::Foreign(foreign) => {
                foreign.may_prune(info) && crate::store::may_be_removed(info.id)
            }
        }
    }

    /// See [`file`]; `None` in a namespace that this process may not use.
    ///
    /// # Errors
    ///
    /// As [`file`].
    pub fn file(&self, name: &[u8]) -> Result<Option<SegmentFile>> {
        match &self.access {
            Access::Own(namespace) => file(namespace, name),
            Access::Foreign(_) => Ok(None),
        }
    }

    /// See [`Namespace::registry`].
    ///
    /// # Errors
    ///
    /// As [`Namespace::registry`].
    pub fn registry(&self) -> Result<Option<RegistryInfo>> {
        match &self.access {
            Access::Own(namespace) => namespace.registry(),
            Access::Foreign(foreign) => {
                let _call = Call::begin(Purpose::Change)?;
                foreign.registry().map(Some)
            }
        }
    }

    /// See [`hidden`].
    ///
    /// # Errors
    ///
    /// As [`hidden`].
    pub fn hidden(&self) -> Result<Vec<Hidden>> {
        match &self.access {
            Access::Own(namespace) => hidden(namespace),
            Access::Foreign(foreign) => {
                let _call = Call::begin(Purpose::Change)?;
                foreign.hidden()
            }
        }
    }

    /// See [`removed_in_use`]; empty for a namespace that this process may not use.
    ///
    /// # Errors
    ///
    /// As [`removed_in_use`].
    pub fn removed_in_use(&self) -> Result<Vec<(i32, usize)>> {
        match &self.access {
            Access::Own(namespace) => removed_in_use(namespace),
            Access::Foreign(_) => Ok(Vec::new()),
        }
    }
}

/// The segments of a namespace that are not published yet. This deletes nothing.
///
/// # Errors
///
/// As [`Namespace::list`].
pub fn hidden(namespace: &Namespace) -> Result<Vec<Hidden>> {
    let _call = Call::begin(Purpose::Change)?;
    Store::of(namespace)?.hidden()
}

/// Whether this process may delete a segment of a namespace. This does not delete or change the
/// segment.
#[must_use]
pub fn may_be_deleted(namespace: &Namespace, segment: &Info) -> bool {
    Call::begin(Purpose::Change)
        .and_then(|_call| Store::of(namespace))
        .is_ok_and(|store| store.may_delete(segment))
}

/// The file that the segment of a name is; `None` if there is no such segment, or it is not a
/// file.
///
/// # Errors
///
/// `ENAMETOOLONG`: the name is too long for a file name; those of [`identity`].
pub fn file(namespace: &Namespace, name: &[u8]) -> Result<Option<SegmentFile>> {
    let _call = Call::begin(Purpose::Change)?;
    Store::of(namespace)?.file(name)
}

/// The directory of a namespace; `None` if its segments are not files.
///
/// # Errors
///
/// * `ENOENT`, `ENOTDIR`: there is no such directory.
/// * `EACCES`: this user may not use it.
/// * those of [`identity`].
pub fn directory(namespace: &Namespace) -> Result<Option<DirectoryState>> {
    let _call = Call::begin(Purpose::Change)?;
    Store::of(namespace)?.directory()
}

/// Whether the value of `SHM_UTIL_KEEP` or `SHM_UTIL_TRANSIENT` has an effect: whether it is, as
/// atoi(3) reads it, a number other than 0.
#[must_use]
pub fn is_nonzero(value: &[u8]) -> bool {
    crate::environment::is_nonzero(value)
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
    match namespace.resolve()? {
        Resolved::SysV(registered) => crate::store::removed_in_use(&registered),
        Resolved::Directory(_) | Resolved::Private => Ok(Vec::new()),
    }
}

/// The registries that programs left behind: no process has them attached, and they have no
/// names except those of segments that have ended with their holders. This removes none of them.
#[must_use]
pub fn left_behind(whose: Whose) -> Vec<LeftBehind> {
    crate::store::left_behind(whose)
}

/// Removes the registries that programs left behind, and returns their descriptions.
#[allow(clippy::must_use_candidate)] // it does something
pub fn sweep(whose: Whose) -> Vec<LeftBehind> {
    crate::store::sweep_and_note(whose)
}

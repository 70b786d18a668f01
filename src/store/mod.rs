//! The store: a namespace's segments, and who has them attached.
//!
//! There is one kind of store so far, System V segments. Only this file matches
//! on the kind.

mod sysv;
mod users;

use std::sync::atomic::AtomicU8;
use std::time::Duration;

#[cfg(any(test, fuzzing))]
pub(crate) use sysv::survive_damage;
pub(crate) use sysv::{
    Foreign, Found, everybodys, left_behind, may_be_removed, most_bytes_of_registry,
    registry_capacity, registry_capacity_wanted, removed_in_use, retire_all, sweep_and_note,
};
pub use sysv::{
    Hidden, Kind, LeftBehind, Row, SEGMENT_TABLE, Unreadable, Whose, parse_segment_table,
};

use crate::error::Result;
use crate::info::{Info, Permissions, RegistryInfo};
use crate::name::OwnedName;
use crate::namespace::Namespace;
use crate::request::{Access, Lifetime, Request, Swapping, Target};

/// The segments of a namespace.
pub(crate) enum Store {
    /// System V segments, named by a registry.
    SysV(sysv::SysV),
}

/// A name that did not exist a moment ago.
#[derive(Debug)]
pub(crate) enum Absent {
    SysV(sysv::Absent),
}

impl Absent {
    /// Sleeps until a name appears, but at most for `limit`; the caller then looks again.
    /// Returns whether a signal handler ended the sleep.
    pub(crate) fn sleep(&self, limit: Duration) -> bool {
        match self {
            Self::SysV(absent) => absent.sleep(limit),
        }
    }
}

/// A segment that this process has attached.
#[derive(Debug)]
pub(crate) enum Attached {
    SysV(sysv::Attached),
}

impl Store {
    /// The store of a namespace.
    #[inline]
    pub(crate) fn of(namespace: &Namespace) -> Result<Self> {
        Ok(Self::SysV(sysv::SysV::new(namespace.resolve()?)))
    }

    /// Creates or attaches the segment of a name.
    #[inline]
    pub(crate) fn attach(&self, name: OwnedName, request: &Request) -> Result<Attached> {
        match self {
            Self::SysV(store) => store.attach(name, request).map(Attached::SysV),
        }
    }

    /// Attaches the segment of an identifier, if it is one of the namespace.
    pub(crate) fn attach_id(&self, id: i32, request: &Request) -> Result<Attached> {
        match self {
            Self::SysV(store) => store.attach_id(id, request).map(Attached::SysV),
        }
    }

    /// Returns what is known about a segment.
    pub(crate) fn info(&self, target: Target<'_>) -> Result<Info> {
        match self {
            Self::SysV(store) => store.info(target),
        }
    }

    /// Prepares to wait for a name; `None` if it exists.
    pub(crate) fn expect(&self, name: &[u8]) -> Result<Option<Absent>> {
        match self {
            Self::SysV(store) => Ok(store.expect(name)?.map(Absent::SysV)),
        }
    }

    /// All segments, in no particular order.
    pub(crate) fn list(&self) -> Result<Vec<Info>> {
        match self {
            Self::SysV(store) => store.list(),
        }
    }

    /// Changes how long the segment of a name lives.
    pub(crate) fn set_lifetime(&self, name: &[u8], lifetime: Lifetime) -> Result<()> {
        match self {
            Self::SysV(store) => store.set_lifetime(name, lifetime),
        }
    }

    /// Changes the owner, group and permission bits of the segment of a name.
    pub(crate) fn set_permissions(&self, name: &[u8], permissions: Permissions) -> Result<()> {
        match self {
            Self::SysV(store) => store.set_permissions(name, permissions),
        }
    }

    /// Sets whether the segment of a name may be written to swap space.
    pub(crate) fn set_swapping(&self, name: &[u8], swapping: Swapping) -> Result<()> {
        match self {
            Self::SysV(store) => store.set_swapping(name, swapping),
        }
    }

    /// Removes a segment's name, and deletes it when the last process detaches it.
    pub(crate) fn remove(&self, target: Target<'_>) -> Result<()> {
        match self {
            Self::SysV(store) => store.remove(target),
        }
    }

    /// Deletes the segments that nobody has had attached for this long, and hidden ones whose
    /// creators have died. Returns what they were.
    pub(crate) fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        match self {
            Self::SysV(store) => store.prune(minimum_age),
        }
    }

    /// The segments that were not published yet.
    pub(crate) fn hidden(&self) -> Result<Vec<Hidden>> {
        match self {
            Self::SysV(store) => store.hidden(),
        }
    }

    /// What is known about the registry; `None` if the namespace has none.
    pub(crate) fn registry(&self) -> Result<Option<RegistryInfo>> {
        match self {
            Self::SysV(store) => store.registry(),
        }
    }
}

impl Attached {
    /// The segment's name.
    #[inline]
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Self::SysV(attached) => attached.name(),
        }
    }

    /// The segment's System V identifier.
    #[inline]
    pub(crate) const fn id(&self) -> i32 {
        match self {
            Self::SysV(attached) => attached.id(),
        }
    }

    /// The segment's bytes; none once it was closed.
    #[inline]
    pub(crate) fn bytes(&self) -> &[AtomicU8] {
        match self {
            Self::SysV(attached) => attached.bytes(),
        }
    }

    /// What the attachment may be used for.
    #[inline]
    pub(crate) const fn access(&self) -> Access {
        match self {
            Self::SysV(attached) => attached.access(),
        }
    }

    /// How many pages of the segment are in swap space now; `None` if that is not known.
    pub(crate) fn swapped(&self) -> Option<u64> {
        match self {
            Self::SysV(attached) => attached.swapped(),
        }
    }

    /// Whether it has been closed.
    #[inline]
    pub(crate) const fn is_closed(&self) -> bool {
        match self {
            Self::SysV(attached) => attached.is_closed(),
        }
    }

    /// Whether this attachment's call created the segment.
    #[inline]
    pub(crate) const fn was_created(&self) -> bool {
        match self {
            Self::SysV(attached) => attached.was_created(),
        }
    }

    /// What is known about the segment now.
    pub(crate) fn info(&self) -> Result<Info> {
        match self {
            Self::SysV(attached) => attached.info(),
        }
    }

    /// Changes the segment's owner, group and permission bits.
    pub(crate) fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.set_permissions(permissions),
        }
    }

    /// Sets whether the segment may be written to swap space.
    pub(crate) fn set_swapping(&self, swapping: Swapping) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.set_swapping(swapping),
        }
    }

    /// Changes how long the segment lives.
    pub(crate) fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.set_lifetime(lifetime),
        }
    }

    /// Gives a hidden segment its name.
    pub(crate) fn publish(&self) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.publish(),
        }
    }

    /// Removes the segment's name, if it still belongs to the segment.
    pub(crate) fn remove(&self) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.remove(),
        }
    }

    /// Makes a segment that this attachment's call created end with the attachment.
    #[cfg(feature = "capi")]
    pub(crate) fn give_up(&self) {
        match self {
            Self::SysV(attached) => attached.give_up(),
        }
    }

    /// Detaches the segment, and leaves it and its name as they are.
    pub(crate) fn detach(&mut self) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.detach(),
        }
    }

    /// Detaches the segment, and deletes it if that leaves nobody attached and it is
    /// not kept.
    #[inline]
    pub(crate) fn close(&mut self) -> Result<()> {
        match self {
            Self::SysV(attached) => attached.close(),
        }
    }
}

//! The store: a namespace's segments, and who has them attached.
//!
//! There are three kinds of store, and only this file matches on the kind:
//!
//! | module      | job |
//! | ----------- | --- |
//! | `sysv`      | System V segments, named by a registry |
//! | `directory` | files in a directory, one for each name |
//! | `private`   | memory of this process and of the children that it forks |
//! | `mapped`    | memory that is mapped with mmap(2) |
//! | `users`     | who has a segment attached |
//!
//! Each kind has the types `SysV`, `Directory` and `Private`, a type `Attached` and a type
//! `Absent`, with the functions that this file calls.

mod directory;
mod mapped;
mod private;
mod sysv;
mod users;

use std::fs::File;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

pub use directory::{DirectoryState, FileSystem, SegmentFile, Stranger};
#[cfg(any(test, fuzzing))]
pub(crate) use sysv::survive_damage;
pub(crate) use sysv::{
    Foreign, Found, everybodys, left_behind, may_be_removed, most_bytes_of_registry,
    registry_capacity, registry_capacity_wanted, removed_in_use, retire_all, sweep_and_note,
};
pub use sysv::{
    Hidden, KeyKind, LeftBehind, Row, SEGMENT_TABLE, Unreadable, Whose, parse_segment_table,
};

use crate::allocate::Boxed;
use crate::error::Result;
use crate::info::{Info, Permissions, RegistryInfo};
use crate::name::OwnedName;
use crate::namespace::{Namespace, Resolved};
use crate::request::{Access, Lifetime, Request, Swapping, Target};

/// Calls the same function of each kind.
macro_rules! each {
    ($value:ident, $one:ident => $call:expr) => {
        match $value {
            Self::SysV($one) => $call,
            Self::Directory($one) => $call,
            Self::Private($one) => $call,
        }
    };
}

/// The segments of a namespace.
pub(crate) enum Store {
    /// System V segments, named by a registry.
    SysV(sysv::SysV),
    /// Files in a directory.
    Directory(directory::Directory),
    /// Memory of this process.
    Private(private::Private),
}

/// A name that did not exist a moment ago.
#[derive(Debug)]
pub(crate) enum Absent {
    SysV(sysv::Absent),
    Directory(directory::Absent),
    Private(private::Absent),
}

impl Absent {
    /// Sleeps until a name appears, but at most for `limit`; the caller then looks again.
    /// Returns whether a signal handler ended the sleep.
    pub(crate) fn sleep(&self, limit: Duration) -> bool {
        each!(self, absent => absent.sleep(limit))
    }
}

/// A segment that this process has attached.
#[derive(Debug)]
pub(crate) enum Attached {
    SysV(sysv::Attached),
    /// In memory of its own, so that the others stay small.
    Directory(Boxed<directory::Attached>),
    Private(private::Attached),
}

impl Store {
    /// The store of a namespace.
    #[inline]
    pub(crate) fn of(namespace: &Namespace) -> Result<Self> {
        Ok(match namespace.resolve()? {
            Resolved::SysV(registered) => Self::SysV(sysv::SysV::new(registered)),
            Resolved::Directory(path) => Self::Directory(directory::Directory::new(path)),
            Resolved::Private => Self::Private(private::Private),
        })
    }

    /// Creates or attaches the segment of a name.
    #[inline]
    pub(crate) fn attach(&self, name: OwnedName, request: &Request) -> Result<Attached> {
        match self {
            Self::SysV(store) => store.attach(name, request).map(Attached::SysV),
            Self::Directory(store) => store.attach(name, request).map(Attached::Directory),
            Self::Private(store) => store.attach(name, request).map(Attached::Private),
        }
    }

    /// Attaches the segment of an identifier, if it is one of the namespace.
    pub(crate) fn attach_id(&self, id: i32, request: &Request) -> Result<Attached> {
        match self {
            Self::SysV(store) => store.attach_id(id, request).map(Attached::SysV),
            Self::Directory(store) => Err(store.no_such(Target::Id(id))),
            Self::Private(store) => Err(store.no_such(Target::Id(id))),
        }
    }

    /// Returns what is known about a segment.
    pub(crate) fn info(&self, target: Target<'_>) -> Result<Info> {
        each!(self, store => store.info(target))
    }

    /// Prepares to wait for a name; `None` if it exists.
    pub(crate) fn expect(&self, name: &[u8]) -> Result<Option<Absent>> {
        Ok(match self {
            Self::SysV(store) => store.expect(name)?.map(Absent::SysV),
            Self::Directory(store) => store.expect(name)?.map(Absent::Directory),
            Self::Private(store) => store.expect(name)?.map(Absent::Private),
        })
    }

    /// All segments, in no particular order.
    pub(crate) fn list(&self) -> Result<Vec<Info>> {
        each!(self, store => store.list())
    }

    /// Changes how long the segment of a name lives.
    pub(crate) fn set_lifetime(&self, name: &[u8], lifetime: Lifetime) -> Result<()> {
        each!(self, store => store.set_lifetime(name, lifetime))
    }

    /// Changes the owner, group and permission bits of the segment of a name.
    pub(crate) fn set_permissions(&self, name: &[u8], permissions: Permissions) -> Result<()> {
        each!(self, store => store.set_permissions(name, permissions))
    }

    /// Sets whether the segment of a name may be written to swap space.
    pub(crate) fn set_swapping(&self, name: &[u8], swapping: Swapping) -> Result<()> {
        each!(self, store => store.set_swapping(name, swapping))
    }

    /// Removes a segment's name, and deletes it when the last process detaches it.
    pub(crate) fn remove(&self, target: Target<'_>) -> Result<()> {
        each!(self, store => store.remove(target))
    }

    /// Deletes the segments that nobody has had attached for this long, and hidden ones whose
    /// creators have died. Returns what they were.
    pub(crate) fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        each!(self, store => store.prune(minimum_age))
    }

    /// The segments that were not published yet.
    pub(crate) fn hidden(&self) -> Result<Vec<Hidden>> {
        match self {
            Self::SysV(store) => store.hidden(),
            // No process sees those of another one, and they end with that process.
            Self::Directory(_) | Self::Private(_) => Ok(Vec::new()),
        }
    }

    /// Whether this process may delete a segment. This changes nothing.
    pub(crate) fn may_delete(&self, segment: &Info) -> bool {
        match self {
            Self::SysV(_) => may_be_removed(segment.id),
            Self::Directory(store) => store.may_delete(segment),
            Self::Private(_) => true,
        }
    }

    /// The file that the segment of a name is; `None` if it is not a file.
    pub(crate) fn file(&self, name: &[u8]) -> Result<Option<SegmentFile>> {
        match self {
            Self::Directory(store) => store.file(name),
            Self::SysV(_) | Self::Private(_) => Ok(None),
        }
    }

    /// The directory of the namespace; `None` for other kinds.
    pub(crate) fn directory(&self) -> Result<Option<DirectoryState>> {
        match self {
            Self::Directory(store) => store.state().map(Some),
            Self::SysV(_) | Self::Private(_) => Ok(None),
        }
    }

    /// What is known about the registry; `None` if the namespace has none.
    pub(crate) fn registry(&self) -> Result<Option<RegistryInfo>> {
        match self {
            Self::SysV(store) => store.registry(),
            Self::Directory(_) | Self::Private(_) => Ok(None),
        }
    }
}

impl Attached {
    /// The segment's name.
    #[inline]
    pub(crate) fn name(&self) -> &[u8] {
        each!(self, attached => attached.name())
    }

    /// The segment's System V identifier; -1 if it has none.
    #[inline]
    pub(crate) const fn id(&self) -> i32 {
        match self {
            Self::SysV(attached) => attached.id(),
            Self::Directory(_) | Self::Private(_) => -1,
        }
    }

    /// The segment's bytes; none once it was closed.
    #[inline]
    pub(crate) fn bytes(&self) -> &[AtomicU8] {
        each!(self, attached => attached.bytes())
    }

    /// What the attachment may be used for.
    #[inline]
    pub(crate) const fn access(&self) -> Access {
        match self {
            Self::SysV(attached) => attached.access(),
            Self::Directory(attached) => attached.get().access(),
            Self::Private(attached) => attached.access(),
        }
    }

    /// How many pages of the segment are in swap space now; `None` if that is not known.
    pub(crate) fn swapped(&self) -> Option<u64> {
        match self {
            Self::SysV(attached) => attached.swapped(),
            Self::Directory(_) | Self::Private(_) => None,
        }
    }

    /// Whether it has been closed.
    #[inline]
    pub(crate) const fn is_closed(&self) -> bool {
        match self {
            Self::SysV(attached) => attached.is_closed(),
            Self::Directory(attached) => attached.get().is_closed(),
            Self::Private(attached) => attached.is_closed(),
        }
    }

    /// Whether this attachment's call created the segment.
    #[inline]
    pub(crate) const fn was_created(&self) -> bool {
        match self {
            Self::SysV(attached) => attached.was_created(),
            Self::Directory(attached) => attached.get().was_created(),
            Self::Private(attached) => attached.was_created(),
        }
    }

    /// What is known about the segment now.
    pub(crate) fn info(&self) -> Result<Info> {
        each!(self, attached => attached.info())
    }

    /// Changes the segment's owner, group and permission bits.
    pub(crate) fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        each!(self, attached => attached.set_permissions(permissions))
    }

    /// Sets whether the segment may be written to swap space.
    pub(crate) fn set_swapping(&self, swapping: Swapping) -> Result<()> {
        each!(self, attached => attached.set_swapping(swapping))
    }

    /// Changes how long the segment lives.
    pub(crate) fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        each!(self, attached => attached.set_lifetime(lifetime))
    }

    /// Gives a hidden segment its name.
    pub(crate) fn publish(&self) -> Result<()> {
        each!(self, attached => attached.publish())
    }

    /// Removes the segment's name, if it still belongs to the segment.
    pub(crate) fn remove(&self) -> Result<()> {
        each!(self, attached => attached.remove())
    }

    /// Waits until what was stored in the segment is on the disk, if it is a file.
    pub(crate) fn sync(&self) -> Result<()> {
        match self {
            // These kinds end with a reboot.
            Self::SysV(_) | Self::Private(_) => Ok(()),
            Self::Directory(attached) => attached.sync(),
        }
    }

    /// The file that the segment is, if it is one and has its name.
    pub(crate) fn file(&self) -> Option<File> {
        match self {
            Self::SysV(_) | Self::Private(_) => None,
            Self::Directory(attached) => attached.file(),
        }
    }

    /// `EIO` if the segment's file was truncated: an access to the missing bytes is SIGBUS.
    pub(crate) fn check_whole(&self) -> Result<()> {
        match self {
            Self::SysV(_) | Self::Private(_) => Ok(()),
            Self::Directory(attached) => attached.check_whole(),
        }
    }

    /// Makes the segment end with this attachment, whose call has created it.
    #[cfg(feature = "capi")]
    pub(crate) fn give_up(&self) {
        each!(self, attached => attached.give_up());
    }

    /// Detaches the segment, and leaves it and its name as they are.
    pub(crate) fn detach(&mut self) -> Result<()> {
        each!(self, attached => attached.detach())
    }

    /// Detaches the segment, and deletes it if that leaves nobody attached and it is
    /// not kept.
    #[inline]
    pub(crate) fn close(&mut self) -> Result<()> {
        each!(self, attached => attached.close())
    }
}

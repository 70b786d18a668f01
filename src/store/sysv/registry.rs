//! A namespace's registry, attached: its lock, and whether it is still current.
//!
//! A registry is itself a System V segment, so it has the life, the IPC
//! namespace and the owner of the segments that it names. It keeps no reference
//! count: the kernel knows who has which segment attached.
//!
//! Other processes may be doing anything at any time: create, delete, die with
//! the lock held, remove the registry with ipcrm(1), or write over it. What a
//! comment says about one process holds for all of them.
//!
//! # Birth
//!
//! Fresh memory is all zero, and that is a free lock. The first process to come
//! creates the segment, and the first to hold the lock completes it; it writes the
//! magic number last. A death anywhere on this way leaves a registry that
//! the next process completes. Until then a permission bit that means nothing to
//! System V (execute) marks it as new: memory that is all zero without that bit
//! was overwritten.
//!
//! # Change
//!
//! A segment is created under a random key that is in its slot *before* shmget(2)
//! is called. So a death leaves either nothing, or a key by which the next holder
//! of the lock finds the segment and rolls back the unfinished change
//! (see `recover`).
//!
//! # End
//!
//! A process that exits and finds no names removes the registry under the lock. A
//! process that then gets the lock of a removed registry notices, and opens the
//! next one (`NotCurrent` in `names`). The next one takes over the names of one that
//! was removed with names (see `takeover`).
//!
//! # Without the lock
//!
//! A name that exists is looked up, and a segment that others hold is detached, without
//! the lock and without a store to the registry. What is in doubt, and what looks
//! damaged, is looked at again under the lock: only its holder can tell damage from a
//! change in progress.

#![forbid(unsafe_code)]

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::entry::Entry;
use super::keys;
use super::layout::{self, Damage, Header, MAGIC, SUPERSEDED, State, Table, VERSION};
use super::mapping::Mapping;
use super::shm::{self, Id, Key, Status};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::ids::{GroupId, UserId};
use crate::info::RegistryInfo;
use crate::lock;
use crate::lock::{Held, Place};
use crate::namespace::Registered;
use crate::os;
use crate::request::{Access, Lifetime, Placement};

/// Attaches a registry, or what may be one.
pub(super) fn attach(id: Id, size: usize) -> std::result::Result<Mapping, Errno> {
    Mapping::attach(id, Placement::Anywhere, Access::ReadWrite, size)
}

/// Whether a segment has the key, the size and the mode of a registry. The library attaches only
/// such segments to find out whose registries they are.
pub(super) fn may_be_registry(status: &Status) -> bool {
    keys::KeyKind::of(status.key.to_c()) == keys::KeyKind::Registry
        && !status.is_removed
        && [0o600, 0o660].contains(&(status.mode & !keys::UNBORN))
        && layout::capacity_of(status.size).is_some()
}

/// Where the lock of a registry with this status is.
pub(super) fn place_of(status: &Status) -> Place {
    Place {
        key: status.key.to_c(),
        creator: status.creator,
        group: (status.mode & 0o060 != 0).then_some(status.creator_group),
        mode: status.mode & !keys::UNBORN,
        is_here: true,
    }
}

/// The key that a registry had before it was removed; 0 if it was overwritten.
fn recorded_key(header: &Header) -> Key {
    let key = Key::from_c(header.lock.key());
    match header.identity() {
        Ok(identity) if keys::of_registry(&identity).any(|one| one == key) => key,
        _ => Key(0),
    }
}

/// A namespace's registry, attached.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(super) namespace: Registered,
    pub(super) id: Id,
    pub(super) key: Key,
    pub(super) creator: UserId,
    /// The group that shares it, if several users may.
    pub(super) group: Option<GroupId>,
    pub(super) capacity: usize,
    pub(super) mapping: Mapping,
}

/// Where a registry is that this process has attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Under its key.
    Current,
    /// Nowhere: it was removed, and exists only as long as it is attached.
    Removed,
    /// In an IPC namespace that this process has left.
    Elsewhere,
}

impl Registry {
    /// A segment that is attached and may be a registry of the namespace.
    pub(super) fn new(namespace: &Registered, id: Id, status: &Status, mapping: Mapping) -> Self {
        Self {
            namespace: namespace.clone(),
            id,
            key: status.key,
            creator: status.creator,
            group: keys::group(namespace, status.creator_group),
            capacity: layout::capacity_of(status.size).unwrap_or(0),
            mapping,
        }
    }

    pub(super) fn hold<'a>(&self, header: &'a Header, patience: Duration) -> Result<Held<'a>> {
        let place = || self.place(header);
        header.lock.acquire(place, patience).map_err(|errno| {
            if let Some(cause) = lock::cause(errno) {
                return errno.during(format_args!(
                    "lock registry {} of {}: {cause}",
                    self.id, self.namespace
                ));
            }
            errno.during(format_args!(
                "lock registry {} of {}: {} has held the lock for {} s; continue or end \
                 that process; if it does not exist, the registry was overwritten: end the \
                 programs that use it, then run 'ipcrm -m {}'",
                self.id,
                self.namespace,
                header.lock.holder(),
                patience.as_secs(),
                self.id
            ))
        })
    }

    /// Where its lock is. The key of a registry that was removed is known only to itself and
    /// to those who had it attached before.
    pub(super) fn place(&self, header: &Header) -> Place {
        let key = if self.key.0 == 0 {
            recorded_key(header)
        } else {
            self.key
        };
        Place {
            key: key.to_c(),
            creator: self.creator,
            group: self.group,
            mode: self.mode(),
            is_here: matches!(shm::status(self.id), Ok(Some(status))
                if status.size == self.mapping.size()
                    && (status.key == self.key || status.is_removed)),
        }
    }

    pub(super) fn table(&self) -> Result<Table<'_>> {
        Table::new(&self.mapping, self.capacity).ok_or_else(|| self.damaged(Damage("its size")))
    }

    pub(super) fn check_version(&self, header: &Header) -> Result<()> {
        let version = header.version();
        if version == VERSION {
            return Ok(());
        }
        if version ^ VERSION == lock::OTHER_KIND.layout ^ lock::KIND.layout {
            return Err(self.is_locked_otherwise());
        }
        Err(Error::new(
            libc::ENOTSUP,
            format_args!(
                "registry {} of {} has layout version {version}, this library supports \
                 {VERSION}; end the programs that use the other version, then run 'ipcrm -m {}'",
                self.id, self.namespace, self.id
            ),
        ))
    }

    /// The error if programs lock the registry with the other kind of lock.
    #[cold]
    pub(super) fn is_locked_otherwise(&self) -> Error {
        Error::new(
            libc::ENOTSUP,
            format_args!(
                "registry {} of {} is locked with {}, and this library locks with {}; end the programs \
                 that use the other kind, then run 'ipcrm -m {}'",
                self.id,
                self.namespace,
                lock::OTHER_KIND.name,
                lock::KIND.name,
                self.id
            ),
        )
    }

    /// Whether the name still belongs to a segment that this process has just
    /// attached. If so, no other process deletes the segment any more: it would
    /// see the attachment first. False if in doubt; the lock resolves the doubt.
    pub(super) fn still_names(&self, entry: &Entry) -> bool {
        fence(Ordering::SeqCst);
        self.table().is_ok_and(|table| {
            table.header.magic() == MAGIC && matches!(table.lifetime(entry), Ok(Some(_)))
        })
    }

    /// Whether a segment that this process has created and attached is still hidden. If so, no
    /// other process deletes it from now on, as above.
    pub(super) fn still_hides(&self, entry: &Entry) -> bool {
        fence(Ordering::SeqCst);
        self.table().is_ok_and(|table| {
            table.header.magic() == MAGIC
                && matches!(table.state_of(entry), Ok(Some(State::Hidden(..))))
        })
    }

    /// The lifetime of a segment; `None` if it has no name yet, or the name does not belong to it
    /// any more.
    pub(super) fn lifetime(&self, entry: &Entry) -> Result<Option<Lifetime>> {
        Ok(match self.state_of(entry)? {
            Some(State::Live(_, lifetime) | State::Removing(_, lifetime)) => Some(lifetime),
            _ => None,
        })
    }

    /// The state of an entry's slot; `None` if the slot is free or another segment's by now.
    /// Reading a single word needs no lock, unless the word seems to be damaged.
    pub(super) fn state_of(&self, entry: &Entry) -> Result<Option<State>> {
        if let Ok(state) = self.table()?.state_of(entry) {
            return Ok(state);
        }
        let names = self.lock()?;
        names.check(names.table.state_of(entry))
    }

    /// Whether the registry was removed, and another one has taken its names over.
    pub(super) fn is_superseded(&self) -> bool {
        layout::header(&self.mapping).is_some_and(|header| header.magic() == SUPERSEDED)
    }

    /// Whether the registry is under its key, as far as its status shows. The size
    /// includes a random number, so another registry, in another IPC namespace, has the
    /// same identifier, key and size only by a rare chance.
    pub(super) fn seems_current(&self) -> bool {
        matches!(shm::status(self.id), Ok(Some(status))
            if status.key == self.key && status.size == self.mapping.size())
    }

    /// Where the registry is. Its identifier, key and size alone do not prove that a
    /// segment is this registry: in another IPC namespace they may be another one's. So
    /// its nonce is compared.
    pub(super) fn presence(&self) -> Presence {
        let size = self.mapping.size();
        let Ok(Some(status)) = shm::status(self.id) else {
            return Presence::Elsewhere;
        };
        if status.size != size || status.key != self.key && !status.is_removed {
            return Presence::Elsewhere;
        }
        let nonce = |mapping| layout::header(mapping).map(Header::nonce);
        match Mapping::attach(self.id, Placement::Anywhere, Access::ReadOnly, size) {
            Ok(found) if nonce(&found) != nonce(&self.mapping) => Presence::Elsewhere,
            // If it can't be attached now, its status decides.
            _ if status.is_removed => Presence::Removed,
            _ => Presence::Current,
        }
    }

    /// Whether it was removed, and exists only as long as it is attached.
    pub(super) fn was_removed(&self) -> bool {
        !self.seems_current() && self.presence() == Presence::Removed
    }

    /// The kernel's status of the registry.
    pub(super) fn status(&self) -> Result<Status> {
        shm::status(self.id)
            .and_then(|status| status.ok_or(Errno(libc::EIDRM)))
            .map_err(|errno| errno.during(format_args!("look at registry {}", self.id)))
    }

    /// What programs learn about the registry.
    pub(super) fn info(&self, status: &Status, names: usize) -> RegistryInfo {
        RegistryInfo {
            id: self.id.0,
            size: status.size,
            capacity: self.capacity,
            names,
            owner: status.owner.0,
            mode: status.mode,
            mappings: status.mappings,
        }
    }

    pub(super) fn damaged(&self, Damage(what): Damage) -> Error {
        Error::new(
            os::EUCLEAN,
            format_args!(
                "registry {} of {} was overwritten ({what}); end the programs that use it, then \
                 run 'ipcrm -m {}', which loses all its names",
                self.id, self.namespace, self.id
            ),
        )
    }

    /// The permission bits that it has once it is complete.
    pub(super) fn mode(&self) -> u32 {
        keys::mode(&self.namespace)
    }
}

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
//! next one (`NotCurrent` in `names`).

#![forbid(unsafe_code)]

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::entry::Entry;
use super::keys;
use super::layout::{Damage, Header, MAGIC, Table, VERSION};
use super::mapping::Mapping;
use super::shm::{self, Id, Key, Status};
use crate::error::{Error, Result};
use crate::ids::{GroupId, ProcessId};
use crate::lock::Held;
use crate::namespace::Namespace;
use crate::request::Lifetime;

/// How long a call waits for a lock whose holder was stopped.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A namespace's registry, attached.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(super) namespace: Namespace,
    pub(super) id: Id,
    /// Distinguishes it from another segment that has the same identifier.
    pub(super) key: Key,
    pub(super) creator_process: ProcessId,
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
    pub(super) fn hold<'a>(&self, header: &'a Header, patience: Duration) -> Result<Held<'a>> {
        header.lock.acquire(patience).map_err(|errno| {
            errno.during(format_args!(
                "lock registry {} of {}: thread {} has held the lock for {} s; continue or end \
                 that process; if it does not exist, the registry was overwritten: end the \
                 programs that use it, then run 'ipcrm -m {}'",
                self.id,
                self.namespace,
                header.lock.owner(),
                patience.as_secs(),
                self.id
            ))
        })
    }

    pub(super) fn table(&self) -> Result<Table<'_>> {
        Table::new(&self.mapping, self.capacity).ok_or_else(|| self.damaged(Damage("its size")))
    }

    pub(super) fn check_version(&self, header: &Header) -> Result<()> {
        let version = header.version();
        if version == VERSION {
            return Ok(());
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

    /// Whether the name still belongs to a segment that this process has just
    /// attached. If so, no other process deletes the segment any more: it would
    /// see the attachment first. False if in doubt; the lock resolves the doubt.
    pub(super) fn still_names(&self, entry: &Entry) -> bool {
        fence(Ordering::SeqCst);
        self.table().is_ok_and(|table| {
            table.header.magic() == MAGIC && matches!(table.lifetime(entry), Ok(Some(_)))
        })
    }

    /// How long a segment lives; `None` if its name does not belong to it any
    /// more. A single word needs no lock.
    pub(super) fn lifetime(&self, entry: &Entry) -> Result<Option<Lifetime>> {
        self.table()?
            .lifetime_so_far(entry)
            .map_err(|damage| self.damaged(damage))
    }

    /// Whether a segment outlives its last user: it is a kept one, and its name was
    /// not lost with a registry that was removed. Nobody would find it then.
    pub(super) fn keeps(&self, entry: &Entry) -> Result<bool> {
        Ok(self.lifetime(entry)? == Some(Lifetime::Kept) && self.presence() != Presence::Removed)
    }

    /// The identifier alone proves nothing: in a new IPC namespace it may be
    /// another segment's, even under the same key.
    pub(super) fn presence(&self) -> Presence {
        match shm::status(self.id) {
            Ok(Some(status)) if status.creator_process != self.creator_process => {
                Presence::Elsewhere
            }
            Ok(Some(status)) if status.key == self.key => Presence::Current,
            Ok(Some(status)) if status.is_removed => Presence::Removed,
            _ => Presence::Elsewhere,
        }
    }

    /// The kernel's status of the registry.
    pub(super) fn status(&self) -> Result<Status> {
        shm::status(self.id)
            .and_then(|status| status.ok_or(crate::errno::Errno(libc::EIDRM)))
            .map_err(|errno| errno.during(format_args!("look at registry {}", self.id)))
    }

    pub(super) fn damaged(&self, Damage(what): Damage) -> Error {
        Error::new(
            libc::EUCLEAN,
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

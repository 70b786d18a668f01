//! Takes over the names of a registry that was removed while processes use it.
//!
//! A removed registry exists as long as a process has it attached. Its successor copies
//! the names whose segments still exist. Nobody holds two locks: first the removed
//! registry is marked as superseded under its own lock, after which nobody changes it;
//! then it is copied under the successor's lock, before the successor is complete. If the
//! process dies in between, the next one begins again.
//!
//! A complete successor is noted in the removed registry, so that its names, which no longer
//! change, are not copied once more. But the successor may be removed as well, and end with
//! its only process before anybody else has attached it. So a process keeps a removed registry
//! attached until it has attached the next one, and one whose successor is gone is copied
//! again. A successor that was removed before it was complete does not count: others may have
//! begun to take the names over from the same registries.

#![forbid(unsafe_code)]

use super::hash::HashedName;
use super::keys;
use super::layout::{self, MAGIC, SUPERSEDED, Table, VERSION};
use super::mapping::Mapping;
use super::registry::{Registry, attach};
use super::shm::{self, Id, Status};
use super::table::{NewSegment, Used};
use crate::errno::Errno;
use crate::error::Result;
use crate::namespace::Registered;
use crate::os;

/// The registries of a namespace that were removed while processes use them, and that no
/// other registry has superseded yet: their identifiers, and how many of their names have
/// a segment. Without the lock, so that a stopped process delays no report.
pub(crate) fn removed_in_use(namespace: &Registered) -> Result<Vec<(i32, usize)>> {
    let identity = namespace.identity()?;
    let count = |registry: &Registry| {
        registry
            .table()
            .map_or(0, |table| survivors(&table).count())
    };
    Ok(Registry::predecessors(namespace, &identity)?
        .iter()
        .filter(|predecessor| !predecessor.is_superseded() && !predecessor.is_taken_over())
        .map(|predecessor| (predecessor.id.0, count(predecessor)))
        // The library itself removes a registry without names.
        .filter(|&(_, names)| names > 0)
        .collect())
}

impl Registry {
    /// Marks the removed registries of a namespace as superseded.
    pub(super) fn freeze_predecessors(namespace: &Registered, identity: &[u8]) -> Result<()> {
        for predecessor in Self::predecessors(namespace, identity)? {
            if predecessor.is_taken_over() {
                continue;
            }
            match predecessor.lock() {
                Ok(names) => {
                    names.held.ends_with_the_registry();
                    predecessor.supersede();
                }
                // What is left of it is copied, and checked.
                Err(error) if error.errno() == os::EUCLEAN => predecessor.supersede(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Copies the names of removed registries into a new one, whose lock is held. Returns
    /// the number of its names, and those registries; `None` if a registry was removed since
    /// the others were frozen.
    pub(super) fn take_over(
        &self,
        table: &Table<'_>,
        identity: &[u8],
    ) -> Result<Option<(usize, Vec<Self>)>> {
        let header = table.header;
        let predecessors = Self::predecessors(&self.namespace, identity)?;
        // Another process may note just now that its registry, which was removed before it was
        // complete, has the names. Only one that is attached here can be copied instead.
        let is_attached = |id| predecessors.iter().any(|other| other.id == id);
        let sources = || {
            predecessors
                .iter()
                .map(|one| (one, one.recorded_successor()))
                .filter(|(_, successor)| !successor.is_some_and(is_attached))
        };
        if !header.is_in_takeover() && sources().next().is_none() {
            return Ok(Some((0, predecessors)));
        }
        if header.is_in_takeover() {
            // The process before this one may have died in the middle of a name.
            for slot in table.slots() {
                slot.recover();
            }
            table.count_units().map_err(|damage| self.damaged(damage))?;
        }
        header.begin_takeover();
        // The latest ones first: of two states of a name, the first one that is copied counts.
        for have_successors in [false, true] {
            for (predecessor, successor) in sources() {
                if successor.is_some() && !have_successors {
                    continue;
                }
                if !predecessor.is_superseded() {
                    return Ok(None);
                }
                predecessor.copy_to(table);
            }
        }
        Ok(Some((table.used().count(), predecessors)))
    }

    /// The removed registries of a namespace that processes still use. An error if there
    /// may be one that can't be attached: its names would be lost.
    fn predecessors(namespace: &Registered, identity: &[u8]) -> Result<Vec<Self>> {
        let failed = |errno: Errno| {
            errno.during(format_args!(
                "look for removed registries of {namespace}, whose names must not be lost"
            ))
        };
        if !os::LISTS_SEGMENTS {
            return Ok(Vec::new());
        }
        let removed = shm::all(|status| {
            status.is_removed
                && layout::capacity_of(status.size).is_some()
                && keys::are_trusted(namespace, status.creator, status.creator_group)
        })
        .map_err(failed)?;
        let mut found = Vec::new();
        for (id, status) in removed {
            let Some(mapping) = attach_removed(id, &status).map_err(failed)? else {
                continue;
            };
            let Some(header) = layout::header(&mapping).filter(|_| mapping.is_ordinary()) else {
                continue;
            };
            let is_one = [MAGIC, SUPERSEDED].contains(&header.magic())
                && header.version() == VERSION
                && header.is_for(identity) == Ok(true);
            if !is_one {
                continue;
            }
            found
                .try_reserve(1)
                .map_err(|_| failed(Errno(libc::ENOMEM)))?;
            found.push(Self::new(namespace, id, &status, mapping));
        }
        Ok(found)
    }

    /// The registry that got the names of a removed one. It may have ended since.
    pub(super) fn recorded_successor(&self) -> Option<Id> {
        layout::header(&self.mapping)?.successor().map(Id)
    }

    /// Whether another registry, which still exists, has the names of a removed one.
    pub(super) fn is_taken_over(&self) -> bool {
        self.recorded_successor()
            .is_some_and(|id| !matches!(shm::status(id), Ok(None)))
    }

    /// Notes in a removed registry that this one, which is complete, has its names.
    pub(super) fn succeed(&self, predecessor: &Self) {
        if let Some(header) = layout::header(&predecessor.mapping) {
            header.set_successor(self.id.0);
        }
    }

    fn supersede(&self) {
        if let Some(header) = layout::header(&self.mapping) {
            header.supersede();
            // Those who wait for a name wait in the successor from now on.
            header.announce_name();
        }
    }

    /// Copies the names whose segments still exist, and that fit.
    fn copy_to(&self, to: &Table<'_>) {
        let Ok(from) = self.table() else {
            return;
        };
        for Used { slot, state, facts } in survivors(&from) {
            let Ok(stored) = from.name(slot, facts) else {
                continue;
            };
            let segment = NewSegment {
                key: facts.key,
                size: facts.size,
                created: facts.created,
            };
            let _ = to.adopt(segment, &HashedName::new(stored.bytes()), state);
        }
    }
}

/// The names whose segments exist, or may exist, and those of hidden segments. Slots that were
/// overwritten are skipped.
fn survivors(table: &Table<'_>) -> impl Iterator<Item = Used> {
    table.used().flatten().filter(|used| {
        used.segment()
            .is_some_and(|entry| !matches!(entry.status(), Ok(None)))
    })
}

/// Attaches what may be a removed registry. `None` if it is gone by now, or no registry that
/// this process may use.
fn attach_removed(id: Id, status: &Status) -> std::result::Result<Option<Mapping>, Errno> {
    match attach(id, status.size) {
        Ok(mapping) => Ok(Some(mapping)),
        Err(Errno(libc::EACCES)) => Ok(None),
        Err(errno) => match shm::status(id) {
            Ok(Some(now)) if now.is_removed && now.size == status.size => Err(errno),
            _ => Ok(None),
        },
    }
}

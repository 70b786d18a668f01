//! Lock a registry; look up, insert and remove names.

#![forbid(unsafe_code)]

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::entry::Entry;
use super::hash::HashedName;
use super::keys;
use super::layout::{Damage, MAGIC, SUPERSEDED, State, VERSION};
use super::limits::Remedy;
use super::locked::Names;
use super::registry::{Presence, Registry};
use super::shm::{self, Id, Status};
use super::table::{NewSegment, Used};
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::lock::Acquired;
use crate::quoted::Quoted;
use crate::request::{Creation, Lifetime};
use crate::{os, patience};

/// How many random keys are tried for a new segment.
const KEY_ATTEMPTS: usize = 64;
/// How often a look-up looks again after it has freed a name whose segment is gone. A
/// program that writes to the registry could keep it going for ever.
const LOOKS: usize = 64;

/// The result of looking a name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The name belongs to this segment, which exists.
    Found(Entry),
    /// The name has no segment.
    Absent,
    /// Unknown: this is not the namespace's registry any more.
    NotCurrent,
}

/// The result of removing a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Removed,
    /// Its status showed that it must stay.
    Spared,
    /// It did not exist any more.
    Missing,
    Failed(Errno),
}

impl Registry {
    /// Takes the lock, and first rolls back what a dead holder left unfinished.
    pub(super) fn lock(&self) -> Result<Names<'_>> {
        self.lock_within(patience::LIMIT)
    }

    pub(super) fn lock_within(&self, patience: Duration) -> Result<Names<'_>> {
        let table = self.table()?;
        if ![MAGIC, SUPERSEDED].contains(&table.header.magic()) {
            return Err(self.damaged(Damage("its first bytes")));
        }
        self.check_version(table.header)?;
        let held = self.hold(table.header, patience)?;
        let owner_died = held.acquired() == Acquired::OwnerDied;
        let names = Names::new(self, table, held);
        if owner_died {
            names.recover_after_death()?;
        }
        Ok(names)
    }

    /// The segment of a name, without the lock. The segment existed, with this name, at
    /// one moment. `None` if there is none, or in doubt.
    pub(super) fn glance(&self, name: &HashedName<'_>) -> Option<Entry> {
        let table = self.table().ok()?;
        if table.header.magic() != MAGIC || table.header.version() != VERSION {
            return None;
        }
        let entry = table.glance(name)?;
        matches!(entry.is_findable(&self.namespace), Ok(true)).then_some(entry)
    }
}

impl Names<'_> {
    /// The segment of a name. If the segment was deleted by other means (ipcrm(1), a
    /// logout), its name is freed, and absent.
    ///
    /// This finds out under the lock whether the registry is current, so that no
    /// name gets into one that was removed before. There is no need to ask about a
    /// segment that exists: nobody else has its key, and as long as no other
    /// registry is born, nobody else can have its name.
    pub(super) fn look_up(&self, name: &HashedName<'_>) -> Result<Lookup> {
        if self.table.header.magic() == SUPERSEDED {
            return Ok(Lookup::NotCurrent);
        }
        for _ in 0..LOOKS {
            let found = self.probe(name)?.found;
            if let Some(entry) = found.and_then(Used::entry) {
                let is_findable = entry
                    .is_findable(&self.registry.namespace)
                    .map_err(|errno| not_found_out(name, &entry, errno))?;
                if is_findable {
                    return Ok(Lookup::Found(entry));
                }
            }
            // Either the segment is gone, or this process has moved to another IPC
            // namespace, from which it sees neither segment nor registry.
            let Some(used) = found else {
                if !self.registry.seems_current() {
                    return Ok(Lookup::NotCurrent);
                }
                return match self.table.header.magic() {
                    MAGIC => Ok(Lookup::Absent),
                    SUPERSEDED => Ok(Lookup::NotCurrent),
                    // Zeros that were written over it just now hold no names either.
                    _ => self.check(Err(Damage("its first bytes"))),
                };
            };
            if self.registry.presence() != Presence::Current {
                return Ok(Lookup::NotCurrent);
            }
            if matches!(used.state, State::Live(..)) {
                self.check(self.table.end(used.slot))?;
            } else {
                // Its creator died, and no process has recovered it.
                self.recover()?;
            }
        }
        self.check(Err(Damage("a name that comes back after it was freed")))
    }

    /// Creates a segment of `size` bytes for a name that has none. `ENOSPC` if
    /// the registry, or the system, has no room for another.
    pub(super) fn create(
        &self,
        name: &HashedName<'_>,
        size: usize,
        creation: Creation,
        lifetime: Lifetime,
    ) -> Result<Entry> {
        let entry = self.create_as(name, size, creation, |id| State::Live(id, lifetime))?;
        self.table.header.announce_name();
        Ok(entry)
    }

    /// Creates a hidden segment, which the caller attaches now and publishes later.
    #[cold]
    pub(super) fn create_hidden(
        &self,
        name: &HashedName<'_>,
        size: usize,
        creation: Creation,
        lifetime: Lifetime,
    ) -> Result<Entry> {
        let entry = self.create_as(name, size, creation, |id| State::Hidden(id, lifetime))?;
        let is_transient = lifetime == Lifetime::Transient;
        Ok(Entry {
            is_transient,
            ..entry
        })
    }

    #[inline]
    fn create_as(
        &self,
        name: &HashedName<'_>,
        size: usize,
        creation: Creation,
        state: impl Fn(Id) -> State,
    ) -> Result<Entry> {
        loop {
            if let Some(entry) = self.create_if_room(name, size, creation, &state)? {
                return Ok(entry);
            }
            // This ends: each round frees a name, and no other process adds any meanwhile.
            if !self.free_dead()? {
                return Err(self.is_full(name));
            }
        }
    }

    /// `None` if the registry has no room for the name.
    #[inline]
    fn create_if_room(
        &self,
        name: &HashedName<'_>,
        size: usize,
        creation: Creation,
        state: impl Fn(Id) -> State,
    ) -> Result<Option<Entry>> {
        let Some(slot) = self.probe(name)?.vacancy else {
            return Ok(None);
        };
        let mut result = Err(Errno(libc::EEXIST));
        for _ in 0..KEY_ATTEMPTS {
            let segment = NewSegment {
                key: keys::for_segment(),
                size: u64::try_from(size).unwrap_or(u64::MAX),
                created: os::seconds(os::Clock::Realtime),
            };
            // After a death from here on, the key leads recovery to the segment.
            if !self.check(self.table.begin(slot, segment, name))? {
                return Ok(None);
            }
            result = shm::create(segment.key, size, creation);
            if let Ok(id) = result {
                self.share(id);
                self.check(self.table.finish(slot, state(id)))?;
                return Ok(Some(Entry {
                    slot,
                    id,
                    key: segment.key,
                    size,
                    created: segment.created,
                    is_transient: false,
                }));
            }
            self.check(self.table.vacate(slot))?;
            if result != Err(Errno(libc::EEXIST)) {
                break;
            }
        }
        let errno = result.err().unwrap_or(Errno(libc::EEXIST));
        let reason = match errno {
            Errno(libc::EINVAL) if !creation.huge_pages => Reason::Limit,
            _ => Reason::None,
        };
        Err(errno
            .during(format_args!(
                "create segment {} of {size} bytes{}",
                Quoted(name.bytes()),
                Remedy {
                    errno,
                    size,
                    creation: Some(creation)
                }
            ))
            .because(reason))
    }

    #[cold]
    fn is_full(&self, name: &HashedName<'_>) -> Error {
        Error::new(
            libc::ENOSPC,
            format_args!(
                "create segment {}: the registry of {} has no room for another name of {} bytes, \
                 it has {} names; destroy some",
                Quoted(name.bytes()),
                self.registry.namespace,
                name.bytes().len(),
                self.table.header.names().unwrap_or(0)
            ),
        )
    }

    /// Gives a new segment to the group that shares the namespace. Its creator may
    /// have another effective group.
    fn share(&self, id: Id) {
        match self.registry.group {
            Some(group) if group != os::effective_group() => {
                // Its creator may do so. If it fails, the others can't use the segment.
                let _ = shm::set_group(id, group);
            }
            _ => {}
        }
    }

    /// Whether the name still belongs to this segment. While the lock is held,
    /// no other user of this library can remove it.
    pub(super) fn has(&self, entry: &Entry) -> Result<bool> {
        Ok(self.lifetime(entry)?.is_some())
    }

    /// How long the segment lives; `None` if the name does not belong to it any
    /// more, or another registry has taken it over.
    pub(super) fn lifetime(&self, entry: &Entry) -> Result<Option<Lifetime>> {
        if self.is_superseded() {
            return Ok(None);
        }
        self.check(self.table.lifetime(entry))
    }

    /// Whether the segment outlives its last holder.
    pub(super) fn keeps(&self, entry: &Entry) -> Result<bool> {
        Ok(self.lifetime(entry)? == Some(Lifetime::Kept))
    }

    /// The state of an entry's slot; `None` if the slot is free or another segment's by now, or
    /// if another registry has taken the segment over.
    pub(super) fn state_of(&self, entry: &Entry) -> Result<Option<State>> {
        if self.is_superseded() {
            return Ok(None);
        }
        self.check(self.table.state_of(entry))
    }

    /// Changes the lifetime of a segment that is not transient. False if it has lost its
    /// name.
    pub(super) fn set_lifetime(&self, entry: &Entry, lifetime: Lifetime) -> Result<bool> {
        let state = match self.state_of(entry)? {
            Some(State::Live(id, _)) => State::Live(id, lifetime),
            Some(State::Hidden(id, _)) => State::Hidden(id, lifetime),
            _ => return Ok(false),
        };
        if !self.registry.seems_current() {
            return Ok(false);
        }
        self.set_state(entry, state)?;
        Ok(true)
    }

    pub(super) fn set_state(&self, entry: &Entry, state: State) -> Result<()> {
        let slot = self.table.slot(entry.slot);
        self.check(slot.map(|slot| slot.set_state(state)))
    }

    /// Removes a segment and its name, if its status then allows it. If the segment
    /// can't be removed (`EPERM`: it is another user's), both stay. The same for a hidden
    /// one.
    ///
    /// The remover marks the slot before it counts the attachments. A process that
    /// attaches the segment looks at the slot afterwards, without the lock (see
    /// [`Registry::still_names`]). So one of the two sees the other.
    pub(super) fn remove_if(
        &self,
        entry: &Entry,
        may_go: impl FnOnce(&Status) -> bool,
    ) -> Result<Removal> {
        let before = if self.held.excludes_others() {
            self.state_of(entry)?
        } else {
            None
        };
        let marked = match before {
            Some(State::Live(id, lifetime)) => Some(State::Removing(id, lifetime)),
            Some(State::Hidden(id, lifetime)) => Some(State::Abandoned(id, lifetime)),
            // The name was lost with a registry that was removed.
            _ => None,
        };
        if let Some(marked) = marked {
            self.set_state(entry, marked)?;
            fence(Ordering::SeqCst);
        }
        let removal = match entry.status() {
            Ok(Some(status)) if may_go(&status) => match delete(entry.id, &status) {
                Ok(()) => Removal::Removed,
                Err(errno) => Removal::Failed(errno),
            },
            Ok(Some(_)) => Removal::Spared,
            Ok(None) => Removal::Missing,
            Err(errno) => Removal::Failed(errno),
        };
        let Some(before) = before.filter(|_| marked.is_some()) else {
            return Ok(removal);
        };
        let is_gone = match removal {
            Removal::Removed => true,
            Removal::Missing => self.registry.presence() != Presence::Elsewhere,
            Removal::Spared | Removal::Failed(_) => false,
        };
        if is_gone {
            self.check(self.table.end(entry.slot))?;
        } else {
            self.set_state(entry, before)?;
        }
        Ok(removal)
    }

    /// Frees the name of a segment that was deleted by other means, unless the
    /// segment is only out of sight because this process has left the IPC namespace.
    pub(super) fn remove_stale(&self, entry: &Entry) -> Result<()> {
        if self.registry.presence() != Presence::Elsewhere && self.has(entry)? {
            self.check(self.table.end(entry.slot))?;
        }
        Ok(())
    }
}

/// Marks a segment for deletion. A transient segment is marked already.
fn delete(id: Id, status: &Status) -> std::result::Result<(), Errno> {
    if status.is_removed {
        return Ok(());
    }
    shm::remove(id)
}

#[cold]
fn not_found_out(name: &HashedName<'_>, entry: &Entry, errno: Errno) -> Error {
    let name = Quoted(name.bytes());
    entry.not_findable(errno, format_args!("segment {name} (id {})", entry.id))
}

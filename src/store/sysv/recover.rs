//! Roll back what a holder of the lock left unfinished when it died.

#![forbid(unsafe_code)]

use super::keys::KeyKind;
use super::layout::{Facts, State};
use super::locked::Names;
use super::registry::Presence;
use super::shm::{self, Id};
use super::table::Used;
use crate::errno::Errno;
use crate::error::Result;
use crate::request::Lifetime;

impl Names<'_> {
    /// Recovers on behalf of the dead holder, or leaves it to the next process.
    pub(super) fn recover_after_death(&self) -> Result<()> {
        let recovered = match self.registry.presence() {
            // In another IPC namespace the unfinished segments can't be seen.
            Presence::Elsewhere => Ok(false),
            Presence::Current | Presence::Removed => self.recover().map(|()| true),
        };
        if !matches!(recovered, Ok(true)) {
            self.held.leave_to_the_next();
        }
        recovered.map(drop)
    }

    /// Finds what a dead holder of the lock left unfinished, rolls it back, and
    /// counts the names anew. It looks at all slots, which is rare, and simpler than
    /// to keep a record of what is being changed.
    pub(super) fn recover(&self) -> Result<()> {
        for slot in self.table.slots() {
            slot.recover();
        }
        self.check(self.table.count_units())?;
        for used in self.table.used() {
            let used = self.check(used)?;
            if !matches!(used.state, State::Live(..) | State::Hidden(..)) {
                self.roll_back(used)?;
            }
        }
        self.check(self.table.note_all())
    }

    /// Rolls back the change of one slot. An unfinished creation is undone. A
    /// segment that was marked for removal and still exists stays: its remover may
    /// have died before it saw that others have the segment attached.
    fn roll_back(&self, used: Used) -> Result<()> {
        let Used { slot, state, facts } = used;
        let failed = |errno: Errno| {
            errno.during(format_args!(
                "roll back what a dead process left unfinished in {}",
                self.registry.namespace
            ))
        };
        let stays = match state {
            State::Creating => undo_creation(facts).map_err(failed)?,
            State::Removing(id, lifetime) => exists(used, id, lifetime)
                .map_err(failed)?
                .then_some(State::Live(id, lifetime)),
            // If the creator died, too, `delete_abandoned` finds that out later.
            State::Abandoned(id, lifetime) => exists(used, id, lifetime)
                .map_err(failed)?
                .then_some(State::Hidden(id, lifetime)),
            State::Live(..) | State::Hidden(..) | State::Empty | State::Freed => return Ok(()),
        };
        self.check(match stays {
            Some(state) => self.table.slot(slot).map(|slot| slot.set_state(state)),
            None => self.table.vacate(slot),
        })
    }
}

/// Whether the segment of a slot exists.
fn exists(used: Used, id: Id, lifetime: Lifetime) -> std::result::Result<bool, Errno> {
    let state = State::Live(id, lifetime);
    match (Used { state, ..used }).entry().map(|entry| entry.status()) {
        Some(Ok(Some(_)) | Err(Errno(libc::EACCES))) => Ok(true),
        Some(Ok(None)) | None => Ok(false),
        Some(Err(errno)) => Err(errno),
    }
}

/// Deletes the segment of an unfinished creation, if it exists and is not a
/// stranger's. Returns the state of the slot if the segment can't be deleted.
///
/// Attachments do not matter: the kernel releases a dead process's locks before
/// it detaches its segments, and no other process has seen this one.
fn undo_creation(facts: Facts) -> std::result::Result<Option<State>, Errno> {
    // The process that wrote such a key must not make this one delete another program's segment.
    if KeyKind::of(facts.key.to_c()) != KeyKind::Named {
        return Ok(None);
    }
    // The creation may have failed because a stranger has the key.
    let id = match shm::find(facts.key, 0) {
        Ok(id) => id,
        Err(Errno(libc::ENOENT | libc::EACCES)) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let status = match shm::status(id) {
        Ok(Some(status)) => status,
        Ok(None) | Err(Errno(libc::EACCES)) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let is_ours = status.key == facts.key
        && !status.was_ever_attached()
        && status.shows_size(facts.size)
        && u64::try_from(status.changed).is_ok_and(|changed| changed >= facts.created);
    match is_ours.then(|| shm::remove(id)) {
        // The segment is another user's, so this process cannot delete it. It gets no
        // name, and the next process of that user deletes it.
        Some(Err(Errno(libc::EPERM | libc::EACCES))) => Ok(Some(State::Hidden(id, Lifetime::Used))),
        _ => Ok(None),
    }
}

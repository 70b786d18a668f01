//! Deletes hidden segments whose creator died, and frees the names of transient segments that
//! are gone.
//!
//! Look-ups ignore the slot of a hidden segment. Its creator attaches the segment without the
//! lock and, later, publishes it. If the creator dies before that, no process has the segment
//! attached, and the next process that takes the lock deletes it.
//!
//! A creator that is stopped for long before it has attached its segment looks dead, too. So
//! the process that deletes a hidden segment marks the slot before it counts the attachments,
//! and the creator attaches the segment before it reads the slot: at least one of the two sees
//! the other (see `names`). A creator whose segment was deleted starts over.

#![forbid(unsafe_code)]

use super::entry::Entry;
use super::layout::State;
use super::locked::Names;
use super::registry::Presence;
use super::shm::Status;
use super::table::Used;
use crate::error::Result;
use crate::ids::ThreadId;
use crate::os;
use crate::request::Lifetime;
use crate::store::users::Users;

/// How many seconds a creator that seems to live may take to attach its segment.
const PATIENCE: u64 = 2;

impl Names<'_> {
    /// Deletes the hidden segments whose creator died. Damaged slots are skipped: calls that
    /// need them report the damage.
    #[cold]
    pub(super) fn delete_abandoned(&self) -> Result<()> {
        for (part, slots) in self.table.hidden_parts() {
            let mut is_any_left = false;
            for used in slots.flatten() {
                is_any_left |= self.is_left_after_look(used)?;
            }
            if !is_any_left {
                let header = self.table.header;
                header.note_hidden(header.hidden() & !part);
            }
        }
        Ok(())
    }

    /// Deletes one segment if it is hidden and its creator died. Returns whether the slot is
    /// still hidden.
    fn is_left_after_look(&self, used: Used) -> Result<bool> {
        let Some(entry) = used.segment().filter(|_| used.state.is_hidden()) else {
            return Ok(used.state.is_hidden());
        };
        match entry.status() {
            Ok(None) => {}
            Ok(Some(status)) if is_abandoned(&entry, &status) => {}
            _ => return Ok(true),
        }
        // If this fails, the segment is another user's, and stays as it is.
        self.remove_if(&entry, |status| status.users(0) == Users::Nobody)?;
        Ok(self.check(self.table.state_of(&entry))?.is_some())
    }

    /// Frees the names of transient segments that are gone. Returns whether any name was freed.
    #[cold]
    pub(super) fn free_dead(&self) -> Result<bool> {
        if !self.table.header.has_transient() || self.is_superseded() {
            return Ok(false);
        }
        let (mut is_any_freed, mut is_any_left) = (false, false);
        for used in self.table.used() {
            let used = self.check(used)?;
            if !matches!(used.state, State::Live(_, Lifetime::Transient)) {
                continue;
            }
            let is_gone = |entry: Entry| entry.status() == Ok(None);
            if !used.entry().is_some_and(is_gone) {
                is_any_left = true;
                continue;
            }
            // The segment also seems gone if this process has left the IPC namespace.
            if !is_any_freed && self.registry.presence() == Presence::Elsewhere {
                return Ok(false);
            }
            self.check(self.table.end(used.slot))?;
            is_any_freed = true;
        }
        if !is_any_left {
            self.table.header.note_transient(false);
        }
        Ok(is_any_freed)
    }
}

/// Whether no process has a hidden segment attached, and its creator is not about to attach it.
fn is_abandoned(entry: &Entry, status: &Status) -> bool {
    let age = os::seconds(os::Clock::Realtime).abs_diff(entry.created);
    let creator = status.creator_process.0;
    status.users(0) == Users::Nobody
        && (age > PATIENCE || creator != 0 && os::is_gone(ThreadId(creator)))
}

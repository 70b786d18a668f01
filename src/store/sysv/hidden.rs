//! Deletes hidden segments whose creator died, and frees the names of transient segments that
//! are gone.
//!
//! Look-ups ignore the slot of a hidden segment. Its creator attaches the segment without the
//! lock and, later, publishes it. If the creator dies before that, no process has the segment
//! attached, and the next process that creates, publishes, prunes or removes a segment deletes
//! it. A process that only looks deletes nothing.
//!
//! A creator that is stopped for long before it has attached its segment looks dead, too. So
//! the process that deletes a hidden segment marks the slot before it counts the attachments,
//! and the creator attaches the segment before it reads the slot: at least one of the two sees
//! the other (see `names`). A creator whose segment was deleted starts over.

#![forbid(unsafe_code)]

use super::entry::Entry;
use super::layout::{State, Table};
use super::locked::Names;
use super::names::Removal;
use super::registry::{Presence, Registry};
use super::shm::Status;
use super::table::Used;
use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::Result;
use crate::ids::ThreadId;
use crate::info::Info;
use crate::os;
use crate::request::Lifetime;
use crate::store::users::Users;

/// How many seconds a creator that seems to live may take to attach its segment.
const PATIENCE: u64 = 2;

/// A segment that is not published yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// What is known about it.
    pub info: Info,
    /// Whether its creator has died: no process has the segment attached, and the next process
    /// that creates or prunes segments deletes it.
    pub is_abandoned: bool,
}

impl Names<'_> {
    /// Deletes the hidden segments whose creator died, before this process changes a name.
    #[inline]
    pub(super) fn delete_abandoned(&self) -> Result<()> {
        if self.table.header.hidden() == 0 {
            return Ok(());
        }
        self.delete_abandoned_if(|_| true, None)
    }

    /// Deletes the abandoned segments that `may_go` allows, and adds their descriptions to
    /// `deleted`. Damaged slots are skipped: calls that need them report the damage.
    #[cold]
    pub(super) fn delete_abandoned_if(
        &self,
        may_go: impl Fn(&Status) -> bool,
        mut deleted: Option<&mut Vec<Info>>,
    ) -> Result<()> {
        // Another registry has taken the segments over.
        if self.is_superseded() {
            return Ok(());
        }
        for (part, slots) in self.table.hidden_parts() {
            let mut is_any_left = false;
            for used in slots.flatten() {
                is_any_left |= self.is_left_after_look(used, &may_go, deleted.as_deref_mut())?;
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
    fn is_left_after_look(
        &self,
        used: Used,
        may_go: impl Fn(&Status) -> bool,
        deleted: Option<&mut Vec<Info>>,
    ) -> Result<bool> {
        let Some(entry) = used.segment().filter(|_| used.state.is_hidden()) else {
            return Ok(used.state.is_hidden());
        };
        let mut report = None;
        match entry.status() {
            Ok(None) => {}
            Ok(Some(status)) if is_abandoned(&entry, &status) && may_go(&status) => {
                if let Some(deleted) = deleted {
                    deleted.try_reserve(1).map_err(|_| {
                        Errno(libc::ENOMEM).during(format_args!("list what was pruned"))
                    })?;
                    report = Some((deleted, info(&self.table, used, &entry, &status)));
                }
            }
            _ => return Ok(true),
        }
        // If this fails, the segment is another user's, and stays as it is.
        let removal = self.remove_if(&entry, |status| {
            status.users(0) == Users::Nobody && may_go(status)
        })?;
        if let Some((deleted, info)) = report.filter(|_| removal == Removal::Removed) {
            deleted.extend(info);
        }
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

impl Registry {
    /// The hidden segments, read without the lock. Slots that other processes are changing are
    /// left out.
    pub(super) fn hidden(&self) -> Result<Vec<Hidden>> {
        let table = self.table()?;
        let mut found = Vec::new();
        for used in table.used().flatten() {
            let Some((entry, status)) = segment_of(used) else {
                continue;
            };
            let info = info(&table, used, &entry, &status);
            if let Some(info) = info.filter(|_| table.is_still(&used)) {
                found.try_reserve(1).map_err(|_| {
                    Errno(libc::ENOMEM).during(format_args!("list the hidden segments"))
                })?;
                found.push(Hidden {
                    info,
                    is_abandoned: is_abandoned(&entry, &status),
                });
            }
        }
        Ok(found)
    }
}

/// The segment that a slot hides, if it exists.
pub(super) fn segment_of(used: Used) -> Option<(Entry, Status)> {
    let entry = used.segment().filter(|_| used.state.is_hidden())?;
    let status = entry.status().ok()??;
    Some((entry, status))
}

/// Describes a hidden segment to programs. `None` if its name was overwritten, or memory is
/// short.
pub(super) fn info(table: &Table<'_>, used: Used, entry: &Entry, status: &Status) -> Option<Info> {
    let State::Hidden(_, lifetime) = used.state else {
        return None;
    };
    let stored = table.name(used.slot, used.facts).ok()?;
    let name = try_to_vec(stored.bytes()).ok()?;
    Some(Info {
        hidden: true,
        ..entry.info(name, status, lifetime)
    })
}

/// Whether no process has a hidden segment attached, and its creator is not about to attach it.
fn is_abandoned(entry: &Entry, status: &Status) -> bool {
    let age = os::seconds(os::Clock::Realtime).abs_diff(entry.created);
    let creator = status.creator_process.0;
    status.users(0) == Users::Nobody
        && (age > PATIENCE || creator != 0 && os::is_gone(ThreadId(creator)))
}

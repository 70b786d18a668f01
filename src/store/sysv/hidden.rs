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
//!
//! The kernel frees a segment's memory while it deletes it, and takes 100 ms for some GiB. So
//! a process attaches large segments before it takes the lock (see `attach_abandoned`). It
//! deletes them under the lock, and their memory is freed when they are detached afterwards.

#![forbid(unsafe_code)]

use super::entry::{Entry, LARGE};
use super::layout::{State, Table};
use super::locked::Names;
use super::mapping::Mapping;
use super::names::Removal;
use super::registry::{Presence, Registry};
use super::shm::Status;
use super::table::Used;
use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::Result;
use crate::ids::ProcessId;
use crate::info::Info;
use crate::os;
use crate::request::{Access, Lifetime};
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

/// The large hidden segments whose creator died, attached until this is dropped, which must
/// happen after the lock was released.
pub(super) struct Large(Vec<(Entry, Option<Mapping>)>);

impl Large {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// How many attachments of a segment are in here. `None` if it is large and not in here:
    /// then it must stay for now.
    fn attachments(&self, entry: &Entry) -> Option<u64> {
        match self.0.iter().find(|(large, _)| large == entry) {
            // If a large segment could not be attached, others wait until its memory is freed.
            Some((_, mapping)) => Some(u64::from(mapping.is_some())),
            None => (entry.size <= LARGE).then_some(0),
        }
    }
}

impl Names<'_> {
    /// Deletes the hidden segments whose creator died, before this process changes a name.
    #[inline]
    pub(super) fn delete_abandoned(&self, large: &Large) -> Result<()> {
        if self.table.header.hidden() == 0 {
            return Ok(());
        }
        self.delete_abandoned_if(large, |_| true, None)
    }

    /// Deletes the abandoned segments that `may_go` allows, and adds their descriptions to
    /// `deleted`. Damaged slots are skipped: calls that need them report the damage.
    #[cold]
    pub(super) fn delete_abandoned_if(
        &self,
        large: &Large,
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
                is_any_left |=
                    self.is_left_after_look(used, large, &may_go, deleted.as_deref_mut())?;
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
        large: &Large,
        may_go: impl Fn(&Status) -> bool,
        deleted: Option<&mut Vec<Info>>,
    ) -> Result<bool> {
        let Some(entry) = used.segment().filter(|_| used.state.is_hidden()) else {
            return Ok(used.state.is_hidden());
        };
        let Some(ours) = large.attachments(&entry) else {
            return Ok(true);
        };
        let mut report = None;
        match entry.status() {
            Ok(None) => {}
            Ok(Some(status)) if is_abandoned(&entry, &status, ours) && may_go(&status) => {
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
            status.users(ours) != Users::Others && may_go(status)
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
    /// Attaches the large segments that the next holder of the lock may delete.
    #[inline]
    pub(super) fn attach_abandoned(&self) -> Large {
        match self.table() {
            Ok(table) if table.header.hidden() != 0 => self.attach_large(&table),
            _ => Large::none(),
        }
    }

    #[cold]
    fn attach_large(&self, table: &Table<'_>) -> Large {
        let mut large = Vec::new();
        for used in table.hidden_parts().flat_map(|(_, slots)| slots.flatten()) {
            let found = segment_of(used).filter(|(entry, status)| {
                entry.size > LARGE && is_abandoned(entry, status, 0) && !self.is_superseded()
            });
            let Some((entry, _)) = found else { continue };
            // Without memory for the list, the segment stays for now.
            if large.try_reserve(1).is_ok() {
                large.push((entry, entry.attach_again(Access::ReadOnly)));
            }
        }
        Large(large)
    }

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
                    is_abandoned: is_abandoned(&entry, &status, 0),
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

/// Whether no process has a hidden segment attached, apart from `ours` attachments, and its
/// creator is not about to attach it.
fn is_abandoned(entry: &Entry, status: &Status, ours: u64) -> bool {
    let age = os::seconds(os::Clock::Realtime).abs_diff(entry.created);
    let creator = status.creator_process.0;
    status.users(ours) != Users::Others
        && (age > PATIENCE || creator != 0 && os::is_process_gone(ProcessId(creator)))
}

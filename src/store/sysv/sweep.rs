//! Removes the registries that programs have left behind: those of the same user, or of all
//! users, that have no names, and that no process has attached. The names of transient segments
//! that are gone do not count, nor do hidden segments that no process has attached: those are
//! deleted. However, the creator of a registry may have stored anything in it, and this process
//! may be root's: it deletes only hidden segments that the same user created.
//!
//! A program that ends in an orderly way removes its empty registry. One that ends with
//! `_exit` or by a signal does not, and neither does one whose last segment another
//! process deleted. Whoever creates a registry, or runs into a limit, cleans up.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::hidden;
use super::keys::{self, UNBORN};
use super::layout::{self, Damage, Header, MAGIC, SUPERSEDED, State, Table, VERSION};
use super::mapping::Mapping;
use super::registry::{attach, may_be_registry, place_of};
use super::shm::{self, Id, Status};
use super::table::Used;
use crate::ids::UserId;
use crate::info::Info;
use crate::lock::{self, Acquired};
use crate::os;
use crate::request::Lifetime;
use crate::store::users::Users;

/// For how many seconds a new registry is left to its creator.
const YOUTH: i64 = 2;

/// Whose registries are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of this user.
    Ours,
    /// Those of all users, as far as this user may attach them.
    Everybodys,
}

/// A registry that was left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// Its System V identifier.
    pub registry: i32,
    /// The hidden segments that are deleted with it: their creators have died.
    pub hidden: Vec<Info>,
}

/// Removes what is left behind, and returns how many registries that were.
pub(super) fn sweep(whose: Whose) -> usize {
    sweep_locks();
    leftovers(whose)
        .iter()
        .filter(|(id, status)| remove(*id, status) == Some(()))
        .count()
}

/// The same for the command: returns what was removed.
pub(crate) fn sweep_and_note(whose: Whose) -> Vec<LeftBehind> {
    sweep_locks();
    note(whose, |id, status, hidden| {
        remove_and(id, status, |info| hidden.extend(info))
    })
}

/// Removes the locks of this user's registries that were removed.
fn sweep_locks() {
    lock::sweep(|key| keys::KeyKind::of(key) == keys::KeyKind::Registry);
}

/// The registries that are left behind. This removes and deletes nothing.
pub(crate) fn left_behind(whose: Whose) -> Vec<LeftBehind> {
    note(whose, |id, status, hidden| {
        look(id, status, |mapping| {
            for_each_hidden(mapping, status.creator, |_, info| hidden.extend(info));
        })
    })
}

/// Calls `work` with each registry that no process has attached, and returns those for which it
/// did something.
fn note(whose: Whose, work: impl Fn(Id, &Status, &mut Vec<Info>) -> Option<()>) -> Vec<LeftBehind> {
    leftovers(whose)
        .iter()
        .filter_map(|(id, status)| {
            let mut hidden = Vec::new();
            work(*id, status, &mut hidden)?;
            Some(LeftBehind {
                registry: id.0,
                hidden,
            })
        })
        .collect()
}

/// The registries that no process has attached, with or without names. Empty if the system does
/// not list its segments.
fn leftovers(whose: Whose) -> Vec<(Id, Status)> {
    let user = os::effective_user();
    let is_wanted = |creator| match whose {
        Whose::Ours => creator == user && !keys::is_nobody(user),
        Whose::Everybodys => true,
    };
    shm::all(|status| may_be_registry(status) && status.mappings == 0 && is_wanted(status.creator))
        .unwrap_or_default()
}

/// Removes one registry that has this status, if it is left behind.
pub(super) fn remove(id: Id, status: &Status) -> Option<()> {
    remove_and(id, status, |_| ())
}

/// The same; calls `deleted` for each hidden segment that is deleted with it.
fn remove_and(id: Id, status: &Status, mut deleted: impl FnMut(Option<Info>)) -> Option<()> {
    let remove = |mapping: &Mapping| {
        for_each_hidden(mapping, status.creator, |segment, info| {
            deleted(info);
            let _ = shm::remove(segment);
        });
        shm::remove(id).ok()
    };
    look(id, status, remove)?
}

/// Calls `work` for each hidden segment that is deleted with a registry, with its description
/// (see [`hidden::info`]).
fn for_each_hidden(mapping: &Mapping, creator: UserId, mut work: impl FnMut(Id, Option<Info>)) {
    let Some(table) = table_of(mapping) else {
        return;
    };
    for used in table.used().flatten() {
        match hidden::segment_of(used) {
            Some((entry, status)) if is_deletable(&status, creator) => {
                work(entry.id, hidden::info(&table, used, &entry, &status));
            }
            _ => {}
        }
    }
}

/// Whether a hidden segment is deleted with its registry, which this user created.
fn is_deletable(status: &Status, creator: UserId) -> bool {
    status.users(0) == Users::Nobody && status.creator == creator && !keys::is_nobody(creator)
}

fn table_of(mapping: &Mapping) -> Option<Table<'_>> {
    layout::capacity_of(mapping.size()).and_then(|count| Table::new(mapping, count))
}

/// Does something to a registry if nobody else has it attached and it has no names. A
/// process that attaches it meanwhile has to wait for its lock, and then finds out that it
/// was removed.
fn look<T>(id: Id, before: &Status, then: impl FnOnce(&Mapping) -> T) -> Option<T> {
    let mapping = attach(id, before.size).ok()?;
    let header = layout::header(&mapping).filter(|_| mapping.is_ordinary())?;
    // What is not a registry is not locked, either.
    if !may_go(&mapping, header, before) {
        return None;
    }
    let held = header
        .lock
        .acquire(|| place_of(before), Duration::ZERO)
        .ok()?;
    held.ends_with_the_registry();
    if held.acquired() == Acquired::OwnerDied && has_slots(&mapping, header, before.creator) {
        // Its next user finds out what was begun.
        held.leave_to_the_next();
        return None;
    }
    let status = shm::status(id).ok()??;
    let is_alone = status.key == before.key && status.mappings == 1;
    (is_alone && may_go(&mapping, header, before)).then(|| then(&mapping))
}

/// Whether any name, or part of one, is in a registry whose lock's holder died. If not, the
/// holder may have been about to remove the registry itself.
fn has_slots(mapping: &Mapping, header: &Header, creator: UserId) -> bool {
    header.magic() == MAGIC && !are_all_dead(mapping, creator)
}

fn are_all_dead(mapping: &Mapping, creator: UserId) -> bool {
    table_of(mapping).is_some_and(|table| table.used().all(|used| is_dead(used, creator)))
}

/// Whether a slot keeps nothing alive: its segment is transient and gone, or hidden and
/// deleted with the registry.
fn is_dead(used: std::result::Result<Used, Damage>, creator: UserId) -> bool {
    let Ok(used) = used else {
        return false;
    };
    match (used.state, used.segment().map(|entry| entry.status())) {
        (State::Live(_, Lifetime::Transient), Some(Ok(status))) => status.is_none(),
        (State::Hidden(..), Some(Ok(status))) => {
            status.is_none_or(|status| is_deletable(&status, creator))
        }
        _ => false,
    }
}

/// Whether all names of a registry are those of segments that did not outlive their holders.
fn is_dead_throughout(mapping: &Mapping, header: &Header, creator: UserId) -> bool {
    let may_be = header.has_transient() || header.hidden() != 0;
    may_be && are_all_dead(mapping, creator)
}

/// Whether it is a registry without names.
fn may_go(mapping: &Mapping, header: &Header, status: &Status) -> bool {
    let now = i64::try_from(os::seconds(os::Clock::Realtime)).unwrap_or(0);
    match header.magic() {
        MAGIC => {
            header.version() == VERSION
                && (header.names() == Ok(0) || is_dead_throughout(mapping, header, status.creator))
        }
        SUPERSEDED => true,
        0 => status.mode & UNBORN != 0 && status.changed + YOUTH < now && !header.is_in_takeover(),
        _ => false,
    }
}

//! All namespaces of this IPC namespace, found by their registries, whoever's they are: for
//! the command, which may run as root.
//!
//! A registry that this process trusts is used as always. Another one that it may attach, as
//! root may, is foreign: its creator may have stored anything in it. What it names is shown,
//! read without its lock. A segment is deleted for it only if the creator of the registry
//! created the segment, too: otherwise any user could have root delete anybody's segments.
//! For the same reason nothing that a dead process began in it is rolled back.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::by_name::prune_one;
use super::keys;
use super::layout::{self, MAGIC, SUPERSEDED, State, VERSION};
use super::listing::Listed;
use super::locked::Names;
use super::registry::{Registry, attach, may_be_registry};
use super::shm::{self, Id, Status};
use super::table::Used;
use crate::allocate::{text, try_to_vec};
use crate::errno::Errno;
use crate::error::Result;
use crate::ids::UserId;
use crate::info::{Info, RegistryInfo};
use crate::lock::Acquired;
use crate::namespace::Resolved;
use crate::{os, patience};

/// A registry, and what this process may do with its namespace.
pub(crate) enum Found {
    /// It may use the namespace.
    Ours(Resolved),
    /// It may look at the namespace.
    Foreign(Foreign),
    /// It may not, or the registry cannot be read.
    Unreadable(Unreadable),
}

/// A registry that this process may attach but does not trust.
#[derive(Debug)]
pub(crate) struct Foreign {
    registry: Registry,
    creator: UserId,
    /// Whether this process's user namespace maps the user whose namespace it is.
    pub(crate) is_mapped: bool,
}

/// A registry whose names are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its System V identifier.
    pub registry: i32,
    /// The owner's user id.
    pub owner: u32,
    /// Why it cannot be read.
    pub why: String,
}

/// All registries, also those that this process may not read.
pub(crate) fn everybodys() -> Result<Vec<Found>> {
    let failed = |errno: Errno| errno.during(format_args!("look for registries"));
    let candidates = shm::all_of_everybody(may_be_registry).map_err(failed)?;
    let mut found = Vec::new();
    for (id, status) in candidates {
        let one = match examine(id, &status) {
            Ok(one) => one,
            Err(why) => Some(Found::Unreadable(Unreadable {
                registry: id.0,
                owner: status.owner.0,
                why,
            })),
        };
        found
            .try_reserve(1)
            .map_err(|_| failed(Errno(libc::ENOMEM)))?;
        found.extend(one);
    }
    Ok(found)
}

/// Looks at what has the key, the size and the mode of a registry. `None` if it is gone, or
/// not complete.
fn examine(id: Id, status: &Status) -> std::result::Result<Option<Found>, String> {
    let mapping = match attach(id, status.size) {
        Ok(mapping) => mapping,
        Err(errno) if shm::is_gone(errno) => return Ok(None),
        Err(errno) => return Err(text(format_args!("{}", os::strerror(errno)))),
    };
    // Otherwise reading it may be SIGBUS.
    if !mapping.is_ordinary() {
        return Err("it is in huge pages".to_owned());
    }
    let overwritten = || "it was overwritten".to_owned();
    let header = layout::header(&mapping).ok_or_else(overwritten)?;
    match header.magic() {
        MAGIC => {}
        0 | SUPERSEDED => return Ok(None),
        _ => return Err(overwritten()),
    }
    if header.version() != VERSION {
        return Err("it belongs to another version of the library".to_owned());
    }
    let identity = header.identity().map_err(|_| overwritten())?;
    // Processes look for it under these keys only.
    if !keys::of_registry(&identity).any(|key| key == status.key) {
        return Err(overwritten());
    }
    let (namespace, is_mapped) = whose(&identity, status).ok_or_else(overwritten)?;
    let user = match namespace {
        Resolved::User(user) => Some(user),
        Resolved::Path(_) => None,
    };
    let is_usable = user.is_none_or(|user| is_mapped && user == os::effective_user());
    if is_usable && keys::are_trusted(&namespace, status.creator, status.creator_group) {
        return Ok(Some(Found::Ours(namespace)));
    }
    if user.is_some_and(|user| is_mapped && ![user, UserId::ROOT].contains(&status.creator)) {
        return Err(text(format_args!(
            "user {} created it in the name of another user",
            status.creator
        )));
    }
    Ok(Some(Found::Foreign(Foreign {
        registry: Registry::new(&namespace, id, status, mapping),
        creator: status.creator,
        is_mapped,
    })))
}

/// The namespace of an identity, and whether a user id in it is one of this process's user
/// namespace. `None` if it is not an identity.
fn whose(identity: &[u8], status: &Status) -> Option<(Resolved, bool)> {
    if identity.first() == Some(&b'/') {
        return Some((Resolved::Path(try_to_vec(identity).ok()?), true));
    }
    let digits = identity.strip_prefix(b"uid ")?;
    let outside: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let inside = [os::effective_user(), status.creator]
        .into_iter()
        .find(|user| os::Map::Users.outside(user.0) == Ok(outside) && !keys::is_nobody(*user));
    Some(match inside {
        Some(user) => (Resolved::User(user), true),
        // Outside all user namespaces, both are the same.
        None => (
            Resolved::User(UserId(outside)),
            os::Map::Users.is_complete(),
        ),
    })
}

impl Foreign {
    pub(crate) const fn namespace(&self) -> &Resolved {
        &self.registry.namespace
    }

    /// Whether an orphan may be pruned: see the comment of this module.
    pub(crate) fn may_prune(&self, info: &Info) -> bool {
        info.creator_uid == self.creator.0
    }

    pub(crate) fn list(&self) -> Result<Vec<Info>> {
        let mut infos = Vec::new();
        for Listed {
            name,
            entry,
            lifetime,
        } in self.names()?
        {
            if let Ok(Some(status)) = entry.status() {
                infos
                    .try_reserve(1)
                    .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list the names")))?;
                infos.push(entry.info(name, &status, lifetime));
            }
        }
        Ok(infos)
    }

    pub(crate) fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        let is_theirs = |status: &Status| status.creator == self.creator;
        let mut pruned = Vec::new();
        for one in self.names()? {
            pruned
                .try_reserve(1)
                .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list what was pruned")))?;
            pruned.extend(prune_one(one, minimum_age, is_theirs, || self.lock())?);
        }
        Ok(pruned)
    }

    pub(crate) fn registry(&self) -> Result<RegistryInfo> {
        let status = self.registry.status()?;
        let names = self.registry.table()?.header.names();
        let names = names.map_err(|damage| self.registry.damaged(damage))?;
        Ok(self
            .registry
            .info(&status, usize::try_from(names).unwrap_or(usize::MAX)))
    }

    /// All names, without the lock. What others are changing is left out.
    fn names(&self) -> Result<Vec<Listed>> {
        let table = self.registry.table()?;
        let mut names = Vec::new();
        for (index, slot) in table.slots().iter().enumerate() {
            let Ok(state @ State::Live(_, lifetime)) = slot.state() else {
                continue;
            };
            let Ok(facts) = slot.facts() else { continue };
            let Ok(stored) = table.name(index, facts) else {
                continue;
            };
            let used = Used {
                slot: index,
                state,
                facts,
            };
            let entry = used.entry().filter(|_| slot.is_still(state));
            let no_room = |errno: Errno| errno.during(format_args!("list the names"));
            if let Some(entry) = entry {
                let name = try_to_vec(stored.bytes()).map_err(no_room)?;
                names
                    .try_reserve(1)
                    .map_err(|_| no_room(Errno(libc::ENOMEM)))?;
                names.push(Listed {
                    name,
                    entry,
                    lifetime,
                });
            }
        }
        Ok(names)
    }

    /// Takes the lock, but rolls nothing back.
    fn lock(&self) -> Result<Names<'_>> {
        let table = self.registry.table()?;
        let held = self.registry.hold(table.header, patience::LIMIT)?;
        if held.acquired() == Acquired::OwnerDied {
            held.leave_to_the_next();
            return Err(Errno(libc::EAGAIN).during(format_args!(
                "change {}: a process died while it changed its registry; the next program that \
                 uses this namespace rolls that back",
                self.registry.namespace
            )));
        }
        let names = Names::new(&self.registry, table, held);
        if names.table.header.magic() != MAGIC || !self.registry.seems_current() {
            return Err(Errno(libc::EAGAIN).during(format_args!(
                "change {}: its registry was removed meanwhile",
                self.registry.namespace
            )));
        }
        Ok(names)
    }
}

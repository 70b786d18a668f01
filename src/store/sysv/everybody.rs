//! The namespaces of all users in this IPC namespace, found by their registries: for the
//! command, which may run as root.
//!
//! The registry of the selected namespace, and those that this user created, are used as
//! always. Any other registry that this process may attach, as root or a member of its group
//! may, is foreign: its creator may have stored anything in it, and nobody has chosen to trust
//! it. The names in it are read without its lock, and shown. A prune deletes one of its
//! segments only if the creator of the registry also created the segment: otherwise any user
//! could make root delete any other user's segments. For the same reason, changes that a dead
//! process began in it are not rolled back. All foreign registries together make this process
//! wait no longer than one does.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::by_name::{prune_one, sort};
use super::hidden::Hidden;
use super::keys;
use super::layout::{self, MAGIC, SUPERSEDED, State, VERSION};
use super::listing::Listed;
use super::locked::Names;
use super::registry::{Registry, attach, may_be_registry};
use super::shm::{self, Id, Status};
use crate::allocate::{text, try_to_vec};
use crate::errno::Errno;
use crate::error::Result;
use crate::ids::UserId;
use crate::info::{Info, RegistryInfo};
use crate::lock::Acquired;
use crate::namespace::Registered;
use crate::{os, patience};

/// A registry, and what this process may do with its namespace.
pub(crate) enum Found {
    /// This process may use the namespace.
    Ours(Registered),
    /// This process may only inspect the namespace.
    Foreign(Foreign),
    /// This process may not inspect it, or the registry cannot be read.
    Unreadable(Unreadable),
}

/// A registry that this process may attach, but does not trust.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(super) registry: Registry,
    pub(super) creator: UserId,
    /// Whether this process's user namespace maps the user whose namespace it is.
    pub(crate) is_mapped: bool,
    /// The time for which this process may still wait for the locks of foreign registries.
    patience: Rc<Cell<Duration>>,
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

/// All registries, also those that this process may not read. The user has chosen to trust the
/// registry of the `selected` namespace, if it has one.
pub(crate) fn everybodys(selected: Option<&Registered>) -> Result<Vec<Found>> {
    let failed = |errno: Errno| errno.during(format_args!("look for registries"));
    if !os::LISTS_SEGMENTS {
        return Err(Errno(libc::ENOTSUP).during(format_args!(
            "look for registries: the library cannot list the segments of this system"
        )));
    }
    let patience = Rc::new(Cell::new(patience::LIMIT));
    let candidates = shm::all_of_everybody(may_be_registry).map_err(failed)?;
    let mut found = Vec::new();
    for (id, status) in candidates {
        let one = match examine(id, &status, selected, &patience) {
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

/// Examines a segment that has the key, the size and the mode of a registry. `None` if the
/// registry is gone, is not complete, or has no names.
fn examine(
    id: Id,
    status: &Status,
    selected: Option<&Registered>,
    patience: &Rc<Cell<Duration>>,
) -> std::result::Result<Option<Found>, String> {
    let mapping = match attach(id, status.size) {
        Ok(mapping) => mapping,
        Err(errno) if shm::is_gone(errno) => return Ok(None),
        Err(errno) => return Err(text(format_args!("{}", os::strerror(errno)))),
    };
    // Reading huge pages may raise SIGBUS.
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
    // A process that uses its namespace, even only to inspect it, would remove it at exit.
    if header.names() == Ok(0) {
        return Ok(None);
    }
    let identity = header.identity().map_err(|_| overwritten())?;
    // Processes look for a registry only under these keys.
    if !keys::of_registry(&identity).any(|key| key == status.key) {
        return Err(overwritten());
    }
    let (namespace, is_mapped) = whose(&identity, status).ok_or_else(overwritten)?;
    let user = match namespace {
        Registered::User(user) => Some(user),
        Registered::Path(_) => None,
    };
    let is_chosen = match user {
        Some(user) => is_mapped && user == os::effective_user(),
        // Members of its group may have created it, or may write to it.
        None => Some(&namespace) == selected || status.creator == os::effective_user(),
    };
    if is_chosen && keys::are_trusted(&namespace, status.creator, status.creator_group) {
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
        patience: Rc::clone(patience),
    })))
}

/// The namespace of an identity, and whether this process's user namespace maps the user in it.
/// `None` if the bytes are not an identity.
fn whose(identity: &[u8], status: &Status) -> Option<(Registered, bool)> {
    if identity.first() == Some(&b'/') {
        return Some((Registered::Path(try_to_vec(identity).ok()?), true));
    }
    let digits = identity.strip_prefix(b"uid ")?;
    let outside: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let inside = [os::effective_user(), status.creator]
        .into_iter()
        .find(|user| os::Map::Users.outside(user.0) == Ok(outside) && !keys::is_nobody(*user));
    Some(match inside {
        Some(user) => (Registered::User(user), true),
        // Outside all user namespaces, the two ids are the same.
        None => (
            Registered::User(UserId(outside)),
            os::Map::Users.is_complete(),
        ),
    })
}

impl Foreign {
    pub(crate) const fn namespace(&self) -> &Registered {
        &self.registry.namespace
    }

    /// Whether an orphan may be pruned: see the comment of this module.
    pub(crate) fn may_prune(&self, info: &Info) -> bool {
        self.is_theirs(UserId(info.creator_uid))
    }

    fn is_theirs(&self, creator: UserId) -> bool {
        creator == self.creator && !keys::is_nobody(creator)
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
        let is_theirs = |status: &Status| self.is_theirs(status.creator);
        let mut pruned = Vec::new();
        for one in self.names()? {
            pruned
                .try_reserve(1)
                .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list what was pruned")))?;
            pruned.extend(prune_one(one, minimum_age, is_theirs, || self.lock())?);
        }
        if self.hidden()?.iter().any(|one| one.is_abandoned) {
            let large = self.registry.attach_abandoned();
            self.lock()?
                .delete_abandoned_if(&large, is_theirs, Some(&mut pruned))?;
        }
        sort(&mut pruned);
        Ok(pruned)
    }

    pub(crate) fn hidden(&self) -> Result<Vec<Hidden>> {
        self.registry.hidden()
    }

    pub(crate) fn registry(&self) -> Result<RegistryInfo> {
        let status = self.registry.status()?;
        let names = self.registry.table()?.header.names();
        let names = names.map_err(|damage| self.registry.damaged(damage))?;
        Ok(self
            .registry
            .info(&status, usize::try_from(names).unwrap_or(usize::MAX)))
    }

    /// All names, read without the lock. Slots that other processes are changing are left out.
    fn names(&self) -> Result<Vec<Listed>> {
        let table = self.registry.table()?;
        let mut names = Vec::new();
        let no_room = |errno: Errno| errno.during(format_args!("list the names"));
        for used in table.used().flatten() {
            let State::Live(_, lifetime) = used.state else {
                continue;
            };
            let Ok(stored) = table.name(used.slot, used.facts) else {
                continue;
            };
            if let Some(entry) = used.entry().filter(|_| table.is_still(&used)) {
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
        let before = patience::left();
        let held = self.registry.hold(table.header, self.patience.get());
        let waited = before.saturating_sub(patience::left());
        self.patience
            .set(self.patience.get().saturating_sub(waited));
        let held = held?;
        if held.acquired() == Acquired::OwnerDied {
            held.leave_to_the_next();
            return Err(Errno(libc::EAGAIN).during(format_args!(
                "change {}: a process died while it changed the registry; the next program that \
                 uses this namespace rolls the change back",
                self.registry.namespace
            )));
        }
        let names = Names::new(&self.registry, table, held);
        if names.table.header.magic() != MAGIC || !self.registry.seems_current() {
            return Err(Errno(libc::EAGAIN).during(format_args!(
                "change {}: the registry was removed meanwhile",
                self.registry.namespace
            )));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Table;
    use super::super::shm::Key;
    use super::super::tests::{Scratch, acts_for_others, as_user, exists};
    use super::*;
    use crate::request::{Creation, Lifetime};

    /// A registry as a process sees it that does not trust its creator.
    fn foreign(scratch: &Scratch, creator: UserId) -> Foreign {
        Foreign {
            registry: scratch.at(&scratch.0.namespace, scratch.0.key),
            creator,
            is_mapped: true,
            patience: Rc::new(Cell::new(patience::LIMIT)),
        }
    }

    /// As a process sees it that has not selected its namespace.
    fn looked_at(id: Id, status: &Status) -> std::result::Result<Option<Found>, String> {
        let patience = Rc::new(Cell::new(patience::LIMIT));
        examine(
            id,
            status,
            Some(&Registered::Path(b"/other".to_vec())),
            &patience,
        )
    }

    fn found(scratch: &Scratch) -> Option<Found> {
        let status = shm::status(scratch.0.id).unwrap().unwrap();
        assert!(may_be_registry(&status));
        looked_at(scratch.0.id, &status).unwrap_or_else(|why| {
            Some(Found::Unreadable(Unreadable {
                registry: scratch.0.id.0,
                owner: status.owner.0,
                why,
            }))
        })
    }

    #[test]
    fn the_registry_of_a_path_is_found_with_its_namespace() {
        let scratch = Scratch::new();
        assert!(found(&scratch).is_none(), "it has no names");
        scratch.create(b"name");
        assert!(matches!(found(&scratch), Some(Found::Ours(_))));
    }

    #[test]
    fn a_registry_that_was_overwritten_is_unreadable() {
        for (offset, value) in [(0, 1), (8, 7), (48, 255), (64, 255)] {
            let scratch = Scratch::new();
            scratch.create(b"name");
            let byte = &scratch.0.mapping.bytes()[offset];
            byte.fetch_xor(value, std::sync::atomic::Ordering::Relaxed);
            let Some(Found::Unreadable(one)) = found(&scratch) else {
                panic!("{offset}");
            };
            let version = "it belongs to another version of the library";
            let expected = if offset == 8 {
                version
            } else {
                "it was overwritten"
            };
            assert_eq!(
                (one.why.as_str(), one.owner),
                (expected, os::effective_user().0)
            );
        }
    }

    #[test]
    fn a_registry_that_is_not_complete_is_left_out() {
        let scratch = Scratch::new();
        scratch.create(b"name");
        let header = layout::header(&scratch.0.mapping).unwrap();
        header.supersede();
        assert!(found(&scratch).is_none());
        scratch.0.mapping.bytes()[..8]
            .iter()
            .for_each(|byte| byte.store(0, std::sync::atomic::Ordering::Relaxed));
        assert!(found(&scratch).is_none());
    }

    /// A complete registry that stores `identity` under a key of `of`.
    fn forged(identity: &[u8], of: &[u8]) -> (Id, Key) {
        let key = keys::of_registry(of).next().unwrap();
        let size = layout::size_of_registry(64) + 1;
        let id = shm::create(key, size, Creation::with_mode(0o600)).unwrap();
        let mapping = attach(id, size).unwrap();
        let table = Table::new(&mapping, 64).unwrap();
        assert!(table.header.give_birth(identity, 64, 1, 1));
        (id, key)
    }

    fn examined(id: Id) -> std::result::Result<Option<Found>, String> {
        let status = shm::status(id).unwrap().unwrap();
        let found = looked_at(id, &status);
        shm::remove(id).unwrap();
        found
    }

    #[test]
    fn a_registry_under_a_key_of_another_namespace_is_unreadable() {
        let path = format!("/test/{}/forged", os::process().0).into_bytes();
        let other = format!("/test/{}/another", os::process().0).into_bytes();
        let (id, _) = forged(&path, &other);
        assert_eq!(examined(id).err().as_deref(), Some("it was overwritten"));
        let (id, _) = forged(&path, &path);
        assert!(matches!(examined(id), Ok(Some(Found::Ours(_)))));
        for identity in [&b"uid x"[..], b"uid ", b"relative", b""] {
            let (id, _) = forged(identity, identity);
            assert!(examined(id).is_err(), "{identity:?}");
        }
    }

    #[test]
    fn a_registry_in_the_name_of_another_user_is_unreadable() {
        if !acts_for_others() {
            return;
        }
        let forge = |identity: &'static [u8]| {
            examined(as_user(61_001, move || forged(identity, identity).0))
        };
        assert_eq!(
            forge(b"uid 61002").err().as_deref(),
            Some("user 61001 created it in the name of another user")
        );
        let Ok(Some(Found::Foreign(theirs))) = forge(b"uid 61001") else {
            panic!("the registry is theirs");
        };
        assert_eq!(*theirs.namespace(), Registered::User(UserId(61_001)));
        assert!(theirs.is_mapped);
    }

    #[test]
    fn the_registry_of_a_group_is_trusted_only_where_its_namespace_was_selected() {
        if !acts_for_others() {
            return;
        }
        let path = format!("/test/{}/group", os::process().0).into_bytes();
        let namespace = Registered::Path(path.clone());
        // Its creator has this process's effective group.
        let (id, _) = as_user(61_001, move || forged(&path, &path));
        let status = shm::status(id).unwrap().unwrap();
        assert!(os::is_in_group(status.creator_group));
        let patience = Rc::new(Cell::new(patience::LIMIT));
        let selected = examine(id, &status, Some(&namespace), &patience);
        assert!(matches!(selected, Ok(Some(Found::Ours(_)))));
        assert!(matches!(examined(id), Ok(Some(Found::Foreign(_)))));
    }

    #[test]
    fn all_foreign_registries_together_are_waited_for_no_longer_than_one() {
        let scratch = Scratch::new();
        scratch.create(b"orphan");
        let held = scratch.0.lock().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let foreign = foreign(&scratch, os::effective_user());
                foreign.patience.set(Duration::from_millis(300));
                for _ in 0..3 {
                    patience::renew();
                    let error = foreign.prune(Duration::ZERO).unwrap_err();
                    assert_eq!(error.errno(), libc::ETIMEDOUT, "{error}");
                }
                // The last two did not wait.
                assert_eq!(patience::left(), patience::LIMIT);
            });
        });
        drop(held);
    }

    #[test]
    fn names_of_a_foreign_registry_are_listed_without_its_lock() {
        let scratch = Scratch::new();
        let short = scratch.create(b"short");
        let long = scratch.create(&[b'l'; 500]);
        scratch.begin(b"unfinished", Key(0xc0de_0001));
        let foreign = foreign(&scratch, UserId(1));
        let _held = scratch.0.lock().unwrap();
        let mut listed = foreign.list().unwrap();
        listed.sort_by_key(|info| info.name.len());
        let found: Vec<_> = listed
            .iter()
            .map(|info| (info.name.as_slice(), info.id))
            .collect();
        assert_eq!(
            found,
            [(&b"short"[..], short.id.0), (&[b'l'; 500], long.id.0)]
        );
        assert_eq!(foreign.registry().unwrap().names, 2);
    }

    #[test]
    fn only_segments_of_the_registrys_creator_are_pruned() {
        let scratch = Scratch::new();
        let entry = scratch.create(b"orphan");
        let theirs = foreign(&scratch, UserId(1));
        let info = &theirs.list().unwrap()[0];
        assert!(!theirs.may_prune(info));
        assert_eq!(theirs.prune(Duration::ZERO).unwrap(), []);
        assert!(exists(entry.key) && scratch.found(b"orphan").is_some());
        let ours = foreign(&scratch, os::effective_user());
        assert!(ours.may_prune(info));
        assert_eq!(ours.prune(Duration::from_secs(1000)).unwrap(), []);
        assert_eq!(ours.prune(Duration::ZERO).unwrap().len(), 1);
        assert!(!exists(entry.key) && scratch.found(b"orphan").is_none());
    }

    #[test]
    fn what_a_dead_process_began_in_a_foreign_registry_is_not_rolled_back() {
        let scratch = Scratch::new();
        let orphan = scratch.create(b"orphan");
        // The creator of the registry could name any segment in this way.
        let key = Key(0xc0de_0002);
        let victim = shm::create(key, 4096, Creation::with_mode(0o660)).unwrap();
        scratch.begin(b"unfinished", key);
        scratch.die_with_the_lock();
        let ours = foreign(&scratch, os::effective_user());
        for _ in 0..2 {
            let error = ours.prune(Duration::ZERO).unwrap_err();
            assert_eq!(error.errno(), libc::EAGAIN, "{error}");
            assert!(exists(key) && exists(orphan.key));
        }
        // The next user of the namespace rolls it back.
        assert!(scratch.found(b"unfinished").is_none());
        assert!(!exists(key));
        assert_eq!(ours.prune(Duration::ZERO).unwrap().len(), 1);
        assert!(shm::status(victim).unwrap().is_none());
    }

    #[test]
    fn a_registry_that_was_removed_is_not_changed() {
        let scratch = Scratch::new();
        let entry = scratch.create(b"orphan");
        let ours = foreign(&scratch, os::effective_user());
        shm::remove(scratch.0.id).unwrap();
        assert_eq!(
            ours.prune(Duration::ZERO).unwrap_err().errno(),
            libc::EAGAIN
        );
        assert!(exists(entry.key));
        let lifetime = scratch.0.lifetime(&entry).unwrap();
        assert_eq!(lifetime, Some(Lifetime::Used));
    }
}

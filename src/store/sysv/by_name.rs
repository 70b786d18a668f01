//! What is done with segments by name, without attaching them for the program:
//! look, list, keep, remove, prune. Creates no registry.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::change;
use super::entry::{Entry, LARGE};
use super::hidden::Hidden;
use super::listing::Listed;
use super::locked::Names;
use super::names::Removal;
use super::registry::Registry;
use super::shm::{self, Change, Status};
use super::store::{ATTEMPTS, SysV};
use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::Result;
use crate::info::{Info, Kind, Permissions, RegistryInfo, time_of};
use crate::os;
use crate::quoted::Quoted;
use crate::request::{Access, Lifetime, SETTING, Swapping, Target};
use crate::store::users::Users;

impl SysV {
    pub(in crate::store) fn info(&self, target: Target<'_>) -> Result<Info> {
        self.with_entry(target, |_, names, entry| {
            let failed = |errno: Errno| errno.during(format_args!("look at {target}"));
            let Some(status) = entry.status().map_err(failed)? else {
                return Ok(None);
            };
            let lifetime = names.lifetime(entry)?.unwrap_or(Lifetime::Used);
            let name = match target {
                Target::Name(name) => try_to_vec(name),
                Target::Id(_) => try_to_vec(names.name(entry)?.bytes()),
            };
            Ok(Some(entry.info(name.map_err(failed)?, &status, lifetime)))
        })
    }

    pub(in crate::store) fn list(&self) -> Result<Vec<Info>> {
        let mut infos = Vec::new();
        let Some((_, listed)) = self.all_names()? else {
            return Ok(infos);
        };
        infos
            .try_reserve_exact(listed.len())
            .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list the names")))?;
        for Listed {
            name,
            entry,
            lifetime,
        } in listed
        {
            let status = entry
                .status()
                .map_err(|errno| errno.during(format_args!("look at segment {}", Quoted(&name))))?;
            // It may have been deleted since.
            let Some(status) = status else { continue };
            infos.push(entry.info(name, &status, lifetime));
        }
        Ok(infos)
    }

    pub(in crate::store) fn set_lifetime(&self, name: &[u8], lifetime: Lifetime) -> Result<()> {
        self.with_entry(Target::Name(name), |_, names, entry| {
            let done = names.set_lifetime_if_allowed(name, entry, lifetime)?;
            Ok(done.then_some(()))
        })
    }

    pub(in crate::store) fn set_permissions(
        &self,
        name: &[u8],
        permissions: Permissions,
    ) -> Result<()> {
        let target = Target::Name(name);
        let change = Change::to(permissions, target)?;
        // With the lock, this call cannot undo another process's change of a different value,
        // and no process removes the name meanwhile.
        self.with_entry(target, |_, _, entry| match shm::set(entry.id, change) {
            Ok(()) => Ok(Some(())),
            // EINVAL may also mean that the new owner's id is not valid.
            Err(errno) if shm::is_gone(errno) && entry.status() == Ok(None) => Ok(None),
            Err(errno) => Err(entry.refused(errno, SETTING, name)),
        })
    }

    pub(in crate::store) fn set_swapping(&self, name: &[u8], swapping: Swapping) -> Result<()> {
        let target = Target::Name(name);
        for _ in 0..ATTEMPTS {
            let entry = self.with_entry(target, |_, _, entry| Ok(Some(*entry)))?;
            // This happens without the lock, because the kernel visits each page of a segment that
            // it unlocks. If another process removes the name now, this call came first.
            match shm::set_swapping(entry.id, swapping) {
                Ok(()) => return Ok(()),
                Err(errno) if shm::is_gone(errno) && entry.status() == Ok(None) => {}
                Err(errno) => return Err(change::failed_to(swapping, errno, &entry, name)),
            }
        }
        Err(Self::restless(target))
    }

    pub(in crate::store) fn remove(&self, target: Target<'_>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let (registry, entry, name) = self.with_entry(target, |registry, names, entry| {
                let name = names.name(entry)?;
                let failed = |errno| entry.refused(errno, "remove", name.bytes());
                if let Some(status) = entry.status().map_err(failed)? {
                    entry.may_be_removed(&status).map_err(failed)?;
                }
                Ok(Some((Arc::clone(registry), *entry, name)))
            })?;
            // If nobody else has it attached, its memory is freed when this mapping is
            // detached, after the lock was released.
            let mapping = entry.attach_again(Access::ReadOnly);
            let large = registry.attach_abandoned();
            let names = registry.lock()?;
            names.delete_abandoned(&large)?;
            if !names.has(&entry)? {
                continue;
            }
            let removal = names.remove_if(&entry, |_| true)?;
            drop(names);
            drop(mapping);
            return match removal {
                Removal::Failed(errno) => Err(entry.refused(errno, "remove", name.bytes())),
                _ => Ok(()),
            };
        }
        Err(Self::restless(target))
    }

    pub(in crate::store) fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        let mut pruned = Vec::new();
        let Some((registry, listed)) = self.all_names()? else {
            return Ok(pruned);
        };
        for one in listed {
            pruned
                .try_reserve(1)
                .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list what was pruned")))?;
            pruned.extend(prune_one(one, minimum_age, |_| true, || registry.lock())?);
        }
        if registry.table()?.header.hidden() != 0 {
            let large = registry.attach_abandoned();
            let names = registry.lock()?;
            names.delete_abandoned_if(&large, |_| true, Some(&mut pruned))?;
        }
        sort(&mut pruned);
        Ok(pruned)
    }

    /// The hidden segments of the namespace.
    pub(in crate::store) fn hidden(&self) -> Result<Vec<Hidden>> {
        for _ in 0..ATTEMPTS {
            let Some(registry) = Registry::existing(&self.namespace)? else {
                return Ok(Vec::new());
            };
            let hidden = registry.hidden()?;
            if !registry.is_superseded() && registry.seems_current() {
                return Ok(hidden);
            }
            registry.forget();
        }
        Err(self.restless_registry("list the hidden segments"))
    }

    pub(in crate::store) fn registry(&self) -> Result<Option<RegistryInfo>> {
        let Some((registry, listed)) = self.all_names()? else {
            return Ok(None);
        };
        let status = registry.status()?;
        Ok(Some(registry.info(&status, listed.len())))
    }

    /// All names, and their registry; `None` if the namespace has no registry.
    fn all_names(&self) -> Result<Option<(Arc<Registry>, Vec<Listed>)>> {
        for _ in 0..ATTEMPTS {
            let Some(registry) = Registry::existing(&self.namespace)? else {
                return Ok(None);
            };
            match registry.all_names()? {
                Some(names) => return Ok(Some((registry, names))),
                None => registry.forget(),
            }
        }
        Err(self.restless_registry("list the names"))
    }
}

/// Sorts segments by name, as the command lists them.
pub(super) fn sort(infos: &mut [Info]) {
    infos.sort_unstable_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
}

/// Deletes a segment if it is an orphan of at least this age, and `may_go` allows it.
pub(super) fn prune_one<'a>(
    one: Listed,
    minimum_age: Duration,
    may_go: impl Fn(&Status) -> bool,
    lock: impl Fn() -> Result<Names<'a>>,
) -> Result<Option<Info>> {
    let Listed {
        name,
        entry,
        lifetime,
    } = one;
    let is_old_orphan = |status: &Status| {
        status.users(0) == Users::Nobody && entry.idle_time(status) >= minimum_age
    };
    let status = match entry.status() {
        Ok(Some(status)) => status,
        Ok(None) => {
            // The segment was deleted by other means: free its name, too.
            lock()?.remove_stale(&entry)?;
            return Ok(None);
        }
        Err(_) => return Ok(None),
    };
    if lifetime == Lifetime::Kept
        || !is_old_orphan(&status)
        || !may_go(&status)
        || entry.may_be_removed(&status).is_err()
    {
        return Ok(None);
    }
    // That was only a look; the decision is made under the lock. Before that, a large
    // segment is attached (see `remove` for the reason), which may take seconds (mlockall). A
    // small one is not: a process that destroys it meanwhile would take this attachment for
    // another user's, and leave the segment behind.
    let is_large = entry.size > LARGE;
    let mapping = is_large
        .then(|| entry.attach_again(Access::ReadOnly))
        .flatten();
    let ours = u64::from(mapping.is_some());
    let names = lock()?;
    let removed = names.lifetime(&entry)? == Some(Lifetime::Used)
        && names.remove_if(&entry, |now| {
            // If another process had it attached meanwhile, and died, it is an orphan
            // that is not old.
            now.users(ours) != Users::Others && now.detached == status.detached && may_go(now)
        })? == Removal::Removed;
    drop(names);
    drop(mapping);
    Ok(removed.then(|| entry.info(name, &status, lifetime)))
}

impl Entry {
    /// How long a segment that nobody has attached has been unused.
    ///
    /// The kernel's times come from a clock that may be set. If it was set back, the
    /// segment seems to come from the future, and its age is 0. If it was set forward,
    /// the age is at most the system's uptime, because no segment outlives a reboot: so
    /// a system whose clock is set soon after its start prunes no fresh segment.
    fn idle_time(&self, status: &Status) -> Duration {
        let last_used = match u64::try_from(status.detached) {
            Ok(seconds) if seconds > 0 => seconds,
            _ => self.created,
        };
        let age = os::seconds(os::Clock::Realtime).saturating_sub(last_used);
        Duration::from_secs(age.min(os::seconds(os::Clock::Uptime)))
    }

    /// What a program gets to know of the segment.
    pub(super) fn info(&self, name: Vec<u8>, status: &Status, lifetime: Lifetime) -> Info {
        Info {
            name,
            kind: Kind::SysV,
            id: self.id.0,
            key: status.key.to_c(),
            // The kernel may show the lower half only, see `Status::shows_size`.
            size: status.size.max(self.size),
            created: UNIX_EPOCH + Duration::from_secs(self.created),
            attached: time_of(status.attached),
            detached: time_of(status.detached),
            changed: time_of(status.changed).unwrap_or(UNIX_EPOCH),
            creator_pid: i32::try_from(status.creator_process.0).unwrap_or(0),
            last_pid: i32::try_from(status.last_process.0).unwrap_or(0),
            uid: status.owner.0,
            gid: status.group.0,
            creator_uid: status.creator.0,
            creator_gid: status.creator_group.0,
            mode: status.mode,
            mappings: status.mappings,
            locked: status.is_locked,
            kept: lifetime == Lifetime::Kept,
            transient: self.is_transient,
            hidden: false,
        }
    }
}

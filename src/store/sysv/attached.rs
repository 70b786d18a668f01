//! A segment's attachment, until it is detached; and the deletion of the segment
//! by the last process.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use super::change;
use super::doubt::may_ask;
use super::entry::Entry;
use super::hash::HashedName;
use super::layout::State;
use super::mapping::Mapping;
use super::names::Removal;
use super::registry::Registry;
use super::shm::{self, Change, Status};
use super::store::ATTEMPTS;
use super::swap;
use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::fork;
use crate::info::{Info, Permissions};
use crate::name::OwnedName;
use crate::os;
use crate::quoted::Quoted;
use crate::request::{Access, Lifetime, SETTING, Swapping};
use crate::store::users::Users;

/// A segment that this process has attached.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(super) name: OwnedName,
    pub(super) entry: Entry,
    pub(super) origin: Origin,
    pub(super) access: Access,
    /// The registry that the name was found in, even if it is gone by now.
    pub(super) registry: Arc<Registry>,
    /// `None` once it was detached.
    pub(super) mapping: Option<Mapping>,
}

/// Where a segment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It existed.
    Found,
    /// This attachment's call created it.
    Created,
}

/// What became of the segment of a destroyed handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is deleted.
    Deleted,
    /// Others have it attached.
    InUse,
    /// It stays, whether anybody has it attached or not.
    Kept,
}

impl Attached {
    #[inline]
    pub(in crate::store) fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    #[inline]
    pub(in crate::store) const fn id(&self) -> i32 {
        self.entry.id.0
    }

    #[inline]
    pub(in crate::store) fn bytes(&self) -> &[AtomicU8] {
        self.mapping.as_ref().map_or(&[], Mapping::bytes)
    }

    #[inline]
    pub(in crate::store) const fn access(&self) -> Access {
        self.access
    }

    #[inline]
    pub(in crate::store) const fn is_closed(&self) -> bool {
        self.mapping.is_none()
    }

    #[inline]
    pub(in crate::store) const fn was_created(&self) -> bool {
        matches!(self.origin, Origin::Created)
    }

    pub(in crate::store) fn info(&self) -> Result<Info> {
        let status = self.status("look at")?;
        let (registry, entry) = self.home();
        let (lifetime, hidden) = match registry.state_of(&entry)? {
            Some(State::Live(_, lifetime) | State::Removing(_, lifetime)) => (lifetime, false),
            Some(State::Hidden(_, lifetime) | State::Abandoned(_, lifetime)) => (lifetime, true),
            _ => (Lifetime::Used, false),
        };
        let name = try_to_vec(self.name())
            .map_err(|errno| errno.during(format_args!("look at {self}")))?;
        Ok(Info {
            hidden,
            ..self.entry.info(name, &status, lifetime)
        })
    }

    pub(in crate::store) fn swapped(&self) -> Option<u64> {
        // In another IPC namespace, the identifier is another segment's.
        self.entry.status_of_attached().ok()?;
        swap::pages(self.entry.id)
    }

    pub(in crate::store) fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        let wanted = Change::to(permissions, self)?;
        // The kernel sets all of them at once. The lock keeps this call from undoing
        // another process's change of a different one.
        let (registry, _) = self.home();
        let _names = registry.lock()?;
        self.status("set the permissions of")?;
        shm::set(self.entry.id, wanted)
            .map_err(|errno| self.entry.refused(errno, SETTING, self.name()))
    }

    pub(in crate::store) fn set_swapping(&self, swapping: Swapping) -> Result<()> {
        self.status(change::doing(swapping))?;
        shm::set_swapping(self.entry.id, swapping)
            .map_err(|errno| change::failed_to(swapping, errno, &self.entry, self.name()))
    }

    pub(in crate::store) fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        for _ in 0..2 {
            let (registry, entry) = self.home();
            let names = registry.lock()?;
            if names.set_lifetime_if_allowed(self.name(), &entry, lifetime)? {
                return Ok(());
            }
            drop(names);
            registry.renew()?;
        }
        Err(Errno(libc::EIDRM).during(format_args!("keep {self}: it has lost its name")))
    }

    pub(in crate::store) fn remove(&self) -> Result<()> {
        let failed = |errno: Errno| self.entry.refused(errno, "remove", self.name());
        let lost = || {
            Err(Errno(libc::EIDRM).during(format_args!(
                "remove {self}: it has lost its name, which may be another segment's by now"
            )))
        };
        for _ in 0..2 {
            let (registry, entry) = self.home();
            let Some(status) = entry.status().map_err(failed)? else {
                return lost();
            };
            entry.may_be_removed(&status).map_err(failed)?;
            // The program may have detached it itself (shmdt), and nobody else may have it
            // attached: then its memory is freed when this mapping is detached, after the
            // lock was released.
            let mapping = entry.attach_again(Access::ReadOnly);
            let large = registry.attach_abandoned();
            let names = registry.lock()?;
            if let Some(State::Hidden(..)) = names.state_of(&entry)? {
                return Err(Errno(libc::EIDRM).during(format_args!(
                    "remove {self}: it is hidden, and has no name yet"
                )));
            }
            names.delete_abandoned(&large)?;
            if names.has(&entry)? && registry.seems_current() {
                let removal = names.remove_if(&entry, |_| true)?;
                drop(names);
                drop(mapping);
                return match removal {
                    Removal::Failed(errno) => Err(failed(errno)),
                    Removal::Missing => lost(),
                    Removal::Removed | Removal::Spared => Ok(()),
                };
            }
            drop(names);
            registry.renew()?;
        }
        lost()
    }

    /// Rolls back this attachment's creation: the segment does not outlive it.
    #[cfg(feature = "capi")]
    pub(in crate::store) fn give_up(&self) {
        if !self.entry.is_transient {
            let (registry, entry) = self.home();
            let names = registry.lock();
            let _ = names.and_then(|names| names.set_lifetime(&entry, Lifetime::Used));
        }
    }

    /// The segment's status, even if it has lost its name.
    fn status(&self, doing: &str) -> Result<Status> {
        self.entry
            .status_of_attached()
            .map_err(|errno| errno.during(format_args!("{doing} {self}")))
    }

    pub(in crate::store) fn detach(&mut self) -> Result<()> {
        let Some(mapping) = self.mapping.take() else {
            return Ok(());
        };
        // No caller detaches so often that asking the kernel each time matters.
        let is_ours = mapping.is_of(self.entry.key, self.entry.id);
        self.release(mapping, is_ours)
    }

    pub(in crate::store) fn close(&mut self) -> Result<()> {
        let Some(mapping) = self.mapping.take() else {
            return Ok(());
        };
        self.follow();
        // A process that created the segment probably is the only one that has it. If
        // others have it, that needs no lock.
        let status = match self.origin {
            Origin::Created => self.entry.status().ok().flatten(),
            Origin::Found => None,
        };
        let is_ours = self.is_attached_by(&mapping, status.as_ref());
        let fate = match status {
            Some(status) if is_ours && status.users(1) != Users::Others => {
                self.delete_if_last(|status| status.users(1) != Users::Others)
            }
            _ => Ok(Fate::InUse),
        };
        // Whether this works or the segment was detached already: it is now.
        let detached = self.release(mapping, is_ours);
        if fate? == Fate::Deleted {
            return detached;
        }
        // Only now does this process not count any more: of two that leave at once,
        // each has seen the other until now. Whether the segment is kept is looked at
        // again, too.
        for _ in 0..ATTEMPTS {
            if !self.is_orphan()? || self.is_kept()? {
                return detached;
            }
            // The memory of a segment that is deleted while it is attached is freed
            // when it is detached, after the lock was released.
            let mapping = self.entry.attach_again(self.access);
            let ours = u64::from(mapping.is_some());
            let fate = self.delete_if_last(|status| status.users(ours) != Users::Others);
            drop(mapping);
            if fate? == Fate::Deleted {
                return detached;
            }
        }
        Err(Errno(libc::EAGAIN).during(format_args!(
            "delete {self}: other processes keep attaching it for a moment"
        )))
    }

    /// Whether the attachment is still there. Only the program itself can have ended it
    /// (shmdt(2), `MADV_DONTFORK`). To ask the kernel takes longer than to attach and
    /// detach, so it is asked where there is reason to: if the answer decides whether the
    /// segment is deleted, and if the library has attached something at the address since.
    /// Otherwise, only the first few times in each 34 ms.
    fn is_attached_by(&self, mapping: &Mapping, status: Option<&Status>) -> bool {
        let is_due = match status {
            // This process attached it last, and nobody has ever detached it.
            Some(status) if status.detached == 0 && status.last_process == fork::process() => false,
            Some(status) if status.users(1) != Users::Others => true,
            _ => mapping.is_in_doubt() || may_ask(),
        };
        !is_due || mapping.is_of(self.entry.key, self.entry.id)
    }

    #[cold]
    fn not_attached(&self) -> Error {
        Errno(libc::EINVAL)
            .during(format_args!(
                "detach {self}: it is not attached there any more (the program may have called \
                 shmdt)"
            ))
            .because(Reason::Detached)
    }

    /// Detaches the segment if the attachment is still there, and otherwise leaves alone
    /// what is at its address now.
    fn release(&self, mapping: Mapping, is_ours: bool) -> Result<()> {
        if !is_ours {
            mapping.abandon();
            return Err(self.not_attached());
        }
        mapping
            .detach()
            .map_err(|errno| errno.during(format_args!("detach {self}")))
    }

    /// Whether the segment exists and nobody has it attached.
    fn is_orphan(&self) -> Result<bool> {
        match self.entry.status() {
            Ok(Some(status)) => Ok(status.users(0) == Users::Nobody),
            Ok(None) => {
                self.registry.lock()?.remove_stale(&self.entry)?;
                Ok(false)
            }
            Err(errno) => Err(errno.during(format_args!("look at {self}"))),
        }
    }

    /// Whether the segment stays without holders. The name of a kept segment must not end
    /// with a registry that was removed.
    fn is_kept(&mut self) -> Result<bool> {
        if self.registry.lifetime(&self.entry)? != Some(Lifetime::Kept) {
            return Ok(false);
        }
        Arc::clone(&self.registry).renew()?;
        self.follow();
        Ok(true)
    }

    /// Deletes the segment and frees its name, unless it is kept or its status shows
    /// that others have it attached.
    fn delete_if_last(&mut self, is_last: impl Fn(&Status) -> bool) -> Result<Fate> {
        if self.is_kept()? {
            return Ok(Fate::Kept);
        }
        let names = self
            .registry
            .lock()
            .inspect_err(|error| self.delete_if_unfindable(error.errno(), &is_last))?;
        if names.is_superseded() {
            drop(names);
            return match self.successor()? {
                // It is looked at again there.
                Some((registry, entry)) => {
                    self.registry = registry;
                    self.entry = entry;
                    Ok(Fate::InUse)
                }
                None => self.delete_nameless(is_last),
            };
        }
        if names.keeps(&self.entry)? {
            return Ok(Fate::Kept);
        }
        match names.remove_if(&self.entry, &is_last)? {
            Removal::Removed | Removal::Missing => Ok(Fate::Deleted),
            Removal::Spared => Ok(Fate::InUse),
            Removal::Failed(errno) => Err(self.entry.refused(errno, "delete", self.name())),
        }
    }

    /// Finds the name in the registry that has taken it over.
    fn follow(&mut self) {
        if !self.registry.is_superseded() {
            return;
        }
        if let Ok(Some((registry, entry))) = self.successor() {
            self.registry = registry;
            self.entry = entry;
        }
    }

    /// The registry that has taken the name over, and the name's entry there; `None`
    /// if its registry was not superseded, or the name is not the segment's any more. If the
    /// namespace has no registry, one is created, which may be the one that takes the name
    /// over.
    #[cold]
    fn successor(&self) -> Result<Option<(Arc<Registry>, Entry)>> {
        if !self.registry.is_superseded() {
            return Ok(None);
        }
        self.registry.forget();
        let registry = Registry::of(&self.registry.namespace)?;
        let entry = registry
            .lock()?
            .same(&HashedName::new(self.name()), &self.entry);
        Ok(entry.map(|entry| (registry, entry)))
    }

    /// Deletes a segment that no registry names any more, so that no process can be about
    /// to attach it: a registry had taken the name over, and was removed while no process
    /// had it attached, or it had no room for the name.
    fn delete_nameless(&self, is_last: impl Fn(&Status) -> bool) -> Result<Fate> {
        let deleted = self.entry.status().and_then(|status| match status {
            Some(status) if is_last(&status) => shm::remove(self.entry.id).map(|()| Fate::Deleted),
            Some(_) => Ok(Fate::InUse),
            None => Ok(Fate::Deleted),
        });
        deleted.map_err(|errno| self.entry.refused(errno, "delete", self.name()))
    }

    /// The registry that has the name now, and the name's entry.
    pub(super) fn home(&self) -> (Arc<Registry>, Entry) {
        self.successor()
            .ok()
            .flatten()
            .unwrap_or_else(|| (Arc::clone(&self.registry), self.entry))
    }

    /// Deletes a segment whose registry was overwritten. No process can be about to
    /// attach it, and none would ever find it. But a kept one may be worth a search
    /// by hand.
    fn delete_if_unfindable(&self, errno: i32, is_last: impl Fn(&Status) -> bool) {
        if errno == os::EUCLEAN
            && !self.registry.still_names(&self.entry)
            && !matches!(
                self.registry.lifetime(&self.entry),
                Ok(Some(Lifetime::Kept))
            )
            && matches!(self.entry.status(), Ok(Some(status)) if is_last(&status))
        {
            let _ = shm::remove(self.entry.id);
        }
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Quoted(self.name.bytes());
        write!(f, "segment {name} (id {})", self.entry.id)
    }
}

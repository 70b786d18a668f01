//! Find, create and complete a registry.

#![forbid(unsafe_code)]

use std::ops::ControlFlow;

use super::keys::{self, UNBORN};
use super::layout::{self, Damage, Header, MAGIC, SUPERSEDED};
use super::limits::{Remedy, registry_size};
use super::registry::{Registry, attach, place_of};
use super::shm::{self, Id, Key, Status};
use super::sweep::{Whose, sweep};
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::lock::{Acquired, Place};
use crate::namespace::Registered;
use crate::os::Uncancelled;
use crate::request::Creation;
use crate::{fork, lock, os, patience, random};

/// How often to try again when other processes interfere.
const ATTEMPTS: usize = 1000;

/// Which process completed a new registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completed {
    /// This one.
    Here,
    /// Another one, perhaps for another namespace.
    Elsewhere,
}

/// What was found under the keys of a namespace.
enum Search {
    /// Its registry.
    Found(Registry),
    /// A registry that no process has completed yet.
    Unborn(Registry),
    /// No registry, and a key for one; no key if strangers occupy them all.
    Vacant(Option<Key>),
    /// Something that went away meanwhile: start again.
    Gone,
}

/// What a segment under one of the keys of a namespace is.
enum Candidate {
    /// The complete registry of this namespace.
    Complete(Registry),
    /// A registry that no process has completed yet.
    Unborn(Registry),
    /// Something else: try the next key.
    Stranger,
    /// It went away meanwhile: start again.
    Gone,
}

impl Registry {
    /// Finds the registry under the keys of the namespace, or creates it.
    pub(super) fn open(namespace: &Registered) -> Result<Self> {
        let _uncancelled = Uncancelled::new();
        let identity = namespace.identity()?;
        if !keys::may_create(namespace) {
            // Its creator would be another user, whom those of the namespace do not trust.
            return Err(denied(
                namespace,
                format_args!("the effective user id of this process is another one now"),
            ));
        }
        if keys::is_nobody(os::effective_user()) {
            return Err(denied(
                namespace,
                format_args!(
                    "this process's user namespace does not map its user id, so nothing shows \
                     which segments are its own; map it (newuidmap(1), 'unshare --map-user')"
                ),
            ));
        }
        let mut created = None;
        for _ in 0..ATTEMPTS {
            match Self::find_or_create(namespace, &identity, &mut created) {
                Ok(ControlFlow::Break(registry)) => {
                    // Another process completed one under another key meanwhile.
                    if let Some((id, _)) = created.filter(|&(id, _)| id != registry.id) {
                        withdraw_new(id);
                    }
                    return Ok(registry);
                }
                Ok(ControlFlow::Continue(())) => {}
                Err(error) => {
                    // A new one that can't be used is not left behind.
                    if let Some((id, key)) = created {
                        remove_unused(id, key);
                    }
                    return Err(error);
                }
            }
        }
        Err(denied(
            namespace,
            format_args!("other processes keep removing its registry"),
        ))
    }

    /// Finds a complete registry, but creates none.
    pub(super) fn find(namespace: &Registered) -> Result<Option<Self>> {
        let identity = namespace.identity()?;
        for _ in 0..ATTEMPTS {
            match Self::search(namespace, &identity)? {
                Search::Found(registry) => return Ok(Some(registry)),
                Search::Unborn(_) | Search::Vacant(_) => return Ok(None),
                Search::Gone => {}
            }
        }
        Err(denied(
            namespace,
            format_args!("other processes keep removing its registry"),
        ))
    }

    /// One pass over the keys. Looks at all of them before a registry is created or
    /// completed: a stranger that occupied an early one may be gone by now.
    fn search(namespace: &Registered, identity: &[u8]) -> Result<Search> {
        let mut vacant = None;
        let mut unborn = None;
        for key in keys::of_registry(identity) {
            match shm::find(key, 0) {
                Err(Errno(libc::ENOENT)) => vacant = vacant.or(Some(key)),
                Err(errno) => return Err(not_searchable(namespace, errno)),
                Ok(id) => match Self::examine(namespace, identity, key, id)? {
                    Candidate::Complete(registry) => return Ok(Search::Found(registry)),
                    Candidate::Unborn(registry) => unborn = unborn.or(Some(registry)),
                    Candidate::Stranger => {}
                    Candidate::Gone => return Ok(Search::Gone),
                },
            }
        }
        Ok(unborn.map_or(Search::Vacant(vacant), Search::Unborn))
    }

    /// One attempt to find the registry, or to create and complete it. Notes the
    /// segment that it created.
    fn find_or_create(
        namespace: &Registered,
        identity: &[u8],
        created: &mut Option<(Id, Key)>,
    ) -> Result<ControlFlow<Self>> {
        let key = match Self::search(namespace, identity)? {
            Search::Found(registry) => return Ok(ControlFlow::Break(registry)),
            // It stays attached: where the system removes segments that nobody has
            // attached (kernel.shm_rmid_forced), it would be gone again.
            Search::Unborn(registry) => {
                Self::freeze_predecessors(namespace, identity)?;
                return Ok(match registry.complete(identity)? {
                    Completed::Here => ControlFlow::Break(registry),
                    Completed::Elsewhere => ControlFlow::Continue(()),
                });
            }
            Search::Gone => return Ok(ControlFlow::Continue(())),
            Search::Vacant(Some(key)) => key,
            Search::Vacant(None) => {
                return Err(denied(
                    namespace,
                    format_args!(
                        "other programs' segments occupy all its keys; 'ipcs -m' shows the \
                         owners of the keys from {:#x} on",
                        keys::of_registry(identity).next().map_or(0, |key| key.0)
                    ),
                ));
            }
        };
        if created.is_none() {
            sweep(Whose::Ours);
        }
        let size = registry_size() + keys::size_nonce();
        let creation = Creation::with_mode(keys::mode(namespace) | UNBORN);
        match shm::create(key, size, creation) {
            // The next pass finds and completes it, unless another process was faster.
            Ok(id) => {
                *created = Some((id, key));
                Ok(ControlFlow::Continue(()))
            }
            Err(Errno(libc::EEXIST)) => Ok(ControlFlow::Continue(())),
            Err(errno) => Err(errno.during(format_args!(
                "create a registry of {size} bytes for {namespace}{}",
                Remedy {
                    errno,
                    size,
                    creation: Some(creation)
                }
            ))),
        }
    }

    /// Looks at the segment under one of the keys of the namespace.
    fn examine(namespace: &Registered, identity: &[u8], key: Key, id: Id) -> Result<Candidate> {
        let status = match shm::status(id) {
            Ok(Some(status)) if status.key == key => status,
            Ok(_) => return Ok(Candidate::Gone),
            Err(Errno(libc::EACCES)) => return untrusted(namespace, id, None),
            Err(errno) => {
                return Err(errno.during(format_args!("look at registry {id} of {namespace}")));
            }
        };
        if !keys::are_trusted(namespace, status.creator, status.creator_group) {
            return untrusted(namespace, id, Some(status));
        }
        if status.size < layout::HEADER_SIZE {
            return Ok(Candidate::Stranger);
        }
        let mapping = match attach(id, status.size) {
            Ok(mapping) => mapping,
            Err(errno) if shm::is_gone(errno) => return Ok(Candidate::Gone),
            Err(Errno(libc::EACCES)) => return untrusted(namespace, id, Some(status)),
            Err(errno) => {
                let size = status.size;
                return Err(errno.during(format_args!(
                    "attach registry {id} of {namespace}, {size} bytes{}",
                    Remedy {
                        errno,
                        size,
                        creation: None
                    }
                )));
            }
        };
        if !mapping.is_ordinary() {
            return Err(denied(
                namespace,
                format_args!(
                    "its registry, segment {id} of user {}, is in huge pages, which may be \
                     missing; this library makes no such registry",
                    status.creator
                ),
            ));
        }
        Self::new(namespace, id, &status, mapping).judge(identity, &status)
    }

    /// Looks at the bytes of a candidate whose creator is trusted.
    fn judge(self, identity: &[u8], status: &Status) -> Result<Candidate> {
        let Some(header) = layout::header(&self.mapping) else {
            return Ok(Candidate::Stranger);
        };
        let unborn_elsewhere = self.mode() | lock::OTHER_KIND.unborn;
        if header.magic() == 0 && status.mode == unborn_elsewhere && self.capacity != 0 {
            return Err(self.is_locked_otherwise());
        }
        // A stranger's segment has neither a registry's size nor its mode.
        let looks_like_one = self.capacity != 0 && status.mode & !UNBORN == self.mode();
        match header.magic() {
            MAGIC => {}
            // Two processes created one each, and the other one was completed. Whoever
            // was to remove this one died before that, or may not.
            SUPERSEDED => {
                return Ok(match remove(self.id, || place_of(status)) {
                    Err(Errno(libc::EPERM)) => Candidate::Stranger,
                    _ => Candidate::Gone,
                });
            }
            _ if !looks_like_one => return Ok(Candidate::Stranger),
            0 if status.mode & UNBORN != 0 => return Ok(Candidate::Unborn(self)),
            _ => return Err(self.damaged(Damage("its first bytes"))),
        }
        self.check_version(header)?;
        if !header
            .is_for(identity)
            .map_err(|damage| self.damaged(damage))?
        {
            return Ok(Candidate::Stranger);
        }
        if status.mode & 0o002 != 0 {
            return Err(denied(
                &self.namespace,
                format_args!(
                    "registry {} of user {} is world-writable; end the programs that use it, \
                     then run 'ipcrm -m {}'",
                    self.id, status.owner, self.id
                ),
            ));
        }
        if looks_like_one && status.mode & UNBORN != 0 {
            // The process that completed it died before it took the bit away, or is
            // just about to do so.
            self.show_complete();
        }
        Ok(Candidate::Complete(self))
    }

    /// Writes the header of a new registry, unless another process did so
    /// while this one waited for the lock, or completes another registry of this
    /// namespace.
    pub(super) fn complete(&self, identity: &[u8]) -> Result<Completed> {
        let table = self.table()?;
        let held = self.hold(table.header, patience::LIMIT)?;
        // It may turn out that another registry is to be completed.
        held.ends_with_the_registry();
        if table.header.magic() != 0 {
            if held.acquired() == Acquired::OwnerDied {
                // It may have died while it changed names: whoever opens it recovers.
                held.leave_to_the_next();
            }
            return Ok(Completed::Elsewhere);
        }
        if !self.seems_current() || !self.prevails(identity)? {
            return Ok(Completed::Elsewhere);
        }
        let Some((names, predecessors)) = self.take_over(&table, identity)? else {
            return Ok(Completed::Elsewhere);
        };
        let nonce = random::nonce(fork::process());
        if !table
            .header
            .give_birth(identity, table.capacity(), names, nonce)
        {
            return Ok(Completed::Elsewhere);
        }
        Ok(self.conclude(&predecessors))
    }

    /// The end of the birth, when the registry is complete.
    pub(super) fn conclude(&self, predecessors: &[Self]) -> Completed {
        if matches!(shm::status(self.id), Ok(Some(status)) if status.is_removed) {
            // Nobody has added a name to it, and its predecessors still have the others.
            self.succeed(self);
            return Completed::Elsewhere;
        }
        // Otherwise they would be copied again after this one was removed, too.
        for predecessor in predecessors {
            self.succeed(predecessor);
        }
        self.show_complete();
        Completed::Here
    }

    /// Whether this new registry, and no other one, becomes that of the namespace. It
    /// looks at all keys again: a process that came when another program occupied an
    /// earlier key, or before that, may have created one, too. The one with the earlier
    /// key prevails, unless the other one is complete by now.
    ///
    /// Both were created before either process looks, or the one that looks first sees
    /// only its own and completes it; the other one then finds it complete. Whoever
    /// changes the magic number from 0 first decides what the later registry becomes.
    fn prevails(&self, identity: &[u8]) -> Result<bool> {
        let mut is_later = false;
        for key in keys::of_registry(identity) {
            if key == self.key {
                is_later = true;
                continue;
            }
            let Ok(id) = shm::find(key, 0) else {
                continue;
            };
            let prevails = match Self::examine(&self.namespace, identity, key, id)? {
                Candidate::Complete(_) => false,
                Candidate::Unborn(other) => is_later && other.withdraw(),
                Candidate::Stranger | Candidate::Gone => true,
            };
            if !prevails {
                self.withdraw();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a registry that is not complete. False if it is complete by now.
    fn withdraw(&self) -> bool {
        layout::header(&self.mapping)
            .is_some_and(|header| withdraw(self.id, header, || self.place(header)))
    }

    /// Takes away the bit that marks the registry as new. Only the owner can;
    /// others may skip it.
    fn show_complete(&self) {
        let _ = shm::set_mode(self.id, self.mode());
    }
}

/// A segment that somebody else created. Nobody else creates a user's registry.
/// But the registry of a path may be one that this process may not use, and to
/// create another would give one name two segments.
fn untrusted(namespace: &Registered, id: Id, status: Option<Status>) -> Result<Candidate> {
    match (namespace, status) {
        (Registered::User(_), _) => Ok(Candidate::Stranger),
        (Registered::Path(_), None) => Err(denied(
            namespace,
            format_args!(
                "no permission to read its registry, segment {id}; ask its owner, whom 'ipcs -m' \
                 shows, or choose another namespace"
            ),
        )),
        (Registered::Path(_), Some(status)) => Err(denied(
            namespace,
            format_args!(
                "its registry, segment {id}, was created by user {} and group {}, of which this \
                 process is neither; join that group, or choose another namespace",
                status.creator, status.creator_group
            ),
        )),
    }
}

/// The error of a shmget(2) that looks for a registry. It is the first System V call of each
/// process, and creates nothing, so the kernel refuses it for no reason of its own.
#[cold]
fn not_searchable(namespace: &Registered, errno: Errno) -> Error {
    let what = match errno {
        Errno(libc::ENOSYS) => {
            "this system has no System V shared memory, or a sandbox blocks it; use a kernel with \
             CONFIG_SYSVIPC (Android's lack it), allow shmget, shmat, shmdt and shmctl, or set \
             NOB_DATABASE to a directory (it ends in /) or to private:"
        }
        Errno(libc::EPERM) => {
            "a sandbox blocks System V shared memory; allow shmget, shmat, shmdt and shmctl, or \
             set NOB_DATABASE to a directory (it ends in /) or to private:"
        }
        _ => return errno.during(format_args!("find the registry of {namespace}")),
    };
    errno
        .during(format_args!("find the registry of {namespace}: {what}"))
        .because(Reason::NoSystemV)
}

/// The error of a registry that can't be used.
fn denied(namespace: &Registered, why: std::fmt::Arguments<'_>) -> crate::error::Error {
    crate::error::Error::new(libc::EACCES, format_args!("open {namespace}: {why}"))
        .because(crate::error::Reason::Namespace)
}

/// Removes a registry that this process has created, unless it is complete by now.
fn withdraw_new(id: Id) {
    let Ok(Some(status)) = shm::status(id) else {
        return;
    };
    let is_new = status.mode & UNBORN != 0 && layout::capacity_of(status.size).is_some();
    let mapping = is_new.then(|| attach(id, status.size).ok()).flatten();
    if let Some(header) = mapping.as_ref().and_then(layout::header) {
        withdraw(id, header, || place_of(&status));
    }
}

/// Removes a registry that is not complete. False if it is complete by now.
fn withdraw(id: Id, header: &Header, place: impl FnOnce() -> Place) -> bool {
    let is_forestalled = header.forestall();
    if is_forestalled {
        // Only its owner can. Otherwise it stays, and is never used.
        let _ = remove(id, place);
    }
    is_forestalled
}

/// Removes a registry whose lock is not held, and its lock.
fn remove(id: Id, place: impl FnOnce() -> Place) -> std::result::Result<(), Errno> {
    let removed = shm::remove(id);
    if removed.is_ok() {
        lock::remove_with_the_registry(place);
    }
    removed
}

/// Removes a segment that no process has ever attached.
fn remove_unused(id: Id, key: Key) {
    let is_unused = |status: &Status| status.key == key && !status.was_ever_attached();
    if let Some(status) = shm::status(id).ok().flatten().filter(is_unused) {
        let _ = remove(id, || place_of(&status));
    }
}

//! Prepares a hidden segment: attaches it, makes it transient, publishes it.
//!
//! All of this happens without the lock, except for the last step, which is one store. If the
//! creator dies in between, no process has the segment attached, and the next process that
//! creates, publishes, prunes or removes a segment deletes it (see `hidden`). A transient segment
//! is marked for deletion while it is attached; from then on, the kernel deletes it.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::attached::Attached;
use super::entry::Entry;
use super::hash::HashedName;
use super::hidden::Large;
use super::layout::State;
use super::limits::Remedy;
use super::locked::Names;
use super::mapping::Mapping;
use super::names::{Lookup, Removal};
use super::registry::Registry;
use super::shm;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::os;
use crate::quoted::Quoted;
use crate::request::{Placement, Request};
use crate::store::users::Users;

/// An identifier is used again after some four million creations, which take longer than this
/// many seconds.
pub(super) const ID_IS_FRESH: u64 = 1;

/// The number of registries, each of which replaces the previous one, in which a segment is
/// looked for.
const REGISTRIES: usize = 8;

/// The result of publishing a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publication {
    Published,
    /// Another segment has the name.
    Taken(Entry),
    /// The segment was published before, was never hidden, is in another registry, or was
    /// deleted by other means (ipcrm(1)).
    NotHidden,
    /// This is not the namespace's registry any more.
    NotCurrent,
}

impl Names<'_> {
    /// Gives a hidden segment its name, unless another one has it.
    fn publish(&self, name: &HashedName<'_>, entry: &Entry, large: &Large) -> Result<Publication> {
        self.delete_abandoned(large)?;
        let looked_up = self.look_up(name)?;
        // The state is read after the look-up, which may roll back another process's change.
        let lifetime = match (looked_up, self.state_of(entry)?) {
            (Lookup::NotCurrent, _) => return Ok(Publication::NotCurrent),
            (Lookup::Found(other), Some(State::Hidden(..))) => {
                return Ok(Publication::Taken(other));
            }
            (Lookup::Absent, Some(State::Hidden(_, lifetime))) => lifetime,
            _ => return Ok(Publication::NotHidden),
        };
        let status = entry.status().map_err(|errno| {
            errno.during(format_args!("look at segment {}", Quoted(name.bytes())))
        })?;
        if status.is_none() {
            return Ok(Publication::NotHidden);
        }
        let state = State::Live(entry.id, lifetime);
        self.table.note(entry.slot, state);
        self.set_state(entry, state)?;
        self.table.header.announce_name();
        Ok(Publication::Published)
    }
}

impl Attached {
    pub(in crate::store) fn publish(&self) -> Result<()> {
        let name = HashedName::new(self.name());
        for _ in 0..REGISTRIES {
            let (registry, entry) = self.home();
            let large = registry.attach_abandoned();
            let names = registry.lock()?;
            let publication = names.publish(&name, &entry, &large)?;
            drop(names);
            match publication {
                Publication::Published => return Ok(()),
                Publication::Taken(other) => {
                    return Err(Errno(libc::EEXIST).during(format_args!(
                        "publish {self}: another segment, of {} bytes, already has the name",
                        other.size
                    )));
                }
                Publication::NotHidden if registry.is_superseded() => {}
                Publication::NotHidden if self.entry.status() == Ok(None) => {
                    return Err(Errno(libc::EIDRM)
                        .during(format_args!("publish {self}: it was deleted (ipcrm)")));
                }
                Publication::NotHidden => {
                    return Err(Errno(libc::EINVAL)
                        .during(format_args!(
                            "publish {self}: it is not hidden, or was published before"
                        ))
                        .because(Reason::NotHidden));
                }
                // A new registry takes hidden segments over, too.
                Publication::NotCurrent => registry.renew()?,
            }
        }
        Err(Errno(libc::EIDRM).during(format_args!(
            "publish {self}: it was lost with the registry of {}",
            self.registry.namespace
        )))
    }
}

impl Registry {
    /// Attaches a hidden segment that this process has just created, not before second `begun`,
    /// and publishes it unless it is to stay hidden. `None` if the caller must start over:
    /// another process was faster, or took this one for dead.
    #[cold]
    pub(super) fn attach_new(
        self: &Arc<Self>,
        name: &HashedName<'_>,
        entry: &Entry,
        begun: u64,
        request: &Request,
    ) -> Result<Option<Mapping>> {
        let Some(mapping) = self.attach_hidden(name, entry, begun, request)? else {
            return Ok(None);
        };
        if entry.is_transient {
            make_transient(name, entry, request).inspect_err(|_| self.discard(entry))?;
        }
        if request.hidden {
            return Ok(Some(mapping));
        }
        let large = self.attach_abandoned();
        let names = self.lock()?;
        match names.publish(name, entry, &large)? {
            Publication::Published => return Ok(Some(mapping)),
            Publication::NotCurrent => {
                drop(names);
                self.forget();
            }
            // The caller looks up the segment that has the name.
            Publication::Taken(_) | Publication::NotHidden => {
                names.remove_if(entry, |_| true)?;
            }
        }
        Ok(None)
    }

    fn attach_hidden(
        &self,
        name: &HashedName<'_>,
        entry: &Entry,
        begun: u64,
        request: &Request,
    ) -> Result<Option<Mapping>> {
        let attached = Mapping::attach(entry.id, request.placement, request.access, entry.size);
        let is_fresh = os::seconds(os::Clock::Monotonic) <= begun + ID_IS_FRESH;
        let is_sure = self.still_hides(entry) && is_fresh;
        let attached = match attached {
            Ok(mapping) if is_sure => return Ok(Some(mapping)),
            attached => attached,
        };
        let names = self.lock()?;
        let is_hidden = matches!(names.state_of(entry)?, Some(State::Hidden(..)));
        let is_there = matches!(entry.status(), Ok(Some(_)));
        match attached {
            Ok(mapping) if is_hidden && is_there => Ok(Some(mapping)),
            Err(errno) if is_hidden && is_there => {
                let is_unused = |status: &shm::Status| status.users(0) == Users::Nobody;
                match names.remove_if(entry, is_unused)? {
                    Removal::Missing => Ok(None),
                    _ => Err(not_attached(name, entry, request.placement, errno)),
                }
            }
            // Another process took this one for dead, or took the registry over meanwhile. If the
            // segment still exists, its key proves that it is this process's.
            _ if is_there => {
                names.remove_if(entry, |_| true)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Deletes a hidden segment that its creator cannot use. If that fails, a later call deletes
    /// the segment once no process has it attached.
    fn discard(&self, entry: &Entry) {
        let removed = self
            .lock()
            .and_then(|names| names.remove_if(entry, |_| true));
        drop(removed);
    }
}

/// Marks a segment that this process has attached for deletion: the kernel deletes it when its
/// last holder detaches it or dies.
fn make_transient(name: &HashedName<'_>, entry: &Entry, request: &Request) -> Result<()> {
    let failed = |errno: Errno| {
        errno.during(format_args!(
            "mark segment {} (id {}) for deletion, so that it is transient",
            Quoted(name.bytes()),
            entry.id
        ))
    };
    shm::remove(entry.id).map_err(failed)?;
    if can_attach_removed(entry, request) {
        return Ok(());
    }
    Err(Errno(libc::ENOTSUP).during(format_args!(
        "create transient segment {}: this system cannot attach a segment that is marked for \
         deletion",
        Quoted(name.bytes())
    )))
}

/// Whether other processes can attach a segment that is marked for deletion and that this one
/// has attached. Linux allows it. Only the first call tries it.
fn can_attach_removed(entry: &Entry, request: &Request) -> bool {
    static IS_KNOWN: AtomicBool = AtomicBool::new(false);
    if IS_KNOWN.load(Ordering::Relaxed) {
        return true;
    }
    match Mapping::attach(entry.id, Placement::Anywhere, request.access, entry.size) {
        Ok(_) => {
            IS_KNOWN.store(true, Ordering::Relaxed);
            true
        }
        Err(errno) => !shm::is_gone(errno),
    }
}

/// The error if a segment could not be attached.
#[cold]
pub(super) fn not_attached(
    name: &HashedName<'_>,
    entry: &Entry,
    placement: Placement,
    errno: Errno,
) -> Error {
    let size = entry.size;
    let reason = match (errno, placement) {
        (Errno(libc::EINVAL), Placement::At(_)) => Reason::Address,
        (Errno(libc::EACCES), _) => Reason::Permission,
        _ => Reason::None,
    };
    errno
        .during(format_args!(
            "attach segment {} (id {}, {size} bytes){placement}{}",
            Quoted(name.bytes()),
            entry.id,
            Remedy {
                errno,
                size,
                creation: None
            }
        ))
        .because(reason)
}

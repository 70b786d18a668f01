//! Create or attach the segment of a name.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::attached::{Attached, Origin};
use super::entry::Entry;
use super::hash::HashedName;
use super::locked::Names;
use super::mapping::Mapping;
use super::names::{Lookup, Removal};
use super::publish::{ID_IS_FRESH, not_attached};
use super::registry::Registry;
use super::shm::Status;
use super::store::{ATTEMPTS, SysV};
use super::sweep::{Whose, sweep};
use crate::errno::Errno;
use crate::error::Result;
use crate::name::OwnedName;
use crate::quoted::Quoted;
use crate::request::{Lifetime, Request, Target, Wanted};
use crate::store::users::Users;
use crate::{environment, os};

impl SysV {
    // Without it, the attachment is copied once more than necessary: 40 instructions of
    // each create.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(in crate::store) fn attach(&self, owned: OwnedName, request: &Request) -> Result<Attached> {
        let name = HashedName::new(owned.bytes());
        let mut has_swept = false;
        for _ in 0..ATTEMPTS {
            let registry = Registry::of(&self.namespace)?;
            let begun = os::seconds(os::Clock::Monotonic);
            let found = match registry.glance(&name) {
                Some(entry) => {
                    request.wanted.check(name.bytes(), entry.size)?;
                    Some((entry, Origin::Found))
                }
                None => self.find_or_create(&registry, &name, request, &mut has_swept)?,
            };
            let Some((entry, origin)) = found else {
                continue;
            };
            let is_hidden = origin == Origin::Created && (request.hidden || entry.is_transient);
            let mapping = if is_hidden {
                registry.attach_new(&name, &entry, begun, request)?
            } else {
                attach(&registry, &name, entry, begun, request)?
            };
            if let Some(mapping) = mapping {
                return Ok(Attached {
                    name: owned,
                    entry,
                    origin,
                    access: request.access,
                    registry,
                    mapping: Some(mapping),
                });
            }
        }
        Err(Self::restless(Target::Name(name.bytes())))
    }

    /// Attaches the segment of an identifier, which the registry must name.
    ///
    /// The identifier is looked up under the lock, and the segment attached without it. As
    /// for a name, the slot is read once more afterwards: if it still has this identifier
    /// and this key, the attached segment is the one that was found.
    pub(in crate::store) fn attach_id(&self, id: i32, request: &Request) -> Result<Attached> {
        let target = Target::Id(id);
        for _ in 0..ATTEMPTS {
            let begun = os::seconds(os::Clock::Monotonic);
            let (registry, entry, name) = self.with_entry(target, |registry, names, entry| {
                let name = OwnedName::new(names.name(entry)?.bytes())
                    .map_err(|errno| errno.during(format_args!("attach {target}")))?;
                Ok(Some((Arc::clone(registry), *entry, name)))
            })?;
            let hashed = HashedName::new(name.bytes());
            request.wanted.check(hashed.bytes(), entry.size)?;
            if let Some(mapping) = attach(&registry, &hashed, entry, begun, request)? {
                return Ok(Attached {
                    name,
                    entry,
                    origin: Origin::Found,
                    access: request.access,
                    registry,
                    mapping: Some(mapping),
                });
            }
        }
        Err(Self::restless(target))
    }

    /// The segment of a name, under the lock; it is created if it does not exist and may
    /// be. `None` if the caller must look again. The lock is released at the end: attaching
    /// may take seconds (mlockall). Others may even delete the segment before it is
    /// attached.
    fn find_or_create(
        &self,
        registry: &Arc<Registry>,
        name: &HashedName<'_>,
        request: &Request,
        has_swept: &mut bool,
    ) -> Result<Option<(Entry, Origin)>> {
        let large = registry.attach_abandoned();
        let names = registry.lock()?;
        let size = match (names.look_up(name)?, request.wanted) {
            (Lookup::Found(entry), wanted) => {
                wanted.check(name.bytes(), entry.size)?;
                return Ok(Some((entry, Origin::Found)));
            }
            (Lookup::NotCurrent, _) => {
                drop(names);
                registry.forget();
                return Ok(None);
            }
            (Lookup::Absent, Wanted::OfSize(size) | Wanted::New(size)) => size,
            (Lookup::Absent, Wanted::Existing | Wanted::ExistingOfSize(_)) => {
                return Err(self.no_such(Target::Name(name.bytes())));
            }
        };
        names.delete_abandoned(&large)?;
        match create(&names, name, size, request) {
            Ok(entry) => Ok(Some((entry, Origin::Created))),
            Err(error) if error.errno() == libc::ENOSPC && !*has_swept => {
                // Registries that were left behind may be in the way.
                drop(names);
                *has_swept = true;
                if sweep(Whose::Ours) == 0 {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// Creates a segment for a name that has none.
fn create(
    names: &Names<'_>,
    name: &HashedName<'_>,
    size: NonZeroUsize,
    request: &Request,
) -> Result<Entry> {
    let lifetime = environment::lifetime(request.lifetime);
    let (size, creation) = (size.get(), request.creation);
    if lifetime == Lifetime::Transient && !os::ATTACHES_REMOVED {
        return Err(Errno(libc::ENOTSUP).during(format_args!(
            "create segment {}: this system attaches no segment that is marked for deletion, so \
             none can be transient",
            Quoted(name.bytes())
        )));
    }
    if request.hidden || lifetime == Lifetime::Transient {
        names.create_hidden(name, size, creation, lifetime)
    } else {
        names.create(name, size, creation, lifetime)
    }
}

/// Attaches a segment that the registry named a moment ago, not before second
/// `begun`. `None` if it was deleted since. A new one that can't be attached is
/// deleted.
#[inline]
fn attach(
    registry: &Registry,
    name: &HashedName<'_>,
    entry: Entry,
    begun: u64,
    request: &Request,
) -> Result<Option<Mapping>> {
    let attached = Mapping::attach(entry.id, request.placement, request.access, entry.size);
    // Otherwise this process was stopped meanwhile, perhaps for so long that the
    // identifier is another segment's by now.
    let is_fresh = os::seconds(os::Clock::Monotonic) <= begun + ID_IS_FRESH;
    let is_sure = registry.still_names(&entry) && is_fresh;
    match attached {
        Ok(mapping) if is_sure && !entry.is_transient => Ok(Some(mapping)),
        attached => attach_in_doubt(registry, name, &entry, request, attached, is_sure),
    }
}

/// Attaches a segment if the registry does not name it, or not any more, or if another
/// segment may have its identifier, or if it could not be attached. The lock resolves the
/// doubt.
#[cold]
#[inline(never)]
fn attach_in_doubt(
    registry: &Registry,
    name: &HashedName<'_>,
    entry: &Entry,
    request: &Request,
    attached: std::result::Result<Mapping, Errno>,
    is_sure: bool,
) -> Result<Option<Mapping>> {
    let is_ours = |mapping: &Mapping| !(entry.is_transient && entry.is_replaced(mapping));
    let attached = match attached {
        Ok(mapping) if is_sure && is_ours(&mapping) => return Ok(Some(mapping)),
        attached => attached,
    };
    let names = registry.lock()?;
    if !names.has(entry)? {
        return Ok(None);
    }
    match attached {
        Ok(mapping) if is_ours(&mapping) => match entry.status() {
            Ok(Some(_)) => Ok(Some(mapping)),
            _ => Ok(None),
        },
        // The name is stale: its transient segment is gone, and another one has the identifier.
        Ok(_) => {
            names.remove_stale(entry)?;
            Ok(None)
        }
        Err(errno) => {
            // Nothing is lost with a segment that no process has seen. Another process
            // may be about to attach it; that one then creates a new one. It has to be
            // deleted here: while this attempt lasted, the kernel counted it as an
            // attachment, so a process that left meanwhile did not delete it.
            let is_unseen =
                |status: &Status| status.users(0) == Users::Nobody && !status.was_ever_attached();
            if names.remove_if(entry, is_unseen)? == Removal::Missing {
                return Ok(None);
            }
            Err(not_attached(name, entry, request.placement, errno))
        }
    }
}

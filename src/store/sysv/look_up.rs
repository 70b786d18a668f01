//! Looks up the segment of a name or an identifier, under the lock.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::entry::Entry;
use super::hash::HashedName;
use super::listing::BATCH;
use super::locked::Names;
use super::names::Lookup;
use super::registry::Registry;
use super::shm::Id;
use super::store::{ATTEMPTS, SysV};
use crate::error::Result;
use crate::request::Target;

/// The outcome of a look-up.
enum Outcome<T> {
    /// The work was done.
    Done(T),
    /// No segment has the name or the identifier.
    Absent,
    /// The segment was deleted meanwhile.
    Gone,
    /// This is not the namespace's registry any more.
    NotCurrent,
}

impl<T> Outcome<T> {
    fn of(done: Option<T>) -> Self {
        done.map_or(Self::Gone, Self::Done)
    }
}

impl SysV {
    /// Calls `work` with a segment of the namespace, under the lock. `work` returns `None` if the
    /// segment is gone; then it is looked up again. This creates no registry.
    pub(super) fn with_entry<T>(
        &self,
        target: Target<'_>,
        work: impl Fn(&Arc<Registry>, &Names<'_>, &Entry) -> Result<Option<T>>,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let registry =
                Registry::existing(&self.namespace)?.ok_or_else(|| self.no_such(target))?;
            let outcome = match target {
                Target::Name(name) => with_name(&registry, name, &work)?,
                Target::Id(id) => with_id(&registry, Id(id), &work)?,
            };
            match outcome {
                Outcome::Done(done) => return Ok(done),
                Outcome::Absent => return Err(self.no_such(target)),
                Outcome::Gone => {}
                Outcome::NotCurrent => registry.forget(),
            }
        }
        Err(Self::restless(target))
    }
}

fn with_name<T>(
    registry: &Arc<Registry>,
    name: &[u8],
    work: impl Fn(&Arc<Registry>, &Names<'_>, &Entry) -> Result<Option<T>>,
) -> Result<Outcome<T>> {
    let names = registry.lock()?;
    Ok(match names.look_up(&HashedName::new(name))? {
        Lookup::Found(entry) => Outcome::of(work(registry, &names, &entry)?),
        Lookup::Absent => Outcome::Absent,
        Lookup::NotCurrent => Outcome::NotCurrent,
    })
}

/// Reads all slots, and releases the lock for others from time to time. Slots do not move, so a
/// segment that exists all the time is found.
fn with_id<T>(
    registry: &Arc<Registry>,
    id: Id,
    work: impl Fn(&Arc<Registry>, &Names<'_>, &Entry) -> Result<Option<T>>,
) -> Result<Outcome<T>> {
    for first in (0..registry.capacity).step_by(BATCH) {
        let names = registry.lock()?;
        if names.is_superseded() || !registry.seems_current() {
            return Ok(Outcome::NotCurrent);
        }
        for used in names.table.used_among(first, BATCH) {
            let Some(entry) = names.check(used)?.entry().filter(|entry| entry.id == id) else {
                continue;
            };
            let findable = entry
                .is_findable(&registry.namespace)
                .map_err(|errno| entry.not_findable(errno, Target::Id(id.0)))?;
            // If a segment was deleted by other means, another segment may have its identifier
            // now: one that another slot names, or another program's.
            if findable {
                return Ok(Outcome::of(work(registry, &names, &entry)?));
            }
        }
    }
    Ok(Outcome::Absent)
}

//! All names of a registry.

#![forbid(unsafe_code)]

use super::entry::Entry;
use super::locked::Names;
use super::registry::Registry;
use crate::errno::Errno;
use crate::error::Result;
use crate::request::Lifetime;

/// How many slots are looked at before the lock is released for others.
pub(super) const BATCH: usize = 256;

/// A name of the registry.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: Vec<u8>,
    pub(crate) entry: Entry,
    pub(crate) lifetime: Lifetime,
}

impl Registry {
    /// All names. `None` if this is not the namespace's registry any more.
    ///
    /// The list is not a snapshot: others may change names in between. But slots do
    /// not move, so a name that exists all the time is listed once. A name that
    /// is removed and created again meanwhile may be listed twice: with the old
    /// segment, which the kernel does not know any more, and with the new one.
    pub(crate) fn all_names(&self) -> Result<Option<Vec<Listed>>> {
        let mut list = Vec::new();
        for first in (0..self.capacity).step_by(BATCH) {
            let names = self.lock()?;
            if names.is_superseded() || !self.seems_current() {
                return Ok(None);
            }
            names.add_to(&mut list, first)?;
        }
        Ok(Some(list))
    }
}

impl Names<'_> {
    /// Adds one batch of names. A name whose creator died half-way is skipped: the
    /// next process that looks it up recovers it.
    fn add_to(&self, list: &mut Vec<Listed>, first: usize) -> Result<()> {
        let no_room = |_| Errno(libc::ENOMEM).during(format_args!("list the names"));
        for used in self.table.used_among(first, BATCH) {
            let used = self.check(used)?;
            let stored = self.check(self.table.name(used.slot, used.facts))?;
            let Some(entry) = used.entry() else {
                continue;
            };
            let Some(lifetime) = self.lifetime(&entry)? else {
                continue;
            };
            let mut name = Vec::new();
            name.try_reserve_exact(stored.bytes().len())
                .map_err(no_room)?;
            name.extend_from_slice(stored.bytes());
            list.try_reserve(1).map_err(no_room)?;
            list.push(Listed {
                name,
                entry,
                lifetime,
            });
        }
        Ok(())
    }
}

//! What a registry holds, for those who want to see all of it.

#![forbid(unsafe_code)]

use super::layout::Lifetime;
use super::{Entry, Id, Names, Registry};
use crate::error::{Errno, Result};
use crate::sysv::{self, Status};

/// How many slots are looked at before the lock is given to others.
const BATCH: usize = 256;

/// A name of the registry.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: Vec<u8>,
    pub(crate) entry: Entry,
    pub(crate) lifetime: Lifetime,
}

impl Registry {
    /// All names. `None` if this is not the name space's registry any more.
    ///
    /// They are not of one moment: others may come in between. But slots stay
    /// where they are, so a name that is there all the time is listed, once.
    /// One that is removed and made again meanwhile may be listed twice: as the
    /// old segment, of which the kernel knows nothing any more, and the new.
    pub(crate) fn all_names(&self) -> Result<Option<Vec<Listed>>> {
        let mut list = Vec::new();
        for first in (0..self.capacity).step_by(BATCH) {
            let names = self.lock()?;
            if !names.is_current() {
                return Ok(None);
            }
            names.add_to(&mut list, first)?;
        }
        Ok(Some(list))
    }

    /// How long a segment lives; `None` if its name does not belong to it any
    /// more. Without the lock, which a single word needs not.
    pub(crate) fn lifetime(&self, entry: &Entry) -> Result<Option<Lifetime>> {
        self.table()?
            .lifetime_so_far(entry)
            .map_err(|damage| self.damaged(damage))
    }

    /// Its identifier.
    pub(crate) const fn id(&self) -> Id {
        self.id
    }

    /// How many names it has room for.
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// What the kernel says of it.
    pub(crate) fn status(&self) -> Result<Status> {
        sysv::status(self.id)
            .map_err(|errno| errno.during(format_args!("look at registry {}", self.id)))
    }
}

impl Names<'_> {
    /// Adds one batch of names. A name whose maker died is none, and is left to
    /// the next one who looks it up.
    fn add_to(&self, list: &mut Vec<Listed>, first: usize) -> Result<()> {
        let no_room = |_| Errno(libc::ENOMEM).during(format_args!("list the names"));
        for used in self.table.used_among(first, BATCH) {
            let used = self.check(used)?;
            let bytes = self.check(self.table.name(used.slot, used.facts))?;
            let Some(entry) = Entry::of_live(used) else {
                continue;
            };
            let Some(lifetime) = self.lifetime(&entry)? else {
                continue;
            };
            let mut name = Vec::new();
            let length = usize::try_from(used.facts.length).unwrap_or(usize::MAX);
            name.try_reserve_exact(length).map_err(no_room)?;
            name.extend(bytes);
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

//! Waits until a name exists, without polling.
//!
//! The waiter marks a word of the registry, looks for the name under the lock, and sleeps
//! until the word changes. A process that adds a name takes the lock later than that, so it
//! sees the mark, changes the word and wakes the waiters.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::hash::HashedName;
use super::names::Lookup;
use super::registry::Registry;
use super::store::{ATTEMPTS, SysV};
use crate::error::Result;
use crate::os;
use crate::request::Target;

/// A process that dies, or that has an older build of the library, does not wake the waiters:
/// they look again after this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A name that did not exist a moment ago.
#[derive(Debug)]
pub(crate) struct Absent {
    registry: Arc<Registry>,
    /// The word that changes when a name appears has this value until then.
    value: u32,
}

impl SysV {
    /// `None` if the name exists.
    pub(in crate::store) fn expect(&self, name: &[u8]) -> Result<Option<Absent>> {
        let hashed = HashedName::new(name);
        for _ in 0..ATTEMPTS {
            let registry = Registry::of(&self.namespace)?;
            if registry.glance(&hashed).is_some() {
                return Ok(None);
            }
            let value = registry.table()?.header.expect_name();
            let names = registry.lock()?;
            let found = names.look_up(&hashed)?;
            drop(names);
            match found {
                Lookup::Found(_) => return Ok(None),
                Lookup::Absent => return Ok(Some(Absent { registry, value })),
                Lookup::NotCurrent => registry.forget(),
            }
        }
        Err(Self::restless(Target::Name(name)))
    }
}

impl Absent {
    /// Sleeps until a name appears, but at most for `limit`; the caller then looks again.
    /// Returns whether a signal handler ended the sleep.
    pub(in crate::store) fn sleep(&self, limit: Duration) -> bool {
        let Ok(table) = self.registry.table() else {
            return false;
        };
        let word = table.header.appeared();
        let limit = limit.min(LONGEST_SLEEP);
        os::futex_wait(word.as_ptr(), self.value, limit, os::Scope::Shared)
    }
}

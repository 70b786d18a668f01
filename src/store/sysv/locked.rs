//! A registry whose lock is held.

#![forbid(unsafe_code)]

use super::entry::Entry;
use super::extent::Stored;
use super::hash::HashedName;
use super::layout::{Damage, Slot, Table};
use super::registry::Registry;
use super::table::Probe;
use crate::error::Result;
use crate::lock::Held;

/// A registry whose lock is held, until this is dropped.
pub(crate) struct Names<'a> {
    pub(super) registry: &'a Registry,
    pub(super) table: Table<'a>,
    pub(super) held: Held<'a>,
}

impl<'a> Names<'a> {
    pub(super) const fn new(registry: &'a Registry, table: Table<'a>, held: Held<'a>) -> Self {
        Self {
            registry,
            table,
            held,
        }
    }

    /// Whether the registry was removed, and another one has taken its names over.
    pub(super) fn is_superseded(&self) -> bool {
        self.registry.is_superseded()
    }

    /// The entry in this registry of a segment that another registry named or hid, if this one
    /// has taken it over.
    pub(super) fn same(&self, name: &HashedName<'_>, other: &Entry) -> Option<Entry> {
        self.table.same(name, other).ok().flatten()
    }

    /// The name of an entry that was found since the lock was taken.
    pub(super) fn name(&self, entry: &Entry) -> Result<Stored> {
        let facts = self.check(self.table.slot(entry.slot).and_then(Slot::facts))?;
        self.check(self.table.name(entry.slot, facts))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.header.names() == Ok(0)
    }

    pub(super) fn probe(&self, name: &HashedName<'_>) -> Result<Probe> {
        self.check(self.table.probe(name))
    }

    pub(super) fn check<T>(&self, result: std::result::Result<T, Damage>) -> Result<T> {
        result.map_err(|damage| self.registry.damaged(damage))
    }
}

//! The table of names: open addressing with linear probing.
//!
//! Only the holder of the lock changes the table, but it may die between any two
//! lines. A slot's state is a single store, and after each store every live name can
//! still be found.

#![forbid(unsafe_code)]

use super::entry::Entry;
use super::hash::HashedName;
use super::keys::KeyKind;
use super::layout::{Damage, Facts, Slot, State, Table};
use super::shm::{Id, Key};
use crate::request::Lifetime;

/// A segment that is about to be created.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewSegment {
    pub(super) key: Key,
    /// In bytes.
    pub(super) size: u64,
    /// In seconds since 1970.
    pub(super) created: u64,
}

/// A slot that is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) slot: usize,
    pub(super) state: State,
    pub(super) facts: Facts,
}

impl Used {
    /// The segment that the slot names; `None` if that is hidden, or being created or removed.
    #[inline]
    pub(super) fn entry(self) -> Option<Entry> {
        match self.state {
            State::Live(id, lifetime) => self.entry_of(id, lifetime),
            _ => None,
        }
    }

    /// The segment that the slot names or hides.
    pub(super) fn segment(self) -> Option<Entry> {
        match self.state {
            State::Live(id, lifetime) | State::Hidden(id, lifetime) => self.entry_of(id, lifetime),
            _ => None,
        }
    }

    /// The entry of a segment in this slot. `None` if this library cannot have chosen the key: the
    /// process that wrote it must not make this one use, or delete, another program's segment.
    #[inline]
    fn entry_of(self, id: Id, lifetime: Lifetime) -> Option<Entry> {
        if KeyKind::of(self.facts.key.to_c()) != KeyKind::Named {
            return None;
        }
        Some(Entry {
            slot: self.slot,
            id,
            key: self.facts.key,
            size: usize::try_from(self.facts.size).unwrap_or(usize::MAX),
            created: self.facts.created,
            is_transient: lifetime == Lifetime::Transient,
        })
    }
}

/// The number of parts of the table for which the header's `hidden` has a bit.
const PARTS: usize = 64;

/// Where a name is, or could be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) found: Option<Used>,
    /// The slot for the name if it is new; `None` if the table is full.
    pub(super) vacancy: Option<usize>,
}

impl<'a> Table<'a> {
    /// The slots that a name may be in, in the order of the search for it.
    fn path_of(&self, name: &HashedName<'_>) -> impl Iterator<Item = usize> + use<'a> {
        let first = usize::try_from(name.hash()).unwrap_or(0);
        let last = self.capacity() - 1;
        (0..self.capacity()).map(move |step| first.wrapping_add(step) & last)
    }

    /// Looks a name up without the lock. What it finds was in the table at one moment.
    /// `None` if the name is absent, or in doubt: only a holder of the lock can tell a
    /// change in progress from damage.
    pub(super) fn glance(&self, name: &HashedName<'_>) -> Option<Entry> {
        for index in self.path_of(name) {
            let slot = self.slot(index).ok()?;
            let state = slot.state().ok()?;
            match state {
                State::Empty => return None,
                State::Freed => {}
                state if state.is_hidden() => {}
                _ => {
                    let facts = slot.facts().ok()?;
                    if self.is_named(slot, facts, name).ok()? {
                        let used = Used {
                            slot: index,
                            state,
                            facts,
                        };
                        return used.entry().filter(|_| slot.is_still(state));
                    }
                }
            }
        }
        None
    }

    /// Looks a name up.
    pub(super) fn probe(&self, name: &HashedName<'_>) -> Result<Probe, Damage> {
        let mut vacancy = None;
        for index in self.path_of(name) {
            let slot = self.slot(index)?;
            match slot.state()? {
                State::Empty => {
                    return Ok(Probe {
                        found: None,
                        vacancy: vacancy.or(Some(index)),
                    });
                }
                State::Freed => vacancy = vacancy.or(Some(index)),
                // A hidden segment has its name only after it was published.
                state if state.is_hidden() => {}
                state => {
                    let facts = slot.facts()?;
                    if self.is_named(slot, facts, name)? {
                        return Ok(Probe {
                            found: Some(Used {
                                slot: index,
                                state,
                                facts,
                            }),
                            vacancy,
                        });
                    }
                }
            }
        }
        Ok(Probe {
            found: None,
            vacancy,
        })
    }

    /// How long the segment of an entry lives; `None` if the entry's slot is free or
    /// another name's by now.
    pub(super) fn lifetime(&self, entry: &Entry) -> Result<Option<Lifetime>, Damage> {
        Ok(match self.state_of(entry)? {
            Some(State::Live(_, lifetime)) => Some(lifetime),
            _ => None,
        })
    }

    /// The state of an entry's slot, if that still names or hides the entry's segment.
    pub(super) fn state_of(&self, entry: &Entry) -> Result<Option<State>, Damage> {
        let slot = self.slot(entry.slot)?;
        Ok(match slot.state()? {
            state @ (State::Live(id, _)
            | State::Removing(id, _)
            | State::Hidden(id, _)
            | State::Abandoned(id, _))
                if id == entry.id && slot.key() == entry.key =>
            {
                Some(state)
            }
            _ => None,
        })
    }

    /// The entry in this registry of a segment that another registry named or hid, if there is
    /// one.
    pub(super) fn same(
        &self,
        name: &HashedName<'_>,
        other: &Entry,
    ) -> Result<Option<Entry>, Damage> {
        for index in self.path_of(name) {
            let slot = self.slot(index)?;
            let state = slot.state()?;
            match state {
                State::Empty => return Ok(None),
                State::Live(id, _) | State::Hidden(id, _)
                    if id == other.id && slot.key() == other.key =>
                {
                    let used = Used {
                        slot: index,
                        state,
                        facts: slot.facts()?,
                    };
                    return Ok(used.segment());
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Whether a slot is still in the state in which it was read without the lock: then its
    /// facts and its name, read in between, belong together.
    pub(super) fn is_still(&self, used: &Used) -> bool {
        self.slot(used.slot)
            .is_ok_and(|slot| slot.is_still(used.state))
    }

    /// A free slot for a name, whether the name exists or not.
    fn vacancy(&self, name: &HashedName<'_>) -> Result<Option<usize>, Damage> {
        for index in self.path_of(name) {
            if let State::Empty | State::Freed = self.slot(index)?.state()? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Notes in the header that a slot is in this state. This must happen before the state is
    /// stored: a death in between then leaves a superfluous note, which does no harm and is
    /// withdrawn later, and never a note that is missing.
    pub(super) fn note(&self, index: usize, state: State) {
        match state {
            State::Hidden(..) | State::Abandoned(..) => {
                let part = index * PARTS / self.capacity();
                self.header.note_hidden(self.header.hidden() | (1 << part));
            }
            State::Live(_, Lifetime::Transient) if !self.header.has_transient() => {
                self.header.note_transient(true);
            }
            _ => {}
        }
    }

    /// Computes the header's notes from the slots.
    pub(super) fn note_all(&self) -> Result<(), Damage> {
        let (mut names, mut is_any_transient) = (0, false);
        self.header.note_hidden(0);
        for used in self.used() {
            let Used { slot, state, .. } = used?;
            names += 1;
            self.note(slot, state);
            is_any_transient |= matches!(state, State::Live(_, Lifetime::Transient));
        }
        self.header.note_transient(is_any_transient);
        self.header.set_names(names);
        Ok(())
    }

    /// The parts of the table in which slots may be hidden: the bit of each part in the header's
    /// `hidden`, and the slots there that are not free.
    pub(super) fn hidden_parts(
        &self,
    ) -> impl Iterator<Item = (u64, impl Iterator<Item = Result<Used, Damage>>)> {
        let size = self.capacity() / PARTS;
        let noted = self.header.hidden();
        (0..PARTS)
            .filter(move |part| noted & (1 << part) != 0)
            .map(move |part| (1 << part, self.used_among(part * size, size)))
    }

    /// Begins a name in a vacant slot. False if the name is long and there is no room
    /// for it.
    pub(super) fn begin(
        &self,
        index: usize,
        segment: NewSegment,
        name: &HashedName<'_>,
    ) -> Result<bool, Damage> {
        self.fill(index, segment, name, State::Creating)
    }

    /// Adds a name that another registry had, in one step. It is not counted yet. False
    /// if there is no room for it.
    pub(super) fn adopt(
        &self,
        segment: NewSegment,
        name: &HashedName<'_>,
        state: State,
    ) -> Result<bool, Damage> {
        // Several hidden slots may have the same name.
        let is_there = match state {
            State::Hidden(id, lifetime) => {
                let other = Entry {
                    slot: 0,
                    id,
                    key: segment.key,
                    size: 0,
                    created: segment.created,
                    is_transient: lifetime == Lifetime::Transient,
                };
                self.same(name, &other)?.is_some()
            }
            _ => self.probe(name)?.found.is_some(),
        };
        match self.vacancy(name)? {
            _ if is_there => Ok(true),
            None => Ok(false),
            Some(index) => {
                self.note(index, state);
                self.fill(index, segment, name, state)
            }
        }
    }

    fn fill(
        &self,
        index: usize,
        segment: NewSegment,
        name: &HashedName<'_>,
        state: State,
    ) -> Result<bool, Damage> {
        let slot = self.slot(index)?;
        let Some(extent) = self.store_name(slot, name)? else {
            return Ok(false);
        };
        slot.set_facts(Facts {
            key: segment.key,
            size: segment.size,
            hash: name.hash(),
            extent,
            created: segment.created,
        });
        slot.set_state(state);
        Ok(true)
    }

    /// Completes a name that was begun.
    pub(super) fn finish(&self, index: usize, state: State) -> Result<(), Damage> {
        self.note(index, state);
        // The count comes first. A death in between leaves a count that is too high,
        // which keeps the registry. One that is too low would end it.
        self.header
            .set_names(self.header.names()?.saturating_add(1));
        self.slot(index)?.set_state(state);
        Ok(())
    }

    /// Removes a name.
    pub(super) fn end(&self, index: usize) -> Result<(), Damage> {
        self.vacate(index)?;
        self.header
            .set_names(self.header.names()?.saturating_sub(1));
        Ok(())
    }

    /// Frees a slot that is not counted as a name (yet, or any more).
    pub(super) fn vacate(&self, index: usize) -> Result<(), Damage> {
        let slot = self.slot(index)?;
        let facts = slot.facts();
        slot.set_state(State::Freed);
        // After a death in between, `count_units` frees the memory.
        if let Ok(facts) = facts {
            self.free_name(facts.extent)?;
        }
        if self.slot(index.wrapping_add(1))?.state()? != State::Empty {
            return Ok(());
        }
        // A probe ends at an empty slot, so it need not go on at the freed ones before
        // it: they become empty too, from the last one backwards.
        for back in 0..self.capacity() {
            let slot = self.slot(index.wrapping_sub(back))?;
            if slot.state()? != State::Freed {
                break;
            }
            slot.clear();
        }
        Ok(())
    }

    /// Every slot that is not free.
    pub(super) fn used(&self) -> impl Iterator<Item = Result<Used, Damage>> {
        self.used_among(0, self.capacity())
    }

    /// Those among `count` slots from `first` on.
    pub(super) fn used_among(
        &self,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = Result<Used, Damage>> {
        let used = |(index, slot): (usize, &Slot)| match slot.state()? {
            State::Empty | State::Freed => Ok(None),
            state => slot.facts().map(|facts| {
                Some(Used {
                    slot: index,
                    state,
                    facts,
                })
            }),
        };
        self.slots()
            .iter()
            .enumerate()
            .skip(first)
            .take(count)
            .filter_map(move |place| used(place).transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{capacity_of, size_of_registry};
    use super::super::mapping::Mapping;
    use super::super::shm::{Id, Key};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Zeroed shared memory, deleted at the end of the test however it ends.
    fn memory(capacity: usize) -> Mapping {
        let size = size_of_registry(capacity);
        assert_eq!(capacity_of(size), Some(capacity));
        Mapping::nameless(size)
    }

    fn segment() -> NewSegment {
        NewSegment {
            key: Key(0xc000_0001),
            size: 4096,
            created: 1_700_000_000,
        }
    }

    fn insert(table: &Table<'_>, bytes: &[u8], id: i32) {
        let name = HashedName::new(bytes);
        let slot = table.probe(&name).unwrap().vacancy.unwrap();
        assert!(table.begin(slot, segment(), &name).unwrap());
        table
            .finish(slot, State::Live(Id(id), Lifetime::Used))
            .unwrap();
    }

    fn find(table: &Table<'_>, bytes: &[u8]) -> Option<Used> {
        table.probe(&HashedName::new(bytes)).unwrap().found
    }

    #[test]
    fn a_full_table_finds_every_name_and_has_no_vacancy() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        let names: Vec<_> = (0..64).map(|n| format!("name {n}")).collect();
        for (id, name) in (0..).zip(&names) {
            insert(&table, name.as_bytes(), id);
        }
        for (id, name) in (0..).zip(&names) {
            assert_eq!(
                find(&table, name.as_bytes()).unwrap().state,
                State::Live(Id(id), Lifetime::Used)
            );
        }
        let probe = table.probe(&HashedName::new(b"another")).unwrap();
        assert_eq!(
            probe,
            Probe {
                found: None,
                vacancy: None
            }
        );
        assert_eq!(table.header.names(), Ok(64));
        for name in &names {
            let used = find(&table, name.as_bytes()).unwrap();
            table.end(used.slot).unwrap();
        }
        assert_eq!(table.header.names(), Ok(0));
        assert_eq!(table.used().count(), 0);
    }

    #[test]
    fn names_of_any_bytes_and_length_are_kept_apart() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        let long = vec![b'x'; 1000];
        let names: [&[u8]; 8] = [
            b"",
            b"a",
            b"a/b",
            b"\xff\xfe",
            b"12345678",
            b"123456789",
            &long,
            &long[1..],
        ];
        for (id, name) in (0..).zip(names) {
            insert(&table, name, id);
        }
        for (id, name) in (0..).zip(names) {
            assert_eq!(
                find(&table, name).unwrap().state,
                State::Live(Id(id), Lifetime::Used)
            );
        }
    }

    #[test]
    fn a_changed_name_hash_or_key_is_damage_not_absence() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        insert(&table, b"sensors", 7);
        let used = find(&table, b"sensors").unwrap();
        let slot_offset = 8192 + used.slot * 64;
        let name_offset = slot_offset + 40;
        // All fields of the slot, and the name's bytes.
        for offset in slot_offset..name_offset + 7 {
            for bit in 0..8 {
                let byte = &mapping.bytes()[offset];
                byte.fetch_xor(1 << bit, std::sync::atomic::Ordering::Relaxed);
                assert!(
                    table.probe(&HashedName::new(b"sensors")).is_err(),
                    "offset {offset}, bit {bit}"
                );
                byte.fetch_xor(1 << bit, std::sync::atomic::Ordering::Relaxed);
            }
        }
        // Bytes beyond the end of the name do not matter.
        mapping.bytes()[name_offset + 7].store(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(find(&table, b"sensors"), Some(used));
    }

    #[test]
    fn long_names_have_memory_of_their_own_until_they_end() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        let name = |first: u8| [&[first], [b'x'; 999].as_slice()].concat();
        // A page has room for 3 names of 16 times 64 bytes, and 15 times 64 bytes more.
        for round in 0..3 {
            for first in 0..3 {
                insert(&table, &name(first), i32::from(first));
            }
            let one_more = name(3);
            let one_more = HashedName::new(&one_more);
            let vacancy = table.probe(&one_more).unwrap().vacancy.unwrap();
            assert!(!table.begin(vacancy, segment(), &one_more).unwrap());
            insert(&table, &[b'y'; 960], 7);
            insert(&table, b"short", 8);
            for first in 0..3 {
                let used = find(&table, &name(first)).unwrap();
                assert_eq!(
                    used.state,
                    State::Live(Id(i32::from(first)), Lifetime::Used)
                );
                let stored = table.name(used.slot, used.facts).unwrap();
                assert_eq!(stored.bytes(), name(first));
            }
            if round == 1 {
                // A process died while it changed the head of the page.
                mapping.bytes()[8192 + 64 * 64].store(0, std::sync::atomic::Ordering::Relaxed);
                assert!(table.begin(vacancy, segment(), &one_more).is_err());
                table.count_units().unwrap();
                assert!(!table.begin(vacancy, segment(), &one_more).unwrap());
            }
            for used in table.used() {
                table.end(used.unwrap().slot).unwrap();
            }
            assert_eq!(table.pages()[0].taken(), Ok(0));
        }
    }

    #[test]
    fn a_flipped_bit_of_a_long_name_is_noticed() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        let long = [b'x'; 100];
        insert(&table, &long, 7);
        let words = 8192 + 64 * 64 + 64;
        for offset in words..words + 100 {
            mapping.bytes()[offset].fetch_xor(1, std::sync::atomic::Ordering::Relaxed);
            assert!(table.probe(&HashedName::new(&long)).is_err());
            assert_eq!(table.glance(&HashedName::new(&long)), None);
            mapping.bytes()[offset].fetch_xor(1, std::sync::atomic::Ordering::Relaxed);
        }
        assert_eq!(
            table.glance(&HashedName::new(&long)),
            find(&table, &long).unwrap().entry()
        );
    }

    #[test]
    fn a_glance_takes_a_change_in_progress_for_absence() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        insert(&table, b"sensors", 7);
        let name = HashedName::new(b"sensors");
        let used = find(&table, b"sensors").unwrap();
        assert_eq!(table.glance(&name), used.entry());
        let slot = table.slot(used.slot).unwrap();
        for state in [
            State::Removing(Id(7), Lifetime::Used),
            State::Creating,
            State::Freed,
        ] {
            slot.set_state(state);
            assert_eq!(table.glance(&name), None);
        }
        // The state of a name that is being stored in an empty slot.
        slot.set_state(State::Empty);
        assert_eq!(table.glance(&name), None);
    }

    #[test]
    fn a_hidden_slot_matches_no_name_and_interrupts_no_search() {
        let mapping = memory(64);
        let table = Table::new(&mapping, 64).unwrap();
        table.header.give_birth(b"uid 0", 64, 0, 1);
        let name = HashedName::new(b"sensors");
        for id in 0..3 {
            insert(&table, b"sensors", id);
            let used = find(&table, b"sensors").unwrap();
            let state = [State::Hidden, State::Abandoned][usize::from(id == 1)];
            let state = state(Id(id), Lifetime::Kept);
            table.note(used.slot, state);
            table.slot(used.slot).unwrap().set_state(state);
            assert_eq!(
                (find(&table, b"sensors"), table.glance(&name)),
                (None, None)
            );
            assert_eq!(used.entry().unwrap().id, Id(id));
        }
        insert(&table, b"sensors", 7);
        let found = find(&table, b"sensors").unwrap();
        assert_eq!(found.state, State::Live(Id(7), Lifetime::Used));
        assert_eq!(table.glance(&name), found.entry());
        assert_eq!(table.used().count(), 4);
        let hidden: usize = table.hidden_parts().map(|(_, slots)| slots.count()).sum();
        assert_eq!(hidden, 3, "64 slots have a part each");
        let same = |id| {
            let entry = found.entry().unwrap();
            let other = Entry {
                id: Id(id),
                ..entry
            };
            table.same(&name, &other).unwrap().map(|entry| entry.id.0)
        };
        let found: Vec<_> = (0..8).map(same).collect();
        let all = [Some(0), None, Some(2), None, None, None, None, Some(7)];
        assert_eq!(found, all, "all have the same key");
    }

    proptest! {
        /// Few names and a small table, so that probes collide.
        #[test]
        fn the_table_behaves_as_a_map(steps in prop::collection::vec((0..90_u8, any::<bool>()), 0..300)) {
            let mapping = memory(64);
            let table = Table::new(&mapping, 64).unwrap();
            table.header.give_birth(b"uid 0", 64, 0, 1);
            let mut model = HashMap::new();
            for (id, (name, add)) in (0..).zip(steps) {
                let known = find(&table, &[name]).map(|used| used.state);
                prop_assert_eq!(known, model.get(&name).map(|&id| State::Live(Id(id), Lifetime::Used)));
                match (known, add) {
                    (None, true) if model.len() < 64 => {
                        insert(&table, &[name], id);
                        model.insert(name, id);
                    }
                    (Some(_), false) => {
                        table.end(find(&table, &[name]).unwrap().slot).unwrap();
                        model.remove(&name);
                    }
                    _ => {}
                }
                prop_assert_eq!(table.header.names(), Ok(u32::try_from(model.len()).unwrap()));
            }
            for (&name, &id) in &model {
                prop_assert_eq!(find(&table, &[name]).unwrap().state, State::Live(Id(id), Lifetime::Used));
            }
            prop_assert_eq!(table.used().count(), model.len());
        }
    }
}

//! Hidden and transient segments, and what a death leaves of them.

use std::ffi::{c_int, c_void};

use super::*;
use crate::error::Result;
use crate::name::OwnedName;
use crate::request::{Access, Placement, Request, Target, Wanted};
use crate::store::sysv::attached::Attached;
use crate::store::sysv::entry::LARGE;
use crate::store::sysv::hidden::Large;
use crate::store::sysv::listing::Listed;
use crate::store::sysv::mapping::Mapping;
use crate::store::sysv::shm::Status;
use crate::store::sysv::store::SysV;
use std::num::NonZeroUsize;
use std::time::Duration;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

impl Scratch {
    fn hide(&self, name: &[u8], lifetime: Lifetime) -> Entry {
        self.hide_of(name, 4096, lifetime)
    }

    fn hide_of(&self, name: &[u8], size: usize, lifetime: Lifetime) -> Entry {
        self.names()
            .create_hidden(&HashedName::new(name), size, ORDINARY, lifetime)
            .unwrap()
    }

    /// A hidden segment whose creator has died.
    fn hide_and_die(&self, name: &[u8]) -> Entry {
        let key = keys::for_segment();
        let slot = self.begin(name, key);
        create_and_die(key);
        let id = shm::find(key, 0).unwrap();
        let names = self.names();
        let state = State::Hidden(id, Lifetime::Used);
        names.table.finish(slot, state).unwrap();
        let used = names.table.used().flatten().find(|used| used.slot == slot);
        used.unwrap().segment().unwrap()
    }

    /// Makes a segment look as if it had been created long ago.
    fn age(&self, entry: &Entry) {
        let table = self.0.table().unwrap();
        let slot = table.slot(entry.slot).unwrap();
        let facts = slot.facts().unwrap();
        let created = facts.created - 10;
        slot.set_facts(crate::store::sysv::layout::Facts { created, ..facts });
    }

    /// A published transient segment, and an attachment of it.
    fn transient(&self, name: &[u8]) -> (Entry, Mapping) {
        let entry = self.hide(name, Lifetime::Transient);
        let mapping = attach_by_id(&entry);
        shm::remove(entry.id).unwrap();
        let names = self.names();
        let state = State::Live(entry.id, Lifetime::Transient);
        names.table.note(entry.slot, state);
        names.set_state(&entry, state).unwrap();
        (entry, mapping)
    }

    fn delete_abandoned(&self) {
        let large = self.0.attach_abandoned();
        self.names().delete_abandoned(&large).unwrap();
    }

    fn store(&self) -> SysV {
        SysV::new(self.0.namespace.clone())
    }

    fn attach(&self, name: &[u8], wanted: Wanted) -> Result<Attached> {
        let request = Request {
            wanted,
            lifetime: Lifetime::Used,
            hidden: false,
            creation: ORDINARY,
            access: Access::ReadWrite,
            placement: Placement::Anywhere,
        };
        self.store().attach(OwnedName::new(name).unwrap(), &request)
    }

    fn state(&self, entry: &Entry) -> Option<State> {
        self.0.state_of(entry).unwrap()
    }

    fn count(&self) -> u32 {
        self.0.table().unwrap().header.names().unwrap()
    }

    /// Detaches the registry. Returns what a sweep needs to know of it.
    fn leave(self) -> (Id, Status) {
        let id = self.0.id;
        self.detach();
        (id, shm::status(id).unwrap().unwrap())
    }
}

/// Creates a segment in a process that has ended when this returns. That process shares this
/// one's memory: a child of fork would also hold all segments that other tests have attached.
fn create_and_die(key: Key) {
    extern "C" fn create(key: *mut c_void) -> c_int {
        // SAFETY: the argument is the pointer to the key that is passed below.
        let key = unsafe { *key.cast::<Key>() };
        let _ = shm::create(key, 4096, ORDINARY);
        0
    }
    let mut key = key;
    let mut stack = vec![0_u128; 8192];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the stack and the key stay until the process has ended, for which CLONE_VFORK
    // waits; it makes system calls only.
    let child = unsafe { libc::clone(create, top.cast(), flags, (&raw mut key).cast()) };
    // SAFETY: takes numbers, and no place for the status.
    let waited = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    assert_eq!(waited, child);
}

fn attach_by_id(entry: &Entry) -> Mapping {
    Mapping::attach(entry.id, Placement::Anywhere, Access::ReadWrite, entry.size).unwrap()
}

fn is_there(id: Id) -> bool {
    shm::status(id).unwrap().is_some()
}

#[test]
fn a_hidden_segment_has_no_name() {
    let scratch = Scratch::new();
    let entries = [Lifetime::Used, Lifetime::Kept, Lifetime::Transient]
        .map(|lifetime| scratch.hide(b"name", lifetime));
    assert_eq!(scratch.found(b"name"), None);
    assert_eq!(scratch.0.glance(&HashedName::new(b"name")), None);
    assert!(scratch.0.all_names().unwrap().unwrap().is_empty());
    let visible = scratch.create(b"name");
    assert_eq!(scratch.found(b"name"), Some(visible));
    assert_eq!(scratch.0.glance(&HashedName::new(b"name")), Some(visible));
    assert_eq!(
        scratch.count(),
        4,
        "hidden ones count, or the registry would be removed"
    );
    for entry in entries {
        assert!(scratch.0.still_hides(&entry) && !scratch.0.still_names(&entry));
    }
    assert!(!scratch.0.still_hides(&visible));
}

#[test]
fn a_hidden_segment_whose_creator_died_is_deleted_by_the_next_change() {
    for change in 0..4 {
        let scratch = Scratch::new();
        let other = scratch.create(b"other");
        let entry = scratch.hide_and_die(b"name");
        drop(scratch.names());
        assert!(is_there(entry.id), "whoever takes the lock deletes nothing");
        match change {
            0 => scratch.delete_abandoned(),
            1 => drop(scratch.attach(b"new", Wanted::OfSize(ONE)).unwrap()),
            2 => scratch.store().remove(Target::Name(b"other")).unwrap(),
            _ => drop(scratch.store().prune(Duration::from_secs(1000)).unwrap()),
        }
        assert!(!is_there(entry.id), "{change}");
        assert_eq!(scratch.state(&entry), None);
        assert_eq!(is_there(other.id), change != 2);
    }
}

#[test]
fn the_memory_of_a_large_hidden_segment_is_freed_without_the_lock() {
    let scratch = Scratch::new();
    let small = scratch.hide(b"small", Lifetime::Used);
    let large = scratch.hide_of(b"large", LARGE + 1, Lifetime::Used);
    let used = scratch.hide_of(b"used", LARGE + 1, Lifetime::Used);
    let mapping = attach_by_id(&used);
    for entry in [small, large, used] {
        scratch.age(&entry);
    }
    let attachments = |entry: &Entry| shm::status(entry.id).unwrap().map(|one| one.mappings);
    // A process that has not attached the large segment before leaves it alone.
    scratch.names().delete_abandoned(&Large::none()).unwrap();
    assert_eq!(attachments(&small), None);
    assert!(scratch.0.still_hides(&large));
    let attached = scratch.0.attach_abandoned();
    assert_eq!(attachments(&large), Some(1));
    assert_eq!(attachments(&used), Some(1), "it has a user");
    let names = scratch.names();
    names.delete_abandoned(&attached).unwrap();
    assert_eq!(scratch.state(&large), None);
    let removed = shm::status(large.id).unwrap().unwrap();
    assert!(removed.is_removed && removed.mappings == 1);
    drop(names);
    drop(attached);
    assert!(!is_there(large.id) && is_there(used.id));
    drop(mapping);
}

#[test]
fn a_large_hidden_segment_that_others_attach_meanwhile_stays() {
    let scratch = Scratch::new();
    let entry = scratch.hide_of(b"large", LARGE + 1, Lifetime::Used);
    scratch.age(&entry);
    let attached = scratch.0.attach_abandoned();
    let mapping = attach_by_id(&entry);
    scratch.names().delete_abandoned(&attached).unwrap();
    assert!(scratch.0.still_hides(&entry));
    drop((attached, mapping));
    scratch.delete_abandoned();
    assert!(!is_there(entry.id));
}

#[test]
fn who_only_looks_deletes_no_hidden_segment() {
    let scratch = Scratch::new();
    let other = scratch.create(b"other");
    let entry = scratch.hide_and_die(b"name");
    let store = scratch.store();
    let found = store.hidden().unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_abandoned && found[0].info.hidden);
    assert_eq!(
        (&found[0].info.name[..], found[0].info.id),
        (&b"name"[..], entry.id.0)
    );
    assert_eq!(store.list().unwrap().len(), 1);
    store.info(Target::Name(b"other")).unwrap();
    store.info(Target::Id(other.id.0)).unwrap();
    assert!(store.info(Target::Name(b"none")).is_err());
    store.registry().unwrap();
    store.set_lifetime(b"other", Lifetime::Kept).unwrap();
    store.set_lifetime(b"other", Lifetime::Used).unwrap();
    assert!(store.expect(b"none").unwrap().is_some());
    assert!(scratch.attach(b"none", Wanted::Existing).is_err());
    let mut last = scratch.attach(b"other", Wanted::Existing).unwrap();
    last.close().unwrap();
    assert!(!is_there(other.id) && is_there(entry.id));
    sweep::left_behind(Whose::Ours);
    assert!(is_there(entry.id));
    assert_eq!(store.hidden().unwrap(), found);
}

#[test]
fn prune_reports_the_hidden_segments_that_it_deletes_in_the_order_of_names() {
    let scratch = Scratch::new();
    scratch.create(b"z");
    let dead = scratch.hide_and_die(b"m");
    scratch.create(b"a");
    let fresh = scratch.hide(b"fresh", Lifetime::Used);
    let pruned = scratch.store().prune(Duration::ZERO).unwrap();
    let found: Vec<_> = pruned
        .iter()
        .map(|info| (&info.name[..], info.hidden))
        .collect();
    assert_eq!(found, [(&b"a"[..], false), (b"m", true), (b"z", false)]);
    assert!(!is_there(dead.id) && is_there(fresh.id));
    let hidden = scratch.store().hidden().unwrap();
    assert!(hidden.len() == 1 && !hidden[0].is_abandoned);
}

#[test]
fn a_hidden_segment_stays_while_it_is_attached_or_its_creator_may_attach_it() {
    let scratch = Scratch::new();
    let dead = scratch.hide_and_die(b"child");
    let mapping = attach_by_id(&dead);
    let fresh = scratch.hide(b"fresh", Lifetime::Used);
    let old = scratch.hide(b"old", Lifetime::Kept);
    scratch.age(&old);
    scratch.delete_abandoned();
    assert!(is_there(dead.id) && is_there(fresh.id) && !is_there(old.id));
    assert!(scratch.0.still_hides(&dead) && scratch.0.still_hides(&fresh));
    assert_eq!(scratch.state(&old), None);
    drop(mapping);
    scratch.delete_abandoned();
    assert!(!is_there(dead.id) && is_there(fresh.id));
}

#[test]
fn a_hidden_segment_that_is_gone_leaves_no_slot() {
    let scratch = Scratch::new();
    let entry = scratch.hide(b"name", Lifetime::Transient);
    let mapping = attach_by_id(&entry);
    shm::remove(entry.id).unwrap();
    scratch.delete_abandoned();
    assert!(scratch.0.still_hides(&entry), "it is attached");
    drop(mapping);
    scratch.delete_abandoned();
    assert_eq!((scratch.state(&entry), scratch.count()), (None, 0));
}

#[test]
fn a_hidden_slot_is_marked_before_the_attachments_are_counted() {
    let scratch = Scratch::new();
    let entry = scratch.hide(b"name", Lifetime::Kept);
    let names = scratch.names();
    let spared = names.remove_if(&entry, |_| scratch.0.still_hides(&entry));
    assert_eq!(spared.unwrap(), Removal::Spared);
    assert!(scratch.0.still_hides(&entry));
    assert_eq!(names.remove_if(&entry, |_| true).unwrap(), Removal::Removed);
    assert!(!scratch.0.still_hides(&entry) && !is_there(entry.id));
}

#[test]
fn a_death_while_a_hidden_segment_is_deleted_never_publishes_it() {
    for lifetime in [Lifetime::Used, Lifetime::Kept] {
        let scratch = Scratch::new();
        let entry = scratch.hide(b"name", lifetime);
        let mapping = attach_by_id(&entry);
        scratch.set(entry.slot, State::Abandoned(entry.id, lifetime));
        assert!(!scratch.0.still_hides(&entry));
        scratch.die_with_the_lock();
        drop(scratch.names());
        assert_eq!(
            scratch.state(&entry),
            Some(State::Hidden(entry.id, lifetime))
        );
        assert_eq!(scratch.found(b"name"), None);
        drop(mapping);

        scratch.set(entry.slot, State::Abandoned(entry.id, lifetime));
        shm::remove(entry.id).unwrap();
        scratch.die_with_the_lock();
        scratch.delete_abandoned();
        assert_eq!((scratch.state(&entry), scratch.count()), (None, 0));
    }
}

#[test]
fn recovery_finds_what_the_header_should_say() {
    let scratch = Scratch::new();
    let hidden = scratch.hide(b"hidden", Lifetime::Used);
    let (_, _mapping) = scratch.transient(b"transient");
    let header = scratch.0.table().unwrap().header;
    assert_eq!(header.hidden().count_ones(), 2, "both were hidden");
    scratch.delete_abandoned();
    let noted = header.hidden();
    assert_eq!(noted.count_ones(), 1);
    for wrong in [0, u64::MAX] {
        header.note_hidden(wrong);
        header.note_transient(wrong != 0);
        header.set_names(7);
        scratch.die_with_the_lock();
        drop(scratch.names());
        assert_eq!(header.hidden(), noted, "after {wrong:#x}");
        assert!(header.has_transient());
        assert_eq!(header.names(), Ok(2));
    }
    assert_eq!(
        scratch.names().remove_if(&hidden, |_| true).unwrap(),
        Removal::Removed
    );
    scratch.delete_abandoned();
    assert_eq!(header.hidden(), 0);
}

#[test]
fn hidden_and_transient_segments_are_taken_over() {
    let scratch = Scratch::new();
    let hidden = [Lifetime::Used, Lifetime::Kept].map(|lifetime| scratch.hide(b"name", lifetime));
    let visible = scratch.create(b"name");
    let (transient, mapping) = scratch.transient(b"transient");
    shm::remove(scratch.0.id).unwrap();
    let successor = Scratch(Registry::open(&scratch.0.namespace).unwrap());
    let name = HashedName::new(b"name");
    for entry in &hidden {
        assert!(!scratch.0.still_hides(entry));
        let moved = successor.names().same(&name, entry).unwrap();
        assert_eq!((moved.id, moved.key), (entry.id, entry.key));
        assert!(successor.0.still_hides(&moved));
    }
    assert_eq!(successor.found(b"name").unwrap().id, visible.id);
    let moved = successor.found(b"transient").unwrap();
    assert!(moved.id == transient.id && moved.is_transient);
    assert_eq!(successor.count(), 4);
    drop(mapping);
    assert_eq!(successor.found(b"transient"), None);
    assert_eq!(successor.count(), 3);
}

#[test]
fn the_name_of_a_transient_segment_ends_with_its_last_attachment() {
    let scratch = Scratch::new();
    let name = HashedName::new(b"name");
    let (entry, mapping) = scratch.transient(b"name");
    let second = attach_by_id(&entry);
    drop(mapping);
    assert_eq!(scratch.found(b"name"), Some(entry));
    assert_eq!(scratch.0.glance(&name), Some(entry));
    let listed = || scratch.0.all_names().unwrap().unwrap();
    let is_listed = |one: &Listed| one.lifetime == Lifetime::Transient && one.name == b"name";
    assert!(listed().iter().any(is_listed));
    drop(second);
    assert_eq!(scratch.0.glance(&name), None);
    assert_eq!(scratch.count(), 1, "only the name is left");
    assert_eq!(scratch.found(b"name"), None);
    assert_eq!(scratch.count(), 0);
}

#[test]
fn the_key_distinguishes_another_transient_segment_with_the_same_identifier() {
    let scratch = Scratch::new();
    let (entry, mapping) = scratch.transient(b"name");
    assert!(!entry.is_replaced(&mapping));
    let earlier = Entry {
        key: keys::for_segment(),
        created: entry.created - 10,
        ..entry
    };
    assert!(earlier.is_replaced(&mapping));
    // A change by name does not change the other segment.
    assert_eq!(earlier.is_findable(&scratch.0.namespace), Ok(false));
    // After a change of its permissions, it is still the same segment.
    let changed = Entry {
        created: entry.created - 10,
        ..entry
    };
    assert!(!changed.is_replaced(&mapping));
    assert_eq!(changed.is_findable(&scratch.0.namespace), Ok(true));
    let larger = Entry {
        size: 8192,
        ..entry
    };
    assert_eq!(larger.is_findable(&scratch.0.namespace), Ok(false));
    assert!(larger.is_replaced(&mapping));
}

#[test]
fn removing_a_transient_name_leaves_the_segment_to_its_holders() {
    let scratch = Scratch::new();
    let (entry, mapping) = scratch.transient(b"name");
    let names = scratch.names();
    let spared = names.remove_if(&entry, |_| scratch.0.still_names(&entry));
    assert_eq!(spared.unwrap(), Removal::Spared);
    assert_eq!(names.remove_if(&entry, |_| true).unwrap(), Removal::Removed);
    drop(names);
    assert_eq!((scratch.found(b"name"), scratch.count()), (None, 0));
    assert!(is_there(entry.id));
    drop(mapping);
    assert!(!is_there(entry.id));
}

#[test]
fn a_death_while_a_transient_name_is_removed_leaves_it_or_frees_it() {
    let scratch = Scratch::new();
    let (entry, mapping) = scratch.transient(b"name");
    let removing = State::Removing(entry.id, Lifetime::Transient);
    scratch.set(entry.slot, removing);
    scratch.die_with_the_lock();
    assert_eq!(scratch.found(b"name"), Some(entry));
    scratch.set(entry.slot, removing);
    drop(mapping);
    scratch.die_with_the_lock();
    assert_eq!((scratch.found(b"name"), scratch.count()), (None, 0));
}

#[test]
fn a_full_registry_frees_the_names_of_transient_segments_that_are_gone() {
    let scratch = Scratch::new();
    let (alive, _mapping) = scratch.transient(b"alive");
    let ordinary = scratch.create(b"ordinary");
    let names = scratch.names();
    let gone = State::Live(Id(77_777_777), Lifetime::Transient);
    for number in 2..names.table.capacity() {
        let text = format!("gone {number}");
        let name = HashedName::new(text.as_bytes());
        let slot = names.probe(&name).unwrap().vacancy.unwrap();
        let segment = NewSegment {
            key: keys::for_segment(),
            size: 4096,
            created: 1,
        };
        assert!(names.table.begin(slot, segment, &name).unwrap());
        names.table.finish(slot, gone).unwrap();
    }
    assert_eq!(names.probe(&HashedName::new(b"new")).unwrap().vacancy, None);
    drop(names);
    let new = scratch.create(b"new");
    assert_eq!(scratch.count(), 3);
    for (name, entry) in [
        (b"alive".as_slice(), alive),
        (b"ordinary", ordinary),
        (b"new", new),
    ] {
        assert_eq!(scratch.found(name), Some(entry));
    }
}

/// Leaves a registry behind, looks for it, and sweeps it. Returns whether the look saw it, and
/// deleted nothing: another test may have swept it meanwhile, or be looking at it.
fn is_seen_and_swept() -> bool {
    let scratch = Scratch::new();
    let (key, id) = (scratch.0.key, scratch.0.id);
    let hidden = scratch.hide(b"hidden", Lifetime::Used);
    let (_, mapping) = scratch.transient(b"transient");
    scratch.detach();
    sweep::sweep(Whose::Ours);
    assert!(exists(key), "a process has the transient one attached");
    drop(mapping);
    let is_seen = sweep::left_behind(Whose::Ours)
        .iter()
        .any(|one| one.registry == id.0);
    let is_left = is_there(hidden.id);
    for _ in 0..1000 {
        sweep::sweep(Whose::Ours);
        if !exists(key) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!exists(key) && !is_there(hidden.id));
    is_seen && is_left
}

#[test]
fn a_registry_is_left_behind_if_its_segments_did_not_outlive_their_holders() {
    assert!((0..50).any(|_| is_seen_and_swept()));

    let scratch = Scratch::new();
    let key = scratch.0.key;
    let ordinary = scratch.create(b"ordinary");
    drop(scratch.transient(b"transient"));
    scratch.detach();
    sweep::sweep(Whose::Ours);
    assert!(exists(key) && is_there(ordinary.id));
    shm::remove(ordinary.id).unwrap();
    shm::remove(shm::find(key, 0).unwrap()).unwrap();
}

#[test]
fn a_sweep_deletes_nothing_that_is_in_use_or_that_another_user_created() {
    // The creator of a registry can hide any segment in it, and count no names.
    let scratch = Scratch::new();
    let used = scratch.hide(b"used", Lifetime::Used);
    let mapping = attach_by_id(&used);
    let hide_of_another = |name: &[u8]| {
        let key = keys::for_segment();
        let slot = scratch.begin(name, key);
        let id = as_user(61_001, move || shm::create(key, 4096, ORDINARY).unwrap());
        let names = scratch.names();
        let state = State::Hidden(id, Lifetime::Used);
        names.table.finish(slot, state).unwrap();
        id
    };
    let others = acts_for_others().then(|| hide_of_another(b"other's"));
    scratch.0.table().unwrap().header.set_names(0);
    let (registry, status) = scratch.leave();
    assert_eq!(sweep::remove(registry, &status), Some(()));
    assert!(is_there(used.id));
    shm::remove(used.id).unwrap();
    drop(mapping);
    if let Some(id) = others {
        assert!(is_there(id));
        shm::remove(id).unwrap();
    }
}

#[test]
fn a_registry_that_hides_what_cannot_be_deleted_with_it_stays() {
    if !acts_for_others() {
        return;
    }
    let scratch = Scratch::new();
    let key = keys::for_segment();
    let slot = scratch.begin(b"name", key);
    let id = as_user(61_001, move || shm::create(key, 4096, ORDINARY).unwrap());
    let state = State::Hidden(id, Lifetime::Used);
    scratch.names().table.finish(slot, state).unwrap();
    let namespace = scratch.0.namespace.clone();
    let (registry, status) = scratch.leave();
    assert_eq!(sweep::remove(registry, &status), None);
    assert!(is_there(registry) && is_there(id));
    let scratch = Scratch(Registry::open(&namespace).unwrap());
    scratch.delete_abandoned();
    drop(scratch);
    assert!(!is_there(registry) && !is_there(id));
}

#[test]
fn the_last_process_of_a_namespace_leaves_no_registry_of_dead_names() {
    let scratch = Scratch::new();
    let (_, mapping) = scratch.transient(b"name");
    scratch.0.retire_if_empty();
    assert!(exists(scratch.0.key));
    drop(mapping);
    scratch.0.retire_if_empty();
    assert!(!exists(scratch.0.key));
}

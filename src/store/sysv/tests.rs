//! What the registry does after a process died half-way, or others removed
//! things. Each test has a namespace of its own.

use super::entry::Entry;
use super::hash::HashedName;
use super::keys;
use super::layout::{Facts, State};
use super::locked::Names;
use super::names::{Lookup, Removal};
use super::open::Completed;
use super::registry::Registry;
use super::shm::{self, Key};
use crate::namespace::Namespace;
use crate::os;
use crate::request::{Creation, Lifetime};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const ORDINARY: Creation = Creation::with_mode(0o660);

/// A registry that is gone when the test is over, however it ends, with all
/// the segments that it names.
struct Scratch(Registry);

impl Scratch {
    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = format!("/test/{}/{number}", os::process().0);
        Self(Registry::open(&Namespace::Path(path.into_bytes())).unwrap())
    }

    fn names(&self) -> Names<'_> {
        self.0.lock().unwrap()
    }

    fn found(&self, name: &[u8]) -> Option<Entry> {
        match self.names().look_up(&HashedName::new(name)).unwrap() {
            Lookup::Found(entry) => Some(entry),
            Lookup::Absent => None,
            Lookup::NotCurrent => panic!("the registry is not current"),
        }
    }

    fn create(&self, name: &[u8]) -> Entry {
        self.names()
            .create(&HashedName::new(name), 4096, ORDINARY, Lifetime::Used)
            .unwrap()
    }

    /// Leaves what a process leaves if it dies before shmget(2).
    fn begin(&self, name: &[u8], key: Key) -> usize {
        let names = self.names();
        let name = HashedName::new(name);
        let slot = names.probe(&name).unwrap().vacancy.unwrap();
        let facts = Facts {
            key,
            size: 4096,
            hash: name.hash(),
            length: u32::try_from(name.bytes().len()).unwrap(),
            creator: crate::fork::process(),
            created: os::seconds(os::Clock::Realtime),
        };
        names.table.begin(slot, facts, &name).unwrap();
        slot
    }

    fn set(&self, slot: usize, state: State) {
        self.names().table.slot(slot).unwrap().set_state(state);
    }

    /// A thread dies with the lock, as a process would.
    fn die_with_the_lock(&self) {
        thread::scope(|scope| {
            scope.spawn(|| std::mem::forget(self.names()));
        });
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Ok(table) = self.0.table() {
            for used in table.used().flatten() {
                if let Ok(id) = shm::find(used.facts.key, 0) {
                    let _ = shm::remove(id);
                }
            }
        }
        let _ = shm::remove(self.0.id);
    }
}

fn exists(key: Key) -> bool {
    shm::find(key, 0).is_ok()
}

#[test]
fn a_death_before_the_segment_is_created_leaves_a_free_name() {
    let scratch = Scratch::new();
    scratch.create(b"other");
    scratch.begin(b"victim", keys::for_segment());
    scratch.die_with_the_lock();
    assert_eq!(scratch.found(b"victim"), None);
    assert!(scratch.found(b"other").is_some());
    assert_eq!(scratch.names().table.header.names(), Ok(1));
}

#[test]
fn a_death_after_the_segment_was_created_leaves_no_segment() {
    let scratch = Scratch::new();
    let key = keys::for_segment();
    scratch.begin(b"victim", key);
    shm::create(key, 4096, ORDINARY).unwrap();
    scratch.die_with_the_lock();
    assert_eq!(scratch.found(b"victim"), None);
    assert!(!exists(key));
    assert_eq!(scratch.names().table.header.names(), Ok(0));
}

#[test]
fn a_strangers_segment_under_the_key_that_was_tried_is_left_alone() {
    let scratch = Scratch::new();
    let key = keys::for_segment();
    let stranger = shm::create(key, 12_288, ORDINARY).unwrap();
    scratch.begin(b"victim", key);
    scratch.die_with_the_lock();
    assert_eq!(scratch.found(b"victim"), None);
    assert!(exists(key));
    shm::remove(stranger).unwrap();
}

#[test]
fn a_death_before_the_segment_is_deleted_leaves_segment_and_name() {
    for lifetime in [Lifetime::Used, Lifetime::Kept] {
        let scratch = Scratch::new();
        let entry = scratch.create(b"victim");
        scratch.set(entry.slot, State::Removing(entry.id, lifetime));
        assert!(!scratch.0.still_names(&entry));
        assert_eq!(scratch.0.lifetime(&entry).unwrap(), Some(lifetime));
        scratch.die_with_the_lock();
        assert_eq!(scratch.found(b"victim"), Some(entry));
        assert!(scratch.0.still_names(&entry));
        assert_eq!(scratch.names().lifetime(&entry).unwrap(), Some(lifetime));
    }
}

#[test]
fn a_slot_is_marked_before_the_attachments_are_counted() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"victim");
    let names = scratch.names();
    // A process that attaches it before the count is counted; one that attaches it
    // afterwards sees that it is about to be deleted.
    let spared = names.remove_if(&entry, |_| scratch.0.still_names(&entry));
    assert_eq!(spared.unwrap(), Removal::Spared);
    assert!(scratch.0.still_names(&entry));
    let removed = names.remove_if(&entry, |_| true);
    assert_eq!(removed.unwrap(), Removal::Removed);
    assert!(!scratch.0.still_names(&entry));
}

#[test]
fn a_death_after_the_segment_was_deleted_leaves_a_free_name() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"victim");
    scratch.set(entry.slot, State::Removing(entry.id, Lifetime::Used));
    shm::remove(entry.id).unwrap();
    scratch.die_with_the_lock();
    assert_eq!(scratch.found(b"victim"), None);
    assert_eq!(scratch.names().table.header.names(), Ok(0));
}

#[test]
fn a_name_whose_creator_died_before_counting_it_is_counted() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"victim");
    scratch.names().table.header.set_names(0);
    scratch.die_with_the_lock();
    assert_eq!(scratch.found(b"victim"), Some(entry));
    assert_eq!(scratch.names().table.header.names(), Ok(1));
}

#[test]
fn an_unfinished_name_is_rolled_back_even_if_nobody_noticed_the_death() {
    let scratch = Scratch::new();
    let key = keys::for_segment();
    scratch.begin(b"victim", key);
    shm::create(key, 4096, ORDINARY).unwrap();
    assert_eq!(scratch.found(b"victim"), None);
    assert!(!exists(key));
}

#[test]
fn completing_a_registry_leaves_recovery_to_the_next_process() {
    let scratch = Scratch::new();
    let key = keys::for_segment();
    scratch.begin(b"victim", key);
    shm::create(key, 4096, ORDINARY).unwrap();
    scratch.die_with_the_lock();
    // It saw the registry when it was new, and had to wait for the lock.
    let identity = scratch.0.namespace.identity().unwrap();
    assert_eq!(scratch.0.complete(&identity).unwrap(), Completed::Elsewhere);
    drop(scratch.names());
    assert!(!exists(key));
}

#[test]
fn a_segment_deleted_by_other_means_is_noticed() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"victim");
    shm::remove(entry.id).unwrap();
    assert_eq!(scratch.found(b"victim"), None);
    assert_ne!(scratch.create(b"victim").key, entry.key);
}

#[test]
fn a_removed_registry_is_noticed() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"alive");
    shm::remove(scratch.0.id).unwrap();
    let lookup = |name| scratch.names().look_up(&HashedName::new(name)).unwrap();
    assert_eq!(lookup(b"new"), Lookup::NotCurrent);
    // Nobody else can have given this name away yet.
    assert_eq!(lookup(b"alive"), Lookup::Found(entry));
    let successor = Scratch(Registry::open(&scratch.0.namespace).unwrap());
    assert_eq!(lookup(b"alive"), Lookup::NotCurrent);
    assert_eq!(successor.found(b"alive"), None);
}

#[test]
fn an_empty_registry_is_removed_and_one_with_names_is_not() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"name");
    scratch.0.retire_if_empty();
    assert!(exists(scratch.0.key));
    let removal = scratch.names().remove_if(&entry, |_| true);
    assert_eq!(removal.unwrap(), Removal::Removed);
    scratch.0.retire_if_empty();
    assert!(!exists(scratch.0.key));
}

#[test]
fn a_registry_of_zeros_that_was_complete_is_damage() {
    let scratch = Scratch::new();
    for byte in scratch.0.mapping.bytes() {
        byte.store(0, Ordering::Relaxed);
    }
    assert_eq!(scratch.0.lock().err().unwrap().errno(), libc::EUCLEAN);
    let again = Registry::open(&scratch.0.namespace);
    let error = again.err().unwrap();
    assert_eq!(error.errno(), libc::EUCLEAN);
    assert!(
        error
            .to_string()
            .contains(&format!("ipcrm -m {}", scratch.0.id))
    );
}

#[test]
fn a_registry_of_another_version_is_enotsup() {
    let scratch = Scratch::new();
    scratch.0.mapping.bytes()[8].fetch_xor(2, Ordering::Relaxed);
    assert_eq!(scratch.0.lock().err().unwrap().errno(), libc::ENOTSUP);
    let again = Registry::open(&scratch.0.namespace);
    assert_eq!(again.err().unwrap().errno(), libc::ENOTSUP);
}

#[test]
fn a_strangers_segment_under_the_first_key_leads_to_the_next() {
    let namespace = Namespace::Path(format!("/test/{}/squat", os::process().0).into_bytes());
    let identity = namespace.identity().unwrap();
    let keys: Vec<_> = keys::of_registry(&identity).collect();
    let stranger = shm::create(keys[0], 100, Creation::with_mode(0o600)).unwrap();
    let scratch = Scratch(Registry::open(&namespace).unwrap());
    assert_eq!(scratch.0.key, keys[1]);
    // When the stranger is gone, the registry is still found.
    shm::remove(stranger).unwrap();
    let again = Registry::open(&namespace).unwrap();
    assert_eq!(again.id, scratch.0.id);
}

#[test]
fn a_registry_that_anyone_may_write_to_is_refused() {
    let scratch = Scratch::new();
    shm::set_mode(scratch.0.id, 0o662).unwrap();
    let again = Registry::open(&scratch.0.namespace);
    assert_eq!(again.err().unwrap().errno(), libc::EACCES);
}

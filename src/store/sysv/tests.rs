//! What the registry does after a process died half-way, or others removed
//! things. Each test has a namespace of its own.

mod hidden;

use super::entry::Entry;
use super::hash::HashedName;
use super::keys;
use super::layout::State;
use super::locked::Names;
use super::names::{Lookup, Removal};
use super::open::Completed;
use super::registry::{Presence, Registry, attach};
use super::shm::{self, Id, Key};
use super::sweep::{self, Whose};
use super::table::NewSegment;
use crate::ids::UserId;
use crate::namespace::Registered;
use crate::os;
use crate::request::{Creation, Lifetime};
use std::fs;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const ORDINARY: Creation = Creation::with_mode(0o660);

/// A registry that is gone when the test is over, however it ends, with all
/// the segments that it names.
pub(super) struct Scratch(pub(super) Registry);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = format!("/test/{}/{number}", os::process().0);
        Self(Registry::open(&Registered::Path(path.into_bytes())).unwrap())
    }

    fn names(&self) -> Names<'_> {
        self.0.lock().unwrap()
    }

    pub(super) fn found(&self, name: &[u8]) -> Option<Entry> {
        match self.names().look_up(&HashedName::new(name)).unwrap() {
            Lookup::Found(entry) => Some(entry),
            Lookup::Absent => None,
            Lookup::NotCurrent => panic!("the registry is not current"),
        }
    }

    pub(super) fn create(&self, name: &[u8]) -> Entry {
        self.names()
            .create(&HashedName::new(name), 4096, ORDINARY, Lifetime::Used)
            .unwrap()
    }

    /// Leaves what a process leaves if it dies before shmget(2).
    pub(super) fn begin(&self, name: &[u8], key: Key) -> usize {
        let names = self.names();
        let name = HashedName::new(name);
        let slot = names.probe(&name).unwrap().vacancy.unwrap();
        let segment = NewSegment {
            key,
            size: 4096,
            created: os::seconds(os::Clock::Realtime),
        };
        assert!(names.table.begin(slot, segment, &name).unwrap());
        slot
    }

    fn set(&self, slot: usize, state: State) {
        self.names().table.slot(slot).unwrap().set_state(state);
    }

    /// The registry under a key, complete or not.
    pub(super) fn at(&self, namespace: &Registered, key: Key) -> Registry {
        let id = shm::find(key, 0).unwrap();
        let size = shm::status(id).unwrap().unwrap().size;
        Registry {
            namespace: namespace.clone(),
            id,
            key,
            creator: self.0.creator,
            group: self.0.group,
            capacity: self.0.capacity,
            mapping: attach(id, size).unwrap(),
        }
    }

    /// A new registry of the same namespace that is not complete.
    fn unborn(&self) -> Self {
        let size = self.0.mapping.size();
        shm::create(self.0.key, size, Creation::with_mode(0o660 | keys::UNBORN)).unwrap();
        Self(self.at(&self.0.namespace, self.0.key))
    }

    /// Detaches the registry and leaves everything in place.
    fn detach(self) {
        let scratch = std::mem::ManuallyDrop::new(self);
        // SAFETY: it is used no more, and not dropped.
        drop(unsafe { std::ptr::read(&raw const scratch.0) });
    }

    /// A thread dies with the lock, as a process would.
    pub(super) fn die_with_the_lock(&self) {
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

/// Calls `work` in a thread that becomes another user, which requires root. The other threads
/// stay root, because in the kernel each thread has a user of its own.
pub(super) fn as_user<T: Send + 'static>(
    user: u32,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let become_user = move || {
        // SAFETY: setresuid takes numbers only.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) };
        assert_eq!(result, 0);
        work()
    };
    thread::spawn(become_user).join().unwrap()
}

/// Whether this process may become other users, and change their segments; if not, reports
/// that the test is skipped. Root in a container often has no right to change them.
pub(super) fn acts_for_others() -> bool {
    const NEEDED: u64 = (1 << 15) | (1 << 21); // CAP_IPC_OWNER, CAP_SYS_ADMIN
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|value| u64::from_str_radix(value.trim(), 16).ok())
        .unwrap_or(0);
    let does = os::effective_user() == UserId::ROOT
        && os::Map::Users.is_complete()
        && capabilities & NEEDED == NEEDED;
    if !does {
        let thread = thread::current();
        let name = thread.name().unwrap_or_default();
        let line = format!("\nSKIP: {name}: this takes root, who may change others' segments\n");
        let _ = io::stderr().write_all(line.as_bytes());
    }
    does
}

pub(super) fn exists(key: Key) -> bool {
    shm::find(key, 0).is_ok()
}

#[test]
fn a_slot_with_a_key_that_this_library_cannot_have_chosen_is_ignored() {
    for kind in [Key(0x6101_0203), Key(0x8123_4567)] {
        let scratch = Scratch::new();
        let victim = shm::create(kind, 4096, ORDINARY).unwrap();
        let slot = scratch.begin(b"name", kind);
        scratch.die_with_the_lock();
        assert_eq!(scratch.found(b"name"), None);
        assert!(exists(kind), "after recovery of an unfinished create");
        for state in [
            State::Live(victim, Lifetime::Used),
            State::Hidden(victim, Lifetime::Used),
        ] {
            assert_eq!(scratch.begin(b"name", kind), slot);
            scratch.names().table.finish(slot, state).unwrap();
            assert_eq!(scratch.found(b"name"), None, "{state:?}");
            assert!(exists(kind), "{state:?}");
        }
        drop(scratch);
        let _ = shm::remove(victim);
    }
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
fn the_names_of_a_removed_registry_are_taken_over() {
    let scratch = Scratch::new();
    let long = [b'x'; 1000];
    let entry = scratch.create(b"alive");
    let long_entry = scratch.create(&long);
    let kept = scratch.create(b"kept");
    scratch.set(kept.slot, State::Live(kept.id, Lifetime::Kept));
    let gone = scratch.create(b"gone");
    shm::remove(gone.id).unwrap();
    shm::remove(scratch.0.id).unwrap();
    let lookup = |name| scratch.names().look_up(&HashedName::new(name)).unwrap();
    assert_eq!(lookup(b"new"), Lookup::NotCurrent);
    // Nobody else can have given this name away yet.
    assert_eq!(lookup(b"alive"), Lookup::Found(entry));
    let successor = Scratch(Registry::open(&scratch.0.namespace).unwrap());
    assert_eq!(lookup(b"alive"), Lookup::NotCurrent);
    assert_eq!(scratch.0.glance(&HashedName::new(b"alive")), None);
    let same = |found: Option<Entry>, before: Entry| {
        let found = found.unwrap();
        assert_eq!(
            Entry {
                slot: before.slot,
                ..found
            },
            before
        );
        found
    };
    same(successor.found(b"alive"), entry);
    same(successor.found(&long), long_entry);
    let kept = same(successor.found(b"kept"), kept);
    assert_eq!(successor.0.lifetime(&kept).unwrap(), Some(Lifetime::Kept));
    assert_eq!(successor.found(b"gone"), None);
    assert_eq!(successor.names().table.header.names(), Ok(3));
}

#[test]
fn a_takeover_that_a_death_interrupted_begins_again() {
    let scratch = Scratch::new();
    let entries = [scratch.create(b"one"), scratch.create(b"two")];
    shm::remove(scratch.0.id).unwrap();
    let namespace = &scratch.0.namespace;
    let identity = namespace.identity().unwrap();
    // A new registry whose creator died after it had copied one name and begun another.
    Registry::freeze_predecessors(namespace, &identity).unwrap();
    let successor = scratch.unborn();
    let table = successor.0.table().unwrap();
    let (count, _) = successor.0.take_over(&table, &identity).unwrap().unwrap();
    assert_eq!(count, 2);
    let two = table
        .probe(&HashedName::new(b"two"))
        .unwrap()
        .found
        .unwrap();
    table.slot(two.slot).unwrap().set_state(State::Empty);
    let completed = Registry::open(namespace).unwrap();
    assert_eq!(completed.id, successor.0.id);
    for (name, entry) in [b"one", b"two"].into_iter().zip(entries) {
        assert_eq!(successor.found(name).unwrap().key, entry.key);
    }
    assert_eq!(successor.names().table.header.names(), Ok(2));
}

#[test]
fn a_look_without_the_lock_finds_what_exists_while_the_lock_is_held() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"name");
    let name = HashedName::new(b"name");
    let names = scratch.names();
    assert_eq!(scratch.0.glance(&name), Some(entry));
    assert_eq!(scratch.0.glance(&HashedName::new(b"other")), None);
    drop(names);
    shm::remove(entry.id).unwrap();
    assert_eq!(scratch.0.glance(&name), None);
}

#[test]
fn of_two_new_registries_the_one_with_the_earlier_key_is_completed() {
    let scratch = Scratch::new();
    let namespace = Registered::Path(format!("/test/{}/two", os::process().0).into_bytes());
    let identity = namespace.identity().unwrap();
    let keys: Vec<_> = keys::of_registry(&identity).collect();
    let new = |key| {
        let size = scratch.0.mapping.size();
        shm::create(key, size, Creation::with_mode(0o660 | keys::UNBORN)).unwrap();
        Scratch(scratch.at(&namespace, key))
    };
    let (first, second) = (new(keys[1]), new(keys[4]));
    assert_eq!(second.0.complete(&identity).unwrap(), Completed::Elsewhere);
    assert!(!exists(keys[4]));
    let second = new(keys[4]);
    assert_eq!(first.0.complete(&identity).unwrap(), Completed::Here);
    assert!(!exists(keys[4]));
    assert_eq!(second.0.complete(&identity).unwrap(), Completed::Elsewhere);
    // One that is complete prevails over an earlier one that is not.
    let third = new(keys[0]);
    assert_eq!(third.0.complete(&identity).unwrap(), Completed::Elsewhere);
    assert!(!exists(keys[0]));
    assert_eq!(Registry::open(&namespace).unwrap().id, first.0.id);
}

#[test]
fn a_registry_of_another_ipc_namespace_is_told_by_its_nonce() {
    let scratch = Scratch::new();
    assert_eq!(scratch.0.presence(), Presence::Current);
    // Another registry with the same identifier, key and size.
    let other = Scratch::new();
    let size = scratch.0.mapping.size();
    let key = other.0.key;
    shm::remove(other.0.id).unwrap();
    let id = shm::create(key, size, Creation::with_mode(0o660)).unwrap();
    let elsewhere = Registry {
        namespace: scratch.0.namespace.clone(),
        id,
        key,
        creator: os::effective_user(),
        group: None,
        capacity: scratch.0.capacity,
        mapping: attach(scratch.0.id, size).unwrap(),
    };
    assert_eq!(elsewhere.presence(), Presence::Elsewhere);
    shm::remove(id).unwrap();
}

#[test]
fn a_registry_that_was_left_behind_is_swept_unless_it_has_names() {
    let scratch = Scratch::new();
    let id = scratch.0.id;
    assert!(
        !sweep::left_behind(Whose::Ours)
            .iter()
            .any(|one| one.registry == id.0),
        "it is attached"
    );
    let with_names = Scratch::new();
    let entry = with_names.create(b"name");
    let (key, key_with_names) = (scratch.0.key, with_names.0.key);
    scratch.detach();
    with_names.detach();
    // Another test's thread may look at it at the same moment, and have it attached, or sweep it.
    let is_reported = || {
        sweep::left_behind(Whose::Ours)
            .iter()
            .any(|one| one.registry == id.0)
    };
    assert!((0..1000).any(|_| is_reported() || !exists(key)));
    let is_swept = || {
        sweep::sweep(Whose::Ours);
        !exists(key)
    };
    assert!((0..1000).any(|_| is_swept()));
    assert!(exists(key_with_names));
    shm::remove(shm::find(key_with_names, 0).unwrap()).unwrap();
    shm::remove(entry.id).unwrap();
}

#[test]
fn a_name_that_comes_back_for_ever_is_damage() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"name");
    let names = scratch.names();
    let table = names.table;
    let facts = table.slot(entry.slot).unwrap().facts().unwrap();
    // A hostile member has filled all slots with a name whose segment does not exist.
    for slot in table.slots() {
        slot.set_facts(facts);
        slot.set_state(State::Live(Id(77_777_777), Lifetime::Used));
    }
    let error = names.look_up(&HashedName::new(b"name")).unwrap_err();
    assert_eq!(error.errno(), os::EUCLEAN);
    drop(names);
    shm::remove(entry.id).unwrap();
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
    assert_eq!(scratch.0.lock().err().unwrap().errno(), os::EUCLEAN);
    let again = Registry::open(&scratch.0.namespace);
    let error = again.err().unwrap();
    assert_eq!(error.errno(), os::EUCLEAN);
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
    let namespace = Registered::Path(format!("/test/{}/squat", os::process().0).into_bytes());
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

#[test]
fn a_registry_that_was_taken_over_is_not_taken_over_again() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"name");
    shm::remove(scratch.0.id).unwrap();
    let second = Scratch(Registry::open(&scratch.0.namespace).unwrap());
    let moved = second.found(b"name").unwrap();
    assert_eq!(moved.key, entry.key);
    // The first one still says that the segment is an ordinary one.
    second.set(moved.slot, State::Live(moved.id, Lifetime::Kept));
    shm::remove(second.0.id).unwrap();
    let third = Scratch(Registry::open(&scratch.0.namespace).unwrap());
    let moved = third.found(b"name").unwrap();
    assert_eq!(third.0.lifetime(&moved).unwrap(), Some(Lifetime::Kept));
}

#[test]
fn the_names_of_a_successor_that_is_gone_are_taken_over_again() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"name");
    shm::remove(scratch.0.id).unwrap();
    let namespace = &scratch.0.namespace;
    let second = Registry::open(namespace).unwrap();
    assert!(scratch.0.is_taken_over());
    shm::remove(second.id).unwrap();
    // Its only process ends.
    drop(second);
    assert!(!scratch.0.is_taken_over());
    let third = Scratch(Registry::open(namespace).unwrap());
    assert_eq!(third.found(b"name").unwrap().key, entry.key);
    assert!(scratch.0.is_taken_over());
}

#[test]
fn the_names_are_copied_although_a_registry_that_was_never_current_has_them() {
    let scratch = Scratch::new();
    let entry = scratch.create(b"name");
    shm::remove(scratch.0.id).unwrap();
    let namespace = &scratch.0.namespace;
    let identity = namespace.identity().unwrap();
    Registry::freeze_predecessors(namespace, &identity).unwrap();
    // It is removed before it is complete, so others do not see that it has the names.
    let second = scratch.unborn();
    shm::remove(second.0.id).unwrap();
    second.0.succeed(&scratch.0);
    let third = Scratch(Registry::open(namespace).unwrap());
    assert_eq!(third.found(b"name").unwrap().key, entry.key);
}

#[test]
fn a_registry_that_was_removed_before_it_was_complete_is_not_copied() {
    let scratch = Scratch::new();
    scratch.create(b"name");
    shm::remove(scratch.0.id).unwrap();
    let namespace = &scratch.0.namespace;
    let identity = namespace.identity().unwrap();
    Registry::freeze_predecessors(namespace, &identity).unwrap();
    let second = scratch.unborn();
    let table = second.0.table().unwrap();
    let (count, predecessors) = second.0.take_over(&table, &identity).unwrap().unwrap();
    shm::remove(second.0.id).unwrap();
    let capacity = second.0.capacity;
    assert!(table.header.give_birth(&identity, capacity, count, 1));
    let concluded = second.0.conclude(&predecessors);
    assert_eq!(concluded, super::open::Completed::Elsewhere);
    assert_eq!(scratch.0.recorded_successor(), None);
    assert_eq!(second.0.recorded_successor(), Some(second.0.id));
    let copied = second.found(b"name").unwrap();
    second.set(copied.slot, State::Live(copied.id, Lifetime::Kept));
    let third = Scratch(Registry::open(namespace).unwrap());
    let moved = third.found(b"name").unwrap();
    assert_eq!(third.0.lifetime(&moved).unwrap(), Some(Lifetime::Used));
}

#[test]
fn a_process_keeps_a_removed_registry_until_it_has_attached_the_next_one() {
    let scratch = Scratch::new();
    let namespace = &scratch.0.namespace;
    let entry = scratch.create(b"name");
    let first = Registry::of(namespace).unwrap();
    let id = first.id;
    shm::remove(id).unwrap();
    // Another process makes the next one, and dies before anybody else has attached it.
    let others = Registry::open(namespace).unwrap();
    first.forget();
    drop(first);
    let is_attached = |id| {
        shm::status(id)
            .unwrap()
            .is_some_and(|status| status.mappings > 1)
    };
    assert!(is_attached(id));
    shm::remove(others.id).unwrap();
    drop(others);
    let next = Registry::of(namespace).unwrap();
    assert!(!is_attached(id));
    let next = Scratch(Registry::open(&next.namespace).unwrap());
    assert_eq!(next.found(b"name").unwrap().key, entry.key);
}

#[test]
fn a_new_name_wakes_those_who_wait_and_costs_nothing_without_them() {
    let scratch = Scratch::new();
    let table = scratch.0.table().unwrap();
    let now = || table.header.appeared().load(Ordering::Relaxed);
    let before = now();
    let mut entries = vec![scratch.create(b"one")];
    assert_eq!(now(), before, "nobody waits");
    let expected = table.header.expect_name();
    assert_eq!(now(), expected);
    assert_eq!(
        table.header.expect_name(),
        expected,
        "a second one waits for the same"
    );
    entries.push(scratch.create(b"two"));
    assert_ne!(now(), expected);
    let after = now();
    entries.push(scratch.create(b"three"));
    assert_eq!(now(), after, "the waiters were woken once");
    for entry in entries {
        shm::remove(entry.id).unwrap();
    }
}

#[test]
fn a_registry_that_was_forestalled_does_not_occupy_its_key() {
    let scratch = Scratch::new();
    let namespace = Registered::Path(format!("/test/{}/husk", os::process().0).into_bytes());
    let identity = namespace.identity().unwrap();
    let size = scratch.0.mapping.size();
    for key in keys::of_registry(&identity) {
        shm::create(key, size, Creation::with_mode(0o660 | keys::UNBORN)).unwrap();
        let husk = scratch.at(&namespace, key);
        // Its process died before it could remove it.
        assert!(super::layout::header(&husk.mapping).unwrap().forestall());
    }
    let registry = Scratch(Registry::open(&namespace).unwrap());
    let left = keys::of_registry(&identity)
        .filter(|&key| exists(key))
        .count();
    assert_eq!(left, 1);
    assert!(exists(registry.0.key));
}

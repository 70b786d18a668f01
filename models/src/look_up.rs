//! A process looks a name up and attaches its segment without the lock, while others, who
//! have the lock, remove it, create another one in the same slot, or take the registry over.
//!
//! The reader reads the slot's state, its facts and its name, verifies the check sum, reads
//! the state again, finds the segment by its key, attaches it, and reads the state and the
//! registry's magic number once more. If anything is different, it starts over with the
//! lock, which this model does not show.
//!
//! The kernel's words are atomics that order nothing else.

use loom::sync::Arc;
use loom::thread;

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::explore;

/// A step that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The reader's check sum over the facts and the name (`Slot::facts`).
    CheckSum,
    /// The reader's second look at the state, before it uses the facts (`Slot::is_still`).
    SecondLook,
    /// The reader's comparison of the identifier that it found by the key with the one in
    /// the state (`Entry::is_findable`).
    SameId,
    /// The reader's fence between attaching and the last look (`Registry::still_names`).
    FenceOfAttach,
    /// The reader's last look at the state, after it has attached.
    LastLook,
    /// The reader's look at the magic number, after it has attached.
    MagicNumber,
    /// The remover's mark in the state (`Names::remove_if`).
    Mark,
    /// The remover's fence between the mark and the count of attachments.
    FenceOfRemove,
    /// The creator's fence between the state of the freed slot and the new facts
    /// (`Slot::set_facts`).
    FenceOfCreate,
}

/// The steps that a model leaves out.
pub type Without = &'static [Step];

const MAGIC: u32 = 1;
const SUPERSEDED: u32 = 2;

/// States of a slot, with an identifier in the lower bits.
const LIVE: u32 = 0x100;
const REMOVING: u32 = 0x200;
const FREED: u32 = 0x300;
const CREATING: u32 = 0x400;
const ID: u32 = 0xff;

const EXISTS: u32 = 1 << 30;
const REMOVED: u32 = 1 << 31;
/// Removed by ipcrm(1).
const LOST: u32 = 1 << 29;
const ATTACHMENTS: u32 = LOST - 1;

/// The names. A slot without a name has 0.
const OURS: u32 = 5;
const OTHER: u32 = 6;

/// What the kernel knows of a segment. Its identifier is its index, and its key that plus
/// [`FIRST_KEY`].
struct Segment {
    name: u32,
    word: AtomicU32,
}

const FIRST_KEY: u32 = 40;

struct Slot {
    state: AtomicU32,
    key: AtomicU32,
    name: AtomicU32,
    check: AtomicU32,
}

struct Registry {
    magic: AtomicU32,
    slot: Slot,
}

struct World {
    without: Without,
    segments: Vec<Segment>,
    registry: Registry,
    successor: Registry,
}

const fn check_of(key: u32, name: u32) -> u32 {
    key * 100 + name
}

impl Registry {
    fn new() -> Self {
        Self {
            magic: AtomicU32::new(MAGIC),
            slot: Slot {
                state: AtomicU32::new(FREED),
                key: AtomicU32::new(0),
                name: AtomicU32::new(0),
                check: AtomicU32::new(0),
            },
        }
    }
}

impl World {
    /// The names are those of the segments; the first one exists.
    fn new(without: Without, names: &[u32]) -> Arc<Self> {
        let segment = |&name| Segment {
            name,
            word: AtomicU32::new(0),
        };
        let world = Self {
            without,
            segments: names.iter().map(segment).collect(),
            registry: Registry::new(),
            successor: Registry::new(),
        };
        world.create(&world.registry, 0);
        Arc::new(world)
    }

    fn does(&self, step: Step) -> bool {
        !self.without.contains(&step)
    }

    fn segment(&self, id: u32) -> &Segment {
        let segment = usize::try_from(id)
            .ok()
            .and_then(|id| self.segments.get(id));
        segment.unwrap_or_else(|| panic!("no segment {id}"))
    }

    /// shmget(2) of an existing segment
    fn find(&self, key: u32) -> Option<u32> {
        let id = key - FIRST_KEY;
        let word = self.segment(id).word.load(Ordering::Relaxed);
        (word & (EXISTS | REMOVED | LOST) == EXISTS).then_some(id)
    }

    /// shmat(2)
    fn attach_by_id(&self, id: u32) -> bool {
        let attach = |word: u32| {
            let is_removed = word & (REMOVED | LOST) != 0;
            let exists = word & EXISTS != 0 && !(is_removed && word & ATTACHMENTS == 0);
            exists.then_some(word + 1)
        };
        let word = &self.segment(id).word;
        word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, attach)
            .is_ok()
    }

    /// Looks [`OURS`] up in the first registry, and attaches its segment. `None` if only
    /// the lock could tell.
    fn look_up(&self) -> Option<u32> {
        let Registry { magic, slot } = &self.registry;
        let state = slot.state.load(Ordering::Acquire);
        if state & !ID != LIVE {
            return None;
        }
        let key = slot.key.load(Ordering::Relaxed);
        let name = slot.name.load(Ordering::Relaxed);
        let check = slot.check.load(Ordering::Relaxed);
        if self.does(Step::CheckSum) && check != check_of(key, name) {
            return None;
        }
        if name != OURS {
            return None;
        }
        if self.does(Step::SecondLook) {
            fence(Ordering::Acquire);
            if slot.state.load(Ordering::Relaxed) != state {
                return None;
            }
        }
        let id = self.find(key)?;
        if self.does(Step::SameId) && id != state & ID {
            return None;
        }
        if !self.attach_by_id(id) {
            return None;
        }
        if self.does(Step::FenceOfAttach) {
            fence(Ordering::SeqCst);
        }
        let is_same = !self.does(Step::LastLook) || slot.state.load(Ordering::Acquire) == state;
        let is_current = !self.does(Step::MagicNumber) || magic.load(Ordering::Acquire) == MAGIC;
        if is_same && is_current {
            return Some(id);
        }
        self.segment(id).word.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// With the lock: creates a segment in the free slot.
    fn create(&self, registry: &Registry, id: u32) {
        let slot = &registry.slot;
        let (key, name) = (FIRST_KEY + id, self.segment(id).name);
        if self.does(Step::FenceOfCreate) {
            fence(Ordering::Release);
        }
        slot.key.store(key, Ordering::Relaxed);
        slot.name.store(name, Ordering::Relaxed);
        slot.check.store(check_of(key, name), Ordering::Relaxed);
        slot.state.store(CREATING, Ordering::Release);
        self.segment(id).word.fetch_or(EXISTS, Ordering::Relaxed);
        slot.state.store(LIVE | id, Ordering::Release);
    }

    /// With the lock: removes the segment of the slot, unless it is attached.
    fn remove(&self, registry: &Registry, id: u32) -> bool {
        let slot = &registry.slot;
        if self.does(Step::Mark) {
            slot.state.store(REMOVING | id, Ordering::Release);
        }
        if self.does(Step::FenceOfRemove) {
            fence(Ordering::SeqCst);
        }
        let word = &self.segment(id).word;
        let is_last = word.load(Ordering::Relaxed) & ATTACHMENTS == 0;
        if is_last {
            word.fetch_or(REMOVED, Ordering::Relaxed);
            slot.state.store(FREED, Ordering::Release);
        } else {
            slot.state.store(LIVE | id, Ordering::Release);
        }
        is_last
    }

    /// With the locks of both: the successor takes the name over.
    fn take_over(&self, id: u32) {
        self.registry.magic.store(SUPERSEDED, Ordering::Release);
        let (key, name) = (FIRST_KEY + id, self.segment(id).name);
        let slot = &self.successor.slot;
        slot.key.store(key, Ordering::Relaxed);
        slot.name.store(name, Ordering::Relaxed);
        slot.check.store(check_of(key, name), Ordering::Relaxed);
        slot.state.store(LIVE | id, Ordering::Release);
    }
}

/// A process looks the name up while `change` happens. It gets the name's segment, which
/// stays unless something other than this library deletes it.
fn against(preemptions: usize, without: Without, names: &'static [u32], change: fn(&World)) {
    explore(preemptions, move || {
        let world = World::new(without, names);
        let reader = {
            let world = world.clone();
            thread::spawn(move || world.look_up())
        };
        change(&world);
        let found = reader.join().unwrap_or_else(|_| panic!("the reader fails"));
        if let Some(id) = found {
            let segment = world.segment(id);
            let status = segment.word.load(Ordering::Relaxed);
            assert_eq!(segment.name, OURS, "another name's segment");
            assert!(status & REMOVED == 0, "removed while it is attached");
        }
    });
}

/// The name is removed, and its slot becomes another name's.
pub fn remove_and_create_another(without: Without) {
    against(4, without, &[OURS, OTHER], |world| {
        if world.remove(&world.registry, 0) {
            world.create(&world.registry, 1);
        }
    });
}

/// The name is removed and created again, in the same slot, and removed again.
pub fn remove_and_create_again(without: Without) {
    against(4, without, &[OURS, OURS], |world| {
        if world.remove(&world.registry, 0) {
            world.create(&world.registry, 1);
            world.remove(&world.registry, 1);
        }
    });
}

/// Another name is removed, and its slot becomes ours.
pub fn create(without: Without) {
    against(4, without, &[OTHER, OURS], |world| {
        if world.remove(&world.registry, 0) {
            world.create(&world.registry, 1);
        }
    });
}

/// The segment is deleted by other means (ipcrm(1)), and the slot becomes another name's:
/// no remover marked the slot.
pub fn create_another_after_ipcrm(without: Without) {
    against(3, without, &[OURS, OTHER], |world| {
        let word = &world.segment(0).word;
        word.fetch_or(LOST, Ordering::Relaxed);
        let slot = &world.registry.slot;
        slot.state.store(FREED, Ordering::Release);
        world.create(&world.registry, 1);
    });
}

/// The registry was removed; its successor takes the name over, and removes it.
pub fn take_over_and_remove(without: Without) {
    against(4, without, &[OURS], |world| {
        world.take_over(0);
        world.remove(&world.successor, 0);
    });
}

/// Nothing changes: the name is found.
pub fn nothing(without: Without) {
    explore(2, move || {
        assert_eq!(World::new(without, &[OURS]).look_up(), Some(0));
    });
}

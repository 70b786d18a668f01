//! A process attaches a segment, without the lock, while others remove it or leave it.
//!
//! As in `src/store/sysv`: the remover marks the slot, and then counts the attachments; a
//! process attaches, and then looks at the slot. The kernel's count is an atomic that orders
//! nothing else: the model does not rely on barriers in system calls.

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::explore;

/// One step that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    Nothing,
    /// `fence` in `Registry::still_names`
    FenceOfAttach,
    /// `Registry::still_names`
    LookAfterAttach,
    /// `fence` in `Names::remove_if`
    FenceOfRemove,
    /// `State::Removing`
    Mark,
    /// The second count, in `Attached::close`
    CountAfterDetach,
}

const LIVE: u32 = 1;
const REMOVING: u32 = 2;
const FREED: u32 = 3;
const HIDDEN: u32 = 4;
const ABANDONED: u32 = 5;

/// In the segment's word: IPC_RMID. The other bits are the number of attachments.
const REMOVED: u32 = 1 << 31;

struct World {
    without: Without,
    lock: Mutex<()>,
    state: AtomicU32,
    segment: AtomicU32,
}

impl World {
    fn new(without: Without, attachments: u32) -> Arc<Self> {
        Arc::new(Self {
            without,
            lock: Mutex::new(()),
            state: AtomicU32::new(LIVE),
            segment: AtomicU32::new(attachments),
        })
    }

    fn has(&self, step: Without) -> bool {
        self.without != step
    }

    /// shmat(2), which also attaches a removed segment that others have attached.
    fn attach_by_id(&self) -> bool {
        let attach = |word| (word != REMOVED).then_some(word + 1);
        self.segment
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, attach)
            .is_ok()
    }

    /// shmdt(2)
    fn detach(&self) {
        self.segment.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_removed(&self) -> bool {
        self.segment.load(Ordering::Relaxed) & REMOVED != 0
    }

    /// Attaches the segment. False if it is gone.
    fn attach(&self) -> bool {
        if !self.attach_by_id() {
            return false;
        }
        if self.has(Without::FenceOfAttach) {
            fence(Ordering::SeqCst);
        }
        if !self.has(Without::LookAfterAttach) || self.state.load(Ordering::Acquire) == LIVE {
            return true;
        }
        let held = self.lock();
        let is_there = self.state.load(Ordering::Acquire) == LIVE && !self.is_removed();
        drop(held);
        if !is_there {
            self.detach();
        }
        is_there
    }

    /// Removes the segment if only the caller's own attachments are left.
    fn remove_if_last(&self, own: u32) -> bool {
        let _held = self.lock();
        if self.state.load(Ordering::Acquire) != LIVE {
            return true;
        }
        if self.has(Without::Mark) {
            self.state.store(REMOVING, Ordering::Release);
        }
        if self.has(Without::FenceOfRemove) {
            fence(Ordering::SeqCst);
        }
        let is_last = self.segment.load(Ordering::Relaxed) == own;
        if is_last {
            self.segment.fetch_or(REMOVED, Ordering::Relaxed);
            self.state.store(FREED, Ordering::Release);
        } else {
            self.state.store(LIVE, Ordering::Release);
        }
        is_last
    }

    /// Detaches the segment, and removes it if that leaves nobody.
    fn leave(&self) {
        if !self.has(Without::CountAfterDetach) {
            self.remove_if_last(1);
            self.detach();
            return;
        }
        self.detach();
        while self.segment.load(Ordering::Relaxed) == 0 {
            let own = u32::from(self.attach_by_id());
            let is_gone = self.remove_if_last(own);
            if own == 1 {
                self.detach();
            }
            if is_gone {
                break;
            }
        }
    }

    /// The creator of a hidden segment attaches it (`Registry::attach_hidden`), and publishes
    /// it with the lock. False if another process took the creator for dead.
    fn attach_and_publish(&self) -> bool {
        if !self.attach_by_id() {
            return false;
        }
        if self.has(Without::FenceOfAttach) {
            fence(Ordering::SeqCst);
        }
        let is_sure =
            !self.has(Without::LookAfterAttach) || self.state.load(Ordering::Acquire) == HIDDEN;
        let _held = self.lock();
        let is_hidden = self.state.load(Ordering::Acquire) == HIDDEN;
        assert!(is_hidden || !is_sure, "the creator was sure of its segment");
        if is_hidden {
            self.state.store(LIVE, Ordering::Release);
        } else {
            self.detach();
        }
        is_hidden
    }

    /// Another process takes the lock, and deletes the hidden segment if it seems abandoned
    /// (`Names::delete_abandoned`).
    fn delete_abandoned(&self) {
        let _held = self.lock();
        let is_used = || self.segment.load(Ordering::Relaxed) != 0;
        if self.state.load(Ordering::Acquire) != HIDDEN || is_used() {
            return;
        }
        if self.has(Without::Mark) {
            self.state.store(ABANDONED, Ordering::Release);
        }
        if self.has(Without::FenceOfRemove) {
            fence(Ordering::SeqCst);
        }
        if is_used() {
            self.state.store(HIDDEN, Ordering::Release);
        } else {
            self.segment.fetch_or(REMOVED, Ordering::Relaxed);
            self.state.store(FREED, Ordering::Release);
        }
    }

    fn lock(&self) -> loom::sync::MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(|_| panic!("the lock"))
    }
}

fn in_another_process<T: 'static>(
    world: &Arc<World>,
    work: impl FnOnce(&World) -> T + 'static,
) -> thread::JoinHandle<T> {
    let world = world.clone();
    thread::spawn(move || work(&world))
}

fn result_of<T>(process: thread::JoinHandle<T>) -> T {
    process
        .join()
        .unwrap_or_else(|_| panic!("the other process fails"))
}

/// One process attaches an orphan that another one prunes: a segment that was attached is
/// not removed.
pub fn attach_against_prune(without: Without) {
    explore(4, move || {
        let world = World::new(without, 0);
        let other = in_another_process(&world, World::attach);
        let is_removed = world.remove_if_last(0);
        let is_attached = result_of(other);
        assert!(is_attached != is_removed, "one of the two, and not both");
        assert_eq!(world.is_removed(), is_removed);
    });
}

/// Two processes attach an orphan that a third one prunes.
pub fn two_attach_against_prune(without: Without) {
    explore(3, move || {
        let world = World::new(without, 0);
        let first = in_another_process(&world, World::attach);
        let second = in_another_process(&world, World::attach);
        let is_removed = world.remove_if_last(0);
        let (first, second) = (result_of(first), result_of(second));
        assert!(!is_removed || !first && !second);
        assert_eq!(world.is_removed(), is_removed);
    });
}

/// Two processes leave a segment at once: it is removed.
pub fn two_leave(without: Without) {
    explore(4, move || {
        let world = World::new(without, 2);
        let other = in_another_process(&world, World::leave);
        world.leave();
        result_of(other);
        assert!(world.is_removed(), "nobody has it, and it is left");
        assert_eq!(world.state.load(Ordering::Acquire), FREED);
    });
}

/// One process leaves a segment while another one attaches it, and leaves it too: it is not
/// removed in between, and is removed in the end.
pub fn leave_against_attach(without: Without) {
    explore(3, move || {
        let world = World::new(without, 1);
        let other = in_another_process(&world, |world| {
            if world.attach() {
                assert!(!world.is_removed(), "it is removed while it is attached");
                world.leave();
            }
        });
        world.leave();
        result_of(other);
        assert!(world.is_removed(), "nobody has it, and it is left");
    });
}

/// A process that was stopped attaches and publishes the hidden segment that it has created,
/// while another process takes it for dead: either the segment is published, or it is deleted
/// and its creator starts over.
pub fn publish_against_delete(without: Without) {
    explore(4, move || {
        let world = World::new(without, 0);
        world.state.store(HIDDEN, Ordering::Release);
        let other = in_another_process(&world, World::attach_and_publish);
        world.delete_abandoned();
        let is_published = result_of(other);
        assert!(
            is_published != world.is_removed(),
            "either published or deleted"
        );
        let state = world.state.load(Ordering::Acquire);
        assert_eq!(state, if is_published { LIVE } else { FREED });
    });
}

//! A lock that the kernel releases when its owner's process ends, for systems without robust
//! futexes: a System V semaphore with an undo value (`SEM_UNDO`).
//!
//! A registry has one set of one semaphore, under the registry's key: the smallest systems
//! allow ten sets, and ten undo values per process. The value 0 is free, so a new set needs
//! no initialisation: a process takes the lock by waiting for 0 and adding 1, in one step.
//! The kernel takes the 1 away when the process ends. It tells nobody that it did, but words
//! in the registry's memory say who took the lock and has not released it: if they name
//! anyone when the next owner comes, the last one died.
//!
//! # Owners that do not end
//!
//! An undo value belongs to a process, not to a thread. It stays with an exec, and with a
//! process that dumps core. So an owner may be gone while the semaphore is 1: its thread
//! ended alone, another thread of its process called exec, or its process is being dumped.
//! Waiters find that out (see `judge` and `stranger`), and give up the *set*: they remove it,
//! and take a new one under the same key.
//!
//! A set that is given up could be free by now, and another process could hold it. So a
//! waiter first *condemns* the set: it writes its identifier beside the owner, then reads
//! the owner again, and removes the set only if that is the same. Whoever takes
//! a semaphore first writes itself down as the owner, then reads which set is condemned, and
//! owns the lock only if it is not this one. At least one of the two sees the other.
//! Whoever took a condemned set removes it, and takes a new one.
//!
//! # The end of a set
//!
//! Its owner removes it when no segment has its key any more: the registry was removed, and has no
//! successor (`Held::ends_with_the_registry`). Others who wait for it then take a new one,
//! find that the registry was removed, and so on. A process that is killed in between leaves the
//! set to the next process that uses the key, or sweeps (`sweep`).
//!
//! # Fork
//!
//! A child does not inherit undo values, so it holds nothing. If a signal handler that
//! interrupted the owner forks, and the child returns from it, the child releases nothing.

use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use self::set::{Set, Status};
use super::acquired::Acquired;
use super::holder::Holder;
use super::owner::{Legacy, Owner, OwnerWords, ThreadOf, Waiters};
use super::place::Place;
use super::thread::Thread;
use super::wait::Wait;
use crate::errno::Errno;
use crate::ids::{GroupId, UserId};
use crate::{fork, os};

mod set;

/// Permission bits that mean nothing to semaphores. A set without them is another program's.
const MARK: u32 = 0o111;
/// How often to try again when other processes remove the set.
const ATTEMPTS: usize = 10_000;
/// For how long a set may seem to be another program's: its creator may just be giving
/// it to its owner.
const SETTLING: Duration = Duration::from_millis(100);
/// After this time, whoever has taken the semaphore and is not yet written down as the owner,
/// perhaps because it was stopped, has to take another one.
const ANONYMOUS: Duration = Duration::from_millis(500);

/// The words in the registry's memory; all zero is free.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RobustLock {
    owner: OwnerWords,
    /// The set that must not be used any more, as [`mark_of`] numbers it.
    condemned: AtomicU32,
    /// The registry's key, which the kernel forgets when the registry is removed.
    key: AtomicI32,
}

/// The lock is held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    lock: &'a RobustLock,
    thread: ThreadOf,
    epoch: u32,
    key: i32,
    /// `None` if this process can't see the registry, nor its set.
    set: Option<Set>,
    acquired: Acquired,
    left_to_the_next: Cell<bool>,
    may_end: Cell<bool>,
}

/// Whether this call has created a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Created,
    Found,
}

/// Never 0.
const fn mark_of(set: Set) -> u32 {
    u32::from_ne_bytes(set.0.to_ne_bytes()).wrapping_add(1)
}

impl Held<'_> {
    pub(crate) const fn acquired(&self) -> Acquired {
        self.acquired
    }

    /// Releases the lock as if its owner had died, so that the next owner
    /// recovers.
    pub(crate) fn leave_to_the_next(&self) {
        self.left_to_the_next.set(true);
    }

    /// Whether nobody else holds the lock. False in a process that has moved to another IPC
    /// namespace: it must not change the registry.
    pub(crate) const fn excludes_others(&self) -> bool {
        self.set.is_some()
    }

    /// Removes the set when the lock is released, if the registry was removed by then.
    pub(crate) fn ends_with_the_registry(&self) {
        self.may_end.set(true);
    }
}

impl RobustLock {
    /// Takes the lock. `ETIMEDOUT` if others hold it longer than `limit`, or than
    /// the time that is left to this call; perhaps because the owner was stopped.
    pub(crate) fn acquire(
        &self,
        place: impl FnOnce() -> Place,
        limit: Duration,
    ) -> Result<Held<'_>, Errno> {
        let thread = Thread::current()?;
        let place = place();
        if !place.is_here {
            return Ok(self.held_elsewhere(thread.of));
        }
        if place.key == 0 {
            return Err(Errno(os::EUCLEAN));
        }
        let mut wait = Wait::new(limit);
        for _ in 0..ATTEMPTS {
            // Read before the set is looked for: if it is the same when a set is condemned
            // that exists later than this, nobody else has condemned a newer one.
            let condemned = self.condemned.load(Ordering::SeqCst);
            let (set, origin) = match find_or_create(&place) {
                Ok(found) => found,
                Err(errno) if set::is_gone(errno) => continue,
                Err(errno) => {
                    settle(errno, &mut wait)?;
                    continue;
                }
            };
            let taken = match set.take(set::Wait::No) {
                Err(Errno(libc::EAGAIN)) if wait.is_over() => return Err(Errno(libc::ETIMEDOUT)),
                Err(Errno(libc::EAGAIN)) => self.wait(thread.of, set, condemned, &mut wait),
                taken => taken,
            };
            match taken {
                Ok(()) => {
                    if let Some(acquired) = self.enter(thread.of, set) {
                        self.key.store(place.key, Ordering::Relaxed);
                        return Ok(Held {
                            lock: self,
                            thread: thread.of,
                            epoch: fork::epoch(),
                            key: place.key,
                            set: Some(set),
                            acquired,
                            left_to_the_next: Cell::new(false),
                            may_end: Cell::new(origin == Origin::Created),
                        });
                    }
                }
                Err(Errno(libc::EAGAIN | libc::EINTR)) => {}
                Err(errno) if set::is_gone(errno) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno(libc::ETIMEDOUT))
    }

    /// The result for a process that cannot see the registry's set, and therefore changes nothing.
    const fn held_elsewhere(&self, thread: ThreadOf) -> Held<'_> {
        Held {
            lock: self,
            thread,
            epoch: 0,
            key: 0,
            set: None,
            acquired: Acquired::Released,
            left_to_the_next: Cell::new(false),
            may_end: Cell::new(false),
        }
    }

    /// Waits for a slice of time, and gives the set up if its owner will never release it.
    fn wait(
        &self,
        thread: ThreadOf,
        set: Set,
        condemned: u32,
        wait: &mut Wait,
    ) -> Result<(), Errno> {
        let seen = self.owner.load();
        wait.look_at(seen.thread());
        let slice = wait.slice();
        let begun = Instant::now();
        let taken = set.take(set::Wait::UpTo(slice));
        wait.count(begun.elapsed(), slice);
        if taken == Err(Errno(libc::EAGAIN))
            && self.owner.load() == seen
            && self.is_gone(seen.thread(), thread, wait)
        {
            self.condemn(set, condemned, seen);
        }
        taken
    }

    /// Whether the owner will never release the lock.
    fn is_gone(&self, owner: ThreadOf, thread: ThreadOf, wait: &mut Wait) -> bool {
        if owner.id.0 == 0 {
            return wait.is_longer_than(ANONYMOUS);
        }
        if !owner.is_visible_to(thread) {
            return wait.misses(owner, thread.namespace);
        }
        // If an earlier thread had the same id, this one does not hold the lock.
        owner.id == thread.id || wait.finds_gone(owner.id, self.owner.futex().addr())
    }

    /// Removes a set whose owner will never release it, unless there is a new owner by now.
    fn condemn(&self, set: Set, before: u32, seen: Owner) {
        let is_condemned = self.condemned.compare_exchange(
            before,
            mark_of(set),
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        if is_condemned.is_ok() && self.owner.load() == seen {
            set.remove();
        }
    }

    /// Makes this thread, which has taken the semaphore, the owner. `None` if the set was
    /// condemned meanwhile: another one has to be taken.
    fn enter(&self, thread: ThreadOf, set: Set) -> Option<Acquired> {
        let own = Owner::held_by(thread, Waiters::None);
        let before = loop {
            let before = self.owner.load();
            if self.owner.replace(before, own) {
                break before;
            }
        };
        if self.condemned.load(Ordering::SeqCst) == mark_of(set) {
            // Nobody else holds this set, so the one before this thread may still be
            // the last one that changed anything.
            self.owner.replace(own, before);
            set.remove();
            return None;
        }
        Some(if before.word() == 0 {
            Acquired::Released
        } else {
            Acquired::OwnerDied
        })
    }

    /// Who holds the lock now, for a message.
    pub(crate) fn holder(&self) -> Holder {
        let thread = self.owner.load().thread();
        let is_visible = Thread::current().is_ok_and(|own| thread.is_visible_to(own.of));
        Holder { thread, is_visible }
    }

    /// The key of a registry that was removed, unless it was overwritten.
    pub(crate) fn key(&self) -> i32 {
        self.key.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(set) = self.set else {
            return;
        };
        // In a child of fork this is a copy of the parent's, who holds the lock.
        if self.epoch != fork::epoch() {
            return;
        }
        let legacy = if self.left_to_the_next.get() {
            Legacy::Unfinished
        } else {
            Legacy::Finished
        };
        self.lock.owner.release(self.thread, legacy);
        // If this process dies here, the lock is released as it should be.
        leave(set, self.key, self.may_end.get());
    }
}

/// Releases a set that this process holds, or removes it if it may end and no registry has its
/// key.
fn leave(set: Set, key: i32, may_end: bool) {
    if may_end && !set::is_key_of_a_segment(key) {
        // A process that creates a registry now and waits for this set takes a new one.
        set.remove();
    } else {
        set.give();
    }
}

/// Removes the set of a registry that was removed, if nobody holds it.
pub(crate) fn remove_with_the_registry(place: impl FnOnce() -> Place) {
    let place = place();
    let is_trusted = |set: &Set| matches!(set.status(), Ok(status) if is_trusted(&status, &place));
    if let Some(set) = set::find(place.key).ok().filter(is_trusted) {
        end(set, place.key);
    }
}

/// Removes this user's sets whose registries are gone: their processes were killed while they
/// removed a registry. `is_registry` recognizes the keys of registries.
pub(crate) fn sweep(is_registry: impl Fn(i32) -> bool) {
    let user = os::effective_user();
    for (set, status) in set::all() {
        if is_marked(&status) && status.creator == user && is_registry(status.key) {
            end(set, status.key);
        }
    }
}

/// Removes a set that nobody holds, and whose key no segment has.
fn end(set: Set, key: i32) {
    if !set::is_key_of_a_segment(key) && set.take(set::Wait::No).is_ok() {
        leave(set, key, true);
    }
}

/// What the error of an attempt to take the lock means; `None` if others hold it.
pub(crate) fn cause(errno: Errno) -> Option<&'static str> {
    Some(match errno.0 {
        libc::ENOSPC | libc::ENOMEM => {
            "the system has no room for another semaphore set or undo value; 'ipcs -s' shows the \
             sets, and SEMMNI, SEMMNS, SEMMNU and SEMUME are its limits"
        }
        libc::EACCES => {
            "its semaphore set was removed, or belongs to another program or to a user whom this \
             one does not trust; 'ipcs -s' shows who has its key"
        }
        libc::ENOSYS => "this system has no System V semaphores, or a sandbox blocks them",
        os::EUCLEAN => "the key of its semaphore set was overwritten",
        _ => return None,
    })
}

/// Waits a moment if a set may just be given to its owner.
fn settle(errno: Errno, wait: &mut Wait) -> Result<(), Errno> {
    const PAUSE: Duration = Duration::from_millis(1);
    if errno != Errno(libc::EACCES) || wait.is_over() || wait.is_longer_than(SETTLING) {
        return Err(errno);
    }
    std::thread::sleep(PAUSE);
    wait.count(PAUSE, PAUSE);
    Ok(())
}

/// The set of a registry. `EACCES` if it is another program's, or if it is missing and others
/// would not trust a set that this process creates.
fn find_or_create(place: &Place) -> Result<(Set, Origin), Errno> {
    let mode = place.mode | MARK;
    let (set, origin) = match set::find(place.key) {
        Ok(set) => (set, Origin::Found),
        Err(Errno(libc::ENOENT))
            if !is_known(os::effective_user(), os::effective_group(), place) =>
        {
            return Err(Errno(libc::EACCES));
        }
        Err(Errno(libc::ENOENT)) => match set::create(place.key, mode) {
            Ok(set) => (set, Origin::Created),
            // Another process was faster.
            Err(Errno(libc::EEXIST)) => return Err(Errno(libc::EIDRM)),
            Err(errno) => return Err(errno),
        },
        Err(errno) => return Err(errno),
    };
    let status = set.status()?;
    if !is_trusted(&status, place) {
        return Err(Errno(libc::EACCES));
    }
    let group = place.group.unwrap_or(status.group);
    if status.creator == os::effective_user() && !status.is_owned_by(place.creator, group, mode) {
        // The registry's owner, who removes it, must be able to remove the set, too.
        set.set_permissions(place.creator, group, mode)?;
    }
    Ok((set, origin))
}

/// Whether a set has the form of this library's.
const fn is_marked(status: &Status) -> bool {
    status.count == 1 && status.mode & MARK == MARK
}

/// Whether a set is the lock of this registry, and was created by someone who may use it. Only
/// the creator counts: an owner can give a set away and keep control of it.
fn is_trusted(status: &Status, place: &Place) -> bool {
    is_marked(status) && is_known(status.creator, status.creator_group, place)
}

/// Whether all who use a registry trust a set that this user and group have created.
fn is_known(creator: UserId, group: GroupId, place: &Place) -> bool {
    creator == UserId::ROOT || creator == place.creator || place.group == Some(group)
}

#[cfg(test)]
mod tests;

//! How a thread waits for a lock: in slices of time, after each of which it looks again.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::elsewhere::judge_elsewhere;
use super::judge::{Verdict, judge};
use super::owner::ThreadOf;
use super::stranger::is_stranger;
use crate::ids::ThreadId;
use crate::{os, patience};

/// How often a waiter spins before it sleeps. The lock is held for microseconds,
/// so most waits end here.
pub(super) const SPINS: u32 = 100;

/// A waiter looks again after this time, and then at ever longer intervals, even if
/// nobody wakes it: nobody does if the word was overwritten.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// The longest of these intervals.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// After this time a waiter also reads about the owner in /proc.
const SUSPICIOUS: Duration = Duration::from_millis(8);
/// After this time a waiter also asks whether another thread has got the owner's id.
const STRANGE: Duration = Duration::from_millis(500);
/// How long a process must have been dumping core until its threads, which get a signal
/// when the dump begins, can't run a single instruction any more.
const CERTAINLY_STOPPED: Duration = Duration::from_millis(10);

/// A thread's wait for a lock.
pub(super) struct Wait {
    limit: Duration,
    waited: Duration,
    /// The owner that was seen last.
    owner: Option<ThreadOf>,
    /// How long this thread had waited when it first saw that owner, and when it first saw
    /// that its process was dumping core.
    seen_at: Duration,
    dumping_at: Option<Duration>,
    /// The same for an owner in another PID namespace: when it was first missing, and when
    /// it was looked for last.
    missing_at: Option<Duration>,
    searched_at: Duration,
}

impl Wait {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: limit.min(patience::left()),
            waited: Duration::ZERO,
            owner: None,
            seen_at: Duration::ZERO,
            dumping_at: None,
            missing_at: None,
            searched_at: Duration::ZERO,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.waited >= self.limit
    }

    pub(super) fn look_at(&mut self, owner: ThreadOf) {
        if self.owner != Some(owner) {
            self.owner = Some(owner);
            self.seen_at = self.waited;
            self.dumping_at = None;
            self.missing_at = None;
            self.searched_at = self.waited;
        }
    }

    /// How long this thread has waited for the present owner.
    fn for_owner(&self) -> Duration {
        self.waited.saturating_sub(self.seen_at)
    }

    pub(super) fn is_long(&self) -> bool {
        self.for_owner() >= FIRST_LOOK
    }

    /// Whether this thread has waited longer than this for the present owner.
    #[cfg_attr(not(shm_util_lock = "semaphore"), allow(dead_code))]
    pub(super) fn is_longer_than(&self, time: Duration) -> bool {
        self.for_owner() >= time
    }

    pub(super) fn slice(&self) -> Duration {
        self.for_owner()
            .clamp(FIRST_LOOK, LOOK_AGAIN)
            .min(self.limit.saturating_sub(self.waited))
    }

    /// Time in which this process was stopped, or the machine asleep, does not count
    /// against the owner.
    pub(super) fn count(&mut self, elapsed: Duration, slice: Duration) {
        let counted = elapsed.min(slice);
        self.waited += counted;
        patience::spend(counted);
    }

    /// Whether the owner, which this thread can see, will never release the lock.
    pub(super) fn finds_gone(&mut self, owner: ThreadId, address: usize) -> bool {
        if self.for_owner() < SUSPICIOUS {
            return os::is_gone(owner);
        }
        match judge(owner) {
            Verdict::Gone => true,
            Verdict::Dumping => self.is_certain(Verdict::Dumping),
            Verdict::Alive => self.finds_stranger(owner, address),
        }
    }

    /// Whether the owner's id was given to a thread that can't hold the lock. This is rare, so a
    /// short wait does not ask.
    fn finds_stranger(&mut self, owner: ThreadId, address: usize) -> bool {
        self.dumping_at = None;
        if self.for_owner() < STRANGE || !self.is_time_to_search() {
            return false;
        }
        self.is_certain(if is_stranger(owner, address) {
            Verdict::Gone
        } else {
            Verdict::Alive
        })
    }

    /// The same of an owner in another PID namespace. To look for it takes longer, so this
    /// happens ever less often.
    pub(super) fn misses(&mut self, owner: ThreadOf, own_namespace: u32) -> bool {
        if self.for_owner() < LOOK_AGAIN || !self.is_time_to_search() {
            return false;
        }
        let verdict = judge_elsewhere(owner, own_namespace);
        self.is_certain(verdict)
    }

    fn is_time_to_search(&mut self) -> bool {
        let since = self.waited.saturating_sub(self.searched_at);
        // An owner that was missing once is looked for again soon.
        let pause = self.for_owner() / 8;
        let is_time = since >= LOOK_AGAIN / 2 && (since >= pause || self.missing_at.is_some());
        if is_time {
            self.searched_at = self.waited;
        }
        is_time
    }

    /// Whether an owner has been missing, or dumping core, for so long that there is no doubt.
    fn is_certain(&mut self, verdict: Verdict) -> bool {
        let now = self.waited;
        if verdict != Verdict::Dumping {
            self.dumping_at = None;
        }
        if verdict != Verdict::Gone {
            self.missing_at = None;
        }
        let since = match verdict {
            Verdict::Alive => return false,
            Verdict::Dumping => self.dumping_at.get_or_insert(now),
            Verdict::Gone => self.missing_at.get_or_insert(now),
        };
        now.saturating_sub(*since) >= CERTAINLY_STOPPED
    }
}

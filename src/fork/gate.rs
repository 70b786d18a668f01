//! Lets calls and forks wait for each other, but not for long.
//!
//! A fork closes the gate and waits until the calls that have passed it are over; new
//! calls wait until it is open again. Neither waits longer than [`LIMIT`]: a call may
//! be waiting for a stopped process, and to fork a large process takes long. So the gate only
//! makes it rare that a child is forked in the middle of a call. A child must be
//! right in any case.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::os::{self, Scope};

/// How long a call waits for forks, and a fork for calls.
pub(super) const LIMIT: Duration = Duration::from_millis(50);

const CALL: u64 = 1;
const CALLS: u64 = FORK - 1;
const FORK: u64 = 1 << 20;
const FORKS: u64 = (1 << 32) - FORK;

/// The gate.
pub(super) struct Gate {
    /// How many calls have passed the gate (20 bits), how many forks keep it closed (12
    /// bits), and the epoch in which they do (32 bits). What was counted in another epoch are
    /// threads of a parent, which this process does not have.
    state: AtomicU64,
    /// Changes when a fork or a call has nobody to wait for any more.
    news: AtomicU32,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            news: AtomicU32::new(0),
        }
    }

    /// A call passes the gate, and first waits for forks.
    #[inline]
    pub(super) fn enter(&self, epoch: u32) {
        if self.add(CALL, epoch) & FORKS != 0 {
            self.wait_for_forks(epoch);
        }
    }

    #[cold]
    fn wait_for_forks(&self, epoch: u32) {
        self.leave(epoch);
        self.wait_until(|state| state & FORKS == 0);
        self.add(CALL, epoch);
    }

    /// A call is over that has passed the gate in this epoch.
    pub(super) fn leave(&self, epoch: u32) {
        let state = self.remove(CALL, epoch);
        if state & FORKS != 0 && state & CALLS == 0 {
            self.announce();
        }
    }

    /// A fork closes the gate, and waits for calls.
    pub(super) fn close(&self, epoch: u32) {
        if self.add(FORK, epoch) & CALLS != 0 {
            self.wait_until(|state| state & CALLS == 0);
        }
    }

    /// A fork is over that has closed the gate in this epoch.
    pub(super) fn open(&self, epoch: u32) {
        if self.remove(FORK, epoch) & FORKS == 0 {
            self.announce();
        }
    }

    /// Counts a call or a fork, and returns the state after that.
    fn add(&self, what: u64, epoch: u32) -> u64 {
        let before = self.state.fetch_add(what, Ordering::SeqCst);
        if before >> 32 == u64::from(epoch) {
            before + what
        } else {
            self.begin_epoch(what, epoch)
        }
    }

    /// Forgets what was counted in another epoch; what this thread has just
    /// added to it, too.
    #[cold]
    fn begin_epoch(&self, what: u64, epoch: u32) -> u64 {
        let mut seen = self.state.load(Ordering::SeqCst);
        loop {
            let begun = if seen >> 32 == u64::from(epoch) {
                seen + what
            } else {
                (u64::from(epoch) << 32) | what
            };
            match self
                .state
                .compare_exchange(seen, begun, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return begun,
                Err(changed) => seen = changed,
            }
        }
    }

    fn remove(&self, what: u64, epoch: u32) -> u64 {
        let before = self.state.fetch_sub(what, Ordering::SeqCst);
        debug_assert_eq!(before >> 32, u64::from(epoch), "counted in this epoch");
        before - what
    }

    fn wait_until(&self, is_so: impl Fn(u64) -> bool) {
        let begun = Instant::now();
        loop {
            let news = self.news.load(Ordering::SeqCst);
            let rest = LIMIT.saturating_sub(begun.elapsed());
            if is_so(self.state.load(Ordering::SeqCst)) || rest.is_zero() {
                return;
            }
            os::futex_wait(self.news.as_ptr(), news, rest, Scope::Private);
        }
    }

    #[cold]
    fn announce(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        os::futex_wake(self.news.as_ptr(), i32::MAX, Scope::Private);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    #[test]
    fn a_fork_waits_for_a_call() {
        let gate = Gate::new();
        let is_over = AtomicBool::new(false);
        gate.enter(7);
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.close(7);
                assert!(is_over.load(Ordering::SeqCst));
                gate.open(7);
            });
            while gate.state.load(Ordering::SeqCst) & FORKS == 0 {
                thread::yield_now();
            }
            is_over.store(true, Ordering::SeqCst);
            gate.leave(7);
        });
        gate.enter(7);
        assert_eq!(gate.state.load(Ordering::SeqCst), (7 << 32) | CALL);
    }

    #[test]
    fn a_call_waits_for_a_fork() {
        let gate = Gate::new();
        let is_over = AtomicBool::new(false);
        gate.close(7);
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.enter(7);
                assert!(is_over.load(Ordering::SeqCst));
                gate.leave(7);
            });
            thread::sleep(LIMIT / 10);
            is_over.store(true, Ordering::SeqCst);
            gate.open(7);
        });
        assert_eq!(gate.state.load(Ordering::SeqCst), 7 << 32);
    }

    #[test]
    fn neither_waits_for_ever() {
        let gate = Gate::new();
        gate.enter(7);
        gate.close(7);
        gate.enter(7);
        gate.close(7);
        assert_eq!(gate.state.load(Ordering::SeqCst) & FORKS, 2 * FORK);
        assert_eq!(gate.state.load(Ordering::SeqCst) & CALLS, 2 * CALL);
    }

    #[test]
    fn a_child_does_not_wait_for_threads_of_its_parent() {
        let gate = Gate::new();
        for epoch in [1, 2, u32::MAX, 0] {
            let begun = Instant::now();
            gate.enter(epoch);
            gate.leave(epoch);
            gate.close(epoch);
            gate.open(epoch);
            assert_eq!(
                gate.state.load(Ordering::SeqCst),
                u64::from(epoch) << 32,
                "{:?}",
                begun.elapsed()
            );
            // Threads that the next epoch does not have.
            gate.enter(epoch);
            gate.state.fetch_add(FORK, Ordering::SeqCst);
        }
    }
}

//! Calls in progress, and fork.
//!
//! A child of fork has one thread, and a copy of everything as it was at that
//! moment. So that nothing is half changed in the copy, fork waits until no
//! other thread is in a call that changes handles or registries. It does not
//! wait for saves and loads, which may take as long as a pipe likes: what they
//! hold is told by the [`epoch`] to belong to threads that the child has not.
//!
//! `std`'s lock is used because on Linux it is one futex word: a child that
//! inherits it with threads waiting for it can release it and go on. A lock
//! that queues waiting threads in memory of their own can't be inherited so.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Errno, Result};

static CHANGES: RwLock<()> = RwLock::new(());
static EPOCH: AtomicU32 = AtomicU32::new(0);
static HANDLERS_ARE_SET: AtomicBool = AtomicBool::new(false);

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Something of its own.
    Else,
    /// It is in a call.
    Call,
    /// It forks, and has the lock: handlers of others that run meanwhile may
    /// make calls, and must not wait for it.
    Fork,
}

thread_local! {
    static DOING: Cell<Doing> = const { Cell::new(Doing::Else) };
    static FORKING: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// How many forks lie between the program's start and this process: another
/// value than before means that the other threads of that time are not here.
pub(crate) fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// What a call does, as far as fork minds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It changes handles or registries: fork waits for its end.
    Change,
    /// It copies bytes of a segment, and may take long: fork does not wait.
    Copy,
}

/// A call in progress in this thread.
#[derive(Debug)]
pub(crate) struct Call {
    before: Doing,
    change: Option<RwLockReadGuard<'static, ()>>,
}

impl Call {
    /// Begins a call. `EDEADLK` if this thread is in a call already: a signal
    /// handler that interrupted one can't make another, but must not hang.
    pub(crate) fn begin(purpose: Purpose) -> Result<Self> {
        Self::can_begin()?;
        set_handlers();
        let before = DOING.replace(Doing::Call);
        let waits = purpose == Purpose::Change && before == Doing::Else;
        Ok(Self {
            before,
            change: waits.then(|| CHANGES.read().unwrap_or_else(PoisonError::into_inner)),
        })
    }

    /// Whether a call could begin now.
    pub(crate) fn can_begin() -> Result<()> {
        if Self::is_in_progress() {
            return Err(Errno(libc::EDEADLK).during(format_args!(
                "call the library from a signal handler that interrupted another call"
            )));
        }
        Ok(())
    }

    /// Whether this thread is in a call.
    pub(crate) fn is_in_progress() -> bool {
        DOING.get() == Doing::Call
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.change = None;
        DOING.set(self.before);
    }
}

/// Not guarded by a `Once`, which a fork at the wrong moment would leave locked
/// in the child: two threads that both register the handlers do no harm.
fn set_handlers() {
    if HANDLERS_ARE_SET.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: the handlers take no arguments and never unwind. Without memory
    // for them there is no protection at fork, but everything else works.
    unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    HANDLERS_ARE_SET.store(true, Ordering::Release);
}

extern "C" fn prepare() {
    // A signal handler that forks while it interrupts a call of its own
    // thread would wait for itself.
    if Call::is_in_progress() {
        return;
    }
    FORKING.with_borrow_mut(|guard| {
        if guard.is_none() {
            *guard = Some(CHANGES.write().unwrap_or_else(PoisonError::into_inner));
        }
    });
    DOING.set(Doing::Fork);
}

extern "C" fn in_parent() {
    if Call::is_in_progress() {
        return;
    }
    DOING.set(Doing::Else);
    FORKING.with_borrow_mut(|guard| *guard = None);
}

extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    in_parent();
}

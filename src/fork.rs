//! Calls in progress, and fork(2).
//!
//! A child of fork has one thread, and a copy of everything as it was at that
//! moment. So that nothing in the copy is half changed, fork waits until no
//! other thread is in a call that changes handles or registries. It does not
//! wait for saves and loads, which may take as long as a pipe blocks: the
//! [`epoch`] shows that what they hold belongs to threads that the child does
//! not have.
//!
//! The lock is `std`'s, because on Linux that is one futex word: a child that
//! inherits it with threads waiting for it can release it and go on. A lock that
//! keeps its waiting threads in a queue elsewhere can't be inherited like that.

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::errno::Errno;
use crate::error::Result;
use crate::ids::ProcessId;
use crate::{os, patience};

static CHANGES: RwLock<()> = RwLock::new(());
static EPOCH: AtomicU32 = AtomicU32::new(0);
static HANDLERS_ARE_SET: AtomicBool = AtomicBool::new(false);
/// Points to a word that is 1, and that the kernel sets to 0 in a child of any
/// kind of fork: not all kinds run handlers.
static NOT_FORKED: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
static FORKING: ForkGuard = ForkGuard(UnsafeCell::new(None));

/// The lock on [`CHANGES`] while a thread forks. It is not kept in that thread's
/// storage, which no longer exists in handlers of atexit(3).
struct ForkGuard(UnsafeCell<Option<RwLockWriteGuard<'static, ()>>>);

// SAFETY: only the thread that has the lock touches it, and the lock is
// exclusive.
unsafe impl Sync for ForkGuard {}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Something of its own.
    Else,
    /// It is in a call.
    Call,
    /// It forks, and waits for the lock or holds it. Other atfork handlers, and
    /// signal handlers, that run meanwhile may make calls, which must not wait
    /// for the lock.
    Fork,
}

thread_local! {
    // Neither has a destructor, so both exist until the thread ends.
    static DOING: Cell<Doing> = const { Cell::new(Doing::Else) };
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// How many forks lie between the program's start and this process. If it has
/// changed, this process does not have the threads of the earlier time.
pub(crate) fn epoch() -> u32 {
    let mark = NOT_FORKED.load(Ordering::Acquire);
    if !mark.is_null() {
        // SAFETY: the page is never unmapped.
        let mark = unsafe { &*mark };
        if mark.load(Ordering::Relaxed) == 0 && mark.swap(1, Ordering::Relaxed) == 0 {
            EPOCH.fetch_add(1, Ordering::Relaxed);
        }
    }
    EPOCH.load(Ordering::Relaxed)
}

/// The calling process's id, remembered until the next fork.
pub(crate) fn process() -> ProcessId {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let epoch = u64::from(epoch()) << 32;
    let known = KNOWN.load(Ordering::Relaxed);
    match u32::try_from(known & u64::from(u32::MAX)) {
        Ok(id) if id != 0 && known == epoch | u64::from(id) => ProcessId(id),
        _ => {
            let process = os::process();
            KNOWN.store(epoch | u64::from(process.0), Ordering::Relaxed);
            process
        }
    }
}

/// Whether fork must wait for a call.
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
    /// handler that interrupted one is refused, so that it does not hang.
    pub(crate) fn begin(purpose: Purpose) -> Result<Self> {
        Self::can_begin()?;
        set_handlers();
        let before = DOING.replace(Doing::Call);
        patience::renew();
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
/// in the child: it does no harm if two threads both register the handlers.
fn set_handlers() {
    if HANDLERS_ARE_SET.load(Ordering::Acquire) {
        return;
    }
    set_mark();
    // SAFETY: the handlers take no arguments and never unwind. Without memory
    // for them there is no protection at fork, but everything else works.
    unsafe { libc::pthread_atfork(Some(prepare), Some(after), Some(in_child)) };
    HANDLERS_ARE_SET.store(true, Ordering::Release);
}

fn set_mark() {
    let Some(mark) = os::map_word_wiped_on_fork() else {
        return;
    };
    mark.store(1, Ordering::Relaxed);
    let published = NOT_FORKED.compare_exchange(
        ptr::null_mut(),
        ptr::from_ref(mark).cast_mut(),
        Ordering::AcqRel,
        Ordering::Relaxed,
    );
    if published.is_err() {
        // Another thread was faster.
        // SAFETY: nobody else knows the word.
        unsafe { os::unmap_word_wiped_on_fork(mark) };
    }
}

extern "C" fn prepare() {
    match DOING.get() {
        // A signal handler that forks after it interrupted a call of its own
        // thread would wait for itself.
        Doing::Call => {}
        // A signal handler that interrupts a fork; or the handlers were registered
        // twice.
        Doing::Fork => NESTED.set(NESTED.get() + 1),
        Doing::Else => {
            DOING.set(Doing::Fork);
            let guard = CHANGES.write().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: this thread has the lock.
            unsafe { *FORKING.0.get() = Some(guard) };
        }
    }
}

extern "C" fn in_child() {
    if NOT_FORKED.load(Ordering::Acquire).is_null() {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
    after();
}

/// In the parent, and in the child.
extern "C" fn after() {
    if DOING.get() != Doing::Fork {
        return;
    }
    if NESTED.get() > 0 {
        NESTED.set(NESTED.get() - 1);
        return;
    }
    // SAFETY: this thread has the lock.
    let guard = unsafe { (*FORKING.0.get()).take() };
    drop(guard);
    DOING.set(Doing::Else);
}

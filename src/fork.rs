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

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Errno, Result};
use crate::process;

static CHANGES: RwLock<()> = RwLock::new(());
static EPOCH: AtomicU32 = AtomicU32::new(0);
static HANDLERS_ARE_SET: AtomicBool = AtomicBool::new(false);
/// A word that is 1, and that the kernel makes 0 in a child of whatever kind of
/// fork: not all kinds run handlers.
static NOT_FORKED: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
static HELD: Held = Held(UnsafeCell::new(None));

/// The lock on [`CHANGES`] while a thread forks. Not in that thread's storage,
/// which is gone in handlers of atexit(3).
struct Held(UnsafeCell<Option<RwLockWriteGuard<'static, ()>>>);

// SAFETY: only the thread that has the lock touches it, and the lock is
// exclusive.
unsafe impl Sync for Held {}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Something of its own.
    Else,
    /// It is in a call.
    Call,
    /// It forks, and waits for the lock or has it: handlers of others, and of
    /// signals, that run meanwhile may make calls, and must not wait for it.
    Fork,
}

thread_local! {
    // Neither has a destructor, so they are there until the thread ends.
    static DOING: Cell<Doing> = const { Cell::new(Doing::Else) };
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// How many forks lie between the program's start and this process: another
/// value than before means that the other threads of that time are not here.
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

/// The calling process's id, remembered until the next fork. 0 if it has none
/// that is a number of this size.
pub(crate) fn process() -> u32 {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let epoch = u64::from(epoch()) << 32;
    let known = KNOWN.load(Ordering::Relaxed);
    match u32::try_from(known & u64::from(u32::MAX)) {
        Ok(id) if id != 0 && known == epoch | u64::from(id) => id,
        _ => {
            let id = u32::try_from(process::id()).unwrap_or(0);
            KNOWN.store(epoch | u64::from(id), Ordering::Relaxed);
            id
        }
    }
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
    set_mark();
    // SAFETY: the handlers take no arguments and never unwind. Without memory
    // for them there is no protection at fork, but everything else works.
    unsafe { libc::pthread_atfork(Some(prepare), Some(after), Some(in_child)) };
    HANDLERS_ARE_SET.store(true, Ordering::Release);
}

fn set_mark() {
    const SIZE: usize = 4096;
    // SAFETY: a new mapping, where the kernel likes.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return;
    }
    // SAFETY: the page is ours.
    let wiped = unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) };
    let mark = page.cast::<AtomicU32>();
    // SAFETY: a page begins where any word may, and is zero.
    unsafe { &*mark }.store(1, Ordering::Relaxed);
    let published = wiped == 0
        && NOT_FORKED
            .compare_exchange(ptr::null_mut(), mark, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
    if !published {
        // Another thread was faster, or the kernel is older than Linux 4.14.
        // SAFETY: nobody else knows the page.
        unsafe { libc::munmap(page, SIZE) };
    }
}

extern "C" fn prepare() {
    match DOING.get() {
        // A signal handler that forks while it interrupts a call of its own
        // thread would wait for itself.
        Doing::Call => {}
        // Also one that interrupts a fork; or these handlers are set twice.
        Doing::Fork => NESTED.set(NESTED.get() + 1),
        Doing::Else => {
            DOING.set(Doing::Fork);
            let guard = CHANGES.write().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: this thread has the lock.
            unsafe { *HELD.0.get() = Some(guard) };
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
    let guard = unsafe { (*HELD.0.get()).take() };
    drop(guard);
    DOING.set(Doing::Else);
}

//! Calls in progress, and fork(2).
//!
//! A child of fork has one thread, and a copy of everything as it was at that
//! moment. So that little in the copy is half changed, fork waits a short time until no
//! other thread is in a call that changes handles or registries (see `gate`). It does not
//! wait for saves and loads, which may take as long as a pipe blocks.
//!
//! The [`epoch`] shows in the child which of the things that it finds belong to threads
//! that it does not have: everything that one of them may have held or changed when the
//! process was forked records the epoch, and begins anew in another one.
//!
//! The handlers are registered before `main`. So they are the last that run before a fork
//! and the first after it: a thread that waits here already has the locks
//! that the program's own handlers take, and no call that needs one of them begins.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::errno::Errno;
use crate::error::Result;
use crate::ids::ProcessId;
use crate::{os, patience};

mod gate;
mod threads;

static GATE: gate::Gate = gate::Gate::new();
static EPOCH: AtomicU32 = AtomicU32::new(0);
static FORKS: AtomicU32 = AtomicU32::new(0);
static HANDLERS_ARE_SET: AtomicBool = AtomicBool::new(false);
/// Points to a word that is [`COUNTED`], and that the kernel sets to [`FORKED`] in a child
/// of any kind of fork: not all kinds run handlers.
static MARK: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// The process is a child of fork whose epoch has not begun.
const FORKED: u32 = 0;
/// Its epoch has begun.
const COUNTED: u32 = 1;
/// A thread is beginning its epoch.
const COUNTING: u32 = 2;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Something of its own.
    Else,
    /// It is in a call.
    Call,
    /// It forks, and has closed the gate in this epoch. Other atfork handlers, and
    /// signal handlers, that run meanwhile may make calls, which must not wait
    /// for the gate.
    Fork(u32),
}

thread_local! {
    // Neither has a destructor, so both exist until the thread ends.
    static DOING: Cell<Doing> = const { Cell::new(Doing::Else) };
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// How many forks lie between the program's start and this process. If it has
/// changed, this process does not have the threads of the earlier time.
pub(crate) fn epoch() -> u32 {
    let mark = MARK.load(Ordering::Acquire);
    if !mark.is_null() {
        // SAFETY: the page is never unmapped.
        let mark = unsafe { &*mark };
        if mark.load(Ordering::Acquire) != COUNTED {
            begin_epoch(mark);
        }
    }
    EPOCH.load(Ordering::Relaxed)
}

#[cold]
fn begin_epoch(mark: &AtomicU32) {
    if mark
        .compare_exchange(FORKED, COUNTING, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
    {
        EPOCH.fetch_add(1, Ordering::Relaxed);
        mark.store(COUNTED, Ordering::Release);
    }
    while mark.load(Ordering::Acquire) == COUNTING {
        std::thread::yield_now();
    }
}

/// How often this process and its ancestors have forked, as far as handlers of fork were run. As
/// long as it does not change, no other process shares a mapping of this one, except a child that
/// was made without the handlers and has not called exec.
pub(crate) fn generation() -> (u32, u32) {
    (epoch(), FORKS.load(Ordering::Relaxed))
}

/// Whether this process may start threads: not if it was forked from one with several.
pub(crate) fn may_start_threads() -> bool {
    !threads::may_be_missing(epoch())
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
    /// The epoch in which it has passed the gate.
    counted: Option<u32>,
}

impl Call {
    /// Begins a call. `EDEADLK` if this thread is in a call already: a signal
    /// handler that interrupted one is refused, so that it does not hang.
    #[inline]
    pub(crate) fn begin(purpose: Purpose) -> Result<Self> {
        Self::can_begin()?;
        set_handlers();
        let before = DOING.replace(Doing::Call);
        patience::renew();
        let waits = purpose == Purpose::Change && before == Doing::Else;
        let counted = waits.then(epoch);
        if let Some(epoch) = counted {
            GATE.enter(epoch);
        }
        Ok(Self { before, counted })
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
        // In a child that was forked within the call, nothing counts it.
        if let Some(counted) = self.counted.filter(|&counted| counted == epoch()) {
            GATE.leave(counted);
        }
        DOING.set(self.before);
    }
}

/// Registers the handlers of fork. Runs before `main`; where it did not, the first call
/// does it.
///
/// Not guarded by a `Once`, which a fork at the wrong moment would leave locked
/// in the child: it does no harm if two threads both register the handlers.
#[inline]
pub(crate) fn set_handlers() {
    if !HANDLERS_ARE_SET.load(Ordering::Acquire) {
        register_handlers();
    }
}

#[cold]
fn register_handlers() {
    set_mark();
    // SAFETY: the handlers take no arguments and never unwind. Without memory
    // for them there is no protection at fork, but everything else works.
    unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    HANDLERS_ARE_SET.store(true, Ordering::Release);
}

fn set_mark() {
    let Some(mark) = os::map_word_wiped_on_fork() else {
        return;
    };
    mark.store(COUNTED, Ordering::Relaxed);
    let published = MARK.compare_exchange(
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
    FORKS.fetch_add(1, Ordering::Relaxed);
    threads::prepare();
    match DOING.get() {
        // A signal handler that forks after it interrupted a call of its own
        // thread would wait for itself.
        Doing::Call => {}
        // A signal handler that interrupts a fork; or the handlers were registered
        // twice.
        Doing::Fork(_) => NESTED.set(NESTED.get() + 1),
        Doing::Else => {
            let epoch = epoch();
            DOING.set(Doing::Fork(epoch));
            GATE.close(epoch);
            os::hold_streams(gate::LIMIT);
        }
    }
}

extern "C" fn in_child() {
    if MARK.load(Ordering::Acquire).is_null() {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
    threads::in_child();
    in_parent();
}

/// In the parent, and in the child.
extern "C" fn in_parent() {
    let Doing::Fork(closed) = DOING.get() else {
        return;
    };
    if NESTED.get() > 0 {
        NESTED.set(NESTED.get() - 1);
        return;
    }
    os::release_streams();
    // In a child, the gate was closed in another epoch, so it is open.
    if closed == epoch() {
        GATE.open(closed);
    }
    DOING.set(Doing::Else);
}

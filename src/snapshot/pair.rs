//! Runs work in two threads, if there are two processors.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::os;
use crate::{environment, fork};

/// The size of the pieces that the threads take in turn, in bytes.
pub(super) const PIECE: usize = 1 << 20;

/// The second thread's stack in bytes: more than the work needs, because the C
/// library puts the program's thread-local variables there too.
const STACK: usize = 256 << 10;

/// How many threads may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    Two,
}

type Work<'a> = &'a (dyn Fn() + Sync);

/// Calls `work` for each piece of `0..length`, in no particular order.
pub(super) fn for_each_piece(length: usize, threads: Threads, work: impl Fn(Range<usize>) + Sync) {
    let next = AtomicUsize::new(0);
    run(threads, &|| {
        loop {
            let start = next.fetch_add(PIECE, Ordering::Relaxed);
            if start >= length {
                return;
            }
            work(start..length.min(start + PIECE));
        }
    });
}

/// Runs the work in this thread and, where the system has a second processor and
/// can create a thread, in another one at the same time. Returns when both have
/// finished.
///
/// `std::thread` would abort the program where memory is short.
fn run(threads: Threads, work: Work<'_>) {
    if threads == Threads::One || !may_start() || os::processors() < 2 {
        work();
        return;
    }
    let helper = start(&work);
    work();
    if let Some(helper) = helper {
        // SAFETY: the thread was started, and nobody else joins it.
        let join = || unsafe { libc::pthread_join(helper, ptr::null_mut()) };
        // Neither should happen without a time limit. But returning while the
        // thread runs would free the stack memory that it works with.
        while [libc::ETIMEDOUT, libc::EOVERFLOW].contains(&join()) {}
    }
}

/// Whether the program has no objection to a second thread.
fn may_start() -> bool {
    environment::uses_threads() && fork::may_start_threads()
}

/// Starts a thread, where the system can create one. The caller joins it before
/// `work` goes out of scope.
fn start(work: &Work<'_>) -> Option<libc::pthread_t> {
    extern "C" fn run(work: *mut c_void) -> *mut c_void {
        // SAFETY: the pointer comes from such a reference, which lives until this
        // thread has finished.
        let work = unsafe { *work.cast::<Work<'_>>() };
        work();
        ptr::null_mut()
    }
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: there is room for attributes.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // The thread inherits the mask, so that signals go to the program's own threads.
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: one set is initialised, and there is room for the other.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: the attributes are initialised.
    unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK) };
    let mut thread = MaybeUninit::uninit();
    let argument = ptr::from_ref(work).cast_mut().cast();
    // SAFETY: `work` lives until the thread has finished.
    let result =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, argument) };
    // SAFETY: pthread_sigmask returned this mask.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    // SAFETY: the attributes are initialised, and not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    // SAFETY: the thread was created, so its identifier is set.
    (result == 0).then(|| unsafe { thread.assume_init() })
}

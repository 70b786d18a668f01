//! Work on memory in two threads.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a thread does at a time, in bytes.
pub(super) const PIECE: usize = 1 << 20;

/// What the work needs in bytes, and a little more. The C library puts a
/// program's thread-local variables there too.
const STACK: usize = 256 << 10;

type Work<'a> = &'a (dyn Fn() + Sync);

/// Does the work for each piece of a length, in no order.
pub(super) fn for_each_piece(length: usize, work: impl Fn(Range<usize>) + Sync) {
    let next = AtomicUsize::new(0);
    run(&|| {
        loop {
            let start = next.fetch_add(PIECE, Ordering::Relaxed);
            if start >= length {
                return;
            }
            work(start..length.min(start + PIECE));
        }
    });
}

/// Runs the work in this thread and, if there is a processor for it and the
/// system has a thread, in another one at the same time. Returns when both have
/// ended.
///
/// Not by `std::thread`, which ends the program if there is no memory.
fn run(work: Work<'_>) {
    if processors() < 2 {
        work();
        return;
    }
    let helper = start(&work);
    work();
    if let Some(helper) = helper {
        // SAFETY: the thread was started, and nobody else waits for it.
        let join = || unsafe { libc::pthread_join(helper, ptr::null_mut()) };
        // The kernel should say neither, since no time was given. But as long as
        // the thread is there, it works with what this one has on its stack.
        while [libc::ETIMEDOUT, libc::EOVERFLOW].contains(&join()) {}
    }
}

/// How many processors this thread may run on.
fn processors() -> libc::c_int {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: there is room for a set of that size.
    if unsafe { libc::sched_getaffinity(0, size, set.as_mut_ptr()) } != 0 {
        // There are more than the set has room for.
        return libc::c_int::MAX;
    }
    // SAFETY: a set is numbers, which may be all zero, and it was filled in.
    let set = unsafe { set.assume_init() };
    // SAFETY: it only counts bits.
    unsafe { libc::CPU_COUNT(&set) }
}

/// Starts a thread, if there can be one. The caller waits for its end before the
/// work is gone.
fn start(work: &Work<'_>) -> Option<libc::pthread_t> {
    extern "C" fn run(work: *mut c_void) -> *mut c_void {
        // SAFETY: it was made from such a reference, which lives until this
        // thread has ended.
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
    // All signals stay with the program's own threads: a new one gets the mask.
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: one set is filled, and there is room for the other.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: the attributes are initialised.
    unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK) };
    let mut thread = MaybeUninit::uninit();
    let argument = ptr::from_ref(work).cast_mut().cast();
    // SAFETY: the work lives until the thread has ended.
    let result =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, argument) };
    // SAFETY: this is the mask that was told.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    // SAFETY: the attributes are initialised, and not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    // SAFETY: a thread that was created has an identifier.
    (result == 0).then(|| unsafe { thread.assume_init() })
}

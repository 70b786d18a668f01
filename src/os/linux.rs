//! Linux, with glibc or musl, on machines of 32 and 64 bits. What differs between these is in
//! `abi`.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicU32;

#[cfg(feature = "capi")]
use super::posix::Stream;
use super::posix::{Clock, copy_string, page_size, unsigned};
use crate::ids::ThreadId;

mod abi;
mod files;
mod lines;
mod locks;
mod memory;
#[cfg(shm_util_lock = "semaphore")]
mod semaphores;
#[cfg(target_env = "musl")]
mod streams;
#[cfg_attr(target_os = "android", path = "linux/no_sysv.rs")]
mod sysv;
mod threads;

pub(crate) use abi::*;
pub(crate) use files::*;
pub(crate) use lines::read_lines;
pub(crate) use locks::*;
pub(crate) use memory::*;
#[cfg(shm_util_lock = "semaphore")]
pub(crate) use semaphores::*;
#[cfg(target_env = "musl")]
pub(crate) use streams::{hold_streams, release_streams};
pub(crate) use sysv::*;
pub(crate) use threads::*;

const PTHREAD_CANCEL_DISABLE: c_int = 1;

#[cfg(feature = "capi")]
unsafe extern "C" {
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
}

/// gettid(2)
pub(crate) fn thread() -> ThreadId {
    // SAFETY: gettid has no arguments and can't fail.
    ThreadId(u32::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or(0))
}

/// Whether the process has threads besides this one; true if the system does not tell.
pub(crate) fn has_other_threads() -> bool {
    // A directory has two links, and this one has one more for each thread.
    const ALONE: u64 = 3;
    let mut status = MaybeUninit::<stat>::uninit();
    // SAFETY: the path is a string, and there is room for a status.
    if unsafe {
        fstatat(
            libc::AT_FDCWD,
            c"/proc/self/task".as_ptr(),
            status.as_mut_ptr(),
            0,
        )
    } != 0
    {
        return true;
    }
    // SAFETY: stat succeeded, so the kernel has filled it in.
    unsigned(unsafe { status.assume_init() }.st_nlink) != ALONE
}

/// The value of an environment variable, copied into `buffer`, and cut off where it fills
/// that. `None` if it is not set, or if the program is set-uid or the like: its caller's
/// environment selects nothing then, see secure_getenv(3).
///
/// Another thread may replace the value meanwhile, although a program may not do that. So
/// it is read once, at once, and never beyond the length of the buffer.
pub(crate) fn variable<'a>(name: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: the name ends with a NUL.
    let value = unsafe { secure_getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: the value ends with a NUL.
    unsafe { copy_string(value, buffer) }
}

/// The whole seconds of a clock; 0 if the system lacks it.
pub(crate) fn seconds(clock: Clock) -> u64 {
    let clock = match clock {
        Clock::Realtime => libc::CLOCK_REALTIME_COARSE,
        Clock::Monotonic => libc::CLOCK_MONOTONIC_COARSE,
        Clock::Uptime => libc::CLOCK_BOOTTIME,
    };
    clock_gettime(clock).as_secs()
}

/// The nanoseconds since the system was started.
#[cfg(feature = "capi")]
pub(crate) fn nanoseconds() -> u64 {
    nanoseconds_of(libc::CLOCK_MONOTONIC)
}

/// The same, at hardly any cost, but in steps of 1 to 10 ms.
pub(crate) fn ticks() -> u64 {
    nanoseconds_of(libc::CLOCK_MONOTONIC_COARSE)
}

fn nanoseconds_of(clock: libc::clockid_t) -> u64 {
    let time = clock_gettime(clock);
    time.as_secs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.subsec_nanos().into())
}

/// Random bits from the kernel; `None` if it has none yet, or a sandbox refuses them.
pub(crate) fn random() -> Option<u64> {
    let mut bits = 0_u64;
    let size = size_of::<u64>();
    // SAFETY: there is room for eight bytes. The C library's function is a cancellation
    // point.
    let count = unsafe {
        libc::syscall(
            libc::SYS_getrandom,
            &raw mut bits,
            size,
            libc::GRND_NONBLOCK,
        )
    };
    (usize::try_from(count) == Ok(size)).then_some(bits)
}

/// Bits that the kernel chose at random for this program; 0 if it chose none.
pub(crate) fn random_seed() -> u64 {
    // SAFETY: getauxval takes a number only.
    let seed = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let seed = ptr::with_exposed_provenance::<u64>(usize::try_from(seed).unwrap_or(0));
    if seed.is_null() {
        return 0;
    }
    // SAFETY: the kernel has put 16 random bytes there for the program.
    unsafe { seed.read_unaligned() }
}

/// The size that a file of this process may have at most (`RLIMIT_FSIZE`): beyond it, the kernel
/// would send the process a signal.
pub(crate) fn file_size_limit() -> u64 {
    let mut limit = MaybeUninit::<rlimit>::uninit();
    // SAFETY: there is room for a limit.
    if unsafe { getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) } != 0 {
        return u64::MAX;
    }
    // SAFETY: getrlimit succeeded, so the kernel has filled it in.
    unsafe { limit.assume_init() }.rlim_cur
}

/// Of what shmat(2) makes addresses a multiple (`SHMLBA`), in bytes.
pub(crate) fn attach_boundary() -> usize {
    PAGES_OF_SHMLBA * page_size()
}

/// Maps a word, 0, that the kernel sets to 0 again in a child of any kind of
/// fork (`MADV_WIPEONFORK`). `None` on a kernel older than Linux 4.14, or
/// without memory.
pub(crate) fn map_word_wiped_on_fork() -> Option<&'static AtomicU32> {
    let size = page_size();
    // SAFETY: a new mapping, where the kernel chooses.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: only this function knows the page.
    if unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: nobody else knows the page.
        unsafe { libc::munmap(page, size) };
        return None;
    }
    // SAFETY: a page is aligned for any word, is zero, and stays mapped.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}

/// Unmaps a word that [`map_word_wiped_on_fork`] returned.
///
/// # Safety
///
/// Nothing uses the word any more.
pub(crate) unsafe fn unmap_word_wiped_on_fork(word: &'static AtomicU32) {
    // SAFETY: the caller says that nothing uses the page.
    unsafe { libc::munmap(word.as_ptr().cast(), page_size()) };
}

/// While this lives, the thread is not cancelled (`pthread_cancel(3)`):
/// cancelling it would unwind it in the middle of a call.
///
/// Needed around what pthreads(7) calls a cancellation point. Creating and
/// destroying segments has none, except where it reads files or waits.
#[derive(Debug)]
pub(crate) struct Uncancelled(c_int);

impl Uncancelled {
    pub(crate) fn new() -> Self {
        Self(set_cancel_state(PTHREAD_CANCEL_DISABLE))
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        set_cancel_state(self.0);
    }
}

/// Writes a string to one of the C library's streams, so that it appears in
/// order among the program's own `printf`s.
#[cfg(feature = "capi")]
pub(crate) fn print(stream: Stream, text: &CStr) {
    // SAFETY: both are set before main and hold streams; a program that
    // assigns to one may not do so while other threads print.
    let file = unsafe {
        match stream {
            Stream::Out => stdout,
            Stream::Error => stderr,
        }
    };
    let _uncancelled = Uncancelled::new();
    #[cfg(target_env = "musl")]
    let Some(_locked) = streams::Locked::within(file, std::time::Duration::from_secs(1)) else {
        return;
    };
    // SAFETY: the string ends with a NUL; the stream is open, or fputs returns
    // EOF. The caller has not failed if the text can't be printed.
    unsafe { libc::fputs(text.as_ptr(), file) };
}

/// Locks the C library's streams before a fork: needless, see `streams`.
#[cfg(not(target_env = "musl"))]
pub(crate) const fn hold_streams(_: std::time::Duration) {}

/// Unlocks them after a fork.
#[cfg(not(target_env = "musl"))]
pub(crate) const fn release_streams() {}

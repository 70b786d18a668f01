//! UNIX systems other than Linux. A call that they lack fails at run time, with the error that an old
//! Linux kernel or a sandbox would return. `system` contains the differences between them.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

#[cfg(feature = "capi")]
use super::posix::Stream;
use super::posix::{Clock, copy_string, page_size, unsigned};
use crate::errno::Errno;
use crate::ids::ThreadId;

mod files;
#[cfg(all(
    target_pointer_width = "64",
    not(any(target_os = "linux", target_os = "android"))
))]
mod layouts;
mod locks;
mod memory;
mod semaphores;
mod system;
mod sysv;
mod threads;

pub(crate) use files::*;
pub(crate) use locks::*;
pub(crate) use memory::*;
pub(crate) use semaphores::*;
pub(crate) use system::{DEFAULT_IS_DIRECTORY, EUCLEAN, temporary_directory};
pub(crate) use sysv::*;
pub(crate) use threads::*;

/// A number that the calling thread has in this process.
pub(crate) fn thread() -> ThreadId {
    ThreadId(system::thread())
}

/// Whether the process has threads besides this one; true, because these systems do not tell.
pub(crate) const fn has_other_threads() -> bool {
    true
}

#[cfg(feature = "capi")]
pub(crate) use system::{errno, set_errno};

/// The value of an environment variable, copied into `buffer`, and cut off where it fills
/// that. `None` if it is not set, or if the program is set-uid or the like: its caller's
/// environment selects nothing then.
pub(crate) fn variable<'a>(name: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    if system::is_set_uid() {
        return None;
    }
    // SAFETY: the name ends with a NUL.
    let value: *const c_char = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: the value ends with a NUL.
    unsafe { copy_string(value, buffer) }
}

/// The whole seconds of a clock; 0 if the system lacks it.
pub(crate) fn seconds(clock: Clock) -> u64 {
    let clock = match clock {
        Clock::Realtime => system::REALTIME,
        Clock::Monotonic => libc::CLOCK_MONOTONIC,
        Clock::Uptime => system::UPTIME,
    };
    clock_gettime(clock).as_secs()
}

/// The nanoseconds since the system was started.
#[cfg(feature = "capi")]
pub(crate) fn nanoseconds() -> u64 {
    ticks()
}

/// The same.
pub(crate) fn ticks() -> u64 {
    let time = clock_gettime(libc::CLOCK_MONOTONIC);
    time.as_secs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.subsec_nanos().into())
}

/// clock_gettime(2); 0 if the system lacks the clock.
fn clock_gettime(clock: libc::clockid_t) -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: there is room for a time.
    unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    // SAFETY: it is zero, or the C library has filled it in.
    let time = unsafe { time.assume_init() };
    Duration::new(
        unsigned(time.tv_sec),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Random bits from the kernel; `None` if it has none.
pub(crate) fn random() -> Option<u64> {
    let mut bits = 0_u64;
    // SAFETY: there is room for eight bytes.
    let result = unsafe { libc::getentropy((&raw mut bits).cast(), size_of::<u64>()) };
    (result == 0).then_some(bits)
}

/// Bits that the kernel chose at random for this program: these systems do not tell.
pub(crate) const fn random_seed() -> u64 {
    0
}

/// The size that a file of this process may have at most (`RLIMIT_FSIZE`): beyond it, the kernel
/// would send the process a signal.
pub(crate) fn file_size_limit() -> u64 {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: there is room for a limit.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) } != 0 {
        return u64::MAX;
    }
    // SAFETY: getrlimit succeeded, so the kernel has filled it in.
    unsigned(unsafe { limit.assume_init() }.rlim_cur)
}

/// Maps a word, 0, that the kernel sets to 0 again in a child of any kind of fork (minherit(2)).
/// `None` where the system cannot do that.
pub(crate) fn map_word_wiped_on_fork() -> Option<&'static AtomicU32> {
    let size = page_size();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: a new mapping, where the kernel chooses.
    let page = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    if !system::wipe_on_fork(page, size) {
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

/// Writes a string where a stream of the C library writes, in order among the program's own
/// `printf`s.
#[cfg(feature = "capi")]
pub(crate) fn print(stream: Stream, text: &CStr) {
    let descriptor = match stream {
        Stream::Out => libc::STDOUT_FILENO,
        Stream::Error => libc::STDERR_FILENO,
    };
    let text = text.to_bytes();
    let _uncancelled = Uncancelled::new();
    // SAFETY: NULL means all streams.
    unsafe { libc::fflush(ptr::null_mut()) };
    // SAFETY: the text has that length. The caller has not failed if it can't be printed.
    unsafe { libc::write(descriptor, text.as_ptr().cast(), text.len()) };
}

/// Locks the C library's streams before a fork: needless.
pub(crate) const fn hold_streams(_: Duration) {}

/// Unlocks them after a fork.
pub(crate) const fn release_streams() {}

/// Reads a file in /proc line by line. These systems do not have Linux's files: `ENOENT`.
pub(crate) fn read_lines(_: &CStr, _: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    Err(Errno(libc::ENOENT))
}

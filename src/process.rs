//! What the library asks of the process that it lives in: environment,
//! credentials, the C library's `errno` and streams. Thin safe wrappers.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use crate::error::{Errno, try_to_vec};

// A weak reference: 0 where neither the program nor libgpl has such a global.
// Rust has no stable way to say so; one word of data in assembly has, and it
// makes the linker export the program's variable to the shared library.
core::arch::global_asm!(
    ".weak aperror_print",
    ".pushsection .data.rel.ro.shm_util, \"aw\"",
    ".p2align 3",
    ".hidden shm_util_aperror_print",
    ".globl shm_util_aperror_print",
    "shm_util_aperror_print:",
    ".quad aperror_print",
    ".popsection",
);

const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    static shm_util_aperror_print: *mut c_int;
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// The value of an environment variable, or `None` if it is not set, or if
/// the program is set-uid or the like: then the environment, which is the
/// caller's, selects nothing (see `secure_getenv(3)`).
pub(crate) fn variable(name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    // SAFETY: the name ends with a NUL.
    let value = unsafe { secure_getenv(name.as_ptr()) };
    if value.is_null() {
        return Ok(None);
    }
    // SAFETY: getenv returns a string that ends with a NUL. As everywhere in
    // C, a program may not call setenv in one thread while another reads.
    let value = unsafe { CStr::from_ptr(value) };
    try_to_vec(value.to_bytes()).map(Some)
}

/// Whether an environment variable is, as atoi(3) reads it, a number other
/// than 0.
pub(crate) fn variable_is_nonzero(name: &CStr) -> bool {
    let Ok(Some(value)) = variable(name) else {
        return false;
    };
    let digits = value.trim_ascii_start();
    let digits = match digits {
        [b'+' | b'-', rest @ ..] => rest,
        all => all,
    };
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .any(|&digit| digit != b'0')
}

/// Whether the program's, or libgpl's, `int aperror_print` is there and not 0.
pub(crate) fn aperror_print() -> bool {
    // SAFETY: the linker has filled in the word before anything runs.
    let variable = unsafe { shm_util_aperror_print };
    if variable.is_null() {
        return false;
    }
    // SAFETY: the contract says that a global of that name is an int, and it
    // lives as long as the program; another thread may be setting it.
    let value = unsafe { AtomicI32::from_ptr(variable) };
    value.load(Ordering::Relaxed) != 0
}

/// The effective user id: whose name space is used, who owns what is made.
pub(crate) fn effective_user() -> libc::uid_t {
    // SAFETY: geteuid has no arguments and can't fail.
    unsafe { libc::geteuid() }
}

/// The effective group id: the group of what is made.
pub(crate) fn effective_group() -> libc::gid_t {
    // SAFETY: getegid has no arguments and can't fail.
    unsafe { libc::getegid() }
}

/// Whether the process is in a group, by its effective group id or otherwise.
pub(crate) fn in_group(group: libc::gid_t) -> bool {
    if effective_group() == group {
        return true;
    }
    // SAFETY: with a length of 0 getgroups writes nothing.
    let count = unsafe { libc::getgroups(0, ptr::null_mut()) };
    let mut groups = Vec::new();
    if groups
        .try_reserve_exact(usize::try_from(count).unwrap_or(0))
        .is_err()
    {
        return false;
    }
    groups.resize(usize::try_from(count).unwrap_or(0), 0);
    // SAFETY: there is room for `count` ids.
    let count = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    groups
        .iter()
        .take(usize::try_from(count).unwrap_or(0))
        .any(|&one| one == group)
}

/// While this lives, the thread is not cancelled (`pthread_cancel(3)`), but
/// afterwards: that would unwind it from the midst of a call.
///
/// Needed around whatever pthreads(7) calls a cancellation point. Creating and
/// destroying has none but where it reads files or waits.
#[derive(Debug)]
pub(crate) struct Uncancelled(c_int);

impl Uncancelled {
    pub(crate) fn new() -> Self {
        let mut before = 0;
        // SAFETY: there is room for the state before; it can't fail.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Self(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the state is one that the C library has told.
        unsafe { pthread_setcancelstate(self.0, ptr::null_mut()) };
    }
}

/// Some bits that no other process has at the same time, but by chance: not a
/// secret. No system call and no descriptor is needed for them.
pub(crate) fn random(process: u32) -> u32 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // SAFETY: getauxval takes a number only.
    let seed = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let seed = ptr::with_exposed_provenance::<u64>(usize::try_from(seed).unwrap_or(0));
    let seed = if seed.is_null() {
        0
    } else {
        // SAFETY: the kernel has put 16 random bytes there for the program.
        unsafe { seed.read_unaligned() }
    };
    // A child of fork has its parent's seed and counter, but another id.
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed) ^ (u64::from(process) << 32);
    // The generator SplitMix64, at this place of its sequence.
    let mut bits = seed.wrapping_add(unique.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [.., a, b, c, d] = bits.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The process id.
pub(crate) fn id() -> libc::pid_t {
    // SAFETY: getpid has no arguments and can't fail.
    unsafe { libc::getpid() }
}

/// The time of day, in seconds since 1970.
pub(crate) fn seconds_since_1970() -> u64 {
    // The kernel's own times are of this clock: one that was taken before it
    // made a segment is never later.
    seconds_of(libc::CLOCK_REALTIME_COARSE)
}

/// Seconds since some moment in the past, at hardly any cost.
pub(crate) fn coarse_seconds() -> u64 {
    seconds_of(libc::CLOCK_MONOTONIC_COARSE)
}

fn seconds_of(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: there is room for a time; if there is no such clock, it stays 0.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0)
}

/// The calling thread's `errno`.
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library gives each thread an errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: it is the calling thread's own.
    unsafe { *place }
}

/// Sets the calling thread's `errno`.
pub(crate) fn set_errno(value: c_int) {
    // SAFETY: the C library gives each thread an errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: it is the calling thread's own.
    unsafe { *place = value };
}

/// The text of strerror(3), which takes no memory.
pub(crate) fn strerror(errno: i32) -> impl fmt::Display {
    let mut text: [c_char; 256] = [0; 256];
    // SAFETY: the buffer has the length that is told. libc binds the POSIX
    // form, which writes a string that ends with a NUL.
    unsafe { libc::strerror_r(errno, text.as_mut_ptr(), text.len()) };
    Text(text)
}

struct Text([c_char; 256]);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the buffer was all NUL, and strerror_r leaves one at the end.
        let text = unsafe { CStr::from_ptr(self.0.as_ptr()) };
        for chunk in text.to_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
        }
        Ok(())
    }
}

/// One of the C library's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// `stdout`
    Out,
    /// `stderr`
    Error,
}

/// Writes a line, which ends with "\n\0", through the C library, so that it
/// comes in order among the program's own `printf`s.
pub(crate) fn print(stream: Stream, line: &CStr) {
    // SAFETY: both are set before main and hold streams; a program that
    // assigns to one may not do so while other threads print.
    let file = unsafe {
        match stream {
            Stream::Out => stdout,
            Stream::Error => stderr,
        }
    };
    let _uncancelled = Uncancelled::new();
    // SAFETY: the line ends with a NUL; the stream is open, or fputs says EOF.
    // What can't be printed is not the caller's failure.
    unsafe { libc::fputs(line.as_ptr(), file) };
}

//! What every system offers in the same way: POSIX.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::ptr;

use crate::errno::Errno;
use crate::ids::{GroupId, ProcessId, UserId};

/// geteuid(2)
pub(crate) fn effective_user() -> UserId {
    // SAFETY: geteuid has no arguments and can't fail.
    UserId(unsafe { libc::geteuid() })
}

/// getegid(2)
pub(crate) fn effective_group() -> GroupId {
    // SAFETY: getegid has no arguments and can't fail.
    GroupId(unsafe { libc::getegid() })
}

/// Whether the process is a member of a group: its effective group or one of
/// getgroups(2).
pub(crate) fn is_in_group(group: GroupId) -> bool {
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
        .any(|&one| one == group.0)
}

/// getpid(2)
pub(crate) fn process() -> ProcessId {
    // SAFETY: getpid has no arguments and can't fail.
    ProcessId(u32::try_from(unsafe { libc::getpid() }).unwrap_or(0))
}

/// Whether a rename replaces the file that already has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replace {
    Yes,
    /// The rename fails with `EEXIST`.
    No,
}

/// The text of strerror(3), without allocating.
pub(crate) fn strerror(errno: Errno) -> impl fmt::Display {
    let mut text: [c_char; 256] = [0; 256];
    // SAFETY: the buffer has the length that is passed. The libc crate binds the
    // POSIX form, which writes a string that ends with a NUL.
    unsafe { libc::strerror_r(errno.0, text.as_mut_ptr(), text.len()) };
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

/// The size of a page in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf takes a number only.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// A number whose type in C depends on the system; 0 if it is negative.
pub(crate) fn unsigned(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(0)
}

/// The same the other way round; `EINVAL` if C's type has no room for the number.
pub(crate) fn to_c<T: TryFrom<u32>>(number: u32) -> Result<T, Errno> {
    number.try_into().map_err(|_| Errno(libc::EINVAL))
}

/// Whether memory of this size can be a slice. No 32-bit program can attach more than that.
pub(crate) const fn is_slice(size: usize) -> bool {
    size <= isize::MAX.unsigned_abs()
}

/// Whether an address is the kernel's on every machine. A 32-bit program may have all others.
pub(crate) const fn is_of_the_kernel(address: usize) -> bool {
    usize::BITS == 64 && address > usize::MAX / 2
}

/// Copies a string into `buffer`, cut off where it fills that.
///
/// Another thread may overwrite the string meanwhile, although a program may not do that. So it is
/// read once, at once, and never beyond the length of the buffer.
///
/// # Safety
///
/// The string ends with a NUL.
pub(super) unsafe fn copy_string(string: *const c_char, buffer: &mut [u8]) -> Option<&[u8]> {
    let mut length = 0;
    for copy in &mut *buffer {
        // SAFETY: the string has no NUL before this byte, so the byte belongs to it.
        *copy = unsafe { string.cast::<u8>().wrapping_add(length).read_volatile() };
        if *copy == 0 {
            break;
        }
        length += 1;
    }
    buffer.get(..length)
}

/// The clocks that the library reads, at hardly any cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Since 1970. The kernel takes its own times of segments from the same clock.
    Realtime,
    /// Since some moment in the past.
    Monotonic,
    /// Since the system was started, including the time that it was suspended.
    Uptime,
}

/// One of the C library's streams.
#[cfg(feature = "capi")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// `stdout`
    Out,
    /// `stderr`
    Error,
}

/// A time in seconds since 1970. With 32 bits, it is not negative: it ends in 2106, not in 2038.
pub(crate) fn time<T: Into<i64>>(seconds: T) -> i64 {
    let seconds = seconds.into();
    if size_of::<T>() == size_of::<u32>() {
        seconds & i64::from(u32::MAX)
    } else {
        seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_32_bits_ends_in_2106() {
        assert_eq!(time(-1_i32), 0xffff_ffff);
        assert_eq!(time(i32::MIN), 1 << 31);
        assert_eq!(time(1_i64 << 32), 1 << 32);
        assert_eq!(time(-1_i64), -1);
    }
}

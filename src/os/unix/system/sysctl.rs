//! sysctl(3), where it finds a value by its name.

use std::ffi::CStr;
use std::ptr;

/// A number of 32 or 64 bits; 0 if there is no value of that name.
pub(super) fn number(name: &CStr) -> u64 {
    let mut value = [0_u32; 2];
    let mut size = size_of::<[u32; 2]>();
    let place = value.as_mut_ptr().cast();
    // SAFETY: the name is a string, and there is room for `size` bytes.
    let result =
        unsafe { libc::sysctlbyname(name.as_ptr(), place, &raw mut size, ptr::null_mut(), 0) };
    // All processors that these systems are built for here are little-endian.
    let [low, high] = value.map(u64::from);
    if result == 0 { low | (high << 32) } else { 0 }
}

//! The program's, or libgpl's, global `int aperror_print`.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

// A weak reference: NULL where no such global exists. Rust has no stable way to
// declare one. A word of data in assembly does, and makes the linker export the
// program's variable to the shared library.
core::arch::global_asm!(
    ".weak aperror_print",
    ".pushsection .data.rel.ro.shm_util, \"aw\"",
    ".p2align 3", // for words of either size
    ".hidden shm_util_aperror_print",
    ".globl shm_util_aperror_print",
    "shm_util_aperror_print:",
    ".dc.a aperror_print",
    ".popsection",
);

unsafe extern "C" {
    static shm_util_aperror_print: *mut c_int;
}

/// Whether the global exists and is not 0.
pub(crate) fn is_set() -> bool {
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

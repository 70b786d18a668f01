//! What the libraries for C programs do instead of the standard library when Rust code panics
//! or an allocation fails: print one message and abort.
//!
//! The standard library's own handlers can print a backtrace. The code that reads debug
//! information for it is as large as the rest of the shared library, and it cannot be switched
//! off: the standard library comes compiled. So `scripts/reduce-library` has the linker redirect
//! calls of those handlers to these functions, which therefore have the same parameters.

use core::panic::PanicInfo;
use std::fmt::{self, Write};
use std::process::abort;

#[unsafe(no_mangle)]
extern "C" fn shm_util_panicked(panic: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Stderr, "shm_util: {panic}");
    abort()
}

#[unsafe(no_mangle)]
extern "C" fn shm_util_out_of_memory(bytes: usize, _alignment: usize) -> ! {
    let _ = writeln!(Stderr, "shm_util: cannot allocate {bytes} bytes of memory");
    abort()
}

/// Standard error without a buffer or a lock: nothing here may allocate or wait.
struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the pointer and the length belong to a string.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}

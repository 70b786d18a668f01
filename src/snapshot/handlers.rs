//! The program's signal handlers.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// Whether the program has installed a signal handler without `SA_RESTART`, which
/// interrupts calls that wait. See sigaction(2).
pub(super) fn may_interrupt() -> bool {
    const SIGNALS: c_int = 64;
    // A thread gets these for what it does itself, not while it waits.
    const FAULTS: [c_int; 6] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    let mut signals = (1..=SIGNALS).filter(|signal| !FAULTS.contains(signal));
    signals.any(|signal| {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: nothing changes, and there is room for an action.
        let result = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
        // SAFETY: it is zero, or the C library has filled it in.
        let action = unsafe { action.assume_init() };
        let has_handler = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
        result == 0 && has_handler && action.sa_flags & libc::SA_RESTART == 0
    })
}

//! The copy for other processors, which moves one byte at a time.

use std::sync::atomic::{AtomicU8, Ordering};

/// Copies from shared memory.
///
/// # Safety
///
/// Both have `count` bytes. Only the caller uses the second.
pub(super) unsafe fn load(from: *const AtomicU8, to: *mut u8, count: usize) {
    for index in 0..count {
        let (from, to) = (from.wrapping_add(index), to.wrapping_add(index));
        // SAFETY: `index` is within both.
        let byte = unsafe { &*from }.load(Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { to.write(byte) };
    }
}

/// Copies to shared memory.
///
/// # Safety
///
/// Both have `count` bytes. Nobody changes the first.
pub(super) unsafe fn store(from: *const u8, to: *const AtomicU8, count: usize) {
    for index in 0..count {
        let (from, to) = (from.wrapping_add(index), to.wrapping_add(index));
        // SAFETY: `index` is within both.
        let byte = unsafe { from.read() };
        // SAFETY: as above.
        unsafe { &*to }.store(byte, Ordering::Relaxed);
    }
}

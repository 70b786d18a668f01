//! The copy for x86-64, in blocks of 1 to 128 bytes.
//!
//! `rep movsb` is not used: some processors take ten times as long for it if the addresses
//! have nearly the same offsets within their pages, as two page-aligned buffers do.

use std::arch::asm;
use std::sync::atomic::AtomicU8;

/// The size in bytes from which on the stores bypass the cache, which could not hold the
/// copy. Below, that would cost more than it gains.
const BYPASSING: usize = 16 << 20;

/// The size in bytes from which on registers of 32 bytes are faster.
const WIDE: usize = 256;

/// Copies from shared memory.
///
/// # Safety
///
/// Both have `count` bytes. Only the caller uses the second.
#[inline]
pub(super) unsafe fn load(from: *const AtomicU8, to: *mut u8, count: usize) {
    // SAFETY: as the caller asserts.
    unsafe { copy(from.cast(), to, count) }
}

/// Copies to shared memory.
///
/// # Safety
///
/// Both have `count` bytes. Nobody changes the first.
#[inline]
pub(super) unsafe fn store(from: *const u8, to: *const AtomicU8, count: usize) {
    // SAFETY: as the caller asserts; atomics may be changed through a shared borrow.
    unsafe { copy(from, to.cast_mut().cast(), count) }
}

/// # Safety
///
/// Both have `count` bytes.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    let mut left = Left { from, to, count };
    if count >= WIDE {
        // SAFETY: as the caller asserts.
        unsafe { copy_large(&mut left) };
    }
    // SAFETY: as above.
    unsafe { copy_rest(&mut left) };
}

/// What is still to be copied.
struct Left {
    from: *const u8,
    to: *mut u8,
    count: usize,
}

impl Left {
    /// Goes on after a block was copied.
    ///
    /// # Safety
    ///
    /// `size` is at most `count`.
    #[inline]
    unsafe fn advance(&mut self, size: usize) {
        // SAFETY: the pointers stay within the memory, or at its end.
        self.from = unsafe { self.from.add(size) };
        // SAFETY: as above.
        self.to = unsafe { self.to.add(size) };
        self.count -= size;
    }
}

/// # Safety
///
/// Both have `count` bytes, at least 64.
unsafe fn copy_large(left: &mut Left) {
    if left.count >= BYPASSING {
        let mut head = Left {
            count: left.to.align_offset(64),
            ..*left
        };
        let size = head.count;
        // SAFETY: there are more than 63 bytes.
        unsafe { copy_rest(&mut head) };
        // SAFETY: as above.
        unsafe { left.advance(size) };
        // SAFETY: as the caller asserts; `to` is a multiple of 64 now.
        unsafe { copy_bypassing(left) };
    } else if is_x86_feature_detected!("avx") {
        // SAFETY: as the caller asserts, and the processor has AVX.
        unsafe { copy_wide(left) };
    }
}

/// Copies all blocks of 64 bytes past the cache. All of their bytes are visible to others
/// before whatever this thread stores later.
///
/// # Safety
///
/// Both have `count` bytes; `to` is a multiple of 16.
unsafe fn copy_bypassing(left: &mut Left) {
    while left.count >= 64 {
        // SAFETY: both have 64 more bytes; a prefetch accesses nothing.
        unsafe {
            asm!(
                "prefetchnta [{from} + 512]",
                "movdqu {a}, [{from}]",
                "movdqu {b}, [{from} + 16]",
                "movdqu {c}, [{from} + 32]",
                "movdqu {d}, [{from} + 48]",
                "movntdq [{to}], {a}",
                "movntdq [{to} + 16], {b}",
                "movntdq [{to} + 32], {c}",
                "movntdq [{to} + 48], {d}",
                from = in(reg) left.from,
                to = in(reg) left.to,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        // SAFETY: as above.
        unsafe { left.advance(64) };
    }
    // SAFETY: it accesses no memory.
    unsafe { asm!("sfence", options(nostack, preserves_flags)) };
}

/// Copies all blocks of 128 bytes.
///
/// # Safety
///
/// Both have `count` bytes.
#[target_feature(enable = "avx")]
unsafe fn copy_wide(left: &mut Left) {
    while left.count >= 128 {
        // SAFETY: both have 128 more bytes.
        unsafe {
            asm!(
                "vmovdqu {a}, [{from}]",
                "vmovdqu {b}, [{from} + 32]",
                "vmovdqu {c}, [{from} + 64]",
                "vmovdqu {d}, [{from} + 96]",
                "vmovdqu [{to}], {a}",
                "vmovdqu [{to} + 32], {b}",
                "vmovdqu [{to} + 64], {c}",
                "vmovdqu [{to} + 96], {d}",
                from = in(reg) left.from,
                to = in(reg) left.to,
                a = out(ymm_reg) _,
                b = out(ymm_reg) _,
                c = out(ymm_reg) _,
                d = out(ymm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        // SAFETY: as above.
        unsafe { left.advance(128) };
    }
}

/// Copies one block of a size that a register has.
macro_rules! copy_block {
    ($left:ident, $size:literal, $instruction:literal, $class:ident, $modifier:literal) => {
        // SAFETY: both have that many more bytes.
        unsafe {
            asm!(
                concat!($instruction, " {block", $modifier, "}, [{from}]"),
                concat!($instruction, " [{to}], {block", $modifier, "}"),
                from = in(reg) $left.from,
                to = in(reg) $left.to,
                block = out($class) _,
                options(nostack, preserves_flags),
            );
        }
        // SAFETY: as above.
        unsafe { $left.advance($size) };
    };
}

/// Copies everything.
///
/// # Safety
///
/// Both have `count` bytes.
#[inline]
unsafe fn copy_rest(left: &mut Left) {
    while left.count >= 64 {
        // SAFETY: both have 64 more bytes.
        unsafe {
            asm!(
                "movdqu {a}, [{from}]",
                "movdqu {b}, [{from} + 16]",
                "movdqu {c}, [{from} + 32]",
                "movdqu {d}, [{from} + 48]",
                "movdqu [{to}], {a}",
                "movdqu [{to} + 16], {b}",
                "movdqu [{to} + 32], {c}",
                "movdqu [{to} + 48], {d}",
                from = in(reg) left.from,
                to = in(reg) left.to,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        // SAFETY: as above.
        unsafe { left.advance(64) };
    }
    while left.count >= 16 {
        copy_block!(left, 16, "movdqu", xmm_reg, "");
    }
    if left.count >= 8 {
        copy_block!(left, 8, "mov", reg, ":r");
    }
    if left.count >= 4 {
        copy_block!(left, 4, "mov", reg, ":e");
    }
    if left.count >= 2 {
        copy_block!(left, 2, "mov", reg, ":x");
    }
    if left.count >= 1 {
        copy_block!(left, 1, "mov", reg_byte, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block copy that leaves at most `most` bytes copies the others right.
    fn check(copy: unsafe fn(&mut Left), most: usize) {
        for size in [0, 63, 64, 127, 128, 191, 192, 4096, 4100] {
            let from: Vec<u8> = (1..=u8::MAX).cycle().take(size + 64).collect();
            let mut to = vec![0; size + 64];
            let start = to.as_ptr().align_offset(64);
            let mut left = Left {
                from: from.as_ptr(),
                to: to[start..].as_mut_ptr(),
                count: size,
            };
            // SAFETY: both have that many bytes, and `to` is a multiple of 64.
            unsafe { copy(&mut left) };
            let done = size - left.count;
            assert!(left.count <= most, "{size}");
            assert_eq!(to[start..start + done], from[..done], "{size}");
            assert!(to[start + done..].iter().all(|byte| *byte == 0), "{size}");
        }
    }

    #[test]
    fn each_way_copies_all_whole_blocks() {
        check(copy_bypassing, 63);
        check(copy_rest, 0);
        if is_x86_feature_detected!("avx") {
            // SAFETY: as `check` asserts, and the processor has AVX.
            check(|left| unsafe { copy_wide(left) }, 127);
        }
    }

    #[test]
    fn a_copy_past_the_cache_starts_at_any_address() {
        let size = BYPASSING + 5;
        let from: Vec<u8> = (1..=u8::MAX).cycle().take(size).collect();
        for start in [0, 1, 60] {
            let mut to = vec![0; size + 64];
            // SAFETY: both have that many bytes.
            unsafe { copy(from.as_ptr(), to[start..].as_mut_ptr(), size) };
            assert!(to[start..start + size] == from, "{start}");
            assert!(to[..start].iter().all(|byte| *byte == 0));
            assert!(to[start + size..].iter().all(|byte| *byte == 0));
        }
    }
}

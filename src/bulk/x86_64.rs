//! The copy for x86-64, in blocks of 1 to 128 bytes.
//!
//! `rep movsb` is not used: some processors take ten times as long for it if the addresses
//! have nearly the same offsets within their pages, as two page-aligned buffers do.

use std::arch::asm;
use std::sync::atomic::AtomicU8;

/// The size in bytes from which stores bypass the cache, which could not hold the copy. For
/// smaller copies, that would cost more than it gains.
const BYPASSING: usize = 16 << 20;

/// The size in bytes from which registers of 32 bytes are faster.
const WIDE: usize = 512;

/// The size in bytes from which it is worthwhile to copy a few bytes first, so that no later
/// store extends over two lines of the cache.
const ALIGNED: usize = 4096;

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
        left = unsafe { copy_large(left) };
    }
    // SAFETY: as above.
    unsafe { copy_rest(left) };
}

/// The rest of a copy. It is passed by value, to stay in registers: an assembly block may change
/// all memory, so values in memory would be stored before each block, and loaded after it.
#[derive(Clone, Copy)]
struct Left {
    from: *const u8,
    to: *mut u8,
    count: usize,
}

impl Left {
    /// The rest after a block of `size` bytes was copied.
    ///
    /// # Safety
    ///
    /// `size` is at most `count`.
    #[inline]
    unsafe fn after(self, size: usize) -> Self {
        Self {
            // SAFETY: the pointer stays within the memory, or at its end.
            from: unsafe { self.from.add(size) },
            // SAFETY: as above.
            to: unsafe { self.to.add(size) },
            count: self.count - size,
        }
    }

    /// Copies a few bytes, so that `to` becomes a multiple of `alignment`, a power of two.
    ///
    /// # Safety
    ///
    /// Both have `count` bytes, and that is at least `alignment`.
    unsafe fn aligned(self, alignment: usize) -> Self {
        let size = self.to.addr().wrapping_neg() % alignment;
        let head = Self {
            count: size,
            ..self
        };
        // SAFETY: this is less than the alignment.
        unsafe { copy_rest(head) };
        // SAFETY: as above.
        unsafe { self.after(size) }
    }
}

/// Copies all but the last few bytes.
///
/// # Safety
///
/// Both have `count` bytes, at least 64.
unsafe fn copy_large(mut left: Left) -> Left {
    if left.count >= ALIGNED {
        // SAFETY: as the caller asserts.
        left = unsafe { left.aligned(64) };
    }
    if left.count >= BYPASSING {
        // SAFETY: as the caller asserts; `to` is a multiple of 64 now.
        unsafe { copy_bypassing(left) }
    } else if is_x86_feature_detected!("avx") {
        // SAFETY: as the caller asserts, and the processor has AVX.
        unsafe { copy_wide(left) }
    } else {
        left
    }
}

/// Copies all blocks of 64 bytes with stores that bypass the cache. Other threads see all of
/// these bytes before anything that this thread stores later.
///
/// # Safety
///
/// Both have `count` bytes; `to` is a multiple of 16.
unsafe fn copy_bypassing(mut left: Left) -> Left {
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
        left = unsafe { left.after(64) };
    }
    // SAFETY: it accesses no memory.
    unsafe { asm!("sfence", options(nostack, preserves_flags)) };
    left
}

/// Copies all blocks of 128 bytes.
///
/// # Safety
///
/// Both have `count` bytes.
#[target_feature(enable = "avx")]
unsafe fn copy_wide(left: Left) -> Left {
    let size = left.count - left.count % 128;
    if size > 0 {
        // While the upper halves of registers are in use, later instructions for the lower halves
        // are slow. The compiler does not see this use, so vzeroupper must end it.
        // SAFETY: both have `size` bytes, a multiple of 128, and the processor has AVX. No
        // other values are in the upper halves: all registers are declared as changed.
        unsafe {
            asm!(
                "2:",
                "vmovdqu ymm0, [{from}]",
                "vmovdqu ymm1, [{from} + 32]",
                "vmovdqu ymm2, [{from} + 64]",
                "vmovdqu ymm3, [{from} + 96]",
                "vmovdqu [{to}], ymm0",
                "vmovdqu [{to} + 32], ymm1",
                "vmovdqu [{to} + 64], ymm2",
                "vmovdqu [{to} + 96], ymm3",
                "add {from}, 128",
                "add {to}, 128",
                "sub {size}, 128",
                "jnz 2b",
                "vzeroupper",
                from = inout(reg) left.from => _,
                to = inout(reg) left.to => _,
                size = inout(reg) size => _,
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nostack),
            );
        }
    }
    // SAFETY: as above.
    unsafe { left.after(size) }
}

/// Copies one block of the size of a register if there is one, and returns the rest.
macro_rules! copy_block {
    ($left:ident, $size:literal, $instruction:literal, $class:ident, $modifier:literal) => {{
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
        unsafe { $left.after($size) }
    }};
}

/// Copies everything.
///
/// # Safety
///
/// Both have `count` bytes.
#[inline]
unsafe fn copy_rest(mut left: Left) {
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
        left = unsafe { left.after(64) };
    }
    while left.count >= 16 {
        left = copy_block!(left, 16, "movdqu", xmm_reg, "");
    }
    if left.count >= 8 {
        left = copy_block!(left, 8, "mov", reg, ":r");
    }
    if left.count >= 4 {
        left = copy_block!(left, 4, "mov", reg, ":e");
    }
    if left.count >= 2 {
        left = copy_block!(left, 2, "mov", reg, ":x");
    }
    if left.count >= 1 {
        let _end = copy_block!(left, 1, "mov", reg_byte, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a block copy: it leaves at most `most` bytes, and copies all others correctly.
    fn check(copy: unsafe fn(Left) -> Left, most: usize) {
        for size in [0, 63, 64, 127, 128, 191, 192, 4096, 4100] {
            let from: Vec<u8> = (1..=u8::MAX).cycle().take(size + 64).collect();
            let mut to = vec![0; size + 64];
            let start = to.as_ptr().align_offset(64);
            let left = Left {
                from: from.as_ptr(),
                to: to[start..].as_mut_ptr(),
                count: size,
            };
            // SAFETY: both have that many bytes, and `to` is a multiple of 64.
            let left = unsafe { copy(left) };
            let done = size - left.count;
            assert!(left.count <= most, "{size}");
            assert_eq!(to[start..start + done], from[..done], "{size}");
            assert!(to[start + done..].iter().all(|byte| *byte == 0), "{size}");
        }
    }

    #[test]
    fn each_way_copies_all_whole_blocks() {
        check(copy_bypassing, 63);
        if is_x86_feature_detected!("avx") {
            // SAFETY: as `check` asserts, and the processor has AVX.
            check(|left| unsafe { copy_wide(left) }, 127);
        }
    }

    #[test]
    fn a_copy_starts_at_any_address() {
        for size in [ALIGNED, 5000, BYPASSING + 5] {
            let from: Vec<u8> = (1..=u8::MAX).cycle().take(size).collect();
            for start in [0, 1, 60] {
                let mut to = vec![0; size + 64];
                // SAFETY: both have that many bytes.
                unsafe { copy(from.as_ptr(), to[start..].as_mut_ptr(), size) };
                assert!(to[start..start + size] == from, "{size} {start}");
                assert!(to[..start].iter().all(|byte| *byte == 0));
                assert!(to[start + size..].iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn the_rest_is_copied_without_wide_registers() {
        for size in 0..300 {
            let from: Vec<u8> = (1..=u8::MAX).cycle().take(size).collect();
            let mut to = vec![0; size + 1];
            let left = Left {
                from: from.as_ptr(),
                to: to.as_mut_ptr(),
                count: size,
            };
            // SAFETY: both have that many bytes.
            unsafe { copy_rest(left) };
            assert_eq!(to[..size], from);
            assert_eq!(to[size], 0);
        }
    }
}

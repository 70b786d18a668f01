//! Copies bytes between memory that other processes may change at any time and memory
//! that only this program uses.
//!
//! # Why this is sound
//!
//! `ptr::copy_nonoverlapping`, `ptr::read_volatile` and memcpy(3), which the compiler
//! knows, are data races if another thread or process stores to the same bytes meanwhile.
//! A data race is undefined behavior in this program, whoever causes it. Relaxed loads and
//! stores of `AtomicU8` are never data races, but a loop of them moves one byte at a time. Larger
//! atomics race with `Segment::bytes`, too: the memory model does not define what happens
//! if atomics of different sizes overlap without synchronization.
//!
//! So the copy is inline assembly. To the compiler, an assembly block is an unknown
//! function, which may do what Rust code in its place could do. This one does what a loop
//! of relaxed `AtomicU8` accesses, in some order, does:
//!
//! * It accesses each byte of shared memory exactly once, within the given slice.
//! * An instruction that accesses several bytes has, for each of them, an effect that a
//!   relaxed access of that byte may have. The loop promises no order of its accesses; an
//!   instruction only makes some of them happen at once.
//! * Stores that bypass the cache (`movntdq`) are ordered with later ones by `sfence`,
//!   before the block ends; so a later release store publishes them, as usual.
//!
//! Calling memcpy(3) as an unknown function would not be sound either: it copies some bytes
//! twice where that is faster, and the second store could undo what another process stored in
//! between.
//!
//! On processors other than x86-64, and under Miri, the copy is that loop itself.

use std::mem::MaybeUninit;
use std::sync::atomic::AtomicU8;

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[path = "bulk/x86_64.rs"]
mod copy;

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[path = "bulk/portable.rs"]
mod copy;

/// Copies bytes of shared memory to memory of this program: as many as the shorter slice has.
/// The bytes that were copied to are then initialized.
#[inline]
pub(crate) fn load(from: &[AtomicU8], to: &mut [MaybeUninit<u8>]) {
    let count = from.len().min(to.len());
    // SAFETY: both slices have that many bytes. The first consists of atomics; only the
    // caller uses the second one.
    unsafe { copy::load(from.as_ptr(), to.as_mut_ptr().cast(), count) }
}

/// Copies bytes of this program to shared memory: as many as the shorter slice has.
#[inline]
pub(crate) fn store(from: &[u8], to: &[AtomicU8]) {
    let count = from.len().min(to.len());
    // SAFETY: both slices have that many bytes. Nobody changes the first one; the second
    // consists of atomics, so a shared borrow may be stored through.
    unsafe { copy::store(from.as_ptr(), to.as_ptr(), count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    /// Sizes near each size of block that `x86_64` copies.
    const SIZES: &[usize] = &[
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 191, 255, 256,
        257, 383, 384, 511, 1000,
    ];

    fn pattern(size: usize) -> Vec<u8> {
        (1..=u8::MAX).cycle().take(size).collect()
    }

    fn shared(bytes: &[u8]) -> Vec<AtomicU8> {
        bytes.iter().copied().map(AtomicU8::new).collect()
    }

    fn plain(shared: &[AtomicU8]) -> Vec<u8> {
        let load = |byte: &AtomicU8| byte.load(Ordering::Relaxed);
        shared.iter().map(load).collect()
    }

    /// Whether exactly the bytes from `start` on, `count` of them, are those of `from`.
    fn is_copied(to: &[u8], from: &[u8], start: usize, count: usize) -> bool {
        to[start..start + count] == from[..count]
            && to[..start].iter().all(|byte| *byte == 0)
            && to[start + count..].iter().all(|byte| *byte == 0)
    }

    #[test]
    fn loads_copy_these_bytes_and_no_others() {
        for &size in SIZES {
            for start in [0, 1, 8, 13] {
                let from = pattern(size + start);
                let mut to = vec![0; size + 40];
                let target: &mut [u8] = &mut to[start..start + size];
                // SAFETY: initialized bytes may be borrowed as possibly uninitialized
                // ones; only initialized ones are stored.
                let target = unsafe {
                    std::slice::from_raw_parts_mut(target.as_mut_ptr().cast(), target.len())
                };
                load(&shared(&from)[start..], target);
                assert!(is_copied(&to, &from[start..], start, size), "{size}");
            }
        }
    }

    #[test]
    fn stores_copy_these_bytes_and_no_others() {
        for &size in SIZES {
            for start in [0, 1, 8, 13] {
                let from = pattern(size + start);
                let to = shared(&vec![0; size + 40]);
                store(&from[start..], &to[start..start + size]);
                assert!(
                    is_copied(&plain(&to), &from[start..], start, size),
                    "{size}"
                );
            }
        }
    }

    #[test]
    fn the_shorter_slice_decides() {
        let to = shared(&[0; 4]);
        store(&pattern(2), &to);
        assert_eq!(plain(&to), [1, 2, 0, 0]);
        store(&pattern(9), &to);
        assert_eq!(plain(&to), [1, 2, 3, 4]);
    }
}

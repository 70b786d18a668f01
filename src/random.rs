//! Numbers that collide only by chance.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::ProcessId;
use crate::os;

/// Bits that no other copy of the library gets, except by chance: neither a second one in
/// the same program, which is at another address, nor one that is loaded again later.
#[cfg(feature = "capi")]
pub(crate) fn of_this_copy() -> u64 {
    static HERE: AtomicU64 = AtomicU64::new(0);
    let address = u64::try_from((&raw const HERE).addr()).unwrap_or(0);
    mixed(os::random_seed() ^ address.rotate_left(32) ^ os::nanoseconds())
}

/// Bits that neither another process nor another copy of the library in this process gets at
/// the same time, except by chance. They are not secret, and take no system call and no
/// descriptor.
pub(crate) fn bits(process: ProcessId) -> u32 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // Another copy of the library has the same seed, but another address.
    let here = u64::try_from((&raw const COUNTER).addr()).unwrap_or(0);
    // A child of fork inherits the seed and the counter, but has another id.
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed) ^ (u64::from(process.0) << 32);
    // The generator SplitMix64, at this position of its sequence.
    let position = unique.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let seed = os::random_seed() ^ here.rotate_left(32);
    let [.., a, b, c, d] = mixed(seed.wrapping_add(position)).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The last step of the generator SplitMix64.
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A number that no other process gets, except by a chance of 1 in 2^64.
pub(crate) fn nonce(process: ProcessId) -> u64 {
    os::random().unwrap_or_else(|| {
        let high = u64::from(bits(process)) ^ os::ticks();
        (high << 32) | u64::from(bits(process))
    })
}

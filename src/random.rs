//! Numbers that collide only by chance.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::ProcessId;
use crate::os;

/// Bits that no other process gets at the same time, except by chance. They
/// are not secret, and cost no system call and no descriptor.
pub(crate) fn bits(process: ProcessId) -> u32 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // A child of fork inherits the seed and the counter, but has another id.
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed) ^ (u64::from(process.0) << 32);
    // The generator SplitMix64, at this position of its sequence.
    let mut bits = os::random_seed().wrapping_add(unique.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [.., a, b, c, d] = bits.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

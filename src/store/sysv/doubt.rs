//! Whether what is mapped at an address may have changed since the library attached a segment
//! there: only the program itself can have ended the attachment (shmdt(2), munmap(2),
//! `MADV_DONTFORK`).
//!
//! Asking the kernel takes longer than attaching and detaching. So the library always asks only if
//! it has attached something at the same address since. Otherwise, it asks only the first few times
//! in each 34 ms.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::os;

/// How many attachments were made at each page address, modulo the length of this table.
static ATTACHED: [AtomicU32; 1024] = [const { AtomicU32::new(0) }; 1024];

fn attached_at(address: usize) -> &'static AtomicU32 {
    // Addresses are multiples of at least 4096, so the low bits do not distinguish them.
    let page = address >> 12;
    ATTACHED
        .get((page ^ (page >> 10)) % ATTACHED.len())
        .unwrap_or(&ATTACHED[0])
}

/// The number of an attachment among those at its address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serial(u32);

impl Serial {
    /// The serial of an attachment that was made at this address just now.
    pub(super) fn next(address: usize) -> Self {
        let before = attached_at(address).fetch_add(1, Ordering::Relaxed);
        Self(before.wrapping_add(1))
    }

    /// Whether something was attached at the same address since: then the program must
    /// have detached this segment itself. True without reason for one address in a
    /// thousand.
    pub(super) fn is_in_doubt(self, address: usize) -> bool {
        attached_at(address).load(Ordering::Relaxed) != self.0
    }
}

/// Whether the kernel may be asked, once more, what is mapped at an address.
pub(super) fn may_ask() -> bool {
    const MOST: u64 = 16;
    const COUNT_BITS: u32 = 8;
    /// The number of the present 34 ms, and how often it was asked in them.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let now = (os::ticks() >> 25) << COUNT_BITS;
    let asked = ASKED.load(Ordering::Relaxed);
    let (window, count) = (
        asked >> COUNT_BITS << COUNT_BITS,
        asked & ((1 << COUNT_BITS) - 1),
    );
    let count = if window == now { count } else { 0 };
    if count < MOST {
        ASKED.store(now | (count + 1), Ordering::Relaxed);
    }
    count < MOST
}

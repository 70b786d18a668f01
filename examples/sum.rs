//! Rust: the crate itself. Other processes write to the segment, too, so its bytes
//! are atomic.
//!
//! ```text
//! cargo run --example sum
//! ```

use std::sync::atomic::{AtomicU8, Ordering};

use shm_util::{Result, Segment};

const NUMBERS: usize = 4;
const SUM: usize = 404;
const WHO: usize = 408;

fn number(bytes: &[AtomicU8], offset: usize) -> i32 {
    let mut number = [0; 4];
    for (to, from) in number.iter_mut().zip(bytes.iter().skip(offset)) {
        *to = from.load(Ordering::Relaxed);
    }
    i32::from_ne_bytes(number)
}

fn store(bytes: &[AtomicU8], offset: usize, value: &[u8]) {
    for (to, from) in bytes.iter().skip(offset).zip(value) {
        to.store(*from, Ordering::Relaxed);
    }
}

fn main() -> Result<()> {
    let segment = Segment::open("numbers")?;
    let bytes = segment.bytes();

    let count = usize::try_from(number(bytes, 0)).unwrap_or(0);
    let sum: i32 = (0..count).map(|i| number(bytes, NUMBERS + 4 * i)).sum();
    store(bytes, SUM, &sum.to_ne_bytes());
    store(bytes, WHO, b"Rust");
    segment.destroy()
}

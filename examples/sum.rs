//! Rust: the crate itself. Other processes may write to the segment, too, so values are
//! copied in and out.
//!
//! ```text
//! cargo run --example sum
//! ```

use shm_util::{Options, ReadOnlySegment, Result, Segment};

const NUMBERS: usize = 4;
const SUM: usize = 404;
const WHO: usize = 408;

fn number(segment: &ReadOnlySegment, offset: usize) -> Result<i32> {
    let mut number = [0; 4];
    segment.read_at(offset, &mut number)?;
    Ok(i32::from_ne_bytes(number))
}

fn main() -> Result<()> {
    // Dropping it, also after `?`, only detaches it. Dropping a `Segment` deletes it if no process
    // has it attached: this one has, as long as it has `numbers`.
    let numbers = Options::new().open_read_only("numbers")?;

    let count = usize::try_from(number(&numbers, 0)?).unwrap_or(0);
    let mut sum = 0;
    for i in 0..count {
        sum += number(&numbers, NUMBERS + 4 * i)?;
    }
    let results = Segment::open("numbers")?;
    results.write_at(SUM, &sum.to_ne_bytes())?;
    results.write_at(WHO, b"Rust")?;
    results.detach()
}

//! Rust: the crate itself. Other processes may write to the segment, too, so values are
//! copied in and out.
//!
//! ```text
//! cargo run --example sum
//! ```

use shm_util::{Result, Segment};

const NUMBERS: usize = 4;
const SUM: usize = 404;
const WHO: usize = 408;

fn number(segment: &Segment, offset: usize) -> Result<i32> {
    let mut number = [0; 4];
    segment.read_at(offset, &mut number)?;
    Ok(i32::from_ne_bytes(number))
}

fn main() -> Result<()> {
    let segment = Segment::open("numbers")?;

    let count = usize::try_from(number(&segment, 0)?).unwrap_or(0);
    let mut sum = 0;
    for i in 0..count {
        sum += number(&segment, NUMBERS + 4 * i)?;
    }
    segment.write_at(SUM, &sum.to_ne_bytes())?;
    segment.write_at(WHO, b"Rust")?;
    segment.detach() // dropping it would delete the segment if its creator has ended
}

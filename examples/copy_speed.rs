//! Measures the speed of `Segment::read_at` and `write_at`, compared with memcpy: the medians of
//! nine interleaved rounds, in bytes per nanosecond.
//!
//! ```text
//! cargo run --release --example copy_speed
//! ```

use std::hint::black_box;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use shm_util::{Options, Result, Segment};

const LARGEST: usize = 64 << 20;
const ROUNDS: usize = 9;
/// Offsets within their pages: the program's buffer and the segment are rarely aligned alike.
const OFFSET: usize = 136;

/// Calls a copy repeatedly for at least about a millisecond, and returns its speed.
fn speed(size: usize, copy: &mut dyn FnMut()) -> f64 {
    let times = ((32 << 20) / size).clamp(1, 200_000);
    copy();
    let start = Instant::now();
    for _ in 0..times {
        copy();
    }
    #[allow(clippy::cast_precision_loss)] // it is printed with one decimal
    let (bytes, nanoseconds) = ((size * times) as f64, start.elapsed().as_nanos() as f64);
    bytes / nanoseconds
}

fn median(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or_default()
}

/// memcpy(3), which only this program may use here: nobody else has the segment attached.
fn memcpy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: both have that many bytes, and no other thread uses them.
    unsafe { ptr::copy_nonoverlapping(black_box(from), black_box(to), size) };
}

fn measure(segment: &Segment, buffer: &mut [u8], size: usize) -> [f64; 5] {
    let mut speeds = [const { Vec::new() }; 5];
    let mut all_copied = true;
    for _ in 0..ROUNDS {
        let buffer = buffer.get_mut(..size).unwrap_or_default();
        let shared = segment.as_ptr().wrapping_add(OFFSET);
        let ours = buffer.as_mut_ptr();
        let mut byte_by_byte = || {
            let bytes = segment.bytes().iter().skip(OFFSET);
            for (to, from) in black_box(&mut *buffer).iter_mut().zip(bytes) {
                *to = from.load(Ordering::Relaxed);
            }
        };
        let slow = speed(size, &mut byte_by_byte);
        let [slows, loads, reads, stores, writes] = &mut speeds;
        slows.push(slow);
        loads.push(speed(size, &mut || memcpy(shared, ours, size)));
        reads.push(speed(size, &mut || {
            all_copied &= segment.read_at(OFFSET, black_box(&mut *buffer)).is_ok();
        }));
        stores.push(speed(size, &mut || memcpy(ours, shared, size)));
        writes.push(speed(size, &mut || {
            all_copied &= segment.write_at(OFFSET, black_box(&*buffer)).is_ok();
        }));
    }
    assert!(all_copied, "the segment is too small");
    speeds.map(median)
}

fn main() -> Result<()> {
    let name = format!("copy speed {}", std::process::id());
    let segment = Options::new()
        .exclusive(true)
        .create(name, LARGEST + OFFSET)?;
    let mut buffer = vec![1; LARGEST];
    segment.write_at(OFFSET, &buffer)?;
    println!("     bytes  byte by byte  memcpy from  read_at  memcpy to  write_at");
    for size in [
        64,
        256,
        1024,
        4096,
        16 << 10,
        64 << 10,
        256 << 10,
        1 << 20,
        4 << 20,
        16 << 20,
        LARGEST,
    ] {
        let [slow, load, read, store, write] = measure(&segment, &mut buffer, size);
        println!("{size:10} {slow:13.1} {load:12.1} {read:8.1} {store:10.1} {write:9.1}");
    }
    segment.destroy()
}

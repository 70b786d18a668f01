//! Values of plain old data in a segment.
#![cfg(feature = "bytemuck")]
#![allow(clippy::unwrap_used)] // tests are meant to fail

use bytemuck::{AnyBitPattern, NoUninit, Pod, Zeroable};
use shm_util::{Options, Segment};

fn name(test: &str) -> String {
    format!("rust typed test {} {test}", std::process::id())
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    time: u64,
    value: f32,
    sensor: u32,
}

// SAFETY: zeros are a valid value.
unsafe impl Zeroable for Reading {}
// SAFETY: any bytes are valid, and there is no padding.
unsafe impl Pod for Reading {}

const READING: Reading = Reading {
    time: 1 << 40,
    value: 2.5,
    sensor: 7,
};

#[test]
fn a_value_is_read_where_it_was_written() {
    let segment = Segment::create(name("value"), 100).unwrap();
    let view = Options::new().open_read_only(name("value")).unwrap();
    for offset in [0, 8, 3, 84] {
        segment.write(offset, &READING).unwrap();
        assert_eq!(segment.read::<Reading>(offset).unwrap(), READING);
        assert_eq!(view.read::<Reading>(offset).unwrap(), READING);
    }
    assert_eq!(view.read::<u32>(96).unwrap(), 7);
}

#[test]
fn a_value_beyond_the_end_is_an_error_and_changes_nothing() {
    let segment = Segment::create(name("end"), 100).unwrap();
    let view = Options::new().open_read_only(name("end")).unwrap();
    let errno = |result: shm_util::Result<()>| result.unwrap_err().errno();
    for offset in [85, 100, 101, usize::MAX] {
        assert_eq!(errno(segment.write(offset, &READING)), libc::EINVAL);
        assert_eq!(errno(segment.write_slice(offset, &[READING])), libc::EINVAL);
        let read = segment.read::<Reading>(offset);
        assert_eq!(errno(read.map(|_| ())), libc::EINVAL);
        assert_eq!(
            errno(view.read::<Reading>(offset).map(|_| ())),
            libc::EINVAL
        );
        let mut readings = [READING];
        assert_eq!(
            errno(segment.read_slice(offset, &mut readings)),
            libc::EINVAL
        );
        assert_eq!(errno(view.read_slice(offset, &mut readings)), libc::EINVAL);
        assert_eq!(readings, [READING]);
    }
    assert_eq!(segment.read::<[u8; 100]>(0).unwrap(), [0; 100]);
}

#[test]
fn slices_lie_side_by_side() {
    let segment = Segment::create(name("slices"), 1000).unwrap();
    let view = Options::new().open_read_only(name("slices")).unwrap();
    let readings: Vec<Reading> = (0..10)
        .map(|sensor| Reading { sensor, ..READING })
        .collect();
    segment.write_slice(5, &readings).unwrap();
    assert_eq!(segment.read::<Reading>(5 + 16 * 9).unwrap(), readings[9]);
    for copied in [&mut [Reading::zeroed(); 10], &mut [READING; 10]] {
        segment.read_slice(5, copied).unwrap();
        assert_eq!(copied[..], readings);
        copied.fill(READING);
        view.read_slice(5, copied).unwrap();
        assert_eq!(copied[..], readings);
    }
    // An empty slice is allowed at the very end.
    segment.write_slice::<Reading>(1000, &[]).unwrap();
    segment.read_slice::<Reading>(1000, &mut []).unwrap();
}

/// A type with padding, so it can be read but not written.
#[repr(C)]
#[derive(Clone, Copy)]
struct Padded {
    small: u8,
    large: u32,
}

// SAFETY: zeros are a valid value.
unsafe impl Zeroable for Padded {}
// SAFETY: any bytes are valid.
unsafe impl AnyBitPattern for Padded {}

/// A type that is not valid with all bytes, so it can be written but not read.
#[repr(u8)]
#[derive(Clone, Copy)]
enum State {
    Ready = 3,
}

// SAFETY: its one byte is always initialized.
unsafe impl NoUninit for State {}

#[test]
fn padding_can_be_read_and_enums_can_be_written() {
    let segment = Segment::create(name("padding"), 100).unwrap();
    segment.write_at(0, &[255; 100]).unwrap();
    segment.write(1, &State::Ready).unwrap();
    let padded = segment.read::<Padded>(1).unwrap();
    assert_eq!((padded.small, padded.large), (3, u32::MAX));
    let mut both = [Padded::zeroed(); 2];
    segment.read_slice(0, &mut both).unwrap();
    assert_eq!(both[1].large, u32::MAX);
}

//! A segment's bytes: pointers, copies, atomics and slices.

#![allow(clippy::unwrap_used)] // tests are meant to fail

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering,
};
use std::thread;

use shm_util::{Atomic, Error, Options, ReadOnlySegment, Reason, Segment};

/// A name that no other test and no other run uses.
fn name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("rust access test {} {number}", std::process::id())
}

/// A segment, and the same one attached for reading only.
fn pair(size: usize) -> (Segment, ReadOnlySegment) {
    let name = name();
    let segment = Segment::create(&name, size).unwrap();
    let view = Options::new().open_read_only(&name).unwrap();
    (segment, view)
}

fn pattern(size: usize) -> Vec<u8> {
    (1..=u8::MAX).cycle().take(size).collect()
}

fn assert_out_of_range(result: Result<(), Error>, what: &str) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.errno(), error.reason()),
        (libc::EINVAL, Reason::Argument)
    );
    let text = error.to_string();
    assert!(text.starts_with(what), "{text}");
    assert!(text.contains("of segment 'rust access test "), "{text}");
    assert!(
        text.ends_with(", which has 5000: Invalid argument"),
        "{text}"
    );
}

#[test]
fn what_is_written_at_an_offset_is_read_there_through_each_attachment() {
    let (segment, view) = pair(5000);
    let bytes = pattern(1000);
    segment.write_at(3999, &bytes).unwrap();
    let mut read = vec![0; 1002];
    segment.read_at(3998, &mut read).unwrap();
    assert_eq!(read[0], 0);
    assert_eq!(read[1..1001], bytes);
    assert_eq!(read[1001], 0);
    read.fill(0);
    view.read_at(3998, &mut read).unwrap();
    assert_eq!(read[1..1001], bytes);
    assert_eq!(view.bytes()[3999].load(Ordering::Relaxed), 1);
    assert_eq!(view.bytes().len(), 5000);
}

#[test]
fn offsets_beyond_the_end_are_errors_and_copy_nothing() {
    let (segment, view) = pair(5000);
    let mut bytes = [7; 10];
    for offset in [4991, 5000, 5001, usize::MAX - 5, usize::MAX] {
        let read = format!("read 10 bytes at offset {offset} ");
        assert_out_of_range(segment.read_at(offset, &mut bytes), &read);
        assert_out_of_range(view.read_at(offset, &mut bytes), &read);
        let write = format!("write 10 bytes at offset {offset} ");
        assert_out_of_range(segment.write_at(offset, &bytes), &write);
    }
    assert_eq!(bytes, [7; 10]);
    assert!(
        segment
            .bytes()
            .iter()
            .all(|byte| byte.load(Ordering::Relaxed) == 0)
    );
    // As with slices, an empty copy is allowed at the end, but not beyond it.
    segment.read_at(5000, &mut []).unwrap();
    segment.write_at(5000, &[]).unwrap();
    assert!(segment.read_at(5001, &mut []).is_err());
    assert!(segment.write_at(5001, &[]).is_err());
}

#[test]
fn copies_of_all_sizes_are_right() {
    let (segment, view) = pair((16 << 20) + 200);
    for size in (0..600).chain([4095, 70_000, (16 << 20) - 1, (16 << 20) + 100]) {
        let offset = size % 67;
        let bytes = pattern(size);
        segment.write_at(offset, &bytes).unwrap();
        let mut read = vec![0; size];
        view.read_at(offset, &mut read).unwrap();
        assert!(read == bytes, "{size}");
    }
}

/// A thread with an attachment of its own acts as another process, which stores at any time.
#[test]
fn a_copy_during_stores_has_old_and_new_bytes_and_no_others() {
    let name = name();
    let ours = Segment::create(&name, 64 << 10).unwrap();
    let theirs = Segment::open(&name).unwrap();
    ours.write_at(0, &vec![1; 64 << 10]).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let buffers = [vec![1; 64 << 10], vec![2; 64 << 10]];
            for buffer in buffers.iter().cycle().take(2000) {
                theirs.write_at(0, buffer).unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
        });
        let mut bytes = vec![0; 64 << 10];
        while !is_done.load(Ordering::Relaxed) {
            ours.read_at(0, &mut bytes).unwrap();
            assert!(bytes.iter().all(|byte| matches!(byte, 1 | 2)));
        }
    });
}

#[test]
fn a_flag_publishes_what_was_written_before_it() {
    let name = name();
    let ours = Segment::create(&name, 20 << 20).unwrap();
    let theirs = Segment::open(&name).unwrap();
    // Stores of the second size bypass the cache.
    for (flag, size) in [(1, 1000), (2, 17 << 20)] {
        thread::scope(|scope| {
            scope.spawn(|| {
                theirs.write_at(100, &vec![flag; size]).unwrap();
                theirs.bytes()[0].store(flag, Ordering::Release);
            });
            while ours.bytes()[0].load(Ordering::Acquire) != flag {
                std::hint::spin_loop();
            }
            let mut bytes = vec![0; size];
            ours.read_at(100, &mut bytes).unwrap();
            assert!(bytes.iter().all(|byte| *byte == flag));
        });
    }
}

#[test]
fn the_pointer_is_where_the_segment_is_attached() {
    let (segment, view) = pair(5000);
    assert_eq!(segment.as_ptr().addr(), segment.bytes().as_ptr().addr());
    assert_eq!(view.as_ptr().addr(), view.bytes().as_ptr().addr());
    assert_ne!(segment.as_ptr().cast_const(), view.as_ptr());
    // SAFETY: no other thread uses the segment.
    unsafe { segment.as_ptr().wrapping_add(4999).write(9) };
    // SAFETY: as above.
    assert_eq!(unsafe { view.as_ptr().wrapping_add(4999).read() }, 9);
}

#[repr(C)]
struct Header {
    small: AtomicU16,
    large: AtomicU64,
    values: [AtomicU32; 4],
}

// SAFETY: all fields are atomics.
unsafe impl Atomic for Header {}

#[test]
fn atomics_of_other_sizes_cover_the_segment() {
    let (mut segment, mut view) = pair(5003);
    segment.write_at(8, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let expected = u64::from_ne_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
    let words = segment.as_atomics::<AtomicU64>();
    assert_eq!(words.len(), 625); // three bytes are left over
    assert_eq!(words[1].swap(10, Ordering::AcqRel), expected);
    let words = view.as_atomics::<AtomicI64>();
    assert_eq!(words.len(), 625);
    for order in [Ordering::Relaxed, Ordering::Acquire, Ordering::SeqCst] {
        assert_eq!(words[1].load(order), 10);
    }
    assert_eq!(segment.as_atomics::<Header>().len(), 5003 / 32);
    segment.as_atomics::<Header>()[1].values[3].store(7, Ordering::Relaxed);
    assert_eq!(segment.as_atomics::<[AtomicU8; 5003]>().len(), 1);
    assert_eq!(view.as_atomics::<[AtomicU8; 5004]>().len(), 0);
    let lowest = if cfg!(target_endian = "big") { 63 } else { 60 };
    assert_eq!(view.bytes()[lowest].load(Ordering::Relaxed), 7);
}

#[test]
#[should_panic(expected = "no such thing as a release load")]
fn a_load_with_release_order_panics() {
    let (_segment, view) = pair(1);
    let _ = view.bytes()[0].load(Ordering::Release);
}

/// Some kernels align all shared memory to more than a page, but none to this.
#[repr(align(0x2000_0000))]
struct Large(AtomicU8);

// SAFETY: the field is an atomic; the padding is not accessed.
unsafe impl Atomic for Large {}

#[test]
#[should_panic(expected = "an alignment above that of a page")]
fn a_type_whose_alignment_the_segment_does_not_have_panics() {
    let mut segments: Vec<Segment> = (0..8)
        .map(|_| Segment::create(name(), 4096).unwrap())
        .collect();
    for segment in &mut segments {
        for large in segment.as_atomics::<Large>() {
            large.0.store(1, Ordering::Relaxed);
        }
    }
}

#[test]
#[should_panic(expected = "has no size")]
fn a_type_without_a_size_panics() {
    let mut segment = Segment::create(name(), 10).unwrap();
    let _ = segment.as_atomics::<[AtomicU8; 0]>();
}

#[test]
fn atomics_at_offsets_are_checked() {
    let (segment, view) = pair(5000);
    // SAFETY: this thread uses these bytes by no other atomics meanwhile.
    let word = unsafe { segment.atomic::<AtomicU32>(4996) }.unwrap();
    word.store(0x0101_0101, Ordering::Relaxed);
    // SAFETY: as above.
    let same = unsafe { view.atomic::<AtomicU32>(4996) }.unwrap();
    assert_eq!(same.load(Ordering::Acquire), 0x0101_0101);
    for offset in [5000, usize::MAX] {
        let what = format!("access 4 bytes at offset {offset} ");
        // SAFETY: no reference is returned.
        let ours = unsafe { segment.atomic::<AtomicU32>(offset) };
        assert_out_of_range(ours.map(drop), &what);
        // SAFETY: as above.
        let theirs = unsafe { view.atomic::<AtomicU32>(offset) };
        assert_out_of_range(theirs.map(drop), &what);
    }
    // SAFETY: as above.
    let error = unsafe { segment.atomic::<AtomicU64>(12) }.unwrap_err();
    assert_eq!(error.errno(), libc::EINVAL);
    assert!(
        error.to_string().contains(": it is not a multiple of 8: "),
        "{error}"
    );
}

#[test]
fn slices_show_the_bytes_and_change_them() {
    let (mut segment, view) = pair(5000);
    // SAFETY: no other thread uses the segment.
    let bytes = unsafe { segment.as_mut_slice() };
    assert_eq!(bytes.len(), 5000);
    bytes[4990..].copy_from_slice(b"0123456789");
    // SAFETY: as above.
    assert_eq!(&unsafe { view.as_slice() }[4990..], b"0123456789");
    // SAFETY: as above.
    assert_eq!(&unsafe { segment.as_slice() }[4990..], b"0123456789");
}

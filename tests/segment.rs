//! Creating, attaching, saving and loading segments from Rust.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use shm_util::Segment;

/// A name that no other test and no other run uses.
fn name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("rust test {} {number}", std::process::id())
}

fn fill(segment: &Segment, value: u8) {
    for byte in segment.bytes() {
        byte.store(value, Ordering::Relaxed);
    }
}

fn all_are(segment: &Segment, value: u8) -> bool {
    segment
        .bytes()
        .iter()
        .all(|byte| byte.load(Ordering::Relaxed) == value)
}

#[test]
fn a_new_segment_is_zero_and_has_the_requested_size() {
    let segment = Segment::create(name(), 5000).unwrap();
    assert_eq!(segment.len(), 5000);
    assert!(!segment.is_empty());
    assert!(all_are(&segment, 0));
}

#[test]
fn two_attachments_of_a_name_share_the_bytes() {
    let name = name();
    let ours = Segment::create(&name, 100).unwrap();
    let theirs = Segment::open(&name).unwrap();
    fill(&ours, 7);
    assert!(all_are(&theirs, 7));
    assert_eq!(ours.id(), theirs.id());
    assert_eq!(theirs.name(), name.as_bytes());
    assert_ne!(ours.bytes().as_ptr(), theirs.bytes().as_ptr());
}

#[test]
fn the_last_destroy_deletes_the_name_in_either_order() {
    for first_is_ours in [true, false] {
        let name = name();
        let ours = Segment::create(&name, 100).unwrap();
        let theirs = Segment::open(&name).unwrap();
        fill(&ours, 3);
        let (first, last) = if first_is_ours {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        first.destroy().unwrap();
        assert!(all_are(&last, 3));
        drop(last);
        let error = Segment::open(&name).unwrap_err();
        assert_eq!(error.errno(), libc::ENOENT);
    }
}

#[test]
fn errors_of_names_and_sizes_say_what_is_wrong() {
    let errno = |result: shm_util::Result<Segment>| result.unwrap_err().errno();
    assert_eq!(errno(Segment::create(name(), 0)), libc::EINVAL);
    assert_eq!(errno(Segment::create([b'x'; 1001], 1)), libc::ENAMETOOLONG);
    assert_eq!(errno(Segment::create(b"a\0b", 1)), libc::EINVAL);
    let name = name();
    let error = Segment::create(&name, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("create segment '{name}': its size would be 0: Invalid argument")
    );
    let segment = Segment::create(&name, 4096).unwrap();
    let error = Segment::create(&name, 8192).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("segment '{name}' has 4096 bytes, 8192 requested: Invalid argument")
    );
    let error: std::io::Error = error.into();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    drop(segment);
}

#[test]
fn a_saved_segment_is_loaded_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("segment");
    let segment = Segment::create(name(), 10_000).unwrap();
    fill(&segment, 9);
    segment.save(&file).unwrap();
    assert_eq!(fs::read(&file).unwrap(), [9; 10_000]);
    fill(&segment, 1);
    let loaded = segment.load(&file).unwrap();
    assert!(all_are(&segment, 9));
    assert!(!loaded.sizes_differ());
    assert_eq!(loaded.bytes, 10_000);
}

#[test]
fn a_file_of_another_size_is_loaded_as_far_as_both_hold() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let segment = Segment::create(name(), 100).unwrap();
    for (size, read) in [(40, 40), (300, 100)] {
        fs::write(&file, vec![5; size]).unwrap();
        fill(&segment, 0);
        let loaded = segment.load(&file).unwrap();
        assert!(loaded.sizes_differ());
        assert_eq!((loaded.file, loaded.bytes), (size as u64, read as u64));
        let sum: usize = segment
            .bytes()
            .iter()
            .map(|byte| usize::from(byte.load(Ordering::Relaxed)))
            .sum();
        assert_eq!(sum, 5 * read);
    }
}

#[test]
fn threads_that_create_and_destroy_the_same_name_leave_nothing() {
    let name = name();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let segment = Segment::create(&name, 4096).unwrap();
                    assert_eq!(segment.len(), 4096);
                    segment.destroy().unwrap();
                }
            });
        }
    });
    assert_eq!(Segment::open(&name).unwrap_err().errno(), libc::ENOENT);
}

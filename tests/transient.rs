//! Transient and hidden segments, used from Rust.

#![allow(clippy::unwrap_used)] // its job is to fail

use std::sync::atomic::Ordering;

use shm_util::{Options, Reason, Segment};

fn name(of: &str) -> String {
    format!("transient test {of} {}", std::process::id())
}

#[test]
fn a_transient_segment_does_not_outlive_its_last_attachment() {
    let name = name("end");
    let first = Options::new().transient(true).create(&name, 100).unwrap();
    let second = Segment::create(&name, 100).unwrap();
    assert!(first.is_new() && !second.is_new());
    let info = shm_util::info(&name).unwrap();
    assert!(info.transient && !info.kept && !info.hidden && info.key == 0);
    first.detach().unwrap();
    assert_eq!(Segment::open(&name).unwrap().id(), second.id());
    second.detach().unwrap();
    assert_eq!(shm_util::info(&name).unwrap_err().errno(), libc::ENOENT);
}

#[test]
fn a_transient_segment_cannot_be_kept() {
    let name = name("keep");
    let both = Options::new().transient(true).keep(true);
    let error = both.create(&name, 100).unwrap_err();
    assert_eq!(
        (error.errno(), error.reason()),
        (libc::EINVAL, Reason::Argument)
    );
    let segment = Options::new().transient(true).create(&name, 100).unwrap();
    for error in [segment.keep(true), shm_util::keep(&name, true)] {
        let error = error.unwrap_err();
        assert_eq!(
            (error.errno(), error.reason()),
            (libc::EINVAL, Reason::Transient)
        );
    }
    segment.keep(false).unwrap();
    assert!(segment.info().unwrap().transient);
}

#[test]
fn a_hidden_segment_is_found_when_it_is_published() {
    let name = name("publish");
    let segment = Options::new().hidden(true).create(&name, 100).unwrap();
    assert!(segment.info().unwrap().hidden);
    segment.bytes()[7].store(42, Ordering::Relaxed);
    assert_eq!(Segment::open(&name).unwrap_err().errno(), libc::ENOENT);
    assert!(
        shm_util::list()
            .unwrap()
            .iter()
            .all(|one| one.name != name.as_bytes())
    );
    segment.publish().unwrap();
    let found = Segment::open(&name).unwrap();
    assert_eq!(found.bytes()[7].load(Ordering::Relaxed), 42);
    for segment in [&segment, &found] {
        let error = segment.publish().unwrap_err();
        assert_eq!(
            (error.errno(), error.reason()),
            (libc::EINVAL, Reason::NotHidden)
        );
    }
}

#[test]
fn a_hidden_segment_that_is_dropped_is_deleted() {
    let name = name("drop");
    for keep in [false, true] {
        let segment = Options::new()
            .hidden(true)
            .keep(keep)
            .create(&name, 100)
            .unwrap();
        let (id, uncreated) = (segment.id(), Options::new().hidden(true).open(&name));
        assert_eq!(uncreated.unwrap_err().errno(), libc::EINVAL);
        drop(segment);
        let mut status = std::mem::MaybeUninit::uninit();
        // SAFETY: the kernel writes a whole shmid_ds.
        let found = unsafe { libc::shmctl(id, libc::IPC_STAT, status.as_mut_ptr()) };
        assert_eq!(found, -1);
    }
}

#[test]
fn threads_that_create_transient_segments_at_once_get_one() {
    let name = name("threads");
    for _ in 0..200 {
        let created = std::thread::scope(|scope| {
            let create = || Options::new().transient(true).create(&name, 100).unwrap();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
            let all: Vec<_> = threads.into_iter().map(|one| one.join().unwrap()).collect();
            assert!(all.iter().all(|one| one.id() == all.first().unwrap().id()));
            all.iter().filter(|one| one.is_new()).count()
        });
        assert_eq!(created, 1);
    }
}

//! Pruning, as a new Rust program uses it. One test, because it looks at a whole
//! name space, which is the process's.

use std::time::Duration;

use shm_util::{Options, Segment};

/// Takes the mapping away behind the segment's back, and forgets the segment: as
/// if this process had died.
fn abandon(segment: Segment) {
    let address = segment.bytes().as_ptr();
    // SAFETY: nobody looks at the bytes any more.
    assert_eq!(unsafe { libc::shmdt(address.cast()) }, 0);
    std::mem::forget(segment);
}

fn names(infos: &[shm_util::Info]) -> Vec<String> {
    let mut names: Vec<_> = infos
        .iter()
        .map(|info| String::from_utf8_lossy(&info.name).into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn prune_removes_what_is_old_unused_and_not_kept_alone() {
    let space = format!("/prune test/{}", std::process::id());
    // SAFETY: the only test, so nobody else looks at the environment.
    unsafe { std::env::set_var("NOB_DATABASE", space) };

    assert_eq!(shm_util::list().unwrap(), []);
    assert_eq!(shm_util::prune(Duration::ZERO).unwrap(), []);
    assert_eq!(shm_util::info("any").unwrap_err().errno(), libc::ENOENT);
    assert_eq!(shm_util::remove("any").unwrap_err().errno(), libc::ENOENT);
    assert_eq!(
        shm_util::registry().unwrap(),
        None,
        "who only looks makes none"
    );

    let mapped = Segment::create("mapped", 100).unwrap();
    abandon(Segment::create("orphan", 200).unwrap());
    abandon(Segment::create("another", 300).unwrap());
    abandon(Options::new().keep(true).create("kept", 400).unwrap());
    let all = ["another", "kept", "mapped", "orphan"];
    assert_eq!(names(&shm_util::list().unwrap()), all);
    assert_eq!(
        names(&shm_util::prune(Duration::from_secs(3600)).unwrap()),
        [""; 0]
    );
    assert_eq!(names(&shm_util::list().unwrap()), all);
    assert_eq!(shm_util::registry().unwrap().unwrap().names, 4);

    let pruned = names(&shm_util::prune(Duration::ZERO).unwrap());
    assert_eq!(pruned, ["another", "orphan"]);
    assert_eq!(names(&shm_util::list().unwrap()), ["kept", "mapped"]);
    assert_eq!(shm_util::registry().unwrap().unwrap().names, 2);

    // Young again by its last use, however old it is.
    abandon(Segment::create("used", 100).unwrap());
    std::thread::sleep(Duration::from_millis(2100));
    abandon(Segment::open("used").unwrap());
    assert_eq!(
        names(&shm_util::prune(Duration::from_secs(2)).unwrap()),
        [""; 0]
    );
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(
        names(&shm_util::prune(Duration::from_secs(2)).unwrap()),
        ["used"]
    );

    shm_util::remove("kept").unwrap();
    mapped.destroy().unwrap();
    assert_eq!(shm_util::list().unwrap(), []);
}

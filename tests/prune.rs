//! Pruning. One test only: it looks at the whole namespace, which belongs to the process.

use std::time::Duration;

use shm_util::{Options, Segment};

/// Detaches a segment without the library's knowledge, as if this process had died.
fn abandon(segment: Segment) {
    let address = segment.bytes().as_ptr();
    // SAFETY: nothing uses the bytes any more.
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
fn prune_removes_only_old_orphans() {
    let namespace = format!("/prune test/{}", std::process::id());
    // SAFETY: this is the only test, so no other thread reads the environment.
    unsafe { std::env::set_var("NOB_DATABASE", namespace) };

    assert_eq!(shm_util::list().unwrap(), []);
    assert_eq!(shm_util::prune(Duration::ZERO).unwrap(), []);
    assert_eq!(shm_util::info("any").unwrap_err().errno(), libc::ENOENT);
    assert_eq!(shm_util::remove("any").unwrap_err().errno(), libc::ENOENT);
    assert_eq!(
        shm_util::registry().unwrap(),
        None,
        "looking creates no registry"
    );

    let attached = Segment::create("attached", 100).unwrap();
    abandon(Segment::create("orphan", 200).unwrap());
    abandon(Segment::create("another", 300).unwrap());
    abandon(Options::new().keep(true).create("kept", 400).unwrap());
    let all = ["another", "attached", "kept", "orphan"];
    assert_eq!(names(&shm_util::list().unwrap()), all);
    assert_eq!(
        names(&shm_util::prune(Duration::from_secs(3600)).unwrap()),
        [""; 0]
    );
    assert_eq!(names(&shm_util::list().unwrap()), all);
    assert_eq!(shm_util::registry().unwrap().unwrap().names, 4);

    let pruned = names(&shm_util::prune(Duration::ZERO).unwrap());
    assert_eq!(pruned, ["another", "orphan"]);
    assert_eq!(names(&shm_util::list().unwrap()), ["attached", "kept"]);
    assert_eq!(shm_util::registry().unwrap().unwrap().names, 2);

    // An attachment starts the age again.
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
    attached.destroy().unwrap();
    assert_eq!(shm_util::list().unwrap(), []);
}

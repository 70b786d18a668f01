//! The protocol of a directory. Each attachment has a file description of its own, so several in
//! one process behave like those of several processes.

use std::fs;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::change::Fate;
use super::existing::{self, Identity};
use super::lock::{self, Claim};
use super::store::Pauses;
use super::*;
use crate::allocate::Boxed;
use crate::errno::Errno;
use crate::error::{Reason, Result};
use crate::file::Status;
use crate::info::{Kind, Permissions};
use crate::name::OwnedName;
use crate::patience;
use crate::request::{Access, Creation, Lifetime, Placement, Request, Swapping, Target, Wanted};

/// A directory of the test's own.
struct Scratch {
    path: PathBuf,
    store: Directory,
}

impl Scratch {
    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "shm_util.directory.{}.{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name).join("");
        fs::create_dir(&path).unwrap();
        let bytes = path.as_os_str().as_encoded_bytes();
        let store = Directory::new(Arc::from(bytes));
        Self { path, store }
    }

    fn request(wanted: Wanted) -> Request {
        Request {
            wanted,
            lifetime: Lifetime::Used,
            hidden: false,
            creation: Creation::with_mode(Creation::USUAL_MODE),
            access: Access::ReadWrite,
            placement: Placement::Anywhere,
        }
    }

    fn attach_as(&self, name: &str, request: &Request) -> Result<Boxed<Attached>> {
        let name = OwnedName::new(name.as_bytes()).unwrap();
        self.store.attach(name, request)
    }

    fn attach(&self, name: &str, wanted: Wanted) -> Result<Boxed<Attached>> {
        self.attach_as(name, &Self::request(wanted))
    }

    fn create(&self, name: &str, size: usize) -> Boxed<Attached> {
        self.attach(name, Wanted::OfSize(NonZeroUsize::new(size).unwrap()))
            .unwrap()
    }

    fn open(&self, name: &str) -> Result<Boxed<Attached>> {
        self.attach(name, Wanted::Existing)
    }

    fn hide(&self, name: &str, size: usize) -> Boxed<Attached> {
        let request = Request {
            hidden: true,
            ..Self::request(Wanted::New(NonZeroUsize::new(size).unwrap()))
        };
        self.attach_as(name, &request).unwrap()
    }

    /// The files in the directory, sorted.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.path).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn mappings(&self, name: &str) -> u64 {
        self.store
            .info(Target::Name(name.as_bytes()))
            .unwrap()
            .mappings
    }

    fn identity(&self, name: &str) -> Identity {
        Identity::of(&Status::of_path(&self.file(name)).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn errno<T>(result: Result<T>) -> i32 {
    result.err().map_or(0, |error| error.errno())
}

#[test]
fn a_segment_is_a_file_with_exactly_its_bytes() {
    let scratch = Scratch::new();
    let mut one = scratch.create("a/b", 5000);
    assert_eq!(scratch.files(), ["a%2Fb"]);
    one.bytes()[4999].store(7, Ordering::Relaxed);
    let bytes = fs::read(scratch.file("a%2Fb")).unwrap();
    assert_eq!((bytes.len(), bytes[4999], bytes[0]), (5000, 7, 0));
    let metadata = fs::metadata(scratch.file("a%2Fb")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    assert!(
        metadata.blocks() * 512 >= 5000,
        "there is room for all of it"
    );
    let info = one.info().unwrap();
    assert_eq!(
        (info.kind, info.id, info.size, info.mappings),
        (Kind::Directory, -1, 5000, 1)
    );
    one.close().unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn the_last_holder_deletes() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    let mut two = scratch.create("x", 50);
    assert!(one.was_created() && !two.was_created());
    assert_eq!((two.bytes().len(), scratch.mappings("x")), (100, 2));
    one.close().unwrap();
    assert_eq!((scratch.files().len(), scratch.mappings("x")), (1, 1));
    let mut view = scratch
        .attach_as(
            "x",
            &Request {
                access: Access::ReadOnly,
                ..Scratch::request(Wanted::Existing)
            },
        )
        .unwrap();
    two.close().unwrap();
    assert_eq!(scratch.files(), ["x"]);
    view.close().unwrap();
    assert!(scratch.files().is_empty());
    assert_eq!(errno(scratch.open("x")), libc::ENOENT);
}

#[test]
fn the_descriptor_of_a_hidden_segment_may_be_another_files() {
    let scratch = Scratch::new();
    let mut one = scratch.hide("x", 100);
    let fd = one.hidden.as_ref().unwrap().file.as_raw_fd();
    let other = fs::File::create(scratch.file(".other")).unwrap();
    // This is what a program does that closes all descriptors, and opens files of its own.
    // SAFETY: nobody else uses the descriptor.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), fd) }, fd);
    assert_eq!(errno(one.publish()), libc::EBADF);
    assert_eq!(errno(one.info()), libc::EBADF);
    assert_eq!(errno(one.set_lifetime(Lifetime::Kept)), libc::EBADF);
    one.close().unwrap();
    assert_eq!(scratch.files(), [".other"]);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::close(fd) }, 0, "it was not closed");
}

#[test]
fn no_descriptor_stays_open_and_the_mapping_counts() {
    let scratch = Scratch::new();
    let one = scratch.create("x", 100);
    let link = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    let targets = || {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(link)
    };
    // On a layer over another file system, one descriptor keeps the lock.
    let system = FileSystem::of(&fs::File::open(&scratch.path).unwrap()).unwrap();
    let kept = usize::from(matches!(system, FileSystem::Layer | FileSystem::Fuse));
    let is_inside = |target: &PathBuf| target.starts_with(&scratch.path);
    assert_eq!(targets().filter(is_inside).count(), kept);
    assert_eq!(scratch.mappings("x"), 1);
    drop(one);
    assert_eq!(scratch.mappings("x"), 0);
}

#[test]
fn every_attachment_counts() {
    let scratch = Scratch::new();
    let all: Vec<_> = (0..100).map(|_| scratch.create("x", 100)).collect();
    assert_eq!(scratch.mappings("x"), 100);
    let file = existing::open(&scratch.file("x"), Access::ReadWrite).unwrap();
    assert!(lock::attach(&file).unwrap().is_some());
    assert_eq!(lock::count(&file), Ok(100), "without its own");
    let path = scratch.file("x");
    let claimed = lock::claim(&file, &path, Claim::Name);
    assert!(claimed.unwrap().is_some(), "which excludes nobody");
    drop(all);
    assert_eq!(
        (lock::count(&file), lock::is_attached(&file)),
        (Ok(0), Ok(false))
    );
    assert_eq!(scratch.mappings("x"), 1);
}

#[test]
fn detaching_deletes_nothing_and_the_next_holder_finds_the_bytes() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    one.bytes()[1].store(3, Ordering::Relaxed);
    one.detach().unwrap();
    let mut again = scratch.open("x").unwrap();
    assert_eq!(again.bytes()[1].load(Ordering::Relaxed), 3);
    again.close().unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn sizes_are_checked() {
    let scratch = Scratch::new();
    let _one = scratch.create("x", 100);
    let large = Wanted::OfSize(NonZeroUsize::new(101).unwrap());
    let error = scratch.attach("x", large).unwrap_err();
    assert_eq!(
        (error.errno(), error.reason()),
        (libc::EINVAL, Reason::TooSmall)
    );
    let new = Wanted::New(NonZeroUsize::MIN);
    assert_eq!(errno(scratch.attach("x", new)), libc::EEXIST);
    assert_eq!(scratch.mappings("x"), 1, "failed calls leave no attachment");
    assert_eq!(scratch.files(), ["x"]);
}

#[test]
fn an_address_that_is_in_use_is_refused_and_leaves_nothing() {
    let scratch = Scratch::new();
    let one = scratch.create("x", 100);
    let placement = Placement::At(one.bytes().as_ptr().addr());
    let request = Request {
        placement,
        ..Scratch::request(Wanted::OfSize(NonZeroUsize::MIN))
    };
    for name in ["new", "x"] {
        let error = scratch.attach_as(name, &request).unwrap_err();
        assert_eq!(
            (error.errno(), error.reason()),
            (libc::EINVAL, Reason::Address),
            "{name}"
        );
    }
    assert_eq!(
        (scratch.files(), scratch.mappings("x")),
        (vec!["x".to_owned()], 1)
    );
}

#[test]
fn what_is_no_segment_is_refused_and_stays() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.file("directory")).unwrap();
    symlink("/dev/null", scratch.file("link")).unwrap();
    symlink("nowhere", scratch.file("dangling")).unwrap();
    fs::write(scratch.file("empty"), "").unwrap();
    let fifo = std::ffi::CString::new(scratch.file("fifo").into_os_string().into_encoded_bytes());
    // SAFETY: the path is a string.
    assert_eq!(unsafe { libc::mkfifo(fifo.unwrap().as_ptr(), 0o600) }, 0);
    let before = scratch.files();
    for name in ["directory", "link", "dangling", "empty", "fifo"] {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let wanted = Wanted::OfSize(NonZeroUsize::MIN);
            let request = Request {
                access,
                ..Scratch::request(wanted)
            };
            assert_eq!(
                errno(scratch.attach_as(name, &request)),
                libc::EINVAL,
                "{name}"
            );
        }
        assert_eq!(errno(scratch.open(name)), libc::EINVAL, "{name}");
        let target = Target::Name(name.as_bytes());
        assert_eq!(errno(scratch.store.info(target)), libc::EINVAL, "{name}");
        assert_eq!(errno(scratch.store.remove(target)), libc::EINVAL, "{name}");
        let new = Wanted::New(NonZeroUsize::MIN);
        assert_eq!(errno(scratch.attach(name, new)), libc::EINVAL, "{name}");
    }
    assert!(scratch.store.list().unwrap().is_empty());
    assert!(scratch.store.prune(Duration::ZERO).unwrap().is_empty());
    assert_eq!(scratch.files(), before);
}

#[test]
fn a_kept_segment_outlives_its_holders() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    one.set_lifetime(Lifetime::Kept).unwrap();
    assert!(one.info().unwrap().kept && one.info().unwrap().mode == 0o660);
    one.close().unwrap();
    assert!(scratch.store.prune(Duration::ZERO).unwrap().is_empty());
    scratch.store.set_lifetime(b"x", Lifetime::Used).unwrap();
    assert_eq!(
        scratch.files(),
        ["x"],
        "it is an orphan, and stays until a holder destroys it"
    );
    scratch.open("x").unwrap().close().unwrap();
    assert!(scratch.files().is_empty());
    assert_eq!(
        errno(scratch.store.set_lifetime(b"x", Lifetime::Kept)),
        libc::ENOENT
    );
}

#[test]
fn a_removed_name_is_free_while_its_segment_is_in_use() {
    let scratch = Scratch::new();
    let mut old = scratch.create("x", 100);
    scratch.store.remove(Target::Name(b"x")).unwrap();
    assert!(scratch.files().is_empty());
    let mut new = scratch.create("x", 200);
    assert_eq!(old.bytes().len(), 100);
    old.bytes()[0].store(1, Ordering::Relaxed);
    assert_eq!(new.bytes()[0].load(Ordering::Relaxed), 0);
    assert_eq!(
        errno(old.remove()),
        libc::EIDRM,
        "the name is another segment's"
    );
    assert_eq!(errno(old.set_lifetime(Lifetime::Kept)), libc::EIDRM);
    assert_eq!(old.info().unwrap().size, 100);
    old.close().unwrap();
    assert_eq!(scratch.files(), ["x"], "the new segment stays");
    new.remove().unwrap();
    new.close().unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn permissions_change_without_ending_what_is_kept() {
    let scratch = Scratch::new();
    let one = scratch.create("x", 100);
    one.set_lifetime(Lifetime::Kept).unwrap();
    let mode = |mode| Permissions {
        mode: Some(mode),
        ..Permissions::default()
    };
    one.set_permissions(mode(0o604)).unwrap();
    let info = scratch.store.info(Target::Name(b"x")).unwrap();
    assert!(info.kept && info.mode == 0o604);
    scratch.store.set_permissions(b"x", mode(0o777)).unwrap();
    assert_eq!(
        one.info().unwrap().mode,
        0o666,
        "files have no bits for execution"
    );
    assert!(one.info().unwrap().kept);
    assert_eq!(errno(one.set_permissions(mode(0o1000))), libc::EINVAL);
    assert_eq!(errno(one.set_swapping(Swapping::Forbidden)), libc::ENOTSUP);
    one.set_swapping(Swapping::Allowed).unwrap();
}

#[test]
fn the_owner_may_delete_what_its_mode_does_not_allow_to_open() {
    let scratch = Scratch::new();
    for mode in [0, 0o400, 0o200] {
        let request = Request {
            creation: Creation::with_mode(mode),
            ..Scratch::request(Wanted::New(NonZeroUsize::MIN))
        };
        let mut one = scratch.attach_as("x", &request).unwrap();
        assert_eq!(one.info().unwrap().mode, mode);
        one.close().unwrap();
        assert!(scratch.files().is_empty());
    }
}

#[test]
fn a_hidden_segment_has_no_file_until_it_is_published() {
    let scratch = Scratch::new();
    let mut hidden = scratch.hide("x", 100);
    let mut second = scratch.hide("x", 200);
    hidden.set_lifetime(Lifetime::Kept).unwrap();
    hidden.set_lifetime(Lifetime::Used).unwrap();
    assert!(hidden.info().unwrap().hidden && scratch.files().is_empty());
    assert_eq!(errno(hidden.remove()), libc::EIDRM);
    hidden.bytes()[0].store(9, Ordering::Relaxed);
    hidden.publish().unwrap();
    assert!(!hidden.info().unwrap().hidden);
    assert_eq!(errno(hidden.publish()), libc::EINVAL);
    assert_eq!(errno(second.publish()), libc::EEXIST);
    assert_eq!(fs::read(scratch.file("x")).unwrap()[0], 9);
    second.close().unwrap();
    hidden.close().unwrap();
    assert!(scratch.files().is_empty());
    drop(scratch.hide("x", 100));
    assert!(
        scratch.files().is_empty(),
        "a creator that dies leaves nothing"
    );
}

#[test]
fn a_file_that_is_being_deleted_cannot_be_attached() {
    let scratch = Scratch::new();
    scratch.create("x", 100).detach().unwrap();
    let deleter = existing::open(&scratch.file("x"), Access::ReadWrite).unwrap();
    let claimed = lock::claim(&deleter, &scratch.file("x"), Claim::Segment).unwrap();
    assert!(claimed.is_some());
    let path = scratch.file("x");
    let waiter = {
        let store = scratch.store.clone();
        std::thread::spawn(move || {
            let name = OwnedName::new(b"x").unwrap();
            let request = Scratch::request(Wanted::OfSize(NonZeroUsize::new(7).unwrap()));
            store
                .attach(name, &request)
                .map(|attached| attached.bytes().len())
        })
    };
    // The look-up takes no lock, so the segment does not seem to be attached.
    assert_eq!(scratch.mappings("x"), 0);
    fs::remove_file(path).unwrap();
    drop((deleter, claimed));
    assert_eq!(waiter.join().unwrap().unwrap(), 7, "a new segment");
}

#[test]
fn only_a_segment_that_nobody_uses_is_deleted() {
    let scratch = Scratch::new();
    let delete = |segment| {
        scratch
            .store
            .try_to_delete(b"x", &scratch.file("x"), segment, None, |_| true)
            .unwrap()
    };
    let mut one = scratch.create("x", 100);
    let segment = scratch.identity("x");
    assert_eq!(delete(segment), Fate::InUse);
    one.detach().unwrap();
    let changer = existing::open(&scratch.file("x"), Access::ReadWrite).unwrap();
    let claimed = lock::claim(&changer, &scratch.file("x"), Claim::Name).unwrap();
    assert!(claimed.is_some());
    assert_eq!(delete(segment), Fate::Changing);
    drop((changer, claimed));
    scratch.store.set_lifetime(b"x", Lifetime::Kept).unwrap();
    assert_eq!(delete(segment), Fate::Kept);
    scratch.store.set_lifetime(b"x", Lifetime::Used).unwrap();
    fs::rename(scratch.file("x"), scratch.file("y")).unwrap();
    assert_eq!(delete(segment), Fate::Gone);
    scratch.create("x", 100).detach().unwrap();
    assert_eq!(delete(segment), Fate::Gone, "the name is another segment's");
    fs::remove_file(scratch.file("x")).unwrap();
    fs::rename(scratch.file("y"), scratch.file("x")).unwrap();
    assert_eq!(delete(segment), Fate::Deleted);
}

#[test]
fn the_last_holder_waits_for_a_change() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    let path = scratch.file("x");
    let changer = existing::open(&path, Access::ReadWrite).unwrap();
    let claimed = lock::claim(&changer, &scratch.file("x"), Claim::Name).unwrap();
    assert!(claimed.is_some());
    let other = scratch.create("x", 100);
    drop(other); // attaching and detaching wait for nothing
    let last = std::thread::spawn(move || {
        crate::patience::renew();
        one.close()
    });
    let is_detached = || existing::count(&path) == Ok(0);
    while !is_detached() {
        std::thread::yield_now();
    }
    assert_eq!(scratch.files(), ["x"]);
    drop((changer, claimed));
    last.join().unwrap().unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn the_last_holder_waits_for_a_child_that_is_being_started() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    // Stands for the copy of a descriptor: its lock is the attachment's own.
    let copy = existing::open(&scratch.file("x"), Access::ReadWrite).unwrap();
    let byte = lock::attach(&copy).unwrap().unwrap();
    let delete = |own| {
        let (path, segment) = (scratch.file("x"), scratch.identity("x"));
        scratch
            .store
            .try_to_delete(b"x", &path, segment, own, |_| true)
    };
    one.detach().unwrap();
    assert_eq!(delete(None).unwrap(), Fate::InUse);
    assert_eq!(delete(Some(byte)).unwrap(), Fate::Spawning);
    let path = scratch.file("x");
    let segment = scratch.identity("x");
    let last = {
        let store = scratch.store.clone();
        std::thread::spawn(move || {
            crate::patience::renew();
            store.delete_if_unused(b"x", &path, segment, Some(byte))
        })
    };
    drop(copy);
    assert_eq!(last.join().unwrap().unwrap(), Fate::Deleted);
}

#[test]
fn a_name_that_was_moved_while_it_was_attached_is_looked_up_again() {
    let scratch = Scratch::new();
    let mut old = scratch.create("x", 100);
    // A backup keeps the file, so its link count does not show that it was removed.
    fs::hard_link(scratch.file("x"), scratch.file(".backup")).unwrap();
    scratch.store.remove(Target::Name(b"x")).unwrap();
    let mut new = scratch.create("x", 200);
    assert_eq!((old.bytes().len(), new.bytes().len()), (100, 200));
    new.close().unwrap();
    old.close().unwrap();
    assert_eq!(scratch.files(), [".backup"]);
}

#[test]
fn an_attach_that_fails_locks_nothing() {
    let scratch = Scratch::new();
    scratch.create("x", 100).detach().unwrap();
    let deleter = existing::open(&scratch.file("x"), Access::ReadWrite).unwrap();
    let claimed = lock::claim(&deleter, &scratch.file("x"), Claim::Segment).unwrap();
    assert!(claimed.is_some());
    // Otherwise these would wait for the lock.
    let large = Wanted::OfSize(NonZeroUsize::new(101).unwrap());
    assert_eq!(errno(scratch.attach("x", large)), libc::EINVAL);
    let used = scratch.create("z", 1);
    let request = Request {
        placement: Placement::At(used.bytes().as_ptr().addr()),
        ..Scratch::request(Wanted::Existing)
    };
    assert_eq!(errno(scratch.attach_as("x", &request)), libc::EINVAL);
}

#[test]
fn a_change_leaves_an_orphan_alone() {
    let scratch = Scratch::new();
    scratch.create("x", 100).detach().unwrap();
    let path = scratch.file("x");
    let done = Directory::with_claim("keep", b"x", &path, None, |_, _| Ok(()));
    assert_eq!((done.unwrap(), scratch.files().len()), (Some(()), 1));
}

#[test]
fn prune_deletes_old_orphans_and_leftovers() {
    let scratch = Scratch::new();
    let _used = scratch.create("used", 100);
    scratch.create("orphan", 100).detach().unwrap();
    let kept = scratch.create("kept", 100);
    kept.set_lifetime(Lifetime::Kept).unwrap();
    drop(kept);
    fs::write(scratch.file(".shm_util_new.1.1"), "left").unwrap();
    let held = existing::open(&scratch.file(".shm_util_new.1.1"), Access::ReadWrite).unwrap();
    assert!(lock::attach(&held).unwrap().is_some());
    assert!(
        scratch
            .store
            .prune(Duration::from_secs(1000))
            .unwrap()
            .is_empty()
    );
    let names = [".shm_util_new.1.1", "kept", "orphan", "used"];
    assert_eq!(
        scratch.files(),
        names,
        "its creator lives, and the orphan is young"
    );
    drop(held);
    let pruned = scratch.store.prune(Duration::ZERO).unwrap();
    assert_eq!(pruned.len(), 1);
    assert_eq!(pruned[0].name, b"orphan");
    assert_eq!(scratch.files(), ["kept", "used"]);
}

#[test]
fn attaching_begins_the_age_anew() {
    let scratch = Scratch::new();
    scratch.create("x", 100).detach().unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(5000);
    let times = fs::FileTimes::new()
        .set_accessed(long_ago)
        .set_modified(long_ago);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(scratch.file("x"))
        .unwrap();
    file.set_times(times).unwrap();
    drop(file);
    let accessed = || Status::of_path(&scratch.file("x")).unwrap().accessed;
    let before = accessed();
    scratch.open("x").unwrap().detach().unwrap();
    assert!(accessed() >= before + 4999);
}

#[test]
fn no_descriptor_left_is_an_error_and_not_a_last_look() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    let other = scratch.create("x", 100);
    // Here any error that is not about permission stands for a missing descriptor.
    let failed = existing::is_attached(&scratch.file("none"));
    assert_eq!(failed, Err(Errno(libc::ENOENT)));
    assert_eq!(existing::is_attached(&scratch.file("x")), Ok(true));
    drop(other);
    one.close().unwrap();
}

#[test]
fn a_child_that_publishes_publishes_for_both() {
    let scratch = Scratch::new();
    let mut hidden = scratch.hide("x", 100);
    // As the child's copy of the handle does.
    let fresh = hidden.hidden.as_ref().unwrap();
    assert!(!fresh.was_published(&scratch.file("x")));
    fresh.publish(&scratch.store, &scratch.file("x")).unwrap();
    assert!(fresh.was_published(&scratch.file("x")));
    assert!(!hidden.info().unwrap().hidden);
    assert_eq!(errno(hidden.publish()), libc::EINVAL);
    hidden.close().unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let scratch = Scratch::new();
    fs::remove_dir(&scratch.path).unwrap();
    let size = Wanted::OfSize(NonZeroUsize::MIN);
    for error in [
        scratch.attach("x", size).unwrap_err(),
        scratch.open("x").unwrap_err(),
        scratch.store.list().unwrap_err(),
        scratch.store.prune(Duration::ZERO).unwrap_err(),
        scratch.store.info(Target::Name(b"x")).unwrap_err(),
        scratch.store.remove(Target::Name(b"x")).unwrap_err(),
        scratch.store.expect(b"x").unwrap_err(),
    ] {
        assert_eq!(
            (error.errno(), error.reason()),
            (libc::ENOENT, Reason::Namespace)
        );
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
    let file = scratch.path.parent().unwrap();
    let file = file.join(scratch.path.file_name().unwrap());
    fs::write(&file, "").unwrap();
    let errors = [
        scratch.attach("x", size).unwrap_err(),
        scratch.open("x").unwrap_err(),
        scratch.store.list().unwrap_err(),
    ];
    fs::remove_file(&file).unwrap();
    fs::create_dir(&scratch.path).unwrap();
    for error in errors {
        assert_eq!(
            (error.errno(), error.reason()),
            (libc::ENOTDIR, Reason::Namespace)
        );
    }
}

#[test]
fn names_that_make_no_file_name_are_refused() {
    let scratch = Scratch::new();
    let long = "/".repeat(86);
    assert_eq!(errno(scratch.open(&long)), libc::ENAMETOOLONG);
    assert_eq!(scratch.create(&long[1..], 1).bytes().len(), 1);
    assert_eq!(errno(scratch.store.info(Target::Id(7))), libc::ENOENT);
}

#[test]
fn what_files_cannot_do_is_refused() {
    let scratch = Scratch::new();
    let new = Wanted::New(NonZeroUsize::MIN);
    let transient = Request {
        lifetime: Lifetime::Transient,
        ..Scratch::request(new)
    };
    assert_eq!(errno(scratch.attach_as("x", &transient)), libc::ENOTSUP);
    let mut huge = Scratch::request(new);
    huge.creation.huge_pages = true;
    assert_eq!(errno(scratch.attach_as("x", &huge)), libc::ENOTSUP);
    let bad_mode = Request {
        creation: Creation::with_mode(0o1000),
        ..Scratch::request(new)
    };
    assert_eq!(errno(scratch.attach_as("x", &bad_mode)), libc::EINVAL);
    let endless = Wanted::New(NonZeroUsize::MAX);
    assert_ne!(errno(scratch.attach("x", endless)), 0);
    assert!(scratch.files().is_empty());
}

#[test]
fn a_waiter_wakes_when_the_name_appears() {
    let scratch = Scratch::new();
    let absent = scratch.store.expect(b"x").unwrap().unwrap();
    assert!(!absent.sleep(Duration::from_millis(1)));
    let store = scratch.store.clone();
    let creator = std::thread::spawn(move || {
        let request = Scratch::request(Wanted::New(NonZeroUsize::MIN));
        store
            .attach(OwnedName::new(b"x").unwrap(), &request)
            .unwrap()
    });
    while scratch.store.expect(b"x").unwrap().is_some_and(|absent| {
        absent.sleep(Duration::from_secs(1));
        true
    }) {}
    creator.join().unwrap().close().unwrap();
    assert!(scratch.files().is_empty());
}

#[test]
fn a_truncated_file_is_an_error() {
    let scratch = Scratch::new();
    let one = scratch.create("x", 20000);
    one.check_whole().unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(scratch.file("x"))
        .unwrap()
        .set_len(10)
        .unwrap();
    assert_eq!(errno(one.check_whole()), libc::EIO);
    assert_eq!(scratch.open("x").unwrap().bytes().len(), 10);
}

#[test]
fn a_mapping_that_the_program_ended_is_left_alone() {
    let scratch = Scratch::new();
    let mut one = scratch.create("x", 100);
    let address = one.bytes().as_ptr().cast_mut().cast();
    // SAFETY: nothing uses the bytes any more.
    assert_eq!(unsafe { libc::munmap(address, 100) }, 0);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: nothing is mapped there.
    let other = unsafe { libc::mmap(address, 100, libc::PROT_READ, flags, -1, 0) };
    // Another thread may have got the address: then its mapping is there.
    let is_ours = other != libc::MAP_FAILED;
    let error = one.close().unwrap_err();
    assert_eq!(
        (error.errno(), error.reason()),
        (libc::EINVAL, Reason::Detached)
    );
    assert!(scratch.files().is_empty(), "no process has it attached");
    if is_ours {
        // SAFETY: the page that this test has mapped.
        assert_eq!(unsafe { other.cast::<u8>().read_volatile() }, 0);
        // SAFETY: as above.
        unsafe { libc::munmap(other, 100) };
    }
}

#[test]
fn a_pause_counts_with_the_time_that_it_took() {
    let requested = Duration::from_micros(20 + 60 + 140 + 300);
    patience::renew();
    let mut pauses = Pauses::new();
    let began = Instant::now();
    for _ in 0..5 {
        pauses.pause().unwrap();
    }
    let spent = patience::LIMIT.saturating_sub(patience::left());
    // The kernel ends no sleep early, and none in the very nanosecond.
    assert!(spent > requested && spent <= began.elapsed(), "{spent:?}");
}

#[test]
fn only_what_is_left_of_a_mapping_is_unmapped() {
    let scratch = Scratch::new();
    let page = crate::os::page_size();
    let mut one = scratch.create("x", 4 * page);
    let hole = one.bytes()[page..].as_ptr().cast_mut().cast();
    // The program replaces the second page.
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: nothing uses this page of the segment any more.
    let own = unsafe { libc::mmap(hole, page, protection, flags, -1, 0) };
    assert_eq!(own, hole);
    // SAFETY: the page that was just mapped.
    unsafe { own.cast::<u8>().write_volatile(7) };
    one.close().unwrap();
    assert!(scratch.files().is_empty());
    // SAFETY: as above.
    assert_eq!(unsafe { own.cast::<u8>().read_volatile() }, 7);
    // SAFETY: as above.
    unsafe { libc::munmap(own, page) };
}

#[test]
fn a_file_that_was_truncated_and_removed_is_an_error() {
    let scratch = Scratch::new();
    let one = scratch.create("x", 2 * crate::os::page_size());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(scratch.file("x"))
        .unwrap();
    fs::remove_file(scratch.file("x")).unwrap();
    one.check_whole().unwrap();
    file.set_len(10).unwrap();
    assert_eq!(errno(one.check_whole()), libc::EIO);
}

#[test]
fn threads_that_create_and_destroy_one_name_share_one_segment() {
    let scratch = Scratch::new();
    let users = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut one = scratch.create("x", 4096);
                    // Each holder counts itself in the segment: a second segment would begin at 0.
                    one.bytes()[0].fetch_add(1, Ordering::SeqCst);
                    users.fetch_add(1, Ordering::SeqCst);
                    assert!(scratch.mappings("x") >= 1, "the name stands for it");
                    let segment = scratch.identity("x");
                    assert_eq!(segment, Identity::of(&one.status));
                    users.fetch_sub(1, Ordering::SeqCst);
                    one.close().unwrap();
                }
            });
        }
    });
    assert!(scratch.files().is_empty());
}

#[test]
fn a_tool_sees_what_is_no_segment_and_what_was_left_behind() {
    let scratch = Scratch::new();
    let _segment = scratch.create("a", 100);
    let _in_progress = scratch.hide("hidden", 100);
    fs::write(scratch.file("empty"), "").unwrap();
    fs::write(scratch.file("no%name"), "x").unwrap();
    fs::write(scratch.file(".other"), "x").unwrap();
    symlink("a", scratch.file("link")).unwrap();
    fs::create_dir(scratch.file("under")).unwrap();
    for name in [".shm_util_new.1", ".shm_util_new.2"] {
        fs::write(scratch.file(name), "left").unwrap();
    }
    let held = existing::open(&scratch.file(".shm_util_new.2"), Access::ReadOnly).unwrap();
    assert!(lock::attach(&held).unwrap().is_some());
    let state = scratch.store.state().unwrap();
    let found: Vec<_> = state
        .strangers
        .iter()
        .map(|one| (std::str::from_utf8(&one.file_name).unwrap(), one.flaw))
        .collect();
    let expected = [
        ("empty", "is empty"),
        ("link", "is a symbolic link"),
        ("no%name", "has a name that stands for no segment"),
        ("under", "is a directory"),
    ];
    assert_eq!(found, expected);
    assert_eq!(state.left_behind, 1);
    assert!(state.may_create);
    assert_eq!(scratch.files().len(), 8, "it removes nothing");
    fs::set_permissions(&scratch.path, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(scratch.store.state().unwrap().mode, 0o1777);
}

#[test]
fn a_tool_sees_the_file_of_a_segment() {
    let scratch = Scratch::new();
    let _segment = scratch.create("a/b", 100);
    let file = scratch.store.file(b"a/b").unwrap().unwrap();
    assert_eq!(file.path, scratch.file("a%2Fb"));
    assert_eq!(file.inode, fs::metadata(&file.path).unwrap().ino());
    assert!(file.used > std::time::UNIX_EPOCH);
    assert_eq!(scratch.store.file(b"none").unwrap(), None);
    fs::write(scratch.file("empty"), "").unwrap();
    assert_eq!(scratch.store.file(b"empty").unwrap(), None);
}

#[test]
fn what_may_be_deleted_is_known_without_deleting_it() {
    let scratch = Scratch::new();
    scratch.create("a", 100).detach().unwrap();
    let info = scratch.store.info(Target::Name(b"a")).unwrap();
    assert!(scratch.store.may_delete(&info));
    assert_eq!(scratch.files(), ["a"]);
    fs::remove_file(scratch.file("a")).unwrap();
    assert!(!scratch.store.may_delete(&info));
}

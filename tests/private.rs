//! The private namespace, used from Rust. Each test has names of its own. A test that looks at all
//! names, or needs a process with one thread, runs in a child of fork.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // tests are meant to fail

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime};

use shm_util::{Error, Kind, Namespace, Options, Permissions, ReadOnlySegment, Reason, Segment};

fn private() -> Namespace {
    Namespace::at("private:").unwrap()
}

fn options() -> Options {
    Options::new().namespace(&private())
}

fn create(name: &str, size: usize) -> Segment {
    private().create(name, size).unwrap()
}

/// The C library's words for an error.
fn words(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap().to_owned()
}

fn exists(name: &str) -> bool {
    private().info(name).is_ok()
}

/// What the tests compare of an error.
fn reason(error: &Error) -> (i32, Reason) {
    (error.errno(), error.reason())
}

/// The `errno` value of a result; 0 for success.
fn errno<T>(result: shm_util::Result<T>) -> i32 {
    result.map_or_else(|error| error.errno(), |_| 0)
}

fn address(segment: &Segment) -> usize {
    segment.bytes().as_ptr().addr()
}

fn put(segment: &Segment, value: u8) {
    segment.bytes()[7].store(value, Relaxed);
}

fn get(segment: &Segment) -> u8 {
    segment.bytes()[7].load(Relaxed)
}

/// An address at which two pages are free. Only a process with one thread can rely on it.
fn free_address() -> usize {
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses where.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), 8192, 0, private, -1, 0) };
    assert_ne!(place, libc::MAP_FAILED);
    // SAFETY: it was just mapped, and nobody uses it.
    assert_eq!(unsafe { libc::munmap(place, 8192) }, 0);
    place.addr()
}

/// Unmaps a segment without the library's knowledge.
fn unmap(at: usize, size: usize) {
    // SAFETY: the caller does not use the bytes any more.
    let result = unsafe { libc::munmap(std::ptr::without_provenance_mut(at), size) };
    assert_eq!(result, 0);
}

/// Whether something is mapped at an address.
fn is_mapped(at: usize) -> bool {
    // SAFETY: this changes nothing.
    unsafe { libc::msync(std::ptr::without_provenance_mut(at), 1, libc::MS_ASYNC) == 0 }
}

/// Does work in a child of fork, and fails if the child does.
fn in_child(work: impl FnOnce()) {
    // SAFETY: the child uses the library and the C library, which both allow it, and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        finish_child(work);
    }
    assert_eq!(status_of(child), 0, "the child failed");
}

fn finish_child(work: impl FnOnce()) -> ! {
    // SAFETY: ends a child that hangs. Emulated machines are slow.
    unsafe { libc::alarm(200) };
    let status = catch_unwind(AssertUnwindSafe(work)).map_or(1, |()| 0);
    // SAFETY: ends the child without the exit handlers of the parent.
    unsafe { libc::_exit(status) }
}

fn status_of(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: there is room for the status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

/// The environment is read once, so this test runs in a process of its own.
#[test]
fn the_environment_selects_the_namespace_and_the_lifetime() {
    const SELF: &str = "the_environment_selects_the_namespace_and_the_lifetime";
    if std::env::var("NOB_DATABASE").as_deref() == Ok("private:") {
        let segment = Segment::create("environment", 100).unwrap();
        assert_eq!(segment.info().unwrap().kind, Kind::Private);
        assert!(segment.info().unwrap().kept);
        segment.destroy().unwrap();
        assert_eq!(private().open("environment").unwrap().len(), 100);
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", SELF])
        .env("NOB_DATABASE", "private:")
        .env("SHM_UTIL_KEEP", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn a_new_segment_is_zero_and_has_the_size_that_was_requested() {
    let segment = create("new", 5000);
    assert!(segment.is_new() && segment.len() == 5000 && segment.id() == -1);
    assert!(segment.bytes().iter().all(|byte| byte.load(Relaxed) == 0));
}

#[test]
fn two_creates_of_one_name_give_the_same_address() {
    let one = create("same", 100);
    let other = create("same", 50);
    assert_eq!(address(&one), address(&other));
    assert!(one.is_new() && !other.is_new() && other.len() == 100);
    put(&one, 42);
    assert_eq!(get(&other), 42);
}

#[test]
fn the_last_handle_deletes_the_segment() {
    let one = create("last", 100);
    let other = create("last", 100);
    one.destroy().unwrap();
    put(&other, 1);
    assert!(exists("last"));
    other.destroy().unwrap();
    assert!(!exists("last"));
    in_child(|| {
        let segment = create("last of all", 100);
        let at = address(&segment);
        segment.destroy().unwrap();
        assert!(!is_mapped(at));
    });
}

#[test]
fn sizes_are_checked() {
    let _segment = create("size", 100);
    let error = private().create("size", 101).unwrap_err();
    assert_eq!(reason(&error), (libc::EINVAL, Reason::TooSmall));
    assert_eq!(
        error.to_string(),
        "segment 'size' has 100 bytes, 101 requested: Invalid argument"
    );
    let error = options().minimum_size(101).open("size").unwrap_err();
    assert_eq!(reason(&error), (libc::EINVAL, Reason::TooSmall));
    assert_eq!(options().minimum_size(100).open("size").unwrap().len(), 100);
}

#[test]
fn an_absent_name_is_not_found() {
    let error = private().open("absent").unwrap_err();
    assert_eq!(reason(&error), (libc::ENOENT, Reason::None));
    assert!(
        error
            .to_string()
            .starts_with("no segment 'absent' in the private namespace of this process: ")
    );
    for result in [
        private().info("absent").map(drop),
        private().keep("absent", true),
        private().remove("absent"),
        private().lock("absent"),
        private().unlock("absent"),
        private().set_permissions("absent", Permissions::default()),
    ] {
        assert_eq!(errno(result), libc::ENOENT);
    }
    for number in [-1, 0, 1] {
        assert_eq!(errno(private().open_by_id(number)), libc::ENOENT);
        assert_eq!(errno(private().info_by_id(number)), libc::ENOENT);
        assert_eq!(errno(private().remove_by_id(number)), libc::ENOENT);
    }
    assert_eq!(private().registry().unwrap(), None);
}

#[test]
fn an_exclusive_segment_must_be_new() {
    let _segment = create("exclusive", 100);
    let error = options()
        .exclusive(true)
        .create("exclusive", 1)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "segment 'exclusive' already exists with 100 bytes: File exists"
    );
    assert_eq!(error.errno(), libc::EEXIST);
}

#[test]
fn names_are_any_bytes() {
    let names: [&[u8]; 4] = [b"", b"/", b"\xff", &[b'x'; 1000]];
    let segments: Vec<_> = names
        .iter()
        .map(|name| private().create(name, 10).unwrap())
        .collect();
    for (name, segment) in names.iter().zip(&segments) {
        assert_eq!(segment.name(), *name);
        assert_eq!(
            private().open(name).unwrap().bytes().as_ptr(),
            segment.bytes().as_ptr()
        );
    }
    assert_eq!(errno(private().create([b'x'; 1001], 1)), libc::ENAMETOOLONG);
}

#[test]
fn a_fixed_address_is_used() {
    in_child(|| {
        let at = free_address();
        let segment = options().at(at + 5).create("fixed", 5000).unwrap();
        assert_eq!(address(&segment), at, "rounded down");
        assert_eq!(address(&create("fixed", 1)), at);
        let there = options().at(at + 5).create("fixed", 1).unwrap();
        assert_eq!(address(&there), at, "where it is");
        let other = free_address();
        let elsewhere = options().at(other).create("fixed", 1).unwrap();
        assert_eq!(address(&elsewhere), other);
        put(&elsewhere, 42);
        assert_eq!(get(&segment), 42);
        elsewhere.destroy().unwrap();
        assert!(!is_mapped(other));
        assert_eq!(get(&segment), 42);
    });
}

#[test]
fn a_fixed_address_that_is_taken_is_an_error() {
    in_child(|| {
        let segment = create("taken", 5000);
        let stranger = create("stranger", 5000);
        let at = address(&stranger);
        let error = options().at(at).open("taken").unwrap_err();
        assert_eq!(reason(&error), (libc::EINVAL, Reason::Address));
        assert_eq!(
            error.to_string(),
            format!("attach segment 'taken' of 5000 bytes at {at:#x}: Invalid argument")
        );
        let error = options().at(at).create("taken too", 10).unwrap_err();
        assert_eq!(reason(&error), (libc::EINVAL, Reason::Address));
        assert_eq!(
            error.to_string(),
            format!("create segment 'taken too' of 10 bytes at {at:#x}: Invalid argument")
        );
        assert!(!exists("taken too"), "nothing is created");
        let view = options().at(address(&segment)).open_read_only("taken");
        assert_eq!(
            reason(&view.unwrap_err()),
            (libc::EINVAL, Reason::Address),
            "what is mapped for writing is not shared by a reader"
        );
        assert_eq!(segment.info().unwrap().mappings, 1);
    });
}

#[test]
fn a_reader_has_a_mapping_of_its_own() {
    let segment = create("read only", 100);
    let view = options().open_read_only("read only").unwrap();
    let at = view.bytes().as_ptr().cast::<u8>().cast_mut();
    assert_ne!(at.addr(), address(&segment));
    put(&segment, 42);
    assert_eq!(view.bytes()[7].load(Relaxed), 42);
    in_child(|| {
        // SAFETY: the store is a fault, which ends this child.
        let child = unsafe { libc::fork() };
        if child == 0 {
            become_ordinary(libc::RLIMIT_CORE, 0);
            // SAFETY: faults.
            unsafe { at.write_volatile(1) };
            finish_child(|| ());
        }
        assert_eq!(status_of(child) & 0x7f, libc::SIGSEGV);
    });
    view.destroy().unwrap();
    segment.destroy().unwrap();
    assert!(!exists("read only"));
}

#[test]
fn a_reader_may_create_the_segment_at_an_address() {
    in_child(|| {
        let at = free_address();
        let view = options()
            .at(at)
            .create_read_only("created read only", 8192)
            .unwrap();
        assert_eq!(view.bytes().as_ptr().addr(), at);
        let writer = create("created read only", 1);
        put(&writer, 42);
        assert_eq!(view.bytes()[7].load(Relaxed), 42);
        writer.destroy().unwrap();
        view.destroy().unwrap();
        assert!(!exists("created read only") && !is_mapped(at));
    });
}

#[test]
fn detaching_leaves_an_orphan() {
    let segment = create("orphan", 100);
    put(&segment, 42);
    segment.detach().unwrap();
    assert_eq!(private().info("orphan").unwrap().mappings, 0);
    drop(options().open_read_only("orphan").unwrap()); // detaches
    let again = private().open("orphan").unwrap();
    assert_eq!(get(&again), 42);
    again.destroy().unwrap();
    assert!(!exists("orphan"));
}

#[test]
fn a_transient_segment_ends_with_its_last_handle() {
    let create = || options().transient(true).create("transient", 100).unwrap();
    for end in [Segment::detach, Segment::destroy] {
        let (one, other) = (create(), create());
        assert!(one.info().unwrap().transient && other.info().unwrap().transient);
        end(one).unwrap();
        assert!(exists("transient"));
        end(other).unwrap();
        assert!(!exists("transient"));
    }
    let segment = create();
    for error in [segment.keep(true), private().keep("transient", true)] {
        let error = error.unwrap_err();
        assert_eq!(reason(&error), (libc::EINVAL, Reason::Transient));
        assert_eq!(
            error.to_string(),
            "keep segment 'transient': it is transient, and is deleted when its last attachment \
             ends: Invalid argument"
        );
    }
    segment.keep(false).unwrap();
    assert!(segment.info().unwrap().transient);
}

#[test]
fn a_kept_segment_stays_until_its_name_is_removed() {
    options()
        .keep(true)
        .create("kept", 100)
        .unwrap()
        .destroy()
        .unwrap();
    let segment = private().open("kept").unwrap();
    assert!(segment.info().unwrap().kept && !segment.is_new());
    segment.keep(false).unwrap();
    assert!(!segment.info().unwrap().kept);
    private().keep("kept", true).unwrap();
    segment.destroy().unwrap();
    let segment = private().open("kept").unwrap();
    private().remove("kept").unwrap();
    assert!(!exists("kept"));
    put(&segment, 42);
    assert_eq!(get(&segment), 42);
    let error = segment.keep(true).unwrap_err();
    assert_eq!(error.errno(), libc::EIDRM);
    assert!(
        error
            .to_string()
            .starts_with("keep segment 'kept': it has lost its name: ")
    );
    segment.destroy().unwrap();
}

#[test]
fn a_removed_segment_lives_until_its_last_handle_ends() {
    let old = create("removed", 100);
    let other = create("removed", 100);
    put(&old, 1);
    old.remove().unwrap();
    let new = create("removed", 200);
    assert_ne!(address(&new), address(&old));
    let error = old.remove().unwrap_err();
    assert_eq!(error.errno(), libc::EIDRM);
    assert!(error.to_string().starts_with(
        "remove segment 'removed': it has lost its name, which may be another segment's by now: "
    ));
    old.destroy().unwrap();
    assert_eq!(get(&other), 1);
    assert_eq!(
        (other.info().unwrap().size, other.info().unwrap().mappings),
        (100, 1)
    );
    other.destroy().unwrap();
    assert_eq!(private().info("removed").unwrap().size, 200);
    new.destroy().unwrap();
}

#[test]
fn removing_an_orphan_frees_its_memory() {
    in_child(|| {
        let segment = create("removed orphan", 100);
        let at = address(&segment);
        segment.detach().unwrap();
        assert!(is_mapped(at));
        private().remove("removed orphan").unwrap();
        assert!(!is_mapped(at));
    });
}

#[test]
fn a_hidden_segment_has_its_name_once_it_is_published() {
    let hidden = options().hidden(true);
    let one = hidden.create("hidden", 100).unwrap();
    let other = hidden.create("hidden", 200).unwrap();
    assert!(one.info().unwrap().hidden && !exists("hidden"));
    let error = one.remove().unwrap_err();
    assert_eq!(error.errno(), libc::EIDRM);
    assert!(
        error
            .to_string()
            .starts_with("remove segment 'hidden': it is hidden, and has no name yet: ")
    );
    one.publish().unwrap();
    assert!(!one.info().unwrap().hidden);
    assert_eq!(private().open("hidden").unwrap().len(), 100);
    let error = one.publish().unwrap_err();
    assert_eq!(reason(&error), (libc::EINVAL, Reason::NotHidden));
    assert_eq!(
        error.to_string(),
        "publish segment 'hidden': it is not hidden, or was published before: Invalid argument"
    );
    let error = other.publish().unwrap_err();
    assert_eq!(error.errno(), libc::EEXIST);
    assert_eq!(
        error.to_string(),
        "publish segment 'hidden': another segment, of 100 bytes, already has the name: File \
         exists"
    );
    one.destroy().unwrap();
    other.publish().unwrap();
    assert_eq!(private().info("hidden").unwrap().size, 200);
    assert_eq!(errno(hidden.create("hidden", 1)), libc::EEXIST);
}

#[test]
fn a_hidden_segment_ends_with_its_handle() {
    in_child(|| {
        for keep in [false, true] {
            for end in [Segment::detach, Segment::destroy] {
                let hidden = options().hidden(true).keep(keep);
                let segment = hidden.create("hidden end", 100).unwrap();
                let at = address(&segment);
                end(segment).unwrap();
                assert!(!is_mapped(at) && !exists("hidden end"));
            }
        }
    });
}

#[test]
fn a_segment_that_the_program_unmapped_is_gone() {
    in_child(|| {
        let one = create("unmapped", 4096);
        let other = create("unmapped", 4096);
        let at = address(&one);
        unmap(at, 4096);
        assert!(!exists("unmapped"));
        assert_eq!(errno(one.lock()), libc::EINVAL);
        // Something else takes the place.
        let new = options().at(at).create("unmapped", 4096).unwrap();
        assert!(new.is_new());
        put(&new, 42);
        for result in [one.destroy(), other.detach()] {
            let error = result.unwrap_err();
            assert_eq!(reason(&error), (libc::EINVAL, Reason::Detached));
            assert_eq!(
                error.to_string(),
                "detach segment 'unmapped': it is not attached there any more (the program may \
                 have called munmap): Invalid argument"
            );
        }
        assert_eq!(get(&new), 42, "nothing else is unmapped");
        assert!(exists("unmapped"), "the name is the new segment's");
    });
}

#[test]
fn what_the_program_mapped_in_place_of_a_segment_stays() {
    in_child(|| {
        let segment = create("replaced", 4096);
        let place = std::ptr::without_provenance_mut(address(&segment));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: replaces the segment's mapping, whose bytes nobody uses any more.
        let mapped = unsafe { libc::mmap(place, 4096, libc::PROT_READ, flags, -1, 0) };
        assert_eq!(mapped, place);
        let again = create("replaced", 4096);
        assert!(again.is_new() && address(&again) != place.addr());
        let error = segment.destroy().unwrap_err();
        assert_eq!(reason(&error), (libc::EINVAL, Reason::Detached));
        assert!(is_mapped(place.addr()));
    });
}

#[test]
fn a_reader_that_the_program_unmapped_is_reported_alone() {
    in_child(|| {
        let segment = create("unmapped view", 4096);
        put(&segment, 42);
        let view = options().open_read_only("unmapped view").unwrap();
        unmap(view.bytes().as_ptr().addr(), 4096);
        let error = ReadOnlySegment::detach(view).unwrap_err();
        assert_eq!(reason(&error), (libc::EINVAL, Reason::Detached));
        assert_eq!((get(&segment), segment.info().unwrap().mappings), (42, 1));
        segment.destroy().unwrap();
        assert!(!exists("unmapped view"));
    });
}

#[test]
fn a_hidden_segment_that_the_program_unmapped_cannot_be_published() {
    in_child(|| {
        let segment = options()
            .hidden(true)
            .create("unmapped hidden", 4096)
            .unwrap();
        unmap(address(&segment), 4096);
        let error = segment.publish().unwrap_err();
        assert_eq!(error.errno(), libc::EIDRM);
        assert!(error.to_string().starts_with(
            "publish segment 'unmapped hidden': the program has unmapped its memory (munmap): "
        ));
    });
}

#[test]
fn information_is_about_this_process() {
    let before = SystemTime::now() - Duration::from_secs(2);
    let segment = options().mode(0o600).create("info", 5000).unwrap();
    let _other = create("info", 1);
    let info = segment.info().unwrap();
    // SAFETY: takes nothing, and cannot fail.
    let user = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getegid() };
    assert_eq!(info.name, b"info");
    assert_eq!((info.kind, info.id, info.key), (Kind::Private, -1, 0));
    assert_eq!((info.size, info.mode, info.mappings), (5000, 0o600, 2));
    assert_eq!((info.uid, info.gid), (user, group));
    assert_eq!((info.creator_uid, info.creator_gid), (user, group));
    assert_eq!(u32::try_from(info.creator_pid), Ok(std::process::id()));
    assert_eq!(
        (info.last_pid, info.attached, info.detached),
        (0, None, None)
    );
    assert!(before < info.created && info.created <= SystemTime::now());
    assert_eq!(info.created, info.changed);
    assert!(!info.locked && !info.kept && !info.transient && !info.hidden);
    assert_eq!(private().info("info").unwrap(), info);
    assert_eq!(create("mode", 1).info().unwrap().mode, 0o660);
}

#[test]
fn permissions_are_stored() {
    let segment = create("permissions", 100);
    let mode = |mode| Permissions {
        mode: Some(mode),
        ..Permissions::default()
    };
    segment.set_permissions(mode(0o600)).unwrap();
    assert_eq!(segment.info().unwrap().mode, 0o600);
    private().set_permissions("permissions", mode(0)).unwrap();
    private()
        .set_permissions("permissions", Permissions::default())
        .unwrap();
    let owner = Permissions {
        uid: Some(12345),
        gid: Some(54321),
        mode: None,
    };
    segment.set_permissions(owner).unwrap();
    let info = segment.info().unwrap();
    assert_eq!((info.uid, info.gid, info.mode), (12345, 54321, 0));
    assert!(info.changed >= info.created);
    for result in [
        segment.set_permissions(mode(0o1000)),
        private().set_permissions("permissions", mode(0o1000)),
    ] {
        let error = result.unwrap_err();
        assert_eq!(reason(&error), (libc::EINVAL, Reason::Argument));
        assert_eq!(
            error.to_string(),
            "set the permissions of segment 'permissions': mode 01000 has bits beyond 0777: \
             Invalid argument"
        );
    }
    for (uid, gid) in [(Some(u32::MAX), None), (None, Some(u32::MAX))] {
        let invalid = Permissions {
            uid,
            gid,
            mode: None,
        };
        assert_eq!(errno(segment.set_permissions(invalid)), libc::EINVAL);
    }
}

#[test]
fn a_segment_is_locked_in_memory() {
    let segment = create("lock", 4096);
    segment.lock().unwrap();
    assert!(segment.info().unwrap().locked);
    in_child(|| {
        assert!(
            !segment.info().unwrap().locked,
            "a child does not inherit it"
        );
    });
    private().unlock("lock").unwrap();
    assert!(!segment.info().unwrap().locked);
    in_child(|| {
        become_ordinary(libc::RLIMIT_MEMLOCK, 4096);
        let large = create("large lock", 1 << 20);
        let error = large.lock().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "lock segment 'large lock' in memory, RLIMIT_MEMLOCK does not allow its size; \
                 raise it with 'ulimit -l': {}",
                words(libc::ENOMEM)
            )
        );
        assert!(!large.info().unwrap().locked);
    });
}

unsafe extern "C" {
    // The libc crate has types of its own for the first argument.
    fn setrlimit(resource: libc::c_int, limit: *const libc::rlimit) -> libc::c_int;
}

/// Sets a limit, and gives up the rights that would exceed it.
fn become_ordinary(resource: impl TryInto<libc::c_int>, limit: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: limit,
        rlim_max: limit,
    };
    let number = resource.try_into().ok().unwrap();
    // SAFETY: the limit is a whole structure.
    assert_eq!(unsafe { setrlimit(number, &raw const limit) }, 0);
    // SAFETY: takes nothing, and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: takes a number.
        assert_eq!(unsafe { libc::setuid(65534) }, 0);
    }
}

#[test]
fn too_large_a_segment_is_an_error_that_names_the_limit() {
    // Programs of 32 bits may have a quarter of all addresses.
    let size = usize::MAX / 4 * if usize::BITS == 32 { 3 } else { 1 };
    let error = private().create("large", size).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "create segment 'large' of {size} bytes, more than memory or RLIMIT_AS allows; raise \
             it with 'ulimit -v': {}",
            words(libc::ENOMEM)
        )
    );
    assert!(!exists("large"));
    in_child(|| {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: libc::rlim_t = status.split(' ').next().unwrap().parse().unwrap();
        // SAFETY: takes a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = libc::rlim_t::try_from(page).unwrap();
        become_ordinary(libc::RLIMIT_AS, pages * page + (1 << 30));
        assert_eq!(errno(private().create("large", 2 << 30)), libc::ENOMEM);
        let segment = create("large", 800 << 20);
        let error = options().open_read_only("large").unwrap_err();
        assert_eq!(error.errno(), libc::ENOMEM);
        assert!(
            error.to_string().starts_with(
                "attach segment 'large' of 838860800 bytes, more than memory or RLIMIT_AS allows"
            ),
            "{error}"
        );
        assert_eq!(segment.info().unwrap().mappings, 1);
    });
}

#[test]
fn there_are_no_huge_pages() {
    let error = options()
        .huge_pages(true)
        .create("huge", 2 << 20)
        .unwrap_err();
    assert_eq!(error.errno(), libc::ENOTSUP);
    assert_eq!(
        error.to_string(),
        format!(
            "create segment 'huge' with huge pages: private memory has none: {}",
            words(libc::ENOTSUP)
        )
    );
    assert!(!exists("huge"));
}

#[test]
fn a_sparse_segment_may_exceed_the_memory() {
    let size = usize::try_from(1_u64 << 40).unwrap_or(1 << 30);
    let sparse = options().no_reserve(true).create("sparse", size).unwrap();
    sparse.bytes()[size / 2].store(1, Relaxed);
    assert_eq!(sparse.len(), size);
}

#[test]
fn bytes_are_saved_and_loaded() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let segment = create("save", 5000);
    put(&segment, 42);
    segment.save(file.path()).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap().len(), 5000);
    put(&segment, 0);
    assert_eq!(segment.load(file.path()).unwrap().bytes, 5000);
    assert_eq!(get(&segment), 42);
    let large = create("save large", 64 << 20);
    large.bytes()[50 << 20].store(7, Relaxed);
    large.save(file.path()).unwrap();
    large.bytes()[50 << 20].store(0, Relaxed);
    assert!(!large.load(file.path()).unwrap().sizes_differ());
    assert_eq!(large.bytes()[50 << 20].load(Relaxed), 7);
}

#[test]
fn all_names_are_listed_and_old_orphans_are_pruned() {
    in_child(|| {
        for info in private().list().unwrap() {
            private().remove(info.name).unwrap(); // those of other tests
        }
        let _used = create("b", 1);
        let _hidden = options().hidden(true).create("a", 1).unwrap();
        options()
            .keep(true)
            .create("d", 1)
            .unwrap()
            .detach()
            .unwrap();
        create("c", 1).detach().unwrap();
        create("e", 1).detach().unwrap();
        let names = |infos: Vec<shm_util::Info>| {
            let names = infos.into_iter().map(|info| info.name);
            names.map(|name| char::from(name[0])).collect::<String>()
        };
        assert_eq!(names(private().list().unwrap()), "bcde");
        assert_eq!(names(private().prune(Duration::from_secs(60)).unwrap()), "");
        assert_eq!(names(private().prune(Duration::ZERO).unwrap()), "ce");
        assert_eq!(names(private().list().unwrap()), "bd");
        // An attachment restarts the age.
        create("f", 1).detach().unwrap();
        thread::sleep(Duration::from_millis(2100));
        private().open("f").unwrap().detach().unwrap();
        assert_eq!(names(private().prune(Duration::from_secs(2)).unwrap()), "");
        thread::sleep(Duration::from_millis(3100));
        assert_eq!(names(private().prune(Duration::from_secs(2)).unwrap()), "f");
    });
}

#[test]
fn a_wait_ends_when_the_name_appears() {
    let limit = Duration::from_millis(20);
    let error = private().wait("awaited", limit).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no segment 'awaited' in the private namespace of this process after 20 ms: {}",
            words(libc::ETIMEDOUT)
        )
    );
    let creator = thread::spawn(|| {
        thread::sleep(Duration::from_millis(50));
        let hidden = options().hidden(true).create("awaited", 100).unwrap();
        thread::sleep(Duration::from_millis(50));
        hidden.publish().unwrap();
        hidden
    });
    let limit = Duration::from_secs(20);
    private().wait("awaited", limit).unwrap();
    assert!(exists("awaited"));
    private().wait("awaited", Duration::ZERO).unwrap();
    creator.join().unwrap().destroy().unwrap();
}

extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn a_signal_handler_ends_a_wait() {
    in_child(|| {
        let handler: extern "C" fn(libc::c_int) = ignore;
        // SAFETY: the handler does nothing.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as usize;
        // SAFETY: the action is a whole structure.
        let set =
            unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        // SAFETY: takes a number.
        unsafe { libc::alarm(1) };
        let error = private()
            .wait("never", Duration::from_secs(20))
            .unwrap_err();
        assert_eq!(error.errno(), libc::EINTR);
    });
}

#[test]
fn threads_that_create_and_destroy_at_once_share_one_segment() {
    const THREADS: usize = 4;
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    for _ in 0..200 {
        let all: Vec<_> = thread::scope(|scope| {
            let create = || create("race", 100);
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(all.iter().filter(|one| one.is_new()).count(), 1);
        assert!(all.iter().all(|one| address(one) == address(&all[0])));
        thread::scope(|scope| {
            for one in all {
                scope.spawn(|| one.destroy().unwrap());
            }
        });
        assert!(!exists("race"));
    }
    // Each thread counts itself in the segment while it has it attached.
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let segment = create("race", 100);
                    INSIDE.fetch_add(1, Relaxed);
                    segment.bytes()[0].fetch_add(1, Relaxed);
                    assert_ne!(segment.bytes()[0].load(Relaxed), 0);
                    segment.bytes()[0].fetch_sub(1, Relaxed);
                    segment.destroy().unwrap();
                }
            });
        }
    });
    assert_eq!(INSIDE.load(Relaxed), 8000);
    assert!(!exists("race"));
}

#[test]
fn a_child_shares_bytes_and_counts_and_names_for_itself() {
    let segment = create("fork", 100);
    put(&segment, 1);
    in_child(|| {
        let found = private().open("fork").unwrap();
        assert_eq!(address(&found), address(&segment));
        assert_eq!(get(&found), 1);
        put(&found, 2);
        assert_eq!(found.info().unwrap().mappings, 2);
        create("of the child", 10).detach().unwrap();
        found.detach().unwrap();
        segment.remove().unwrap();
        assert!(!exists("fork"));
    });
    assert_eq!(get(&segment), 2);
    assert!(exists("fork") && !exists("of the child"));
    assert_eq!(segment.info().unwrap().mappings, 1);
    let parent = std::process::id();
    in_child(|| {
        let at = address(&segment);
        let info = segment.info().unwrap();
        assert_eq!(u32::try_from(info.creator_pid), Ok(parent));
        // The child deletes for itself what it has inherited from the parent.
        // SAFETY: nothing uses the parent's value in this process.
        let last = unsafe { std::ptr::read(&raw const segment) };
        last.destroy().unwrap();
        assert!(!exists("fork") && !is_mapped(at));
    });
    assert_eq!(get(&segment), 2);
    segment.destroy().unwrap();
}

/// A child made by clone(2), which does not run the handlers of fork.
fn raw_clone() -> libc::pid_t {
    // SAFETY: without a stack, the child continues here on a copy of this one, as with fork.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    libc::pid_t::try_from(child).unwrap()
}

/// In the child, each of the mutexes may be held by a thread that does not exist there.
#[test]
fn a_child_keeps_all_names_whatever_another_thread_was_doing() {
    if cfg!(target_env = "musl") {
        let reason = "a child of clone(2): musl's malloc may be locked in it for ever";
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("\nSKIP: {reason}\n").as_bytes(),
        );
        return;
    }
    in_child(|| {
        let segment = create("m", 100);
        put(&segment, 42);
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Relaxed) {
                    drop((create("a", 1), create("z", 1)));
                }
            });
            for _ in 0..500 {
                let child = raw_clone();
                if child == 0 {
                    finish_child(|| {
                        let found = private().open("m").unwrap();
                        assert_eq!(get(&found), 42);
                        assert_eq!(private().info("m").unwrap().mappings, 2);
                        found.destroy().unwrap();
                        segment.keep(true).unwrap();
                    });
                }
                let status = status_of(child);
                if status != 0 {
                    is_done.store(true, Relaxed);
                }
                assert_eq!(status, 0);
            }
            is_done.store(true, Relaxed);
        });
    });
}

//! Namespaces by call, unique names, and segments by identifier and by name, used from Rust.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // tests are meant to fail

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use shm_util::{Namespace, Options, Permissions, Reason, Segment};

fn namespace(name: &str) -> Namespace {
    Namespace::at(format!("/test/rust/{}/{name}", std::process::id())).unwrap()
}

/// The `errno` value of a result; 0 for success.
fn errno<T>(result: shm_util::Result<T>) -> i32 {
    result.map_or_else(|error| error.errno(), |_| 0)
}

/// The C library's words for an error.
fn words(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap().to_owned()
}

#[test]
fn a_wait_that_ends_too_early_tells_where_it_looked_and_how_long() {
    let space = Namespace::at("/namespaces/wait").unwrap();
    let error = space
        .wait("seg", std::time::Duration::from_millis(20))
        .unwrap_err();
    assert_eq!(error.errno(), libc::ETIMEDOUT);
    assert_eq!(
        error.to_string(),
        format!(
            "no segment 'seg' in namespace '/namespaces/wait' after 20 ms: {}",
            words(libc::ETIMEDOUT)
        )
    );
}

#[test]
fn threads_use_several_namespaces_at_once() {
    let spaces: Vec<_> = (0..4).map(|n| namespace(&format!("thread {n}"))).collect();
    thread::scope(|scope| {
        for (number, space) in spaces.iter().enumerate() {
            scope.spawn(move || {
                for _ in 0..100 {
                    let size = 100 + number;
                    let segment = space.create("same", size).unwrap();
                    assert_eq!(space.info("same").unwrap().size, size);
                    assert_eq!(space.open("same").unwrap().id(), segment.id());
                    assert_eq!(space.list().unwrap().len(), 1);
                    segment.destroy().unwrap();
                    assert_eq!(errno(space.info("same")), libc::ENOENT);
                }
            });
        }
    });
}

#[test]
fn a_segment_outlives_the_value_that_names_its_namespace() {
    let segment = namespace("dropped").create("x", 100).unwrap();
    segment.keep(true).unwrap();
    segment.set_permissions(Permissions::default()).unwrap();
    segment.destroy().unwrap();
    let space = namespace("dropped");
    assert!(space.info("x").unwrap().kept);
    space.remove("x").unwrap();
    assert_eq!(space.list().unwrap(), []);
}

#[test]
fn namespaces_are_equal_if_their_paths_are() {
    let space = namespace("x");
    assert_eq!(space, space.clone());
    assert_eq!(space, namespace("y/../x"));
    assert_ne!(space, namespace("y"));
    assert_ne!(Namespace::current(), space);
    assert_eq!(Namespace::at("").unwrap(), Namespace::of_user());
    let shown = space.to_string();
    assert!(
        shown.starts_with("namespace '/test/rust/") && shown.ends_with("/x'"),
        "{shown}"
    );
    let of_user = Namespace::of_user().to_string();
    assert!(of_user.starts_with("the namespace of user "), "{of_user}");
}

#[test]
fn paths_that_cannot_be_translated_are_errors() {
    assert_eq!(errno(Namespace::at("a\0b")), libc::EINVAL);
    assert_eq!(errno(Namespace::at("x".repeat(5000))), libc::ENAMETOOLONG);
    let error = Namespace::at("/".to_owned() + &"x".repeat(5000)).unwrap_err();
    assert!(
        error.to_string().starts_with("namespace: translate '/xxx"),
        "{error}"
    );
}

#[test]
fn options_apply_to_their_namespace() {
    let space = namespace("options");
    let options = Options::new().namespace(&space).exclusive(true).mode(0o600);
    let segment = options.create("x", 100).unwrap();
    assert_eq!(errno(options.create("x", 100)), libc::EEXIST);
    let other = namespace("other options");
    let elsewhere = options.clone().namespace(&other).create("x", 100).unwrap();
    assert_ne!(elsewhere.id(), segment.id());
    let view = Options::new()
        .namespace(&space)
        .open_read_only("x")
        .unwrap();
    assert_eq!(view.id(), segment.id());
    assert_eq!(space.registry().unwrap().unwrap().names, 1);
}

/// A multiple of `SHMLBA` at which nothing is mapped. The address of a segment need not be one.
fn free_address() -> usize {
    const ROOM: usize = 1 << 20;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses where.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), ROOM, 0, flags, -1, 0) };
    assert_ne!(place, libc::MAP_FAILED);
    // SAFETY: it was just mapped, and nobody uses it.
    assert_eq!(unsafe { libc::munmap(place, ROOM) }, 0);
    place.addr().next_multiple_of(64 << 10)
}

#[test]
fn a_segment_is_attached_at_an_address() {
    let space = namespace("address");
    let segment = space.create("x", 100).unwrap();
    let at = |address| Options::new().namespace(&space).at(address);
    // Another test's thread may take an address that was free a moment ago.
    let attach_somewhere = || {
        let address = free_address();
        Some((address, at(address + 1).open("x").ok()?))
    };
    let (address, again) = (0..1000).find_map(|_| attach_somewhere()).unwrap();
    assert_eq!(again.bytes().as_ptr().addr(), address, "rounded down");
    let error = at(address).open_by_id(segment.id()).unwrap_err();
    assert_eq!(
        (error.errno(), error.reason()),
        (libc::EINVAL, Reason::Address)
    );
    assert_eq!(at(0).open_by_id(segment.id()).unwrap().len(), 100);
    let view = at(address).open_read_only("x").unwrap_err();
    assert_eq!(view.reason(), Reason::Address);
}

#[test]
fn a_minimum_size_is_required_when_a_segment_is_opened() {
    let space = namespace("minimum");
    let segment = space.create("x", 100).unwrap();
    let least = |size| Options::new().namespace(&space).minimum_size(size);
    assert_eq!(least(100).open("x").unwrap().len(), 100);
    assert_eq!(least(100).open_by_id(segment.id()).unwrap().len(), 100);
    for error in [
        least(101).open("x").unwrap_err(),
        least(101).open_read_only("x").unwrap_err(),
        least(101).open_by_id(segment.id()).unwrap_err(),
    ] {
        assert_eq!(
            (error.errno(), error.reason()),
            (libc::EINVAL, Reason::TooSmall)
        );
    }
    assert_eq!(errno(least(5).open("y")), libc::ENOENT);
    assert_eq!(least(1000).create("x", 10).unwrap().len(), 100);
}

#[test]
fn unique_names_begin_as_the_program_wants() {
    let space = namespace("unique");
    let options = Options::new().namespace(&space).unique(true);
    let segments: Vec<Segment> = (0..5).map(|_| options.create("u ", 1).unwrap()).collect();
    let mut names: Vec<_> = segments.iter().map(|one| one.name().to_owned()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
    assert!(
        names
            .iter()
            .all(|name| name.len() == 14 && name.starts_with(b"u "))
    );
    assert!(segments.iter().all(Segment::is_new));
    let view = options.create_read_only("", 1).unwrap();
    assert_eq!(view.name().len(), 12);
    view.destroy().unwrap();
    assert_eq!(
        errno(options.create("x".repeat(989), 1)),
        libc::ENAMETOOLONG
    );
    assert_eq!(errno(options.create("a\0b", 1)), libc::EINVAL);
    assert_eq!(errno(options.open("u ")), libc::EINVAL);
    assert_eq!(errno(options.open_by_id(segments[0].id())), libc::EINVAL);
    drop(segments);
    assert_eq!(space.list().unwrap(), []);
}

#[test]
fn an_identifier_is_looked_up_in_its_namespace() {
    let (space, other) = (namespace("by id"), namespace("not by id"));
    let long = "n".repeat(500);
    let segment = space.create(&long, 100).unwrap();
    segment.bytes()[5].store(42, Ordering::Relaxed);
    let id = segment.id();
    assert_eq!(space.info_by_id(id).unwrap(), space.info(&long).unwrap());
    let again = space.open_by_id(id).unwrap();
    assert_eq!(again.bytes()[5].load(Ordering::Relaxed), 42);
    assert_eq!((again.name(), again.is_new()), (long.as_bytes(), false));
    let options = Options::new().namespace(&space);
    assert_eq!(options.open_read_only_by_id(id).unwrap().len(), 100);
    let exclusive = options.clone().exclusive(true);
    assert_eq!(errno(exclusive.open_by_id(id)), libc::EINVAL);
    // A namespace with and without a registry.
    for _ in 0..2 {
        assert_eq!(errno(other.info_by_id(id)), libc::ENOENT);
        assert_eq!(errno(other.open_by_id(id)), libc::ENOENT);
        let error = other.remove_by_id(id).unwrap_err();
        let expected = format!("no segment with id {id} in {other}: No such file or directory");
        assert_eq!(error.to_string(), expected);
        other.create("x", 1).unwrap().detach().unwrap();
    }
    other.remove("x").unwrap();
    space.remove_by_id(id).unwrap();
    assert_eq!(errno(space.open_by_id(id)), libc::ENOENT);
    assert_eq!(errno(space.info(&long)), libc::ENOENT);
}

#[test]
fn a_segment_is_changed_by_its_name() {
    let space = namespace("by name");
    space.create("x", 4096).unwrap().detach().unwrap();
    let before = space.info("x").unwrap();
    space.keep("x", true).unwrap();
    let mode = |mode| Permissions {
        mode: Some(mode),
        ..Permissions::default()
    };
    space.set_permissions("x", mode(0o640)).unwrap();
    let error = space.set_permissions("x", mode(0o1000)).unwrap_err();
    assert_eq!(error.reason(), Reason::Argument);
    let info = space.info("x").unwrap();
    assert_eq!((info.kept, info.mode, info.mappings), (true, 0o640, 0));
    assert_eq!(
        (info.attached, info.detached),
        (before.attached, before.detached)
    );
    space.unlock("x").unwrap();
    if space.lock("x").is_ok() {
        assert!(space.info("x").unwrap().locked);
        space.unlock("x").unwrap();
    }
    for result in [
        space.keep("y", true),
        space.set_permissions("y", Permissions::default()),
        space.lock("y"),
        space.unlock("y"),
    ] {
        assert_eq!(errno(result), libc::ENOENT);
    }
    assert_eq!(errno(space.lock("a\0b")), libc::EINVAL);
    space.keep("x", false).unwrap();
    assert_eq!(space.prune(Duration::ZERO).unwrap().len(), 1);
}

#[test]
fn a_user_that_does_not_exist_cannot_own_a_segment() {
    let space = namespace("invalid user");
    let segment = space.create("x", 1).unwrap();
    let nobody = Permissions {
        uid: Some(u32::MAX),
        ..Permissions::default()
    };
    assert_eq!(errno(space.set_permissions("x", nobody)), libc::EINVAL);
    assert_eq!(errno(segment.set_permissions(nobody)), libc::EINVAL);
}

#[test]
fn the_functions_without_a_namespace_use_the_current_one() {
    let name = format!("rust namespaces {}", std::process::id());
    let segment = Segment::create(&name, 100).unwrap();
    let current = Namespace::current();
    assert_eq!(current.info(&name).unwrap().id, segment.id());
    current.keep(&name, true).unwrap();
    assert!(shm_util::info(&name).unwrap().kept);
    shm_util::keep(&name, false).unwrap();
    current.wait(&name, Duration::ZERO).unwrap();
    assert_eq!(errno(namespace("none").info(&name)), libc::ENOENT);
}

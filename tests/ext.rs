//! The functions that libgpl does not have, used from Rust.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use shm_util::{Info, Options, Permissions, Segment};

fn name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("rust ext test {} {number}", std::process::id())
}

fn listed(name: &str) -> Vec<Info> {
    let mut infos = shm_util::list().unwrap_or_default();
    infos.retain(|info| info.name == name.as_bytes());
    infos
}

/// The `errno` value of a result; 0 for success.
fn errno<T>(result: shm_util::Result<T>) -> i32 {
    result.map_or_else(|error| error.errno(), |_| 0)
}

fn exists(name: &str) -> bool {
    shm_util::info(name).is_ok()
}

#[test]
fn info_combines_the_kernel_and_the_registry() {
    let name = name();
    let before = SystemTime::now() - Duration::from_secs(2);
    let segment = Options::new().mode(0o600).create(&name, 5000).unwrap();
    let info = segment.info().unwrap();
    let me = i32::try_from(std::process::id()).unwrap();
    assert_eq!(info.name, name.as_bytes());
    assert_eq!((info.id, info.size, info.mode), (segment.id(), 5000, 0o600));
    assert_eq!((info.creator_pid, info.last_pid), (me, me));
    assert_eq!((info.mappings, info.locked, info.kept), (1, false, false));
    assert!(info.created > before && info.created <= SystemTime::now());
    assert!(info.created <= info.changed && info.attached.unwrap() >= info.created);
    assert_eq!(info.detached, None);
    assert_eq!(info.uid, info.creator_uid);
    assert_ne!(info.key, 0);
    assert_eq!(shm_util::info(&name).unwrap(), info);
    assert_eq!(listed(&name), [info]);
}

#[test]
fn a_kept_segment_outlives_its_last_user_until_its_name_is_removed() {
    let name = name();
    let segment = Options::new().keep(true).create(&name, 100).unwrap();
    let id = segment.id();
    segment.bytes()[3].store(9, Ordering::Relaxed);
    segment.destroy().unwrap();
    assert_eq!(shm_util::info(&name).unwrap().mappings, 0);
    let again = Segment::open(&name).unwrap();
    assert_eq!(again.id(), id);
    assert_eq!(again.bytes()[3].load(Ordering::Relaxed), 9);
    shm_util::remove(&name).unwrap();
    assert!(!exists(&name));
    assert_eq!(again.bytes()[3].load(Ordering::Relaxed), 9);
    assert_eq!(again.info().unwrap().key, 0);
    assert_eq!(errno(again.keep(true)), libc::EIDRM);
    again.destroy().unwrap();
}

#[test]
fn a_kept_segment_can_become_an_ordinary_one_again() {
    let name = name();
    let segment = Segment::create(&name, 100).unwrap();
    segment.keep(true).unwrap();
    assert!(segment.info().unwrap().kept);
    shm_util::keep(&name, false).unwrap();
    assert!(!shm_util::info(&name).unwrap().kept);
    segment.destroy().unwrap();
    assert!(!exists(&name));
    assert_eq!(errno(shm_util::keep(&name, true)), libc::ENOENT);
    assert_eq!(errno(shm_util::remove(&name)), libc::ENOENT);
}

#[test]
fn a_removed_name_is_free_and_its_holders_can_destroy_the_segment() {
    let name = name();
    let maker = Segment::create(&name, 100).unwrap();
    let finder = Segment::open(&name).unwrap();
    let view = Options::new().open_read_only(&name).unwrap();
    shm_util::remove(&name).unwrap();
    let new = Segment::create(&name, 50).unwrap();
    assert_ne!(new.id(), maker.id());
    maker.destroy().unwrap();
    view.destroy().unwrap();
    finder.destroy().unwrap();
    assert!(exists(&name));
    new.destroy().unwrap();
    assert!(!exists(&name));
}

#[test]
fn exclusive_accepts_only_a_new_segment() {
    let name = name();
    let exclusive = Options::new().exclusive(true);
    let first = exclusive.create(&name, 100).unwrap();
    let error = exclusive.create(&name, 50).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("segment '{name}' already exists with 100 bytes: File exists")
    );
    first.destroy().unwrap();
    exclusive.create(&name, 50).unwrap().destroy().unwrap();
    assert_eq!(errno(exclusive.open(&name)), libc::EINVAL);
    assert_eq!(
        errno(Options::new().mode(0o1000).create(&name, 1)),
        libc::EINVAL
    );
    assert!(!exists(&name));
}

#[test]
fn dropping_a_read_only_segment_leaves_an_orphan_alone() {
    let name = name();
    Segment::create(&name, 100).unwrap().detach().unwrap();
    let view = |name: &str| Options::new().open_read_only(name).unwrap();
    let early_return = || -> shm_util::Result<()> {
        let view = view(&name);
        view.read_at(100, &mut [0])?;
        Ok(())
    };
    assert!(early_return().is_err());
    let panicking = std::panic::catch_unwind(|| {
        let _view = view(&name);
        std::panic::resume_unwind(Box::new(0));
    });
    assert!(panicking.is_err());
    assert_eq!(shm_util::info(&name).unwrap().mappings, 0);
    view(&name).destroy().unwrap();
    assert_eq!(shm_util::info(&name).unwrap_err().errno(), libc::ENOENT);
    // Its sibling's drop is a destroy.
    drop(Segment::create(&name, 100).unwrap());
    assert_eq!(shm_util::info(&name).unwrap_err().errno(), libc::ENOENT);
}

#[test]
fn a_read_only_segment_reads_and_saves_the_bytes_of_others() {
    let name = name();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saved");
    let ours = Segment::create(&name, 5000).unwrap();
    ours.bytes()[4999].store(7, Ordering::Relaxed);
    let view = Options::new().open_read_only(&name).unwrap();
    let mut bytes = [1; 2];
    view.read_at(4998, &mut bytes).unwrap();
    assert_eq!(bytes, [0, 7]);
    view.save(&file).unwrap();
    assert_eq!(std::fs::read(&file).unwrap()[4999], 7);
    assert_eq!(
        (view.len(), view.id(), view.name()),
        (5000, ours.id(), name.as_bytes())
    );
    ours.destroy().unwrap();
    view.destroy().unwrap();
    assert!(!exists(&name));
}

#[test]
fn permissions_that_are_none_are_unchanged() {
    let segment = Segment::create(name(), 100).unwrap();
    let before = segment.info().unwrap();
    let mode = |mode| Permissions {
        mode: Some(mode),
        ..Permissions::default()
    };
    segment.set_permissions(mode(0o640)).unwrap();
    let after = segment.info().unwrap();
    assert_eq!(
        (after.mode, after.uid, after.gid),
        (0o640, before.uid, before.gid)
    );
    assert_eq!(after.created, before.created);
    assert_eq!(errno(segment.set_permissions(mode(0o1640))), libc::EINVAL);
    segment.set_permissions(Permissions::default()).unwrap();
    assert_eq!(segment.info().unwrap().mode, 0o640);
}

#[test]
fn a_segment_is_locked_in_memory_and_unlocked() {
    let segment = Segment::create(name(), 100).unwrap();
    segment.lock().unwrap();
    assert!(segment.info().unwrap().locked);
    segment.unlock().unwrap();
    assert!(!segment.info().unwrap().locked);
}

#[test]
fn the_registry_reports_its_capacity_and_mode() {
    let name = name();
    let _segment = Segment::create(&name, 100).unwrap();
    let registry = shm_util::registry().unwrap().unwrap();
    assert!(registry.capacity.is_power_of_two() && registry.names > 0);
    // Where IPC namespaces are not allowed, the tests run with a namespace of their own, which a
    // group shares.
    let shared = std::env::var_os("NOB_DATABASE").is_some_and(|path| !path.is_empty());
    assert_eq!(registry.mode, if shared { 0o660 } else { 0o600 });
    assert!(registry.mappings > 0 && registry.size > registry.capacity * 64);
}

#[test]
fn detaching_never_deletes() {
    let name = name();
    let segment = Segment::create(&name, 100).unwrap();
    let id = segment.id();
    segment.bytes()[3].store(9, Ordering::Relaxed);
    segment.detach().unwrap();
    let info = shm_util::info(&name).unwrap();
    assert_eq!((info.id, info.mappings), (id, 0));
    let reader = Options::new().open_read_only(&name).unwrap();
    reader.detach().unwrap();
    assert_eq!(shm_util::info(&name).unwrap().mappings, 0);
    let again = Segment::open(&name).unwrap();
    assert_eq!(again.bytes()[3].load(Ordering::Relaxed), 9);
    again.destroy().unwrap();
    assert!(!exists(&name));
}

#[test]
fn detaching_after_the_programs_own_shmdt_detaches_nothing_else() {
    let name = name();
    let segment = Segment::create(&name, 100).unwrap();
    let address = segment.bytes().as_ptr().cast::<libc::c_void>();
    // SAFETY: nothing uses the bytes any more.
    assert_eq!(unsafe { libc::shmdt(address) }, 0);
    // SAFETY: numbers only.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 100, 0o600) };
    // SAFETY: nothing is replaced there.
    let other = unsafe { libc::shmat(id, address, 0) };
    // SAFETY: numbers only.
    let removed = unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
    assert_eq!(removed, 0);
    let is_at_the_same_address = other.cast_const() == address;
    let result = segment.detach();
    assert_eq!(errno(result), libc::EINVAL);
    // Otherwise another test was faster, and has something of its own there.
    if is_at_the_same_address {
        // SAFETY: nothing uses the bytes. It fails if they were detached already.
        assert_eq!(unsafe { libc::shmdt(other) }, 0);
    }
    shm_util::remove(&name).unwrap();
}

#[test]
fn a_segment_knows_whether_its_call_created_it() {
    let name = name();
    let first = Segment::create(&name, 100).unwrap();
    let second = Segment::create(&name, 100).unwrap();
    let third = Options::new().open_read_only(&name).unwrap();
    assert!(first.is_new());
    assert!(!second.is_new() && !third.is_new());
    first.remove().unwrap();
    let fourth = Options::new().create_read_only(&name, 100).unwrap();
    assert!(fourth.is_new() && first.is_new());
    fourth.destroy().unwrap();
}

#[test]
fn a_segment_removes_its_own_name_only() {
    let name = name();
    let old = Segment::create(&name, 100).unwrap();
    old.remove().unwrap();
    assert!(!exists(&name));
    assert_eq!(errno(old.remove()), libc::EIDRM);
    let new = Segment::create(&name, 100).unwrap();
    let error = old.remove().unwrap_err();
    assert_eq!(error.errno(), libc::EIDRM);
    assert!(error.to_string().contains("lost its name"), "{error}");
    assert_eq!(shm_util::info(&name).unwrap().id, new.id());
    new.remove().unwrap();
}

#[test]
fn a_mode_of_0_is_a_mode() {
    // Only a privileged process can attach the segment.
    let result = Options::new().mode(0).create(name(), 100);
    match result {
        Ok(segment) => assert_eq!(segment.info().unwrap().mode, 0),
        Err(error) => assert_eq!(error.errno(), libc::EACCES),
    }
}

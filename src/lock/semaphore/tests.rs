use super::*;
use std::sync::atomic::AtomicU64;
use std::thread;

const LIMIT: Duration = Duration::from_secs(10);

/// A lock with a set of its own, which is removed with it.
struct Scratch {
    lock: RobustLock,
    place: Place,
}

impl Scratch {
    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self {
            lock: RobustLock {
                owner: OwnerWords::free(),
                condemned: AtomicU32::new(0),
                key: AtomicI32::new(0),
            },
            place: Place {
                key: i32::try_from((os::process().0 << 8 | number) & 0x3fff_ffff).unwrap(),
                creator: os::effective_user(),
                group: None,
                mode: 0o600,
                is_here: true,
            },
        }
    }

    fn acquire(&self, limit: Duration) -> Result<Held<'_>, Errno> {
        let held = self.lock.acquire(|| self.place, limit);
        // No segment has the key, but the set is to last for the whole test.
        held.inspect(|held| held.may_end.set(false))
    }

    fn set(&self) -> Set {
        set::find(self.place.key).unwrap()
    }

    fn word(&self) -> u32 {
        self.lock.owner.load().word()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Ok(set) = set::find(self.place.key) {
            set.remove();
        }
    }
}

/// Waits for a child to end.
fn wait_for(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: there is room for a status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
}

/// Runs `work` in a child process, without the handlers of fork, and ends it.
fn in_child(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child makes system calls only.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        work();
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    child
}

#[test]
fn a_lock_excludes_other_threads() {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let scratch = Scratch::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let held = scratch.acquire(LIMIT).unwrap();
                    // Not atomic on purpose: the lock must make it so.
                    let seen = COUNTER.load(Ordering::Relaxed);
                    COUNTER.store(seen + 1, Ordering::Relaxed);
                    drop(held);
                }
            });
        }
    });
    assert_eq!(COUNTER.load(Ordering::Relaxed), 8000);
    assert_eq!(scratch.word(), 0);
}

#[test]
fn a_process_that_ends_with_the_lock_gives_it_up_and_the_next_owner_knows() {
    let scratch = Scratch::new();
    let before = {
        let held = scratch.acquire(LIMIT).unwrap();
        assert_eq!(held.acquired(), Acquired::Released);
        scratch.set()
    };
    let word = &scratch.lock;
    wait_for(in_child(|| {
        before.take(set::Wait::No).unwrap();
    }));
    // The child has copies of the words, so it did not write itself down.
    let own = Thread::current().unwrap().of;
    let child = ThreadOf {
        id: crate::ids::ThreadId(own.id.0 + 1),
        ..own
    };
    let free = word.owner.load();
    assert!(
        word.owner
            .replace(free, Owner::held_by(child, Waiters::None))
    );
    let held = scratch.acquire(LIMIT).unwrap();
    assert_eq!(held.acquired(), Acquired::OwnerDied);
    assert_eq!(held.set, Some(before), "the kernel released this set");
    drop(held);
    assert_eq!(
        scratch.acquire(LIMIT).unwrap().acquired(),
        Acquired::Released
    );
}

#[test]
fn a_thread_that_ends_with_the_lock_takes_the_set_with_it() {
    let scratch = Scratch::new();
    thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(scratch.acquire(LIMIT).unwrap()));
    });
    let before = scratch.set();
    let held = scratch.acquire(LIMIT).unwrap();
    assert_eq!(held.acquired(), Acquired::OwnerDied);
    assert_ne!(held.set, Some(before));
    assert_eq!(before.status(), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_set_of_an_earlier_thread_with_the_same_id_is_given_up() {
    let scratch = Scratch::new();
    std::mem::forget(scratch.acquire(LIMIT).unwrap());
    let held = scratch.acquire(LIMIT).unwrap();
    assert_eq!(held.acquired(), Acquired::OwnerDied);
}

#[test]
fn waiting_is_bounded() {
    let scratch = Scratch::new();
    let held = scratch.acquire(LIMIT).unwrap();
    for limit in [Duration::ZERO, Duration::from_millis(20)] {
        let refused = thread::scope(|scope| {
            let waiter = scope.spawn(|| scratch.acquire(limit).err());
            waiter.join().unwrap()
        });
        assert_eq!(refused, Some(Errno(libc::ETIMEDOUT)));
    }
    drop(held);
}

#[test]
fn a_condemned_set_is_not_used() {
    let scratch = Scratch::new();
    drop(scratch.acquire(LIMIT).unwrap());
    let before = scratch.set();
    scratch
        .lock
        .condemned
        .store(mark_of(before), Ordering::SeqCst);
    let held = scratch.acquire(LIMIT).unwrap();
    assert_ne!(held.set, Some(before));
    assert_eq!(held.acquired(), Acquired::Released);
    assert_eq!(before.status(), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_set_is_not_removed_if_it_has_a_new_owner() {
    let scratch = Scratch::new();
    let seen = scratch.lock.owner.load();
    let held = scratch.acquire(LIMIT).unwrap();
    let set = scratch.set();
    scratch.lock.condemn(set, 0, seen);
    assert_eq!(scratch.lock.condemned.load(Ordering::SeqCst), mark_of(set));
    assert_eq!(set::find(scratch.place.key), Ok(set));
    drop(held);
}

#[test]
fn a_set_is_not_condemned_if_another_one_was_meanwhile() {
    let scratch = Scratch::new();
    drop(scratch.acquire(LIMIT).unwrap());
    scratch.lock.condemned.store(77, Ordering::SeqCst);
    let set = scratch.set();
    scratch.lock.condemn(set, 0, scratch.lock.owner.load());
    assert_eq!(scratch.lock.condemned.load(Ordering::SeqCst), 77);
    assert_eq!(set::find(scratch.place.key), Ok(set));
}

#[test]
fn a_semaphore_that_nobody_owns_is_given_up_in_the_end() {
    let scratch = Scratch::new();
    drop(scratch.acquire(LIMIT).unwrap());
    let before = scratch.set();
    before.take(set::Wait::No).unwrap();
    let held = scratch.acquire(LIMIT).unwrap();
    assert_ne!(held.set, Some(before));
    assert_eq!(held.acquired(), Acquired::Released);
}

#[test]
fn a_set_that_is_removed_while_others_wait_for_it_is_replaced() {
    let scratch = Scratch::new();
    let held = scratch.acquire(LIMIT).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| scratch.acquire(LIMIT).map(|held| held.set));
        thread::sleep(Duration::from_millis(20));
        let before = scratch.set();
        held.ends_with_the_registry();
        drop(held);
        let after = waiter.join().unwrap().unwrap();
        assert_ne!(after, Some(before));
    });
}

#[test]
fn a_child_of_fork_does_not_release_its_parents_lock() {
    let scratch = Scratch::new();
    let held = scratch.acquire(LIMIT).unwrap();
    let set = scratch.set();
    held.ends_with_the_registry();
    wait_for(in_child(|| {
        // SAFETY: the child ends without dropping the original.
        drop(unsafe { std::ptr::read(&raw const held) });
    }));
    assert_eq!(set.take(set::Wait::No), Err(Errno(libc::EAGAIN)));
}

#[test]
fn a_lock_that_is_left_to_the_next_owner_passes_the_news_on() {
    let scratch = Scratch::new();
    scratch.acquire(LIMIT).unwrap().leave_to_the_next();
    assert_eq!(
        scratch.acquire(LIMIT).unwrap().acquired(),
        Acquired::OwnerDied
    );
    assert_eq!(
        scratch.acquire(LIMIT).unwrap().acquired(),
        Acquired::Released
    );
}

#[test]
fn another_programs_set_is_neither_used_nor_removed() {
    for (count, mode) in [(1, 0o600), (2, 0o711)] {
        let scratch = Scratch::new();
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | mode;
        // SAFETY: semget takes numbers only.
        let id = unsafe { libc::semget(scratch.place.key, count, flags) };
        assert_ne!(id, -1);
        let refused = scratch.acquire(LIMIT).err();
        assert_eq!(refused, Some(Errno(libc::EACCES)));
        remove_with_the_registry(|| scratch.place);
        sweep(|key| key == scratch.place.key);
        assert_eq!(set::find(scratch.place.key), Ok(Set(id)));
    }
}

#[test]
fn a_set_that_others_would_not_trust_is_not_created() {
    let use_it = || {
        // Only this thread becomes another user, and only if the tests run as root.
        // SAFETY: setresuid takes numbers only.
        unsafe { libc::syscall(libc::SYS_setresuid, 4242, 4242, 4242) };
        let mut scratch = Scratch::new();
        scratch.place.creator = UserId(os::effective_user().0 + 1);
        assert_eq!(scratch.acquire(LIMIT).err(), Some(Errno(libc::EACCES)));
        assert_eq!(
            set::find(scratch.place.key),
            Err(Errno(libc::ENOENT)),
            "it was not created"
        );
        scratch.place.creator = os::effective_user();
        assert!(scratch.acquire(LIMIT).is_ok());
    };
    thread::spawn(use_it).join().unwrap();
}

#[test]
fn a_set_is_swept_if_nobody_holds_it() {
    let scratch = Scratch::new();
    let sweep = || sweep(|key| key == scratch.place.key);
    let held = scratch.acquire(LIMIT).unwrap();
    sweep();
    assert_eq!(Some(scratch.set()), held.set);
    drop(held);
    super::sweep(|_| false);
    scratch.set();
    sweep();
    assert_eq!(set::find(scratch.place.key), Err(Errno(libc::ENOENT)));
}

#[test]
fn a_set_ends_with_its_registry_and_not_before() {
    let scratch = Scratch::new();
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;
    // SAFETY: shmget takes numbers only.
    let segment = unsafe { libc::shmget(scratch.place.key, 1, flags) };
    assert_ne!(segment, -1);
    let end = || {
        let held = scratch.acquire(LIMIT).unwrap();
        held.ends_with_the_registry();
    };
    end();
    remove_with_the_registry(|| scratch.place);
    scratch.set();
    // SAFETY: this command takes numbers only.
    unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) };
    end();
    assert_eq!(set::find(scratch.place.key), Err(Errno(libc::ENOENT)));
}

#[test]
fn who_is_in_another_ipc_namespace_excludes_nobody() {
    let scratch = Scratch::new();
    let elsewhere = || Place {
        is_here: false,
        ..scratch.place
    };
    let held = scratch.lock.acquire(elsewhere, LIMIT).unwrap();
    assert!(!held.excludes_others());
    assert_eq!(scratch.word(), 0);
    assert_eq!(set::find(scratch.place.key), Err(Errno(libc::ENOENT)));
}

#[test]
fn whatever_the_words_hold_taking_the_lock_ends() {
    for shift in 0..32 {
        let scratch = Scratch::new();
        let own = Thread::current().unwrap().of;
        let word = OwnerWords::overwritten(1 << shift, own.namespace);
        let lock = RobustLock {
            owner: word,
            condemned: AtomicU32::new(1 << shift),
            key: AtomicI32::new(0),
        };
        let scratch = Scratch {
            lock,
            place: scratch.place,
        };
        let held = scratch.acquire(LIMIT).unwrap();
        assert_eq!(held.acquired(), Acquired::OwnerDied);
    }
}

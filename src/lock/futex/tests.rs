use super::*;
use crate::ids::ThreadId;
use crate::patience;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const LIMIT: Duration = Duration::from_secs(10);

impl RobustLock {
    const fn new() -> Self {
        Self {
            owner: OwnerWords::free(),
            lender: Lender::new(),
            _unused: AtomicU32::new(0),
        }
    }

    /// Takes the lock, for which no place is needed.
    fn lock(&self, limit: Duration) -> Result<Held<'_>, Errno> {
        self.acquire(|| unreachable!(), limit)
    }

    /// A lock whose words hold this.
    fn overwritten(word: u32, namespace: u32) -> Self {
        Self {
            owner: OwnerWords::overwritten(word, namespace),
            ..Self::new()
        }
    }
}

fn own_namespace() -> u32 {
    Thread::current().unwrap().of.namespace
}

/// The id of a thread that has ended.
fn id_of_the_dead() -> u32 {
    let thread = thread::spawn(os::thread).join().unwrap();
    while !os::is_gone(thread) {
        thread::yield_now();
    }
    thread.0
}

#[test]
fn a_lock_excludes_other_threads() {
    static LOCK: RobustLock = RobustLock::new();
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let held = LOCK.lock(LIMIT).unwrap();
                    // Not atomic on purpose: the lock must make it so.
                    let seen = COUNTER.load(Ordering::Relaxed);
                    COUNTER.store(seen + 1, Ordering::Relaxed);
                    drop(held);
                }
            });
        }
    });
    assert_eq!(COUNTER.load(Ordering::Relaxed), 40_000);
    assert_eq!(LOCK.owner.load().word(), 0);
}

#[test]
fn a_thread_that_ends_with_the_lock_gives_it_up() {
    static LOCK: RobustLock = RobustLock::new();
    thread::spawn(|| std::mem::forget(LOCK.lock(LIMIT).unwrap()))
        .join()
        .unwrap();
    // The kernel marks the word when the thread has really ended, which
    // may be a moment after its join.
    let held = LOCK.lock(LIMIT).unwrap();
    assert_eq!(held.acquired(), Acquired::OwnerDied);
    drop(held);
    assert_eq!(LOCK.lock(LIMIT).unwrap().acquired(), Acquired::Released);
}

#[test]
fn waiting_is_bounded() {
    static LOCK: RobustLock = RobustLock::new();
    let held = LOCK.lock(LIMIT).unwrap();
    let waited = thread::spawn(|| LOCK.lock(Duration::from_millis(20)).err())
        .join()
        .unwrap();
    assert_eq!(waited, Some(Errno(libc::ETIMEDOUT)));
    drop(held);
}

#[test]
fn the_waits_of_one_call_are_bounded_together() {
    static LOCK: RobustLock = RobustLock::new();
    let held = LOCK.lock(LIMIT).unwrap();
    let waited = thread::spawn(|| {
        patience::spend(Duration::from_millis(9970));
        let first = LOCK.lock(Duration::from_millis(20)).err();
        let second = LOCK.lock(LIMIT).err();
        (first, second, patience::left())
    })
    .join()
    .unwrap();
    let timeout = Some(Errno(libc::ETIMEDOUT));
    assert_eq!(waited, (timeout, timeout, Duration::ZERO));
    drop(held);
}

#[test]
fn whatever_the_word_holds_taking_it_ends() {
    for namespace in [0, 1, own_namespace(), u32::MAX] {
        for shift in 0..32 {
            let lock = RobustLock::overwritten(1 << shift, namespace);
            let _ = lock.lock(Duration::from_millis(1));
        }
    }
}

#[test]
fn whatever_the_word_of_lenders_holds_taking_the_lock_ends() {
    for shift in 0..32 {
        let lock = RobustLock::new();
        lock.lender.overwrite(1 << shift);
        let held = lock.lock(LIMIT).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| lock.lock(LIMIT).map(drop));
            while lock.owner.load().waiters() == Waiters::None {
                thread::yield_now();
            }
            lock.lender.overwrite(1 << shift);
            drop(held);
            assert_eq!(waiter.join().unwrap(), Ok(()));
        });
    }
}

#[test]
fn a_lock_of_a_thread_that_does_not_exist_is_taken_over() {
    let lock = RobustLock::overwritten(id_of_the_dead(), own_namespace());
    let held = lock.lock(LIMIT).unwrap();
    assert_eq!(held.acquired(), Acquired::OwnerDied);
}

#[test]
fn a_lock_of_an_earlier_thread_with_the_same_id_is_taken_over() {
    let lock = RobustLock::overwritten(os::thread().0, own_namespace());
    let held = lock.lock(LIMIT).unwrap();
    assert_eq!(held.acquired(), Acquired::OwnerDied);
}

#[test]
fn an_owner_in_another_or_unknown_pid_namespace_is_not_judged() {
    for namespace in [own_namespace() ^ 1, 0] {
        for thread in [id_of_the_dead(), os::thread().0] {
            let lock = RobustLock::overwritten(thread, namespace);
            let refused = lock.lock(Duration::from_millis(30)).err();
            assert_eq!(refused, Some(Errno(libc::ETIMEDOUT)));
        }
    }
}

#[test]
fn a_lock_that_is_no_longer_ones_own_is_not_released() {
    let lock = RobustLock::new();
    let held = lock.lock(LIMIT).unwrap();
    let others = Owner::held_by(
        ThreadOf {
            id: ThreadId(1),
            ..held.thread
        },
        Waiters::None,
    );
    assert!(lock.owner.replace(lock.owner.load(), others));
    drop(held);
    assert_eq!(lock.owner.load(), others);
}

#[test]
fn a_lock_that_is_left_to_the_next_owner_passes_the_news_on() {
    let lock = RobustLock::new();
    lock.lock(LIMIT).unwrap().leave_to_the_next();
    assert_eq!(lock.lock(LIMIT).unwrap().acquired(), Acquired::OwnerDied);
    assert_eq!(lock.lock(LIMIT).unwrap().acquired(), Acquired::Released);
}

#[test]
fn a_long_wait_ends_as_soon_as_the_lock_is_released() {
    static LOCK: RobustLock = RobustLock::new();
    let held = LOCK.lock(LIMIT).unwrap();
    let waiters: Vec<_> = (0..3)
        .map(|_| thread::spawn(|| LOCK.lock(LIMIT).map(|held| held.acquired())))
        .collect();
    // Long enough that they lend their priority.
    thread::sleep(Duration::from_millis(100));
    drop(held);
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Ok(Acquired::Released));
    }
    assert_eq!(LOCK.owner.load().word(), 0);
}

#[test]
fn a_message_names_a_holder_that_another_pid_namespace_has() {
    let own = own_namespace();
    let text = |namespace| RobustLock::overwritten(42, namespace).holder().to_string();
    assert_eq!(text(own), "thread 42");
    assert_eq!(
        text(own ^ 1),
        format!("thread 42 of PID namespace {}", own ^ 1)
    );
}

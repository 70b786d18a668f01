//! Handles: checked numbers, never dereferenced.
//!
//! A handle consists of an entry's number and the entry's generation, which changes
//! whenever the entry is freed. A stale, already destroyed or invalid handle has a
//! generation that no entry has, so it is not found. A look-up takes no lock: the
//! table's chunks never move, and one atomic word holds the state of each entry:
//!
//! ```text
//! bits 63..32  generation
//! bit  31      live: the generation is that of a handle
//! bit  30      closing: a shmDestroy has begun
//! bits 29..20  fork epoch of the bits below, and of `closing`
//! bits 19..0   number of calls that use the segment
//! ```
//!
//! A child of fork has none of its parent's other threads, so it ignores `closing` and
//! the number of calls where they belong to an earlier epoch.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::thread;
use std::time::Duration;

use once_cell::race::OnceBox;

use crate::allocate::text;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fork::{self, Call, Purpose};
use crate::os::Uncancelled;
use crate::segment::Segment;

const LIVE: u64 = 1 << 31;
const CLOSING: u64 = 1 << 30;
const EPOCH_SHIFT: u32 = 20;
const EPOCH: u64 = 0x3ff << EPOCH_SHIFT;
const USERS: u64 = (1 << EPOCH_SHIFT) - 1;
const GENERATION_SHIFT: u32 = 32;

/// How often a destroy checks whether the last save or load has ended.
const POLL: Duration = Duration::from_millis(1);

/// Every handle has this bit, so small numbers are never handles, nor are addresses on
/// 64-bit machines.
const TAG: usize = 1 << (usize::BITS - 1);
const NUMBER_BITS: u32 = usize::BITS / 2;
const NUMBER_MASK: usize = (1 << NUMBER_BITS) - 1;
const GENERATION_MASK: usize = (TAG - 1) >> NUMBER_BITS;

/// The number of entries of the first chunk; each further chunk has twice as many.
const FIRST_CHUNK: usize = 64;
const CHUNKS: usize = 24;

static TABLE: [OnceBox<Box<[Entry]>>; CHUNKS] = [const { OnceBox::new() }; CHUNKS];
/// The number of entries that were ever used.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Lower half: the number of the first free entry plus 1, or 0 if none is free. Upper
/// half: a count of changes, so that an entry that was taken and freed again between
/// load and exchange is noticed.
static FREE: AtomicU64 = AtomicU64::new(0);

/// What a program passes as a handle: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle(usize);

struct Entry {
    state: AtomicU64,
    // The results of the accessors, written before the entry becomes live.
    address: AtomicPtr<c_void>,
    size: AtomicUsize,
    id: AtomicI32,
    /// The next free entry's number plus 1.
    next_free: AtomicU32,
    segment: UnsafeCell<Option<Segment>>,
}

// SAFETY: `segment` is changed only by the thread that makes the entry live, and by the
// one that has set `closing` and waited for the last user. Users only read it.
unsafe impl Sync for Entry {}

impl Entry {
    const fn new() -> Self {
        Self {
            state: AtomicU64::new(1 << GENERATION_SHIFT),
            address: AtomicPtr::new(ptr::null_mut()),
            size: AtomicUsize::new(0),
            id: AtomicI32::new(-1),
            next_free: AtomicU32::new(0),
            segment: UnsafeCell::new(None),
        }
    }

    fn state(&self) -> u64 {
        in_this_process(self.state.load(Ordering::Acquire))
    }

    /// Whether a handle of this generation is valid.
    fn is_open(&self, generation: u64) -> bool {
        let stored = self.state.load(Ordering::Acquire);
        // Most handles are open in any epoch, which saves looking at the epoch.
        is_open(stored, generation) || is_open_in_this_process(stored, generation)
    }

    /// Changes the state if the entry belongs to a handle of this generation that is
    /// not being destroyed.
    fn change(&self, generation: u64, to: impl Fn(u64) -> u64) -> Option<()> {
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |stored| {
                let state = in_this_process(stored);
                is_open(state, generation).then(|| to(state))
            })
            .ok()
            .map(drop)
    }
}

/// The state without `closing` and users of threads that did not survive fork.
fn in_this_process(state: u64) -> u64 {
    if state & EPOCH == current_epoch() {
        state
    } else {
        state & !(CLOSING | EPOCH | USERS) | current_epoch()
    }
}

fn current_epoch() -> u64 {
    (u64::from(fork::epoch()) << EPOCH_SHIFT) & EPOCH
}

#[cold]
#[inline(never)]
fn is_open_in_this_process(stored: u64, generation: u64) -> bool {
    is_open(in_this_process(stored), generation)
}

/// Whether a handle of this generation is valid.
const fn is_open(state: u64, generation: u64) -> bool {
    state >> GENERATION_SHIFT == generation && state & (LIVE | CLOSING) == LIVE
}

impl Handle {
    /// The handle that a C program passes.
    pub(crate) fn from_pointer<T>(pointer: *mut T) -> Self {
        Self(pointer.addr())
    }

    /// The handle that a C program receives.
    pub(crate) fn to_pointer<T>(self) -> *mut T {
        ptr::without_provenance_mut(self.0)
    }

    /// A new handle for a segment. `ENOMEM` if there is no room; a segment that was
    /// created for the handle is then deleted.
    pub(crate) fn new(segment: Segment) -> Result<Self> {
        let (number, entry) = free_entry().map_err(|errno| no_room_for(&segment, errno))?;
        let generation = entry.state.load(Ordering::Relaxed) >> GENERATION_SHIFT;
        let address = segment.bytes().as_ptr().cast_mut().cast();
        entry.address.store(address, Ordering::Relaxed);
        entry.size.store(segment.len(), Ordering::Relaxed);
        entry.id.store(segment.id(), Ordering::Relaxed);
        // SAFETY: the entry is neither live nor free, so only this thread uses it.
        unsafe { *entry.segment.get() = Some(segment) };
        entry.state.store(
            (generation << GENERATION_SHIFT) | LIVE | current_epoch(),
            Ordering::Release,
        );
        let generation = usize::try_from(generation).unwrap_or(0) & GENERATION_MASK;
        Ok(Self(TAG | (generation << NUMBER_BITS) | number))
    }

    /// The entry that the handle may belong to, and the handle's generation.
    fn find(self) -> Option<(&'static Entry, u64)> {
        if self.0 & TAG == 0 {
            return None;
        }
        let entry = entry(self.0 & NUMBER_MASK)?;
        let generation = (self.0 >> NUMBER_BITS) & GENERATION_MASK;
        Some((entry, u64::try_from(generation).ok()?))
    }

    #[inline]
    fn read<T>(self, read: impl Fn(&Entry) -> T) -> Option<T> {
        let (entry, generation) = self.find()?;
        if !entry.is_open(generation) {
            return None;
        }
        let value = read(entry);
        // If the entry still belongs to the handle, so does the value.
        fence(Ordering::Acquire);
        let stored = entry.state.load(Ordering::Relaxed);
        (stored >> GENERATION_SHIFT == generation).then_some(value)
    }

    /// The address of the segment.
    #[inline]
    pub(crate) fn address(self) -> Option<NonNull<c_void>> {
        self.read(|entry| entry.address.load(Ordering::Relaxed))
            .and_then(NonNull::new)
    }

    /// The same for C: NULL for a handle that is not valid.
    #[inline]
    pub(crate) fn address_or_null(self) -> *mut c_void {
        self.address().map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// The segment's identifier.
    #[inline]
    pub(crate) fn id(self) -> Option<i32> {
        self.read(|entry| entry.id.load(Ordering::Relaxed))
    }

    /// The segment's size in bytes.
    #[inline]
    pub(crate) fn size(self) -> Option<usize> {
        self.read(|entry| entry.size.load(Ordering::Relaxed))
    }

    /// Does work that copies bytes of the segment. A destroy waits for it.
    pub(crate) fn with<T>(self, work: impl FnOnce(&Segment, &Call) -> Result<T>) -> Result<T> {
        self.with_for(Purpose::Copy, work)
    }

    /// Does work that inspects or changes the segment. A destroy, and a fork by another
    /// thread, wait for it.
    pub(crate) fn manage<T>(self, work: impl FnOnce(&Segment, &Call) -> Result<T>) -> Result<T> {
        self.with_for(Purpose::Change, work)
    }

    fn with_for<T>(
        self,
        purpose: Purpose,
        work: impl FnOnce(&Segment, &Call) -> Result<T>,
    ) -> Result<T> {
        let (entry, generation) = self.find().ok_or_else(|| self.unknown())?;
        // Before this counts as a user: a signal handler that destroys the handle gets
        // an error then, instead of waiting for its own thread.
        let call = Call::begin(purpose)?;
        let user = User::new(entry, generation).ok_or_else(|| self.unknown())?;
        work(user.segment().ok_or_else(|| self.unknown())?, &call)
    }

    /// The segment or, if it has none, the handle, as messages show it.
    pub(crate) fn describe(self) -> String {
        self.with(|segment, _| Ok(text(format_args!("{segment}"))))
            .unwrap_or_else(|_| text(format_args!("handle {:#x}", self.0)))
    }

    /// Destroys the handle, and deletes the segment if nobody else has it attached.
    /// Waits for saves and loads of other threads.
    pub(crate) fn destroy(self) -> Result<()> {
        let (entry, generation) = self.find().ok_or_else(|| self.unknown())?;
        // If a signal handler is refused here, the handle remains valid.
        Call::can_begin()?;
        entry
            .change(generation, |state| state | CLOSING)
            .ok_or_else(|| self.unknown())?;
        wait_for_users(entry);
        let call = Call::begin(Purpose::Change)?;
        // SAFETY: this thread has set `closing`, and there are no users.
        let segment = unsafe { (*entry.segment.get()).take() };
        // The next handle of this entry gets another generation.
        let next = (generation + 1) & u64::try_from(GENERATION_MASK).unwrap_or(u64::MAX);
        entry
            .state
            .store(next << GENERATION_SHIFT, Ordering::Release);
        push_free(self.0 & NUMBER_MASK);
        segment.ok_or_else(|| self.unknown())?.close(&call)
    }

    /// The error of a handle that is not valid.
    pub(crate) fn unknown(self) -> Error {
        if self.0 == 0 {
            return Errno(libc::EINVAL).during(format_args!("the handle is NULL"));
        }
        Errno(libc::EINVAL).during(format_args!(
            "handle {:#x} is stale, already destroyed or invalid",
            self.0
        ))
    }
}

fn wait_for_users(entry: &Entry) {
    if entry.state() & USERS == 0 {
        return;
    }
    let _uncancelled = Uncancelled::new();
    while entry.state() & USERS != 0 {
        thread::sleep(POLL);
    }
}

/// A call in progress that uses a segment; it is counted while this lives.
struct User {
    entry: &'static Entry,
}

impl User {
    fn new(entry: &'static Entry, generation: u64) -> Option<Self> {
        entry.change(generation, |state| state + 1)?;
        Some(Self { entry })
    }

    fn segment(&self) -> Option<&Segment> {
        // SAFETY: while there are users, the segment is only read.
        unsafe { &*self.entry.segment.get() }.as_ref()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // A destroy may be waiting for this. A child of fork never comes here for a
        // user of its parent: only the thread that forks survives, and it uses none.
        self.entry.state.fetch_sub(1, Ordering::Release);
    }
}

/// The chunk of an entry, and its index there.
fn place(number: usize) -> (usize, usize) {
    let shifted = number + FIRST_CHUNK;
    let power = shifted.ilog2();
    let chunk = usize::try_from(power - FIRST_CHUNK.ilog2()).unwrap_or(usize::MAX);
    (chunk, shifted - (1 << power))
}

fn entry(number: usize) -> Option<&'static Entry> {
    let (chunk, index) = place(number);
    TABLE.get(chunk)?.get()?.get(index)
}

#[cold]
fn no_room_for(segment: &Segment, errno: Errno) -> Error {
    segment.give_up();
    errno.during(format_args!("allocate a handle for {segment}"))
}

/// Takes a free entry.
fn free_entry() -> std::result::Result<(usize, &'static Entry), Errno> {
    let number = match pop_free() {
        Some(number) => number,
        None => grow()?,
    };
    Ok((number, entry(number).ok_or(Errno(libc::ENOMEM))?))
}

/// Takes a number that was never used, and allocates its chunk if necessary.
fn grow() -> std::result::Result<usize, Errno> {
    let no_room = Errno(libc::ENOMEM);
    let number = USED.fetch_add(1, Ordering::Relaxed);
    let (chunk, _) = place(number);
    let chunk_place = TABLE
        .get(chunk)
        .filter(|_| number <= NUMBER_MASK)
        .ok_or(no_room)?;
    chunk_place.get_or_try_init(|| {
        let size = FIRST_CHUNK << chunk;
        let mut entries = Vec::new();
        entries.try_reserve_exact(size).map_err(|_| no_room)?;
        entries.resize_with(size, Entry::new);
        Ok::<_, Errno>(Box::new(entries.into_boxed_slice()))
    })?;
    Ok(number)
}

fn pop_free() -> Option<usize> {
    let mut head = FREE.load(Ordering::Acquire);
    loop {
        let number = usize::try_from(head & u64::from(u32::MAX))
            .ok()?
            .checked_sub(1)?;
        let next = entry(number)?.next_free.load(Ordering::Relaxed);
        match FREE.compare_exchange_weak(
            head,
            next_head(head, next),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => return Some(number),
            Err(changed) => head = changed,
        }
    }
}

fn push_free(number: usize) {
    let (Some(entry), Ok(first)) = (entry(number), u32::try_from(number + 1)) else {
        return;
    };
    let mut head = FREE.load(Ordering::Relaxed);
    loop {
        let [a, b, c, d, ..] = head.to_le_bytes();
        entry
            .next_free
            .store(u32::from_le_bytes([a, b, c, d]), Ordering::Relaxed);
        match FREE.compare_exchange_weak(
            head,
            next_head(head, first),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(_) => return,
            Err(changed) => head = changed,
        }
    }
}

fn next_head(head: u64, first: u32) -> u64 {
    (((head >> 32).wrapping_add(1)) << 32) | u64::from(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_places_one_after_the_other() {
        let mut expected = (0, 0);
        for number in 0..100_000 {
            assert_eq!(place(number), expected);
            expected.1 += 1;
            if expected.1 == FIRST_CHUNK << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn invalid_handles_are_not_found() {
        let on_the_stack = 0;
        let address = (&raw const on_the_stack).addr();
        for number in [0, 1, 64, TAG, TAG | 1, usize::MAX, usize::MAX - 1, address] {
            let handle = Handle(number);
            assert_eq!(handle.id(), None, "{number:#x}");
            assert_eq!(handle.address(), None);
            assert_eq!(handle.size(), None);
            assert_eq!(handle.destroy().unwrap_err().errno(), libc::EINVAL);
        }
    }

    #[test]
    fn a_state_of_an_earlier_epoch_has_no_users_in_this_process() {
        let other_epoch = current_epoch() ^ (1 << EPOCH_SHIFT);
        let state = (7 << GENERATION_SHIFT) | LIVE | CLOSING | other_epoch | 3;
        assert!(is_open(in_this_process(state), 7));
        assert_eq!(in_this_process(state) & USERS, 0);
        let state = (7 << GENERATION_SHIFT) | LIVE | CLOSING | current_epoch() | 3;
        assert!(!is_open(in_this_process(state), 7));
        assert_eq!(in_this_process(state), state);
    }

    #[test]
    fn a_destroyed_handle_stays_dead_when_its_entry_is_used_again() {
        let name = format!("handle test {}", std::process::id());
        let first = Handle::new(Segment::create(&name, 100).unwrap()).unwrap();
        assert_eq!(first.size(), Some(100));
        first.destroy().unwrap();
        assert_eq!(first.size(), None);
        assert_eq!(first.destroy().unwrap_err().errno(), libc::EINVAL);
        let mut others = Vec::new();
        for _ in 0..200 {
            others.push(Handle::new(Segment::create(&name, 50).unwrap()).unwrap());
            assert_eq!(first.size(), None);
        }
        for other in others {
            assert_ne!(other, first);
            assert_eq!(other.size(), Some(50));
            other.destroy().unwrap();
        }
    }
}

//! A table of handles: numbers that lead to values, until they are removed.
//!
//! ```text
//! 64-bit programs   32-bit
//! bits 63..53                 0
//! bits 52..31       31..16    place: which entry of the table
//! bits 30..1        15..1     tag: changes with each use of the entry
//! bit  0            0         1
//! ```
//!
//! So handles are odd, and below 2^53: languages whose numbers are doubles keep them. Those
//! of 64-bit programs are not below 2^37. Each entry begins with a random tag, and the distance
//! between its tags is random, too, so no other table accepts a handle: that of a second
//! copy of the library in the same program, or of one that was unloaded and loaded again. With
//! 15 bits, it accepts one handle in 32,768 whose place it has in use.
//!
//! No handle of a 64-bit program occurs twice: an entry whose tags are used up is not used again.
//! A 32-bit program would run out of places, so it uses these entries again, but only when all
//! places were used, and then all of them before any of them comes a third time. So a handle
//! that was destroyed stays invalid until each of the other places that are not in use has had
//! 32,768 further handles: 2,145,386,496 in a program that has few.
//!
//! A look-up takes no lock. The table consists of chunks, each twice as large as the one
//! before, which never move. An entry's *word* is its handle while that is valid, or 0. The
//! upper bits of the word, which are 0 in a handle, show that a destroy has begun.
//!
//! A child of fork has none of its parent's other threads, so it ignores a destroy and
//! users of an earlier epoch.
//!
//! This file uses nothing of the library but `atomic`: `models/` runs it with loom.

use crate::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Cell, Ordering, fence,
};

use std::ffi::c_void;
use std::ptr;

/// A word of the program has 32 bits, and a handle is one.
const IS_NARROW: bool = usize::BITS == 32;
const TAG_BITS: u32 = if IS_NARROW { 15 } else { 30 };
const TAGS: u64 = (1 << TAG_BITS) - 1;
const PLACE_SHIFT: u32 = 1 + TAG_BITS;
const HANDLE_BITS: u32 = if IS_NARROW { 32 } else { 53 };
const HANDLE: u64 = (1 << HANDLE_BITS) - 1;
/// The first destroy of a handle; the second one, in a child of fork, adds another.
const DESTROY: u64 = 1 << HANDLE_BITS;

/// Chunk `n` holds the places from 2^n to 2^(n+1) - 1.
pub(crate) const CHUNKS: usize = (HANDLE_BITS - PLACE_SHIFT) as usize;

/// The lower bits of [`Table::free`] are a place, the upper ones a count of changes, so
/// that an entry that was taken and freed again between load and exchange is noticed.
const FREE_SHIFT: u32 = HANDLE_BITS - PLACE_SHIFT;
const FREE_PLACE: u64 = (1 << FREE_SHIFT) - 1;

const EPOCH_SHIFT: u32 = 32;
const COUNT: u64 = (1 << EPOCH_SHIFT) - 1;

/// The results of the accessors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) address: *mut c_void,
    pub(crate) size: usize,
    pub(crate) id: i32,
    /// Whether the call that made the handle created the segment.
    pub(crate) was_created: bool,
}

#[derive(Debug)]
pub(crate) struct Table<T> {
    pub(crate) chunks: [AtomicPtr<Entry<T>>; CHUNKS],
    /// The first place that was never used. Its initial value, a power of 2, is the size
    /// of the first chunk.
    pub(crate) unused: AtomicU64,
    /// The first free entry, or 0.
    pub(crate) free: AtomicU64,
    /// The first entry whose tags are used up, or 0. Only a 32-bit program uses it again.
    pub(crate) used_up: AtomicU64,
    /// What the tags are derived from; 0 before the first handle.
    pub(crate) seed: AtomicU64,
}

// A cache line for what accessors read.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Entry<T> {
    word: AtomicU64,
    address: AtomicPtr<c_void>,
    size: AtomicUsize,
    id: AtomicI32,
    was_created: AtomicBool,
    /// The epoch of the destroy that has begun.
    destroy_epoch: AtomicU32,
    /// Upper half: an epoch. Lower half: the number of users in that epoch.
    users: AtomicU64,
    /// The handle that the entry gets next; 0 before the first.
    next_handle: AtomicU64,
    /// The place of the next free entry, or 0.
    next_free: AtomicU64,
    value: Cell<Option<T>>,
}

// SAFETY: `value` is changed only by the thread that makes the entry valid, and by the one
// that has begun a destroy and waited for the last user. Users only read it.
unsafe impl<T: Send + Sync> Sync for Entry<T> {}
// SAFETY: as above; the entry owns the value.
unsafe impl<T: Send> Send for Entry<T> {}

impl<T> Entry<T> {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            address: AtomicPtr::new(ptr::null_mut()),
            size: AtomicUsize::new(0),
            id: AtomicI32::new(0),
            was_created: AtomicBool::new(false),
            destroy_epoch: AtomicU32::new(0),
            users: AtomicU64::new(0),
            next_handle: AtomicU64::new(0),
            next_free: AtomicU64::new(0),
            value: Cell::new(None),
        }
    }

    #[inline]
    pub(crate) fn address(&self) -> *mut c_void {
        self.address.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn id(&self) -> i32 {
        self.id.load(Ordering::Relaxed)
    }

    pub(crate) fn was_created(&self) -> bool {
        self.was_created.load(Ordering::Relaxed)
    }

    /// Whether a word that was loaded from this entry, with `Acquire`, shows that the
    /// handle is valid, and that no thread of this process has begun to destroy it.
    fn is_open(&self, word: u64, handle: u64, epoch: u32) -> bool {
        word == handle
            || word & HANDLE == handle && self.destroy_epoch.load(Ordering::Relaxed) != epoch
    }
}

impl<T> Table<T> {
    /// The entry that a number may belong to.
    #[inline]
    fn find(&self, handle: u64) -> Option<&Entry<T>> {
        // Handles are odd; 0 has no logarithm.
        let power = (handle | 1).ilog2();
        let chunk = usize::try_from(power.wrapping_sub(PLACE_SHIFT)).ok()?;
        let entries = self.chunks.get(chunk)?.load(Ordering::Acquire);
        if entries.is_null() {
            return None;
        }
        let index = (handle ^ (1 << power)) >> PLACE_SHIFT;
        // SAFETY: the chunk has 2^chunk entries, and `index` is smaller.
        let entry = unsafe { entries.add(usize::try_from(index).ok()?) };
        // SAFETY: the chunk is never freed.
        Some(unsafe { &*entry })
    }

    /// Reads results of accessors, if the handle is valid in any epoch, as most are. A
    /// thread that gets `None` tries [`read_in`](Self::read_in).
    #[inline]
    pub(crate) fn read<V>(&self, handle: u64, read: impl Fn(&Entry<T>) -> V) -> Option<V> {
        let entry = self.find(handle)?;
        if entry.word.load(Ordering::Acquire) != handle {
            return None;
        }
        let value = read(entry);
        // If the entry still belongs to the handle, so does the value: had it been stored
        // for a later handle, this fence would pair with the one in `insert`.
        fence(Ordering::Acquire);
        (entry.word.load(Ordering::Relaxed) == handle).then_some(value)
    }

    /// The same, if the handle is valid in this epoch: it is, although a thread of the
    /// parent was just destroying it when this process was forked.
    pub(crate) fn read_in<V>(
        &self,
        handle: u64,
        epoch: u32,
        read: impl Fn(&Entry<T>) -> V,
    ) -> Option<V> {
        let entry = self.find(handle)?;
        if !entry.is_open(entry.word.load(Ordering::Acquire), handle, epoch) {
            return None;
        }
        let value = read(entry);
        fence(Ordering::Acquire);
        (entry.word.load(Ordering::Relaxed) & HANDLE == handle).then_some(value)
    }

    /// A new handle for a value. Returns the value if memory is short, or all places are
    /// in use. `seed` is called once per table.
    pub(crate) fn insert(&self, value: T, facts: Facts, seed: fn() -> u64) -> Result<u64, T> {
        let Some((place, entry)) = self.free_entry() else {
            return Err(value);
        };
        let handle = match entry.next_handle.load(Ordering::Relaxed) {
            0 => first_handle(place, self.seed_or(seed)),
            next => next,
        };
        // Pairs with the fence in `read`: a thread that reads what is stored below, with
        // an earlier handle, also reads that the entry does not belong to that any more.
        fence(Ordering::Release);
        entry.address.store(facts.address, Ordering::Relaxed);
        entry.size.store(facts.size, Ordering::Relaxed);
        entry.id.store(facts.id, Ordering::Relaxed);
        entry
            .was_created
            .store(facts.was_created, Ordering::Relaxed);
        entry.value.with_mut(|place| {
            // SAFETY: the entry is neither valid nor free, so only this thread uses it.
            unsafe { *place = Some(value) };
        });
        entry.word.store(handle, Ordering::Release);
        Ok(handle)
    }

    /// Counts the caller as a user of the value. `None` if the handle is not valid, or is
    /// being destroyed.
    pub(crate) fn enter(&self, handle: u64, epoch: u32) -> Option<User<'_, T>> {
        let entry = self.find(handle)?;
        let is_open = || entry.is_open(entry.word.load(Ordering::Acquire), handle, epoch);
        if !is_open() {
            return None;
        }
        entry.change_users(epoch, |count| count + 1);
        let user = User { entry, epoch };
        // A destroy that begins after this counts the user. One that began before it is
        // seen here: both change `users`, so the later one sees what the earlier one did.
        is_open().then_some(user)
    }

    /// Begins to destroy a handle: nobody can enter it any more. `None` if the handle is
    /// not valid, or is being destroyed already.
    pub(crate) fn begin_destroy(&self, handle: u64, epoch: u32) -> Option<Destroy<'_, T>> {
        let entry = self.find(handle)?;
        let word = entry.word.load(Ordering::Acquire);
        if !entry.is_open(word, handle, epoch) {
            return None;
        }
        // All threads of this process store the same. Those who read it too early find a
        // handle closed that is closed in an instant.
        entry.destroy_epoch.store(epoch, Ordering::Relaxed);
        let closed = match word.wrapping_add(DESTROY) {
            closed if closed > HANDLE => closed,
            closed => closed | DESTROY,
        };
        entry
            .word
            .compare_exchange(word, closed, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(Destroy {
            table: self,
            entry,
            handle,
            epoch,
        })
    }

    fn seed_or(&self, fresh: fn() -> u64) -> u64 {
        let known = self.seed.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let fresh = fresh() | 1;
        match self
            .seed
            .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => fresh,
            Err(known) => known,
        }
    }

    fn free_entry(&self) -> Option<(u64, &Entry<T>)> {
        let place = self
            .pop(&self.free)
            .or_else(|| self.grow())
            .or_else(|| self.use_again())?;
        Some((place, self.find(place << PLACE_SHIFT)?))
    }

    /// Takes a place that was never used, and allocates its chunk if necessary.
    fn grow(&self) -> Option<u64> {
        let mut place = self.unused.load(Ordering::Relaxed);
        loop {
            self.allocate_chunk(place)?;
            match self.unused.compare_exchange_weak(
                place,
                place + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(place),
                Err(changed) => place = changed,
            }
        }
    }

    fn allocate_chunk(&self, place: u64) -> Option<()> {
        let power = usize::try_from(place.checked_ilog2()?).ok()?;
        let chunk = self.chunks.get(power)?;
        if !chunk.load(Ordering::Acquire).is_null() {
            return Some(());
        }
        let mut entries = Vec::new();
        entries.try_reserve_exact(1 << power).ok()?;
        entries.resize_with(1 << power, Entry::new);
        let entries: *mut [Entry<T>] = Box::into_raw(entries.into_boxed_slice());
        let published = chunk.compare_exchange(
            ptr::null_mut(),
            entries.cast(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if published.is_err() {
            // Another thread was faster.
            // SAFETY: nobody else knows these entries.
            drop(unsafe { Box::from_raw(entries) });
        }
        Some(())
    }

    /// Begins anew with the tags of all entries that have used them up, at once, and takes one of
    /// these entries.
    #[cold]
    fn use_again(&self) -> Option<u64> {
        let mut head = self.used_up.load(Ordering::Acquire);
        while let Err(changed) = self.used_up.compare_exchange_weak(
            head,
            next_head(head, 0),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            head = changed;
        }
        let first = head & FREE_PLACE;
        let mut rest = self.find(first << PLACE_SHIFT)?;
        let second = rest.next_free.load(Ordering::Relaxed);
        let mut place = second;
        while place != 0 {
            rest = self.find(place << PLACE_SHIFT)?;
            place = rest.next_free.load(Ordering::Relaxed);
        }
        if second != 0 {
            push(&self.free, second, rest);
        }
        Some(first)
    }

    fn pop(&self, list: &AtomicU64) -> Option<u64> {
        let mut head = list.load(Ordering::Acquire);
        loop {
            let place = head & FREE_PLACE;
            if place == 0 {
                return None;
            }
            let next = self.find(place << PLACE_SHIFT)?;
            let next = next.next_free.load(Ordering::Relaxed);
            match list.compare_exchange_weak(
                head,
                next_head(head, next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(place),
                Err(changed) => head = changed,
            }
        }
    }
}

/// Puts a chain of entries into a list: the place of the first, and the last one.
fn push<T>(list: &AtomicU64, place: u64, end: &Entry<T>) {
    let mut head = list.load(Ordering::Relaxed);
    loop {
        end.next_free.store(head & FREE_PLACE, Ordering::Relaxed);
        match list.compare_exchange_weak(
            head,
            next_head(head, place),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(_) => return,
            Err(changed) => head = changed,
        }
    }
}

fn next_head(head: u64, place: u64) -> u64 {
    ((head >> FREE_SHIFT).wrapping_add(1) << FREE_SHIFT) | place
}

/// The generator SplitMix64, at this position of its sequence.
const fn mix(position: u64) -> u64 {
    let mut bits = position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn first_handle(place: u64, seed: u64) -> u64 {
    let tag = mix(seed.wrapping_add(place)) & TAGS;
    (place << PLACE_SHIFT) | (tag << 1) | 1
}

/// The handle that follows this one in its entry; `None` after the last one.
fn handle_after(handle: u64, seed: u64) -> Option<u64> {
    let place = handle >> PLACE_SHIFT;
    // An odd number, so that all tags come before the first one comes again.
    let step = mix(seed) | 1;
    let tag = (handle >> 1).wrapping_add(step) & TAGS;
    let next = (place << PLACE_SHIFT) | (tag << 1) | 1;
    (next != first_handle(place, seed)).then_some(next)
}

/// The number of users in an epoch.
const fn count_in(users: u64, epoch: u32) -> u64 {
    if users >> EPOCH_SHIFT == epoch as u64 {
        users & COUNT
    } else {
        0
    }
}

impl<T> Entry<T> {
    fn change_users(&self, epoch: u32, change: impl Fn(u64) -> u64) {
        // It can't fail: the closure always returns a new value.
        let _ = self
            .users
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |users| {
                let count = change(count_in(users, epoch)) & COUNT;
                Some((u64::from(epoch) << EPOCH_SHIFT) | count)
            });
    }
}

/// A call in progress that uses a value; it is counted while this lives.
#[derive(Debug)]
pub(crate) struct User<'a, T> {
    entry: &'a Entry<T>,
    epoch: u32,
}

impl<T> User<'_, T> {
    /// Passes the value; `None` if a thread of the parent was just destroying it when this
    /// process was forked.
    pub(crate) fn with<R>(&self, work: impl FnOnce(Option<&T>) -> R) -> R {
        self.entry.value.with(|place| {
            // SAFETY: while there are users, the value is only read.
            work(unsafe { &*place }.as_ref())
        })
    }
}

impl<T> Drop for User<'_, T> {
    fn drop(&mut self) {
        // A destroy may be waiting for this. The child of a signal handler that forked
        // in the middle of this call comes here, too: its own epoch may have begun.
        let (entry, epoch) = (self.entry, self.epoch);
        let _ = entry
            .users
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |users| {
                (count_in(users, epoch) > 0).then(|| users - 1)
            });
    }
}

/// A destroy that has begun.
#[derive(Debug)]
pub(crate) struct Destroy<'a, T> {
    table: &'a Table<T>,
    entry: &'a Entry<T>,
    handle: u64,
    epoch: u32,
}

impl<T> Destroy<'_, T> {
    /// Whether calls of this process still use the value.
    pub(crate) fn has_users(&self) -> bool {
        // An exchange, not a load, so that it comes either before a user's count, who
        // then sees the destroy, or after it.
        let users = self.entry.users.fetch_add(0, Ordering::AcqRel);
        count_in(users, self.epoch) != 0
    }

    /// Makes the handle valid again.
    pub(crate) fn give_up(self) {
        self.entry.word.store(self.handle, Ordering::Release);
    }

    /// Takes the value out of the table, and ends the handle. The caller has seen that
    /// the value has no users.
    pub(crate) fn finish(self) -> Option<T> {
        let value = self.entry.value.with_mut(|place| {
            // SAFETY: this thread destroys the handle, and nobody uses the value.
            unsafe { &mut *place }.take()
        });
        let next = handle_after(self.handle, self.table.seed.load(Ordering::Relaxed));
        self.entry.word.store(0, Ordering::Release);
        let place = self.handle >> PLACE_SHIFT;
        if let Some(next) = next {
            self.entry.next_handle.store(next, Ordering::Relaxed);
            push(&self.table.free, place, self.entry);
        } else if IS_NARROW {
            self.entry.next_handle.store(0, Ordering::Relaxed);
            push(&self.table.used_up, place, self.entry);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn table(first_chunk: u64) -> Table<String> {
        Table {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            unused: AtomicU64::new(first_chunk),
            free: AtomicU64::new(0),
            used_up: AtomicU64::new(0),
            seed: AtomicU64::new(0),
        }
    }

    const FACTS: Facts = Facts {
        address: ptr::null_mut(),
        size: 7,
        id: 8,
        was_created: true,
    };

    /// Miri takes a thousand times as long.
    const fn rounds(most: u32) -> u32 {
        if cfg!(miri) { 50 } else { most }
    }

    fn insert(table: &Table<String>, value: &str) -> u64 {
        table.insert(value.to_owned(), FACTS, || 12345).unwrap()
    }

    fn value(table: &Table<String>, handle: u64, epoch: u32) -> Option<String> {
        table
            .enter(handle, epoch)?
            .with(|value| Some(value?.clone()))
    }

    fn destroy(table: &Table<String>, handle: u64, epoch: u32) -> Option<String> {
        let destroy = table.begin_destroy(handle, epoch)?;
        assert!(!destroy.has_users());
        destroy.finish()
    }

    #[test]
    fn each_handle_leads_to_its_own_value() {
        let table = table(64);
        let handles: Vec<_> = (0..rounds(1000))
            .map(|n| insert(&table, &n.to_string()))
            .collect();
        for (n, &handle) in handles.iter().enumerate() {
            assert_eq!(value(&table, handle, 0), Some(n.to_string()));
            assert_eq!(table.read(handle, Entry::size), Some(7));
            assert_eq!(table.read_in(handle, 0, Entry::id), Some(8));
            assert_eq!(table.read_in(handle, 0, Entry::was_created), Some(true));
            assert!(handle % 2 == 1 && handle >> PLACE_SHIFT >= 64 && handle < 1 << 53);
            assert!(usize::try_from(handle).is_ok());
        }
        for (n, &handle) in handles.iter().enumerate() {
            assert_eq!(destroy(&table, handle, 0), Some(n.to_string()));
            assert_eq!(table.read(handle, Entry::size), None);
            assert!(table.begin_destroy(handle, 0).is_none());
        }
    }

    #[test]
    fn numbers_that_are_no_handles_are_not_found() {
        let table = table(1);
        let handle = insert(&table, "");
        let _closing = table.begin_destroy(handle, 0);
        for power in 0..64 {
            for number in [1 << power, (1 << power) - 1, handle ^ (1 << power)] {
                assert_eq!(table.read(number, Entry::size), None, "{number:#x}");
                assert_eq!(table.read_in(number, 1, Entry::size), None, "{number:#x}");
                assert!(table.enter(number, 1).is_none(), "{number:#x}");
                assert!(table.begin_destroy(number, 1).is_none(), "{number:#x}");
            }
        }
    }

    #[test]
    fn no_handle_comes_twice() {
        let table = table(1);
        let mut seen = BTreeSet::new();
        for _ in 0..rounds(10_000) {
            let handle = insert(&table, "");
            assert!(seen.insert(handle));
            destroy(&table, handle, 0);
        }
        assert_eq!(table.unused.load(Ordering::Relaxed), 2, "one entry is used");
    }

    /// Uses up the tags of a free entry, whose first handle this is.
    fn use_up(table: &Table<String>, first: u64) {
        let step = mix(table.seed.load(Ordering::Relaxed)) | 1;
        let last_tag = (first >> 1).wrapping_sub(step) & TAGS;
        let last = (first >> PLACE_SHIFT << PLACE_SHIFT) | (last_tag << 1) | 1;
        let entry = table.find(first).unwrap();
        entry.next_handle.store(last, Ordering::Relaxed);
        assert_eq!(insert(table, ""), last);
        destroy(table, last, 0);
    }

    #[test]
    fn an_entry_whose_tags_are_used_up_is_not_used_again() {
        let table = table(1);
        let first = insert(&table, "");
        destroy(&table, first, 0);
        use_up(&table, first);
        assert_ne!(insert(&table, "") >> PLACE_SHIFT, first >> PLACE_SHIFT);
    }

    #[test]
    fn where_places_are_short_the_used_up_entries_come_again_together() {
        let table = table(1);
        let firsts: Vec<_> = (0..rounds(100)).map(|_| insert(&table, "")).collect();
        for &first in &firsts {
            destroy(&table, first, 0);
            use_up(&table, first);
        }
        // No place is left.
        table.unused.store(1 << CHUNKS, Ordering::Relaxed);
        let mut again = BTreeSet::new();
        for _ in &firsts {
            let inserted = table.insert(String::new(), FACTS, || 12345);
            assert_eq!(inserted.is_ok(), IS_NARROW);
            if let Ok(handle) = inserted {
                again.insert(handle);
                destroy(&table, handle, 0);
                use_up(&table, handle);
            }
        }
        let expected = if IS_NARROW { firsts } else { Vec::new() };
        assert_eq!(again, expected.into_iter().collect());
    }

    /// In a program with 32 bits, this makes as many handles as one entry has, and more.
    #[test]
    fn a_handle_does_not_come_again_while_places_are_left() {
        let table = table(64);
        let first = insert(&table, "");
        destroy(&table, first, 0);
        for n in 0..rounds(100_000) {
            let handle = insert(&table, "");
            assert_ne!(handle, first, "{n}");
            destroy(&table, handle, 0);
        }
    }

    #[test]
    fn two_tables_do_not_accept_each_others_handles() {
        let [first, second] = [table(64), table(64)];
        for n in 0..rounds(1000) {
            let ours = first.insert(String::new(), FACTS, || 1).unwrap();
            let theirs = second.insert(String::new(), FACTS, || 3).unwrap();
            assert!(second.read(ours, Entry::size).is_none(), "{n}");
            assert!(first.read(theirs, Entry::size).is_none(), "{n}");
        }
    }

    #[test]
    fn a_destroy_that_is_given_up_leaves_a_valid_handle() {
        let table = table(4);
        let handle = insert(&table, "x");
        for epoch in [0, 1] {
            table.begin_destroy(handle, epoch).unwrap().give_up();
            assert_eq!(value(&table, handle, epoch).as_deref(), Some("x"));
        }
        assert_eq!(destroy(&table, handle, 1).as_deref(), Some("x"));
    }

    #[test]
    fn a_child_of_fork_ignores_users_and_destroys_of_its_parent() {
        let table = table(1);
        let handle = insert(&table, "x");
        // A thread of each process is in a call, and another one is destroying the handle,
        // when that process forks. There are more processes than a few bits can count.
        let most = rounds(5000);
        for epoch in (0..most).chain(u32::MAX - most..=u32::MAX) {
            assert_eq!(value(&table, handle, epoch).as_deref(), Some("x"));
            std::mem::forget(table.enter(handle, epoch).unwrap());
            let destroy = table.begin_destroy(handle, epoch).unwrap();
            assert!(destroy.has_users());
            assert!(table.begin_destroy(handle, epoch).is_none());
            assert!(table.enter(handle, epoch).is_none());
            assert_eq!(table.read_in(handle, epoch, Entry::size), None);
            let child = epoch.wrapping_add(1);
            assert_eq!(table.read_in(handle, child, Entry::size), Some(7));
        }
        assert_eq!(destroy(&table, handle, 7777).as_deref(), Some("x"));
    }

    #[test]
    fn a_call_that_was_forked_in_the_middle_is_not_counted_in_the_child() {
        let table = table(1);
        let handle = insert(&table, "x");
        let of_the_parent = table.enter(handle, 1).unwrap();
        let of_the_child = table.enter(handle, 2).unwrap();
        drop(of_the_parent);
        let destroy = table.begin_destroy(handle, 2).unwrap();
        assert!(destroy.has_users());
        drop(of_the_child);
        assert!(!destroy.has_users());
    }

    #[test]
    fn where_memory_is_short_the_value_comes_back() {
        let table = table(1 << (CHUNKS - 1));
        table.unused.store(1 << CHUNKS, Ordering::Relaxed);
        let result = table.insert("x".to_owned(), FACTS, || 1);
        assert_eq!(result.unwrap_err(), "x");
    }
}

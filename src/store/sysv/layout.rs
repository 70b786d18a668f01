//! The bytes in shared memory: a header, slots, and pages for long names.
//! `docs/registry-format.md` describes them for programs in other languages.
//!
//! Everything is atomic, because other processes, and stray writes of any program
//! that has the registry attached, may change it at any time. Nothing that is read
//! here is trusted before it is checked. The memory records which name belongs to
//! which segment, but no addresses.
//!
//! ```text
//! 0                  HEADER_SIZE
//! | Header           | Slot 0 | Slot 1 | ... | Page 0    | Page 1    | ... |
//!                      64 bytes each           4096 bytes each
//! ```
//!
//! A name of up to 24 bytes is in its slot, so that a look-up reads one cache line. A
//! longer one is in a page. Pages that hold no name are never touched, so they cost no
//! memory.

use std::ffi::c_int;
use std::mem::offset_of;
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use super::hash::{fold, hash_of, mix};
use super::mapping::Mapping;
use super::shm::Key;
pub(super) use super::sizes::{
    CAPACITIES, HEADER_SIZE, PAGE_SIZE, capacity_for, capacity_of, size_of_registry,
};
use super::sizes::{SLOT_SIZE, pages_for};
pub(super) use super::state::{Damage, State};
use crate::lock::RobustLock;
use crate::{lock, os};

/// In the first eight bytes: the registry is complete.
pub(super) const MAGIC: u64 = u64::from_ne_bytes(*b"shm_util");
/// In the first eight bytes: the registry was removed, and has a successor.
pub(super) const SUPERSEDED: u64 = u64::from_ne_bytes(*b"shm_past");
/// Raised with every change of this file that older programs can't read. One bit shows how the
/// registry is locked.
pub(super) const VERSION: u32 = 4 | lock::KIND.layout;

const IDENTITY_MAX: usize = 4096;
const _: () = assert!(libc::PATH_MAX as usize <= IDENTITY_MAX);
/// The number of words of eight bytes of a name that is in its slot.
pub(super) const SLOT_WORDS: usize = 3;
/// A page has a head of eight words, and this many for names.
pub(super) const PAGE_WORDS: usize = PAGE_SIZE / 8 - 8;

/// The first bytes of a registry.
#[repr(C)]
pub(super) struct Header {
    /// Written last when a registry is born.
    magic: AtomicU64,
    version: AtomicU32,
    capacity: AtomicU32,
    pub(super) lock: RobustLock,
    /// The number of names; its complement is in the upper half.
    names: AtomicU64,
    /// Distinguishes the registry from every other one.
    nonce: AtomicU64,
    identity_length: AtomicU32,
    identity_check: AtomicU32,
    /// The number of pages that were ever used.
    pages: AtomicU32,
    /// 1 while names are taken over from predecessors; 2 when a successor has its names.
    takeover: AtomicU32,
    identity: [AtomicU8; IDENTITY_MAX],
    /// Changes when a name appears that processes wait for. Odd while some may wait.
    appeared: AtomicU32,
    /// 0 if no published segment is transient; 1 if one may be.
    transient: AtomicU32,
    /// Bit *n* is 0 if no slot in the *n*th of 64 parts of the table is hidden; 1 if one may
    /// be.
    hidden: AtomicU64,
}

/// What the registry records of a name. One cache line.
#[repr(C, align(64))]
pub(super) struct Slot {
    /// [`State`], see [`State::to_word`]. Written last, read first and last.
    state: AtomicU64,
    /// Of the segment, in bytes.
    size: AtomicU64,
    /// When the segment was created, in seconds since 1970. The kernel's own time of
    /// that changes whenever the permissions change.
    created: AtomicU64,
    key: AtomicU32,
    /// Of the name.
    hash: AtomicU32,
    /// Check sum of the four fields above and the one below.
    check: AtomicU32,
    /// Where the name is, and its length.
    extent: AtomicU32,
    /// A name of up to 24 bytes.
    name: [AtomicU64; SLOT_WORDS],
}

/// Memory for long names.
#[repr(C, align(64))]
pub(super) struct Page {
    /// Bit *n* is set if the *n*th 64 bytes after the head belong to a name.
    taken: AtomicU64,
    /// [`mix`] of `taken`.
    check: AtomicU64,
    _unused: [AtomicU64; 6],
    words: [AtomicU64; PAGE_WORDS],
}

// Processes with another build of the library rely on these.
const _: () = {
    assert!(size_of::<Header>() <= HEADER_SIZE);
    assert!(offset_of!(Header, version) == 8);
    assert!(offset_of!(Header, capacity) == 12);
    assert!(offset_of!(Header, lock) == 16 && size_of::<RobustLock>() == 16);
    assert!(offset_of!(Header, names) == 32);
    assert!(offset_of!(Header, nonce) == 40);
    assert!(offset_of!(Header, identity_length) == 48);
    assert!(offset_of!(Header, identity_check) == 52);
    assert!(offset_of!(Header, pages) == 56);
    assert!(offset_of!(Header, takeover) == 60);
    assert!(offset_of!(Header, identity) == 64);
    assert!(offset_of!(Header, appeared) == 4160);
    assert!(offset_of!(Header, transient) == 4164);
    assert!(offset_of!(Header, hidden) == 4168);
    assert!(size_of::<Slot>() == SLOT_SIZE && align_of::<Slot>() == 64);
    assert!(offset_of!(Slot, size) == 8);
    assert!(offset_of!(Slot, created) == 16);
    assert!(offset_of!(Slot, key) == 24);
    assert!(offset_of!(Slot, hash) == 28);
    assert!(offset_of!(Slot, check) == 32);
    assert!(offset_of!(Slot, extent) == 36);
    assert!(offset_of!(Slot, name) == 40);
    assert!(size_of::<Page>() == PAGE_SIZE);
    assert!(offset_of!(Page, words) == 64);
    assert!(HEADER_SIZE % align_of::<Slot>() == 0);
};

/// Where a name is. The lower 10 bits hold its length in bytes. The upper 22 bits are 0
/// if it is in its slot, otherwise 64 times the number of its page, plus 1, plus the
/// number of its first 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent(pub(super) u32);

/// What a slot records besides its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) key: Key,
    pub(super) size: u64,
    pub(super) hash: u32,
    pub(super) extent: Extent,
    pub(super) created: u64,
}

impl Facts {
    fn check(self) -> u32 {
        let words = [
            (u64::from(self.key.0) << 32) | u64::from(self.hash),
            u64::from(self.extent.0),
            self.size,
            self.created,
        ];
        fold(words.into_iter().fold(0, |sum, word| mix(sum ^ word)))
    }
}

impl Slot {
    /// An empty slot has no key either, so a state overwritten with zeros is noticed.
    pub(super) fn state(&self) -> Result<State, Damage> {
        match State::from_word(self.state.load(Ordering::Acquire))? {
            State::Empty if self.key().0 != 0 => Err(Damage("the state of a name")),
            state => Ok(state),
        }
    }

    /// Makes a freed slot empty.
    pub(super) fn clear(&self) {
        self.key.store(0, Ordering::Relaxed);
        self.set_state(State::Empty);
    }

    /// Clears the facts of an empty slot, whose writer died before it stored the state.
    pub(super) fn recover(&self) {
        if self.state.load(Ordering::Acquire) == State::Empty.to_word() && self.key().0 != 0 {
            self.clear();
        }
    }

    /// Recovery relies on the order: if a process dies here, all stores before this one
    /// have been made, and none after it.
    pub(super) fn set_state(&self, state: State) {
        self.state.store(state.to_word(), Ordering::Release);
    }

    /// The key alone, to be compared with a known one.
    pub(super) fn key(&self) -> Key {
        Key(self.key.load(Ordering::Relaxed))
    }

    pub(super) fn facts(&self) -> Result<Facts, Damage> {
        let facts = Facts {
            key: self.key(),
            size: self.size.load(Ordering::Relaxed),
            hash: self.hash.load(Ordering::Relaxed),
            extent: Extent(self.extent.load(Ordering::Relaxed)),
            created: self.created.load(Ordering::Relaxed),
        };
        if facts.check() == self.check.load(Ordering::Relaxed) {
            Ok(facts)
        } else {
            Err(Damage("the key or size of a name"))
        }
    }

    /// Whether the state is still `before`, after the facts and the name were read
    /// without the lock: then they belong to it.
    pub(super) fn is_still(&self, before: State) -> bool {
        fence(Ordering::Acquire);
        self.state.load(Ordering::Relaxed) == before.to_word()
    }

    /// Only called in a state that shows to a reader without the lock that the facts
    /// mean nothing.
    pub(super) fn set_facts(&self, facts: Facts) {
        // A reader that sees one of the stores below also sees the state before them.
        fence(Ordering::Release);
        self.key.store(facts.key.0, Ordering::Relaxed);
        self.size.store(facts.size, Ordering::Relaxed);
        self.hash.store(facts.hash, Ordering::Relaxed);
        self.extent.store(facts.extent.0, Ordering::Relaxed);
        self.created.store(facts.created, Ordering::Relaxed);
        self.check.store(facts.check(), Ordering::Relaxed);
    }

    /// Where a short name is.
    pub(super) const fn name(&self) -> &[AtomicU64] {
        &self.name
    }
}

impl Page {
    /// Which 64 bytes belong to names.
    pub(super) fn taken(&self) -> Result<u64, Damage> {
        let taken = self.taken.load(Ordering::Relaxed);
        if self.check.load(Ordering::Relaxed) == mix(taken) {
            Ok(taken)
        } else {
            Err(Damage("the use of a page"))
        }
    }

    pub(super) fn set_taken(&self, taken: u64) {
        self.taken.store(taken, Ordering::Relaxed);
        self.check.store(mix(taken), Ordering::Relaxed);
    }

    pub(super) const fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

impl Header {
    /// [`MAGIC`], [`SUPERSEDED`], or 0 in a registry that is not complete yet.
    pub(super) fn magic(&self) -> u64 {
        self.magic.load(Ordering::Acquire)
    }

    /// Marks a registry that was removed, so that the processes that have it attached
    /// look for its successor.
    pub(super) fn supersede(&self) {
        self.magic.store(SUPERSEDED, Ordering::Release);
        // Whoever counts attachments for the successor sees those that a process made
        // before it saw the mark.
        fence(Ordering::SeqCst);
    }

    /// Marks the word that changes when a name appears, and returns its value until then.
    /// The caller looks for its name next, and waits only if it is absent.
    pub(super) fn expect_name(&self) -> u32 {
        self.appeared.fetch_or(1, Ordering::SeqCst) | 1
    }

    /// The word that changes when a name appears.
    pub(super) const fn appeared(&self) -> &AtomicU32 {
        &self.appeared
    }

    /// Wakes the processes that wait for a name, after one has appeared. A process that dies
    /// before has delayed them: they also look from time to time.
    #[inline]
    pub(super) fn announce_name(&self) {
        if self.appeared.load(Ordering::Relaxed) & 1 != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // Even, until a process waits again.
        self.appeared.fetch_add(1, Ordering::SeqCst);
        os::futex_wake(self.appeared.as_ptr(), c_int::MAX, os::Scope::Shared);
    }

    /// Marks a registry that is not complete as one that never will be. False if it was
    /// completed just now.
    pub(super) fn forestall(&self) -> bool {
        let before =
            self.magic
                .compare_exchange(0, SUPERSEDED, Ordering::AcqRel, Ordering::Acquire);
        matches!(before, Ok(_) | Err(SUPERSEDED))
    }

    pub(super) fn version(&self) -> u32 {
        self.version.load(Ordering::Relaxed)
    }

    /// Completes a registry that has this many names. Writes the magic number last, so
    /// that no process takes an incomplete one for complete. False if it was
    /// [forestalled](Self::forestall). `identity` has at most `PATH_MAX` bytes.
    pub(super) fn give_birth(
        &self,
        identity: &[u8],
        capacity: usize,
        names: usize,
        nonce: u64,
    ) -> bool {
        self.version.store(VERSION, Ordering::Relaxed);
        self.capacity
            .store(u32::try_from(capacity).unwrap_or(0), Ordering::Relaxed);
        for (place, &byte) in self.identity.iter().zip(identity) {
            place.store(byte, Ordering::Relaxed);
        }
        self.identity_length.store(
            u32::try_from(identity.len()).unwrap_or(u32::MAX),
            Ordering::Relaxed,
        );
        self.identity_check
            .store(hash_of(identity.iter().copied()), Ordering::Relaxed);
        self.set_names(u32::try_from(names).unwrap_or(u32::MAX));
        self.nonce.store(nonce, Ordering::Relaxed);
        self.takeover.store(0, Ordering::Relaxed);
        self.magic
            .compare_exchange(0, MAGIC, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether another process began to take names over, and died.
    pub(super) fn is_in_takeover(&self) -> bool {
        self.takeover.load(Ordering::Relaxed) == 1
    }

    /// The identifier of the registry that has the names of this removed one.
    pub(super) fn successor(&self) -> Option<c_int> {
        let id = self.takeover.load(Ordering::Relaxed).checked_sub(2)?;
        c_int::try_from(id).ok()
    }

    /// Notes that another registry, which is complete, has the names of this removed one.
    pub(super) fn set_successor(&self, id: c_int) {
        self.takeover
            .store(id.unsigned_abs() + 2, Ordering::Relaxed);
    }

    /// Notes that names are about to be taken over.
    pub(super) fn begin_takeover(&self) {
        self.takeover.store(1, Ordering::Relaxed);
    }

    pub(super) fn nonce(&self) -> u64 {
        self.nonce.load(Ordering::Relaxed)
    }

    /// The number of pages that were ever used.
    pub(super) fn pages(&self) -> usize {
        usize::try_from(self.pages.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    pub(super) fn set_pages(&self, pages: usize) {
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        self.pages.store(pages, Ordering::Relaxed);
    }

    /// Whether the registry belongs to the namespace of this identity.
    pub(super) fn is_for(&self, identity: &[u8]) -> Result<bool, Damage> {
        let stored = self.identity_bytes()?;
        if hash_of(stored.clone()) != self.identity_check.load(Ordering::Relaxed) {
            return Err(Damage("the namespace"));
        }
        Ok(stored.eq(identity.iter().copied()))
    }

    /// The identity of the registry's namespace.
    pub(super) fn identity(&self) -> Result<Vec<u8>, Damage> {
        // The check uses the copy: other processes may change the bytes at any time.
        let identity: Vec<u8> = self.identity_bytes()?.collect();
        if self.is_for(&identity)? {
            Ok(identity)
        } else {
            Err(Damage("the namespace"))
        }
    }

    fn identity_bytes(&self) -> Result<impl Iterator<Item = u8> + Clone + use<'_>, Damage> {
        let length = self.identity_length.load(Ordering::Relaxed);
        let stored = usize::try_from(length)
            .ok()
            .and_then(|length| self.identity.get(..length))
            .ok_or(Damage("the length of the namespace"))?;
        Ok(stored.iter().map(|byte| byte.load(Ordering::Relaxed)))
    }

    /// The number of names.
    pub(super) fn names(&self) -> Result<u32, Damage> {
        let word = self.names.load(Ordering::Relaxed);
        u32::try_from(word & u64::from(u32::MAX))
            .ok()
            .filter(|&count| names_word(count) == word)
            .ok_or(Damage("the number of names"))
    }

    pub(super) fn set_names(&self, count: u32) {
        self.names.store(names_word(count), Ordering::Relaxed);
    }

    /// Whether a published segment may be transient.
    pub(super) fn has_transient(&self) -> bool {
        self.transient.load(Ordering::Relaxed) != 0
    }

    pub(super) fn note_transient(&self, any: bool) {
        self.transient.store(u32::from(any), Ordering::Relaxed);
    }

    /// One bit for each of the 64 parts of the table: whether a slot in it may be hidden.
    #[inline]
    pub(super) fn hidden(&self) -> u64 {
        self.hidden.load(Ordering::Relaxed)
    }

    pub(super) fn note_hidden(&self, parts: u64) {
        self.hidden.store(parts, Ordering::Relaxed);
    }
}

fn names_word(count: u32) -> u64 {
    (u64::from(!count) << 32) | u64::from(count)
}

/// The parts of a registry's memory.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) header: &'a Header,
    slots: &'a [Slot],
    pages: &'a [Page],
}

/// The header of a mapping that is large enough for one.
pub(super) fn header(mapping: &Mapping) -> Option<&Header> {
    if mapping.size() < HEADER_SIZE {
        return None;
    }
    // SAFETY: the mapping is large enough and begins at a page. The header consists of
    // atomics, for which every bit pattern is valid.
    Some(unsafe { mapping.address().cast::<Header>().as_ref() })
}

impl<'a> Table<'a> {
    /// `None` if the mapping does not have the size for this many slots.
    pub(super) fn new(mapping: &'a Mapping, capacity: usize) -> Option<Self> {
        if capacity_of(mapping.size()) != Some(capacity) {
            return None;
        }
        let header = header(mapping)?;
        let base = mapping.address();
        // SAFETY: the size was checked, so the slots end within the mapping.
        let slots = unsafe { base.byte_add(HEADER_SIZE) };
        // SAFETY: the same for the pages, which follow the slots.
        let pages = unsafe { slots.byte_add(capacity * size_of::<Slot>()) };
        let count = pages_for(capacity);
        Some(Self {
            header,
            // SAFETY: within the mapping, aligned to a cache line, and atomic.
            slots: unsafe { slice::from_raw_parts(slots.cast::<Slot>().as_ptr(), capacity) },
            // SAFETY: as above.
            pages: unsafe { slice::from_raw_parts(pages.cast::<Page>().as_ptr(), count) },
        })
    }

    pub(super) const fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(super) const fn slots(&self) -> &'a [Slot] {
        self.slots
    }

    pub(super) const fn pages(&self) -> &'a [Page] {
        self.pages
    }

    /// The slot of an index, modulo the capacity.
    pub(super) fn slot(&self, index: usize) -> Result<&'a Slot, Damage> {
        self.slots
            .get(index & (self.slots.len() - 1))
            .ok_or(Damage("an index"))
    }
}

#[cfg(test)]
mod page;

//! Where a name is in a registry: in its slot, or in a page if it is longer than that.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::hash::{HashedName, words_of};
use super::layout::{Damage, Extent, Facts, PAGE_WORDS, Page, SLOT_WORDS, Slot, Table};
use crate::name::NAME_MAX;

const LENGTH_BITS: u32 = 10;
/// The words of the smallest part of a page that is given away: 64 bytes.
const UNIT_WORDS: usize = 8;
const UNITS: usize = PAGE_WORDS / UNIT_WORDS;
/// The words of the longest name.
const MOST_WORDS: usize = 128;

const _: () = {
    assert!(NAME_MAX < 1 << LENGTH_BITS && NAME_MAX <= MOST_WORDS * 8);
    assert!(UNITS == 63);
};

/// The units of a page that a name has.
struct Units {
    page: usize,
    first: usize,
    count: usize,
}

impl Units {
    /// The bits of the units in the page's head.
    const fn bits(&self) -> u64 {
        ((1 << self.count) - 1) << self.first
    }
}

impl Extent {
    fn new(length: usize, place: usize) -> Option<Self> {
        let length = u32::try_from(length)
            .ok()
            .filter(|&length| length < 1 << LENGTH_BITS)?;
        Some(Self((u32::try_from(place).ok()? << LENGTH_BITS) | length))
    }

    /// The length of the name in bytes.
    pub(super) fn length(self) -> usize {
        usize::try_from(self.0 & ((1 << LENGTH_BITS) - 1)).unwrap_or(0)
    }

    /// `None` if the name is in its slot.
    fn units(self) -> Option<Units> {
        let place = usize::try_from(self.0 >> LENGTH_BITS).ok()?;
        Some(Units {
            page: place / 64,
            first: (place % 64).checked_sub(1)?,
            count: units_for(self.length()),
        })
    }
}

const fn units_for(length: usize) -> usize {
    length.div_ceil(8 * UNIT_WORDS)
}

impl<'a> Table<'a> {
    fn page(&self, units: &Units) -> Result<&'a Page, Damage> {
        self.pages()
            .get(units.page)
            .filter(|_| units.first + units.count <= UNITS)
            .ok_or(Damage("the place of a name"))
    }

    /// The words of the name of a slot that has this extent.
    fn words(&self, slot: &'a Slot, extent: Extent) -> Result<&'a [AtomicU64], Damage> {
        let words = match extent.units() {
            None => slot.name(),
            Some(units) => {
                let words = self.page(&units)?.words();
                words.get(units.first * UNIT_WORDS..).unwrap_or(&[])
            }
        };
        words
            .get(..extent.length().div_ceil(8))
            .filter(|_| extent.length() <= NAME_MAX)
            .ok_or(Damage("the place of a name"))
    }

    /// Finds room for a name and stores it there. `None` if all pages are full.
    pub(super) fn store_name(
        &self,
        slot: &'a Slot,
        name: &HashedName<'_>,
    ) -> Result<Option<Extent>, Damage> {
        let length = name.bytes().len();
        let place = if length <= 8 * SLOT_WORDS {
            Some(0)
        } else {
            self.take_units(units_for(length))?
        };
        let Some(extent) = place.and_then(|place| Extent::new(length, place)) else {
            return Ok(None);
        };
        // As in `Slot::set_facts`.
        fence(Ordering::Release);
        for (place, word) in self.words(slot, extent)?.iter().zip(words_of(name.bytes())) {
            place.store(word, Ordering::Relaxed);
        }
        Ok(Some(extent))
    }

    /// Takes so many units in a row of the first page that has them, and returns their
    /// place.
    fn take_units(&self, count: usize) -> Result<Option<usize>, Damage> {
        for (number, page) in self.pages().iter().enumerate() {
            let taken = page.taken()?;
            let mut units = Units {
                page: number,
                first: 0,
                count,
            };
            while units.first + count <= UNITS {
                if taken & units.bits() == 0 {
                    if self.header.pages() <= number {
                        self.header.set_pages(number + 1);
                    }
                    page.set_taken(taken | units.bits());
                    return Ok(Some(number * 64 + 1 + units.first));
                }
                units.first += 1;
            }
        }
        Ok(None)
    }

    /// Gives back the memory of a name whose slot is free.
    pub(super) fn free_name(&self, extent: Extent) -> Result<(), Damage> {
        let Some(units) = extent.units() else {
            return Ok(());
        };
        let page = self.page(&units)?;
        page.set_taken(page.taken()? & !units.bits());
        Ok(())
    }

    /// Finds out anew which memory belongs to names, from what is left after the death
    /// of a process that may have changed it.
    pub(super) fn count_units(&self) -> Result<(), Damage> {
        for page in self.pages().iter().take(self.header.pages()) {
            page.set_taken(0);
        }
        for used in self.used() {
            let Some(units) = used?.facts.extent.units() else {
                continue;
            };
            let page = self.page(&units)?;
            page.set_taken(page.taken()? | units.bits());
        }
        Ok(())
    }

    /// The name of slot `index`, which has these facts.
    pub(super) fn name(&self, index: usize, facts: Facts) -> Result<Stored, Damage> {
        let stored = Stored::read(self.words(self.slot(index)?, facts.extent)?, facts.extent);
        if HashedName::new(stored.bytes()).hash() == facts.hash {
            Ok(stored)
        } else {
            Err(Damage("a name"))
        }
    }

    /// Whether a slot that has these facts belongs to `name`.
    pub(super) fn is_named(
        &self,
        slot: &'a Slot,
        facts: Facts,
        name: &HashedName<'_>,
    ) -> Result<bool, Damage> {
        if facts.hash != name.hash() {
            return Ok(false);
        }
        let stored = self.words(slot, facts.extent)?;
        let words = stored.iter().map(|word| word.load(Ordering::Relaxed));
        if facts.extent.length() == name.bytes().len() && words.eq(words_of(name.bytes())) {
            return Ok(true);
        }
        // It is another name with the same hash, or was overwritten. Bytes beyond the
        // name's end do not matter.
        let stored = Stored::read(stored, facts.extent);
        if HashedName::new(stored.bytes()).hash() == facts.hash {
            Ok(stored.bytes() == name.bytes())
        } else {
            Err(Damage("a name"))
        }
    }
}

/// A copy of a name in the registry.
pub(super) struct Stored {
    bytes: [u8; MOST_WORDS * 8],
    length: usize,
}

impl Stored {
    fn read(words: &[AtomicU64], extent: Extent) -> Self {
        let mut bytes = [0; MOST_WORDS * 8];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Self {
            bytes,
            length: extent.length(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

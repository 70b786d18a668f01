//! The state of a slot, as one checked word.

#![forbid(unsafe_code)]

use super::hash::mix;
use super::shm::Id;
use crate::request::Lifetime;

/// The part of a registry that holds what this library can't have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) &'static str);

/// The state of a slot. It includes how long the segment lives, so that changing
/// that is a single store, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Never used: a probe for a name ends here.
    Empty,
    /// Used once: probes go on, and a new name may take it.
    Freed,
    /// Its segment is about to be created, or was just created.
    Creating,
    /// It names the segment of this identifier.
    Live(Id, Lifetime),
    /// Its segment is about to be deleted, or was just deleted.
    Removing(Id, Lifetime),
    /// The segment was not published yet: look-ups ignore the slot.
    Hidden(Id, Lifetime),
    /// The segment, not published yet, is about to be deleted, or was just deleted.
    Abandoned(Id, Lifetime),
}

impl State {
    /// The lower half holds the identifier; the upper half the kind of state, and a
    /// check of both. `Empty` is 0, like new memory.
    pub(super) fn to_word(self) -> u64 {
        let (kind, Id(id)) = match self {
            Self::Empty => return 0,
            Self::Freed => (1_u8, Id(-1)),
            Self::Creating => (2, Id(-1)),
            Self::Live(id, lifetime) => (3 + step(lifetime), id),
            Self::Removing(id, lifetime) => (4 + step(lifetime), id),
            Self::Hidden(id, lifetime) => (9 + step(lifetime), id),
            Self::Abandoned(id, lifetime) => (10 + step(lifetime), id),
        };
        let low = u64::from(u32::from_ne_bytes(id.to_ne_bytes()));
        sealed((u64::from(kind) << 32) | low)
    }

    pub(super) fn from_word(word: u64) -> Result<Self, Damage> {
        let damage = Damage("the state of a name");
        if sealed(word & ((1 << SEAL_SHIFT) - 1)) != word {
            return Err(damage);
        }
        let [id0, id1, id2, id3, kind, ..] = word.to_le_bytes();
        let id = Id(i32::from_le_bytes([id0, id1, id2, id3]));
        match kind {
            0 if id.0 == 0 => Ok(Self::Empty),
            1 => Ok(Self::Freed),
            2 => Ok(Self::Creating),
            3 => Ok(Self::Live(id, Lifetime::Used)),
            4 => Ok(Self::Removing(id, Lifetime::Used)),
            5 => Ok(Self::Live(id, Lifetime::Kept)),
            6 => Ok(Self::Removing(id, Lifetime::Kept)),
            7 => Ok(Self::Live(id, Lifetime::Transient)),
            8 => Ok(Self::Removing(id, Lifetime::Transient)),
            9 => Ok(Self::Hidden(id, Lifetime::Used)),
            10 => Ok(Self::Abandoned(id, Lifetime::Used)),
            11 => Ok(Self::Hidden(id, Lifetime::Kept)),
            12 => Ok(Self::Abandoned(id, Lifetime::Kept)),
            13 => Ok(Self::Hidden(id, Lifetime::Transient)),
            14 => Ok(Self::Abandoned(id, Lifetime::Transient)),
            _ => Err(damage),
        }
    }

    /// Whether look-ups ignore the slot, whatever name it has.
    pub(super) const fn is_hidden(self) -> bool {
        matches!(self, Self::Hidden(..) | Self::Abandoned(..))
    }
}

/// The distance of a state's kind from the kind of the same state with an ordinary lifetime.
const fn step(lifetime: Lifetime) -> u8 {
    match lifetime {
        Lifetime::Used => 0,
        Lifetime::Kept => 2,
        Lifetime::Transient => 4,
    }
}

const SEAL_SHIFT: u32 = 40;

/// A state's lower bits with their check above them; 0 stays 0.
const fn sealed(low: u64) -> u64 {
    (mix(low) << SEAL_SHIFT) | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_as_it_was_written() {
        let mut words = std::collections::HashSet::new();
        for state in all(Id(7)) {
            assert_eq!(State::from_word(state.to_word()), Ok(state));
            assert!(words.insert(state.to_word()), "{state:?}");
        }
        for state in [
            State::Live(Id(0), Lifetime::Used),
            State::Live(Id(i32::MAX), Lifetime::Kept),
        ] {
            assert_eq!(State::from_word(state.to_word()), Ok(state));
        }
    }

    /// Every state, for one segment.
    fn all(id: Id) -> impl Iterator<Item = State> {
        let lifetimes = [Lifetime::Used, Lifetime::Kept, Lifetime::Transient];
        let of_segment = lifetimes.into_iter().flat_map(move |lifetime| {
            [
                State::Live(id, lifetime),
                State::Removing(id, lifetime),
                State::Hidden(id, lifetime),
                State::Abandoned(id, lifetime),
            ]
        });
        [State::Empty, State::Freed, State::Creating]
            .into_iter()
            .chain(of_segment)
    }

    #[test]
    fn a_flipped_bit_of_a_state_is_noticed() {
        for state in all(Id(42)).filter(|&state| state != State::Empty) {
            for bit in 0..64 {
                assert!(State::from_word(state.to_word() ^ (1 << bit)).is_err());
            }
        }
        for bit in 0..64 {
            assert!(State::from_word(1 << bit).is_err());
        }
    }
}

//! Names and the hash functions of a registry. They are part of its format.

#![forbid(unsafe_code)]

/// A name and its hash. Names have at most 1000 bytes, none of them 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashedName<'a> {
    bytes: &'a [u8],
    hash: u32,
}

impl<'a> HashedName<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        // Every call looks a name up, so this is faster than `hash_of`.
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self {
            bytes,
            hash: fold(words_of(bytes).fold(length, |sum, word| mix(sum ^ word))),
        }
    }

    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) const fn hash(&self) -> u32 {
        self.hash
    }
}

/// Eight bytes at a time; the last word is padded with zeros.
pub(super) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let whole = bytes.chunks_exact(8);
    let rest = whole.remainder();
    let last = (!rest.is_empty()).then(|| {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(rest) {
            *to = *from;
        }
        u64::from_ne_bytes(word)
    });
    whole
        .map(|chunk| chunk.try_into().map_or(0, u64::from_ne_bytes))
        .chain(last)
}

/// FNV-1a in 64 bits, folded to 32 so that all of them matter.
pub(super) fn hash_of(bytes: impl Iterator<Item = u8>) -> u32 {
    fold(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// Lets every bit change about half of all bits, and loses none (the finalizer
/// of SplitMix64).
pub(super) const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

pub(super) fn fold(word: u64) -> u32 {
    let [a, b, c, d, high @ ..] = word.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d]) ^ u32::from_ne_bytes(high)
}

//! How large a registry and its parts are, in bytes.

#![forbid(unsafe_code)]

/// The size of the header.
pub(super) const HEADER_SIZE: usize = 8192;
/// The size of a slot.
pub(super) const SLOT_SIZE: usize = 64;
/// The size of a page for long names.
pub(super) const PAGE_SIZE: usize = 4096;

/// The possible numbers of slots. A registry with the most has 16 MiB when all are
/// used.
pub(super) const CAPACITIES: std::ops::RangeInclusive<usize> = 64..=1 << 17;

/// The number of pages of a registry with this many slots.
pub(super) const fn pages_for(capacity: usize) -> usize {
    match (capacity / 64).checked_sub(3) {
        None | Some(0) => 1,
        Some(pages) => pages,
    }
}

/// The size in bytes of a registry with this many slots. A registry has 1 to 4095 bytes
/// more, a number that was chosen at random when it was created.
pub(super) const fn size_of_registry(capacity: usize) -> usize {
    HEADER_SIZE + capacity * SLOT_SIZE + pages_for(capacity) * PAGE_SIZE
}

/// What a registry with this many slots takes at most, in whole pages: a random number of
/// bytes is added.
pub(crate) const fn most_bytes_of_registry(capacity: usize) -> usize {
    size_of_registry(capacity) + PAGE_SIZE
}

/// The number of slots of a new registry where the system allows this many segments:
/// twice as many, so that probes stay short even if every segment has a name.
pub(super) fn capacity_for(segments: usize) -> usize {
    segments
        .saturating_mul(2)
        .clamp(*CAPACITIES.start(), *CAPACITIES.end())
        .next_power_of_two()
}

/// The number of slots of a registry of this size; `None` if no registry has this
/// size.
pub(super) fn capacity_of(size: usize) -> Option<usize> {
    let mut capacity = *CAPACITIES.start();
    while capacity <= *CAPACITIES.end() {
        let smallest = size_of_registry(capacity);
        if (smallest..smallest + PAGE_SIZE).contains(&size) {
            return Some(capacity);
        }
        capacity *= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_one_of_few_sizes() {
        for segments in [0, 1, 4096, 32_768, usize::MAX] {
            let capacity = capacity_for(segments);
            assert_eq!(capacity_of(size_of_registry(capacity)), Some(capacity));
        }
        assert_eq!(capacity_for(4096), 8192);
        assert!(size_of_registry(8192) + PAGE_SIZE <= 1 << 20);
        for size in [0, 1, 4096, HEADER_SIZE, size_of_registry(64) - 1, 70_000] {
            assert_eq!(capacity_of(size), None);
        }
    }

    #[test]
    fn the_size_tells_the_number_of_slots() {
        let mut capacity = *CAPACITIES.start();
        while capacity <= *CAPACITIES.end() {
            for more in [0, 1, PAGE_SIZE - 1] {
                let size = size_of_registry(capacity) + more;
                assert_eq!(capacity_of(size), Some(capacity));
            }
            capacity *= 2;
        }
    }
}

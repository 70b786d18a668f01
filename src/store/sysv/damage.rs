//! A registry that a stray pointer writes to, for the fuzzers and tests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::hash::HashedName;
use super::layout::HEADER_SIZE;
use super::names::Lookup;
use super::registry::Registry;
use super::{keys, shm};
use crate::namespace::Registered;
use crate::os;
use crate::request::{Creation, Lifetime};

/// How long to wait for a lock that was overwritten.
const SHORT: Duration = Duration::from_millis(1);

/// Creates a registry and two names, overwrites bytes as the input says, and uses
/// the registry: each name must lead to its segment or to an error, and the segment
/// of a stranger must not change.
pub(crate) fn survive_damage(data: &[u8]) {
    let path = format!("/fuzz/{}", os::process().0).into_bytes();
    let registry = Registry::open(&Registered::Path(path)).unwrap();
    let stranger = shm::create(keys::for_segment(), 4096, Creation::with_mode(0o600)).unwrap();
    let untouched = shm::status(stranger).unwrap();
    let names = [
        HashedName::new(b"one"),
        HashedName::new(b"another name, a longer one than a slot has room for"),
    ];
    let entries = names.map(|name| {
        let names = registry.lock().unwrap();
        let creation = Creation::with_mode(0o660);
        names.create(&name, 4096, creation, Lifetime::Used).unwrap()
    });

    let bytes = registry.mapping.bytes();
    let damaged = data.chunks_exact(4).filter_map(|chunk| {
        let [low, high, region, value] = *chunk else {
            return None;
        };
        let offset = usize::from(u16::from_le_bytes([low, high]));
        let base = match region % 4 {
            0 => 0,
            1 => HEADER_SIZE + entries[0].slot * 64,
            2 => HEADER_SIZE + entries[1].slot * 64,
            // The first page for long names.
            _ => HEADER_SIZE + registry.capacity * 64,
        };
        let span = if region % 4 == 0 { 4200 } else { 128 };
        let place = bytes.get(base + offset % span)?;
        Some(place.fetch_xor(value, Ordering::Relaxed))
    });
    damaged.for_each(drop);

    for (name, entry) in names.iter().zip(&entries) {
        let looked_up = registry
            .lock_within(SHORT)
            .and_then(|locked| locked.look_up(name));
        match looked_up {
            Ok(Lookup::Found(found)) => assert_eq!(found.id, entry.id),
            Ok(Lookup::NotCurrent) => assert!(data.len() >= 4),
            // Takes overwriting all 64 bits of a state with zeros or another state.
            Ok(Lookup::Absent) => assert!(data.len() >= 4 * 8),
            Err(error) => assert!(
                [os::EUCLEAN, libc::ENOTSUP, libc::ETIMEDOUT].contains(&error.errno()),
                "{error}"
            ),
        }
    }
    let _ = registry.lock_within(SHORT).map(|locked| {
        let _ = locked.remove_if(&entries[0], |_| true);
        let _ = locked.recover();
    });

    assert_eq!(shm::status(stranger), Ok(untouched));
    shm::remove(stranger).unwrap();
    for entry in entries {
        let _ = shm::remove(entry.id);
    }
    shm::remove(registry.id).unwrap();
}

//! A registry that a stray pointer writes to, for the fuzzers and tests.

use super::*;
use std::sync::atomic::Ordering;

/// How long a lock that was overwritten is waited for.
const SHORT: Duration = Duration::from_millis(1);

/// Makes a registry and two names, overwrites bytes as the input says, and
/// uses it: each name leads to its segment, or to an error, and nothing
/// happens to the segment of a stranger.
pub(crate) fn survive_damage(data: &[u8]) {
    let path = format!("/fuzz/{}", process::id()).into_bytes();
    let registry = Registry::open(&NameSpace::Path(path)).unwrap();
    let stranger = sysv::create(random_key(), 4096, Making::with_mode(0o600)).unwrap();
    let untouched = sysv::status(stranger).unwrap();
    let names = [Name::new(b"one"), Name::new(b"another name")];
    let entries = names.map(|name| {
        let names = registry.lock().unwrap();
        let making = Making::with_mode(0o660);
        names.create(&name, 4096, making, Lifetime::Used).unwrap()
    });

    let bytes = registry.mapping.bytes();
    let damaged = data.chunks_exact(4).filter_map(|chunk| {
        let [low, high, region, value] = *chunk else {
            return None;
        };
        let offset = usize::from(u16::from_le_bytes([low, high]));
        let base = match region % 4 {
            0 => 0,
            1 => super::layout::HEADER_SIZE + entries[0].slot * 64,
            2 => super::layout::HEADER_SIZE + entries[1].slot * 64,
            _ => super::layout::HEADER_SIZE + registry.capacity * 64 + entries[0].slot * 1024,
        };
        let span = if region % 4 == 0 { 4200 } else { 64 };
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
            // All 64 bits of a state would have to be overwritten with zeros,
            // or another whole state.
            Ok(Lookup::Absent) => assert!(data.len() >= 4 * 8),
            Err(error) => assert!(
                [libc::EUCLEAN, libc::ENOTSUP, libc::ETIMEDOUT].contains(&error.errno()),
                "{error}"
            ),
        }
    }
    let _ = registry.lock_within(SHORT).map(|locked| {
        let _ = locked.remove_if(&entries[0], |_| true);
        let _ = locked.recover();
    });

    assert_eq!(sysv::status(stranger), Ok(untouched));
    sysv::remove(stranger).unwrap();
    for entry in entries {
        let _ = sysv::remove(entry.id);
    }
    sysv::remove(registry.id).unwrap();
}

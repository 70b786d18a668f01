//! The keys of registries and segments, and who may be trusted with a registry.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::hash_of;
use super::shm::Key;
use crate::ids::{GroupId, UserId};
use crate::namespace::Registered;
use crate::{fork, lock, os, random};

/// How many keys a namespace may have its registry under: others, by chance or
/// on purpose, may occupy the first ones.
pub(crate) const KEYS: u32 = 8;

/// The two top bits tell registries from segments, so they never have the same
/// key. ftok(3) with the usual letters, and numbers picked by hand, do not reach
/// these bits.
pub(super) const KIND_BITS: u32 = 0xc000_0000;
pub(super) const REGISTRY: u32 = 0x8000_0000;
pub(super) const SEGMENT: u32 = 0xc000_0000;

/// What a segment with a given key is, if it is this library's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The registry of a namespace.
    Registry,
    /// A segment that a registry may name.
    Named,
    /// A segment of another program.
    Other,
}

impl KeyKind {
    /// The kind that the key stands for.
    #[must_use]
    pub const fn of(key: i32) -> Self {
        match Key::from_c(key).0 & KIND_BITS {
            REGISTRY => Self::Registry,
            SEGMENT => Self::Named,
            _ => Self::Other,
        }
    }
}

/// The keys to look for the registry of a namespace under, in this order.
pub(super) fn of_registry(identity: &[u8]) -> impl Iterator<Item = Key> {
    (0..KEYS).map(move |attempt| {
        let bytes = attempt
            .to_le_bytes()
            .into_iter()
            .chain(identity.iter().copied());
        Key(REGISTRY | (hash_of(bytes) & !KIND_BITS))
    })
}

/// A key for a new segment. Only by a rare chance is it in use already, which
/// shmget(2) reports.
pub(super) fn for_segment() -> Key {
    Key(SEGMENT | (random::bits(fork::process()) & !KIND_BITS))
}

/// An additional permission bit of a registry that is not complete yet. It also shows how the
/// registry is locked, which its version shows only later.
pub(super) const UNBORN: u32 = lock::KIND.unborn;

/// The permission bits of a new registry.
pub(super) const fn mode(namespace: &Registered) -> u32 {
    match namespace {
        Registered::User(_) => 0o600,
        Registered::Path(_) => 0o660,
    }
}

/// The group that shares a namespace: that of its registry's creator.
pub(super) const fn group(namespace: &Registered, creator_group: GroupId) -> Option<GroupId> {
    match namespace {
        Registered::User(_) => None,
        Registered::Path(_) => Some(creator_group),
    }
}

/// Whether a registry created by this user and group can be trusted. Only the
/// creator counts: an owner can give a segment away and keep control of it.
pub(super) fn are_trusted(namespace: &Registered, creator: UserId, creator_group: GroupId) -> bool {
    let ours = match namespace {
        Registered::User(user) => *user,
        Registered::Path(_) => os::effective_user(),
    };
    creator == UserId::ROOT
        || creator == ours && !is_nobody(creator)
        || matches!(namespace, Registered::Path(_))
            && os::is_in_group(creator_group)
            && !is_no_group(creator_group)
}

/// Whether a registry that this process creates can be that of a namespace: the process
/// may have changed its effective user id since it selected the namespace.
pub(super) fn may_create(namespace: &Registered) -> bool {
    match namespace {
        Registered::User(user) => *user == os::effective_user(),
        Registered::Path(_) => true,
    }
}

/// What the kernel shows instead of a user or group that a user namespace does not map
/// (kernel.overflowuid, kernel.overflowgid).
const OVERFLOW: u32 = 65534;

/// Whether a user id stands for any number of users: those that the user namespace of
/// this process does not map. It then equals no user's.
pub(super) fn is_nobody(user: UserId) -> bool {
    user.0 == OVERFLOW && !os::Map::Users.is_complete()
}

/// The same for a group id.
fn is_no_group(group: GroupId) -> bool {
    group.0 == OVERFLOW && !os::Map::Groups.is_complete()
}

/// The last part of the size of a new registry: 1 to 4095 bytes. One process gives the
/// same number to no two of 4095 registries in a row; others do so by chance.
pub(super) fn size_nonce() -> usize {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let start = os::random_seed() ^ u64::from(fork::process().0);
    let number = start.wrapping_add(COUNTER.fetch_add(1, Ordering::Relaxed)) % 4095;
    1 + usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_eight_keys_that_no_segment_has() {
        let keys: std::collections::HashSet<_> =
            of_registry(b"uid 1000").map(|key| key.0).collect();
        assert_eq!(keys.len(), 8);
        assert!(keys.iter().all(|key| key & KIND_BITS == REGISTRY));
        assert_ne!(
            of_registry(b"uid 1000").next(),
            of_registry(b"uid 1001").next()
        );
    }

    #[test]
    fn the_key_tells_what_a_segment_is() {
        let registry = of_registry(b"uid 1000").next().unwrap();
        assert_eq!(KeyKind::of(registry.to_c()), KeyKind::Registry);
        assert_eq!(KeyKind::of(for_segment().to_c()), KeyKind::Named);
        for other in [0, 1, i32::MAX, 0x6101_0203] {
            assert_eq!(KeyKind::of(other), KeyKind::Other);
        }
    }

    #[test]
    fn a_users_namespace_trusts_the_user_and_root_alone() {
        let ours = Registered::User(UserId(1000));
        assert!(are_trusted(&ours, UserId(1000), GroupId(5)));
        assert!(are_trusted(&ours, UserId(0), GroupId(5)));
        assert!(!are_trusted(&ours, UserId(1001), GroupId(5)));
    }
}

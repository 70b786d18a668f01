//! Which names a process shares with which others.

#![forbid(unsafe_code)]

use std::fmt;

use super::layout;
use crate::error::{Error, Quoted, Result, try_to_vec};
use crate::sysv::Key;
use crate::{filename, process};

/// How many keys a name space may have its registry under: others, by chance
/// or on purpose, may sit on the first ones.
pub(super) const KEYS: u32 = 8;

/// Registries and segments never have the same key: the two top bits, which
/// ftok(3)'s usual letters and hand-picked numbers don't reach, tell them apart.
pub(super) const REGISTRY_KEYS: Key = 0x8000_0000;
pub(super) const SEGMENT_KEYS: Key = 0xc000_0000;
pub(super) const KEY_BITS: Key = 0x3fff_ffff;

/// A name space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameSpace {
    /// That of an effective user id.
    User(libc::uid_t),
    /// That which `NOB_DATABASE` selects: an absolute path, of no file.
    Path(Vec<u8>),
}

impl NameSpace {
    /// What the environment and the effective user id select now: a program
    /// may change both at any time.
    pub(super) fn current() -> Result<Self> {
        let value = process::variable(c"NOB_DATABASE")
            .map_err(|errno| errno.during(format_args!("read NOB_DATABASE")))?;
        match value {
            Some(value) if !value.is_empty() => filename::translate(&value)
                .and_then(|path| filename::absolute(&path))
                .map(Self::Path)
                .map_err(|error| error.in_what("NOB_DATABASE")),
            _ => Ok(Self::User(process::effective_user())),
        }
    }

    /// What a registry's header says of whose it is.
    pub(super) fn identity(&self) -> Result<Vec<u8>> {
        match self {
            Self::User(user) => Ok(crate::error::text(format_args!("uid {user}")).into_bytes()),
            Self::Path(path) => {
                try_to_vec(path).map_err(|errno| errno.during(format_args!("use {self}")))
            }
        }
    }

    /// The keys to look for its registry under, in this order.
    pub(super) fn keys(identity: &[u8]) -> impl Iterator<Item = Key> {
        (0..KEYS).map(move |attempt| {
            let bytes = attempt
                .to_le_bytes()
                .into_iter()
                .chain(identity.iter().copied());
            REGISTRY_KEYS | layout::hash_of(bytes) & KEY_BITS
        })
    }

    /// The permission bits of a new registry.
    pub(super) const fn mode(&self) -> u32 {
        match self {
            Self::User(_) => 0o600,
            Self::Path(_) => 0o660,
        }
    }

    /// The group that shares it: that of who made its registry.
    pub(super) const fn group(&self, creator_group: libc::gid_t) -> Option<libc::gid_t> {
        match self {
            Self::User(_) => None,
            Self::Path(_) => Some(creator_group),
        }
    }

    /// Whether a registry that this user and group made can be believed. Only
    /// the creator counts: an owner can give a segment away, and stay in
    /// control of it.
    pub(super) fn trusts(&self, creator: libc::uid_t, creator_group: libc::gid_t) -> bool {
        let ours = match self {
            Self::User(user) => *user,
            Self::Path(_) => process::effective_user(),
        };
        creator == ours
            || creator == 0
            || matches!(self, Self::Path(_)) && process::in_group(creator_group)
    }

    /// The error of a registry that can't be used.
    pub(super) fn denied(&self, what: fmt::Arguments<'_>) -> Error {
        Error::new(libc::EACCES, format_args!("open {self}: {what}"))
    }
}

impl fmt::Display for NameSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "the name space of user {user}"),
            Self::Path(path) => write!(f, "name space {}", Quoted(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_space_has_eight_keys_that_no_segment_has() {
        let keys: std::collections::HashSet<_> = NameSpace::keys(b"uid 1000").collect();
        assert_eq!(keys.len(), 8);
        assert!(keys.iter().all(|key| key & !KEY_BITS == REGISTRY_KEYS));
        assert_ne!(
            NameSpace::keys(b"uid 1000").next(),
            NameSpace::keys(b"uid 1001").next()
        );
    }

    #[test]
    fn a_users_name_space_trusts_the_user_and_root_alone() {
        let ours = NameSpace::User(1000);
        assert!(ours.trusts(1000, 5));
        assert!(ours.trusts(0, 5));
        assert!(!ours.trusts(1001, 5));
    }
}

//! The namespace: which names a process shares with which other processes.

#![forbid(unsafe_code)]

use std::fmt;

use crate::allocate::{text, try_to_vec};
use crate::error::Result;
use crate::ids::UserId;
use crate::quoted::Quoted;
use crate::{environment, os};

/// A namespace: processes that select different ones share no names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// That of an effective user id.
    User(UserId),
    /// The one that `NOB_DATABASE` selects by an absolute path. No file of that
    /// name need exist.
    Path(Vec<u8>),
}

impl Namespace {
    /// The one that the environment of the process's first call selects or, without
    /// `NOB_DATABASE`, the present effective user id, which a program may change.
    pub(crate) fn current() -> Result<Self> {
        match environment::selected_path()? {
            Some(path) => try_to_vec(path)
                .map(Self::Path)
                .map_err(|errno| errno.during(format_args!("use namespace {}", Quoted(path)))),
            None => Ok(Self::User(os::effective_user())),
        }
    }

    /// Bytes that distinguish it from every other namespace.
    pub(crate) fn identity(&self) -> Result<Vec<u8>> {
        match self {
            // In a user namespace, other users may have the same id.
            Self::User(user) => {
                let outside = os::Map::Users.outside(user.0).map_err(|errno| {
                    errno.during(format_args!("open {self}: read /proc/self/uid_map"))
                })?;
                Ok(text(format_args!("uid {outside}")).into_bytes())
            }
            Self::Path(path) => {
                try_to_vec(path).map_err(|errno| errno.during(format_args!("use {self}")))
            }
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "the namespace of user {user}"),
            Self::Path(path) => write!(f, "namespace {}", Quoted(path)),
        }
    }
}

//! The System V segments of a namespace.

#![forbid(unsafe_code)]

use crate::errno::Errno;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::quoted::Quoted;

/// How often to try again when other processes undo something in between.
pub(super) const ATTEMPTS: usize = 1000;

/// The System V segments of a namespace.
pub(crate) struct SysV {
    pub(super) namespace: Namespace,
}

impl SysV {
    pub(in crate::store) const fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    /// The error of a name that has no segment.
    pub(super) fn no_such(&self, name: &[u8]) -> Error {
        Errno(libc::ENOENT).during(format_args!(
            "no segment {} in {}",
            Quoted(name),
            self.namespace
        ))
    }

    /// The error of a name that changes too often.
    pub(super) fn restless(name: &[u8]) -> Error {
        Errno(libc::EAGAIN).during(format_args!(
            "find segment {}: other processes keep creating and deleting it",
            Quoted(name)
        ))
    }
}

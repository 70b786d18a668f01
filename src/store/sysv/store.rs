//! The System V segments of a namespace.

#![forbid(unsafe_code)]

use crate::errno::Errno;
use crate::error::Error;
use crate::namespace::Registered;
use crate::request::Target;

/// How often to try again when other processes undo something in between.
pub(super) const ATTEMPTS: usize = 1000;

/// The System V segments of a namespace.
pub(crate) struct SysV {
    pub(super) namespace: Registered,
}

impl SysV {
    pub(in crate::store) const fn new(namespace: Registered) -> Self {
        Self { namespace }
    }

    /// The error if no segment has a name or an identifier.
    pub(super) fn no_such(&self, target: Target<'_>) -> Error {
        Errno(libc::ENOENT).during(format_args!("no {target} in {}", self.namespace))
    }

    /// The error if other processes replace the registry too often.
    pub(super) fn restless_registry(&self, doing: &str) -> Error {
        Errno(libc::EAGAIN).during(format_args!(
            "{doing} of {}: other processes keep removing its registry",
            self.namespace
        ))
    }

    /// The error if the segment of a name or an identifier changes too often.
    pub(super) fn restless(target: Target<'_>) -> Error {
        Errno(libc::EAGAIN).during(format_args!(
            "find {target}: other processes keep creating and deleting it"
        ))
    }
}

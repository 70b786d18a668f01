//! The segments of the private namespace.

#![forbid(unsafe_code)]

use crate::errno::Errno;
use crate::error::Error;
use crate::namespace::Resolved;
use crate::request::Target;

/// The segments of the private namespace.
pub(crate) struct Private;

impl Private {
    /// The error if no segment has a name. None has an identifier.
    #[allow(clippy::unused_self)] // other kinds of stores need it
    #[cold]
    pub(in crate::store) fn no_such(&self, target: Target<'_>) -> Error {
        Errno(libc::ENOENT).during(format_args!("no {target} in {}", Resolved::Private))
    }
}

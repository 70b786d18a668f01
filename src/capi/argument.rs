//! Arguments of C functions as Rust values.

use std::ffi::{CStr, OsStr, c_char, c_long};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;

use crate::error::{Error, Result};
use crate::namespace::Namespace;

/// A size in bytes, or `None` where a program passes 0 or less.
pub(crate) fn positive(size: c_long) -> Option<NonZeroUsize> {
    usize::try_from(size).ok().and_then(NonZeroUsize::new)
}

/// The error of an argument that is NULL.
pub(crate) fn null(argument: &str) -> Error {
    Error::argument(format_args!("{argument} is NULL"))
}

/// The namespace that a program selects by a path; the process's current one for NULL.
///
/// # Safety
///
/// As for [`bytes_of`].
pub(crate) unsafe fn namespace_of(space: *const c_char) -> Result<Namespace> {
    // SAFETY: the same as for this function.
    match unsafe { bytes_of(space) } {
        Some(path) => Namespace::at(OsStr::from_bytes(path)),
        None => Ok(Namespace::current()),
    }
}

/// # Safety
///
/// `string` is NULL or a string that does not change while the result is used.
pub(crate) unsafe fn bytes_of<'a>(string: *const c_char) -> Option<&'a [u8]> {
    if string.is_null() {
        return None;
    }
    // SAFETY: it is not NULL, so it is a string.
    Some(unsafe { CStr::from_ptr(string) }.to_bytes())
}

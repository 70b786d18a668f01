//! Arguments of C functions as Rust values.

use std::ffi::{CStr, c_char, c_long};
use std::num::NonZeroUsize;

use crate::error::{Errno, Error};

/// A size in bytes, or `None` where a program passes 0 or less.
pub(crate) fn positive(size: c_long) -> Option<NonZeroUsize> {
    usize::try_from(size).ok().and_then(NonZeroUsize::new)
}

pub(crate) fn null(what: &str, argument: &str) -> Error {
    Errno(libc::EINVAL).during(format_args!("use {what}, but {argument} is NULL"))
}

/// # Safety
///
/// `string` is NULL or a string, which stays as it is as long as the result.
pub(crate) unsafe fn bytes_of<'a>(string: *const c_char) -> Option<&'a [u8]> {
    if string.is_null() {
        return None;
    }
    // SAFETY: it is not NULL, so the caller says that it is a string.
    Some(unsafe { CStr::from_ptr(string) }.to_bytes())
}

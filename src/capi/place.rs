//! Structs that a program passes for results, and that later versions may extend.

use std::ffi::c_ulong;

use super::argument::null;
use crate::error::{Error, Result};

/// A struct of the header to which later versions may append members. The program sets
/// its first member, `size`, to the size that it knows.
///
/// # Safety
///
/// The struct has C's layout, and its first member is a `c_ulong`.
pub(crate) unsafe trait Extensible: Sized {
    /// What the header calls a pointer to the struct, for messages.
    const ARGUMENT: &'static str;
    /// The struct's name in C.
    const NAME: &'static str;
}

/// No version of a struct will be larger. A larger size is one that the program did not set.
const LARGEST: usize = 65_536;

/// The struct that a caller wants to have filled in.
pub(crate) struct Place<T> {
    at: *mut T,
    size: usize,
}

impl<T: Extensible> Place<T> {
    /// # Safety
    ///
    /// `at` is NULL, or points to as many bytes as its size says, which
    /// nobody else uses while this value lives.
    pub(crate) unsafe fn new(at: *mut T) -> Result<Self> {
        // SAFETY: the same as for this function.
        unsafe { Self::optional(at) }?.ok_or_else(|| null(T::ARGUMENT))
    }

    /// The same for an argument that may be NULL: `None`.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    pub(crate) unsafe fn optional(at: *mut T) -> Result<Option<Self>> {
        if at.is_null() {
            return Ok(None);
        }
        // SAFETY: it is not NULL, so the caller guarantees that it has a size, which is its
        // first member.
        let size = unsafe { at.cast::<c_ulong>().read() };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if !(size_of::<T>()..=LARGEST).contains(&size) {
            return Err(Error::argument(format_args!(
                "{}->size is {size}; set it to sizeof (struct {})",
                T::ARGUMENT,
                T::NAME
            )));
        }
        Ok(Some(Self { at, size }))
    }

    /// Fills in all members but the size.
    pub(crate) fn fill(&self, known: T) {
        // SAFETY: `optional` has checked that the caller's struct is at least as large.
        unsafe { self.at.write(known) };
        let size = c_ulong::try_from(self.size).unwrap_or(c_ulong::MAX);
        // SAFETY: it is the first member of the caller's struct.
        unsafe { self.at.cast::<c_ulong>().write(size) };
        // SAFETY: the result is not beyond the end of the caller's bytes.
        let rest = unsafe { self.at.add(1) }.cast::<u8>();
        // SAFETY: these are the caller's remaining bytes.
        unsafe { rest.write_bytes(0, self.size - size_of::<T>()) };
    }
}

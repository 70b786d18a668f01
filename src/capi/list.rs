//! shmxList of `shm_util_ext.h`. Its comment is the header's text, so it addresses C
//! programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{c_int, c_void};

use super::argument::null;
use super::ext::status_of;
use super::info::ShmxInfo;
use crate::error::Result;
use crate::info::Info;
use crate::names;

/// Called by shmxList for each segment. A return value other than 0 ends the
/// listing.
pub type ShmxCallback =
    Option<unsafe extern "C" fn(info: *const ShmxInfo, context: *mut c_void) -> c_int>;

/// Calls `callback` for each segment of the namespace, in use or not, in no
/// particular order, and passes `context` to it. The callback may call any
/// function, including those of this library. `*info` is valid until the
/// callback returns. A segment that another process creates or removes in the
/// meantime may be missing.
///
/// Returns 0 after the last segment. If the callback returns a value other than
/// 0, shmxList returns that value at once; negative values cannot be mistaken
/// for errors. On error, returns one of these values and sets errno to it,
/// without calling the callback.
///
/// - EINVAL: `callback` is NULL.
/// - ENOMEM: there is too little memory for the list.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOTSUP,
///   ETIMEDOUT, EUCLEAN: as for shmCreate. A namespace without segments is not
///   an error.
///
/// # Safety
///
/// `callback` is NULL or a function that may be called with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxList(callback: ShmxCallback, context: *mut c_void) -> c_int {
    // SAFETY: the same as for this function.
    unsafe { list("shmxList", names::list, callback, context) }
}

/// # Safety
///
/// As for [`shmxList`].
pub(super) unsafe fn list(
    function: &str,
    list: impl FnOnce() -> Result<Vec<Info>>,
    callback: ShmxCallback,
    context: *mut c_void,
) -> c_int {
    let mut infos = Vec::new();
    let status = status_of(function, || {
        callback.ok_or_else(|| null("callback"))?;
        infos = list()?;
        Ok(())
    });
    let Some(callback) = callback.filter(|_| status == 0) else {
        return status;
    };
    // No lock is held from here on: the callback may call this library.
    infos
        .iter()
        .map(|info| {
            let shown = ShmxInfo::from(info);
            // SAFETY: the caller allows calls with this context.
            unsafe { callback(&raw const shown, context) }
        })
        .find(|&result| result != 0)
        .unwrap_or(0)
}

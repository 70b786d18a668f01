//! The functions of `shm_util_ext.h` that change a segment by its name, without attaching it.
//! Their comments are the header's text, so they address C programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_uint};

use super::argument::{bytes_of, namespace_of};
use super::ext::{named, permissions, status_of};
use crate::error::Result;
use crate::namespace::Namespace;

/// Like shmxKeep, for the segment called `name` in the namespace `space` (see
/// shmxCreateIn). The segment need not be attached.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; the segment is unchanged.
///
/// - ENOENT: no segment has this name.
/// - EINVAL: `name` is NULL; or `on` is not 0, and the segment is transient.
/// - EPERM: the segment belongs to another user.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxKeepName(
    space: *const c_char,
    name: *const c_char,
    on: c_int,
) -> c_int {
    let keep = |namespace: &Namespace, name: &[u8]| namespace.keep(name, on != 0);
    // SAFETY: the same as for this function.
    unsafe { by_name("shmxKeepName", space, name, keep) }
}

/// Like shmxSetPerm, for the segment called `name` in the namespace `space`
/// (see shmxCreateIn). The segment need not be attached.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; the segment is unchanged.
///
/// - ENOENT: no segment has this name.
/// - EINVAL: `name` is NULL; or `mode` has bits beyond 0777; or `uid` or `gid`
///   is not a valid ID.
/// - EPERM: the segment belongs to another user.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxSetPermName(
    space: *const c_char,
    name: *const c_char,
    uid: c_uint,
    gid: c_uint,
    mode: c_uint,
) -> c_int {
    let set = |namespace: &Namespace, name: &[u8]| {
        namespace.set_permissions(name, permissions(uid, gid, mode))
    };
    // SAFETY: the same as for this function.
    unsafe { by_name("shmxSetPermName", space, name, set) }
}

/// Like shmxLock, for the segment called `name` in the namespace `space` (see
/// shmxCreateIn). The segment need not be attached.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it.
///
/// - ENOENT: no segment has this name.
/// - EINVAL: `name` is NULL.
/// - EPERM: the segment belongs to another user, or RLIMIT_MEMLOCK is 0.
/// - ENOMEM: the segment would exceed RLIMIT_MEMLOCK.
/// - ENOTSUP: the segment is a file.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxLockName(space: *const c_char, name: *const c_char) -> c_int {
    // SAFETY: the same as for this function.
    unsafe {
        by_name("shmxLockName", space, name, |namespace, name| {
            namespace.lock(name)
        })
    }
}

/// Unlocks a segment that shmxLockName or shmxLock has locked.
///
/// Returns the same values as shmxLockName, except that RLIMIT_MEMLOCK causes
/// no error, and that nothing has to be done for a file in a directory: the
/// call returns 0.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxUnlockName(space: *const c_char, name: *const c_char) -> c_int {
    // SAFETY: the same as for this function.
    unsafe {
        by_name("shmxUnlockName", space, name, |namespace, name| {
            namespace.unlock(name)
        })
    }
}

/// Calls `work` with a namespace and a name.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
unsafe fn by_name(
    function: &str,
    space: *const c_char,
    name: *const c_char,
    work: impl FnOnce(&Namespace, &[u8]) -> Result<()>,
) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of(function, || {
        let name = named(name)?;
        // SAFETY: the caller passes NULL or a string.
        work(&unsafe { namespace_of(space) }?, name)
    })
}

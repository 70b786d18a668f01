//! The functions of `shm_util_ext.h` that take a namespace. Their comments are the header's
//! text, so they address C programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};

use super::argument::{bytes_of, namespace_of};
use super::base::SharedMemory;
use super::create::{cleared, create};
use super::ext::{beginning, map, named, prune, status_of, time_limit};
use super::info::ShmxInfo;
use super::list::{ShmxCallback, list};
use super::place::Place;

/// Creates a named shared memory segment, or attaches an existing one, like
/// shmxCreate, in the namespace `space`. One process can use several namespaces
/// at once, from several threads, without changing its environment.
///
/// `space` is a path, as in NOB_DATABASE: `~`, `$NAME` and `${NAME}` in it are
/// replaced by the present values of environment variables, and a relative path
/// begins at the current directory. The path also selects the kind of memory,
/// as in NOB_DATABASE: a path that ends in / is a directory, which must exist;
/// otherwise no file with this path need exist. NULL selects the namespace that
/// functions without this parameter use; "" selects that of the effective user,
/// as if NOB_DATABASE were not set. This applies to all functions below that
/// have this parameter.
///
/// On success, returns 0. `*memory` is then the handle, which always belongs to
/// this namespace, and, if `address` is not NULL, `*address` is the segment's
/// address. On error, returns an error of shmxCreate or one of these
/// values, and sets errno to it. `*memory` is then NULL, and nothing else has
/// changed.
///
/// - ELOOP: the value of a variable in `space` refers to itself.
/// - ENAMETOOLONG: the translated path has PATH_MAX bytes or more.
/// - ENOENT, EACCES and the other errors of getcwd(3): `space` is relative.
///
/// # Safety
///
/// `space` and `name` are NULL or strings; `address` is NULL or points to a
/// pointer; `memory` is NULL or points to a SharedMemory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxCreateIn(
    space: *const c_char,
    name: *const c_char,
    size: c_long,
    flags: c_int,
    mode: c_uint,
    address: *mut *mut c_void,
    memory: *mut SharedMemory,
) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    // SAFETY: the caller passes NULL or a pointer to a pointer.
    let address = unsafe { address.as_mut() };
    // SAFETY: the caller passes NULL or a pointer to a handle.
    let memory = cleared(unsafe { memory.as_mut() });
    status_of("shmxCreateIn", || {
        create(
            beginning(name, flags),
            address,
            memory,
            |name, placement| {
                // SAFETY: the caller passes NULL or a string.
                let namespace = unsafe { namespace_of(space) }?;
                map(&namespace, name, size, flags, mode, placement)
            },
        )
        .map(drop)
    })
}

/// Like shmxStatName, in the namespace `space`.
///
/// Returns the same values as shmxStatName, and the errors of `space`: see
/// shmxCreateIn.
///
/// # Safety
///
/// `space` and `name` are NULL or strings; `info` is NULL or points to as many
/// bytes as `info->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxStatNameIn(
    space: *const c_char,
    name: *const c_char,
    info: *mut ShmxInfo,
) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxStatNameIn", || {
        // SAFETY: the caller passes NULL or as many bytes as the struct says.
        let place = unsafe { Place::new(info) }?;
        let name = named(name)?;
        // SAFETY: the caller passes NULL or a string.
        let namespace = unsafe { namespace_of(space) }?;
        place.fill(ShmxInfo::from(&namespace.info(name)?));
        Ok(())
    })
}

/// Like shmxList, for the segments of the namespace `space`.
///
/// Returns the same values as shmxList, and the errors of `space`: see
/// shmxCreateIn.
///
/// # Safety
///
/// `space` is NULL or a string; `callback` is NULL or a function that may be
/// called with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxListIn(
    space: *const c_char,
    callback: ShmxCallback,
    context: *mut c_void,
) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let infos = || unsafe { namespace_of(space) }?.list();
    // SAFETY: the caller allows calls with this context.
    unsafe { list("shmxListIn", infos, callback, context) }
}

/// Like shmxRemove, in the namespace `space`.
///
/// Returns the same values as shmxRemove, and the errors of `space`: see
/// shmxCreateIn.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxRemoveIn(space: *const c_char, name: *const c_char) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxRemoveIn", || {
        let name = named(name)?;
        // SAFETY: the caller passes NULL or a string.
        unsafe { namespace_of(space) }?.remove(name)
    })
}

/// Like shmxWait, in the namespace `space`.
///
/// Returns the same values as shmxWait, and the errors of `space`: see
/// shmxCreateIn.
///
/// # Safety
///
/// `space` and `name` are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxWaitIn(
    space: *const c_char,
    name: *const c_char,
    milliseconds: c_long,
) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxWaitIn", || {
        let name = named(name)?;
        // SAFETY: the caller passes NULL or a string.
        unsafe { namespace_of(space) }?.wait(name, time_limit(milliseconds))
    })
}

/// Like shmxPrune, for the segments of the namespace `space`.
///
/// Returns the same values as shmxPrune, and the errors of `space`: see
/// shmxCreateIn.
///
/// # Safety
///
/// `space` is NULL or a string; `count` is NULL or points to a long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxPruneIn(
    space: *const c_char,
    minimumAge: c_long,
    count: *mut c_long,
) -> c_int {
    // SAFETY: the caller passes NULL or a pointer to a long.
    let count = unsafe { count.as_mut() };
    status_of("shmxPruneIn", || {
        // SAFETY: the caller passes NULL or a string.
        let namespace = unsafe { namespace_of(space) }?;
        prune(&namespace, minimumAge, count)
    })
}

//! The functions of `shm_util_ext.h` that look up a System V identifier. Their comments are
//! the header's text, so they address C programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_void};

use super::argument::namespace_of;
use super::base::SharedMemory;
use super::create::{cleared, store};
use super::ext::{SHMX_RDONLY, status_of};
use super::info::ShmxInfo;
use super::place::Place;
use crate::error::Error;
use crate::options::Options;
use crate::request::{Access, Target};

/// Stores information about the segment of the System V identifier `id` in
/// `*info`, like shmxStat, if it is a segment of the namespace `space` (see
/// shmxCreateIn): `info->name` is then its name. The segment need not be
/// attached.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; `*info` is unchanged.
///
/// - ENOENT: no segment of this namespace has this identifier. A segment of
///   another namespace or of another program may have it.
/// - EINVAL: `info` is NULL; or `info->size` is less than
///   sizeof (struct ShmxInfo), or more than 65536.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
///
/// # Safety
///
/// `space` is NULL or a string; `info` is NULL or points to as many bytes as
/// `info->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxStatId(space: *const c_char, id: c_int, info: *mut ShmxInfo) -> c_int {
    status_of("shmxStatId", || {
        // SAFETY: the caller passes NULL or as many bytes as the struct says.
        let place = unsafe { Place::new(info) }?;
        // SAFETY: the caller passes NULL or a string.
        let namespace = unsafe { namespace_of(space) }?;
        place.fill(ShmxInfo::from(&namespace.info_by_id(id)?));
        Ok(())
    })
}

/// Attaches the segment of the System V identifier `id`, if it is a segment of
/// the namespace `space` (see shmxCreateIn). No other segment is touched: if
/// another process removes the name and creates it again meanwhile, this call
/// attaches the segment that had this identifier, or none. `flags` is 0 or
/// SHMX_RDONLY; `address` and `memory` are as for shmCreate. shmxName returns
/// the segment's name.
///
/// On success, returns 0. `*memory` is then the handle and, if `address` is not
/// NULL, `*address` is the segment's address. On error, returns one of these
/// values and sets errno to it. `*memory` is then NULL, and nothing else has
/// changed.
///
/// - ENOENT: no segment of this namespace has this identifier. A segment of
///   another namespace or of another program may have it.
/// - EINVAL: `memory` is NULL, or `flags` has bits other than SHMX_RDONLY; or
///   something is mapped at `*address`.
/// - EACCES: the segment belongs to another user, and its mode does not allow
///   reading or, unless SHMX_RDONLY is set, writing.
/// - All other errors of shmxCreateIn.
///
/// # Safety
///
/// `space` is NULL or a string; `address` is NULL or points to a pointer;
/// `memory` is NULL or points to a SharedMemory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxAttachId(
    space: *const c_char,
    id: c_int,
    flags: c_int,
    address: *mut *mut c_void,
    memory: *mut SharedMemory,
) -> c_int {
    // SAFETY: the caller passes NULL or a pointer to a pointer.
    let address = unsafe { address.as_mut() };
    // SAFETY: the caller passes NULL or a pointer to a handle.
    let memory = cleared(unsafe { memory.as_mut() });
    status_of("shmxAttachId", || {
        store(address, memory, |placement| {
            let access = match flags {
                0 => Access::ReadWrite,
                SHMX_RDONLY => Access::ReadOnly,
                _ => {
                    return Err(Error::argument(format_args!(
                        "attach {}: flags {flags:#x} contain bits other than SHMX_RDONLY",
                        Target::Id(id)
                    )));
                }
            };
            // SAFETY: the caller passes NULL or a string.
            let namespace = unsafe { namespace_of(space) }?;
            let options = Options::new().namespace(&namespace).placed(placement);
            options.attach_id(id, access)
        })
        .map(drop)
    })
}

/// Removes the name of the segment of the System V identifier `id`, like
/// shmxRemove, if it is a segment of the namespace `space` (see shmxCreateIn).
/// No other segment is touched: another segment that gets the name meanwhile
/// keeps it.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; nothing has changed.
///
/// - ENOENT: no segment of this namespace has this identifier. A segment of
///   another namespace or of another program may have it.
/// - EPERM: the segment belongs to another user.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
///
/// # Safety
///
/// `space` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxRemoveId(space: *const c_char, id: c_int) -> c_int {
    status_of("shmxRemoveId", || {
        // SAFETY: the caller passes NULL or a string.
        unsafe { namespace_of(space) }?.remove_by_id(id)
    })
}

//! The functions of `shm_util_ext.h` for one attachment of a segment: how it began, what a
//! load read, how it ends. Their comments are the header's text, so they address C programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{OsStr, c_char, c_int, c_ulong};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::argument::{bytes_of, null};
use super::base::{SharedMemory, look_again, path_of, translated_from};
use super::ext::{manage, status_of};
use super::handle::Handle;
use super::loaded::ShmxLoaded;
use super::place::Place;
use crate::errno::Errno;
use crate::segment::Segment;

/// Returns 1 if the call that returned this handle created the segment, and 0
/// if the segment existed. If several processes create a name at once, exactly
/// one of them gets 1, and can initialize the segment. A child of fork(2) gets
/// the same as its parent for the handles that it inherits. If `memory` is not
/// a valid handle, returns -1 and sets errno to EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn shmxCreated(memory: SharedMemory) -> c_int {
    look_again(memory, |handle| handle.was_created().map(c_int::from), -1)
}

/// Stores the name of a segment in `name`, which has room for `size` bytes, the
/// terminating NUL included: 1001 bytes are enough for every name. If the name
/// was removed meanwhile, this is the name that the segment had.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; `*name` is unchanged.
///
/// - ERANGE: the name and its terminating NUL have more than `size` bytes.
/// - EINVAL: `memory` is not a valid handle, or `name` is NULL.
/// - EDEADLK: the caller is a signal handler that interrupted another call.
///
/// # Safety
///
/// `name` is NULL or points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxName(memory: SharedMemory, name: *mut c_char, size: c_ulong) -> c_int {
    status_of("shmxName", || {
        if name.is_null() {
            return Err(null("name"));
        }
        Handle::from_pointer(memory).with(|segment, _| {
            let bytes = segment.name();
            if c_ulong::try_from(bytes.len()).is_ok_and(|length| length >= size) {
                return Err(Errno(libc::ERANGE).during(format_args!(
                    "store the name of {segment}: the buffer has {size} bytes, {} are needed",
                    bytes.len() + 1
                )));
            }
            // SAFETY: there is room for the name and a NUL, and the segment's copy of the
            // name is not in it.
            unsafe { name.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
            // SAFETY: as above.
            let end = unsafe { name.add(bytes.len()) };
            // SAFETY: as above.
            unsafe { end.write(0) };
            Ok(())
        })
    })
}

/// Detaches a segment, and leaves it and its name as they are, even if no
/// process has it attached any more: it is then an orphan, as if the process
/// had died. This is meant for monitors and other readers: unlike shmDestroy,
/// it never deletes what a program that has ended left on purpose. However, a
/// transient segment does not outlive its last holder, and a hidden segment
/// that no process has attached is deleted by the next call in the namespace
/// that creates or prunes segments.
///
/// Returns 0 on success, and if `memory` is NULL. On error, returns one of
/// these values and sets errno to it.
///
/// - EINVAL: `memory` is not a valid handle; or the program has detached the
///   segment itself (shmdt(2), munmap(2)): the handle is no longer valid, and
///   whatever is mapped at its address now remains mapped.
/// - EDEADLK: the caller is a signal handler that interrupted another call.
///   The handle remains valid.
/// - ETIMEDOUT: another thread's shmSave or shmLoad of the same handle has not
///   ended after 10 seconds. The handle remains valid.
#[unsafe(no_mangle)]
pub extern "C" fn shmxDetach(memory: SharedMemory) -> c_int {
    status_of("shmxDetach", || {
        if memory.is_null() {
            return Ok(());
        }
        Handle::from_pointer(memory).detach()
    })
}

/// Gives a hidden segment, created with SHMX_HIDDEN, its name: from then on,
/// other processes find it, with everything that was stored in it before. A
/// process that dies before this call leaves neither the name nor the segment.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; the segment stays as it was, and the handle remains valid.
///
/// - EEXIST: another segment has got the name in the meantime.
/// - EINVAL: `memory` is not a valid handle; or the segment was not created
///   hidden, or was published before.
/// - EIDRM: the segment was deleted by other means, such as ipcrm; or the
///   process has moved to another IPC namespace.
/// - EACCES, EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmxPublish(memory: SharedMemory) -> c_int {
    manage("shmxPublish", memory, |segment, call| {
        segment.publish_within(call)
    })
}

/// Waits until everything that was stored in a segment before this call is on
/// the disk, if the segment is a file in a directory (see NOB_DATABASE in
/// shm_util.h). Without this call, the kernel writes the bytes to the disk at
/// some time, in no particular order. SHM_UTIL_SYNC has no effect on this call.
/// Other kinds of memory end with a reboot at the latest: for those, the call
/// returns 0 at once.
///
/// On success, returns 0. On error, returns one of these values, or another one
/// of msync(2), and sets errno to it.
///
/// - EINVAL: `memory` is not a valid handle.
/// - EIO: the disk reported an error.
/// - EDEADLK: the caller is a signal handler that interrupted another call.
#[unsafe(no_mangle)]
pub extern "C" fn shmxSync(memory: SharedMemory) -> c_int {
    status_of("shmxSync", || {
        Handle::from_pointer(memory).with(Segment::sync_within)
    })
}

/// Reads a file into a segment, like shmLoad, and stores in `*loaded` how many
/// bytes the file has and how many were read, unless `loaded` is NULL. The call
/// succeeds if the sizes of the file and the segment differ, and prints
/// nothing.
///
/// The caller sets `loaded->size` to sizeof (struct ShmxLoaded). Members that
/// this version of the library does not know are set to 0.
///
/// On success, returns 0. On error, returns an error of shmLoad or the
/// following value, and sets errno to it; `*loaded` is unchanged.
///
/// - EINVAL: `loaded->size` is less than sizeof (struct ShmxLoaded), or more
///   than 65536. The segment is unchanged.
///
/// # Safety
///
/// `fileName` is NULL or a string; `loaded` is NULL or points to as many bytes
/// as `loaded->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxLoad(
    memory: SharedMemory,
    fileName: *const c_char,
    loaded: *mut ShmxLoaded,
) -> c_int {
    let handle = Handle::from_pointer(memory);
    // SAFETY: the caller passes NULL or a string.
    let file = unsafe { bytes_of(fileName) };
    status_of("shmxLoad", || {
        // SAFETY: the caller passes NULL or as many bytes as the struct says.
        let place = unsafe { Place::optional(loaded) }?;
        let path = path_of(file)?;
        let path = Path::new(OsStr::from_bytes(&path));
        let translated = |error| translated_from(error, path, file);
        let result =
            handle.with(|segment, call| segment.load_within(call, path).map_err(translated))?;
        if let Some(place) = place {
            place.fill(ShmxLoaded::from(&result));
        }
        Ok(())
    })
}

/// Removes the name of a segment at once, like shmxRemove, but only if the name
/// still belongs to this segment: if another segment has the name by now, that
/// segment keeps it. This segment, kept or not, is deleted as soon as no
/// process has it attached. The handle remains valid.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; nothing has changed.
///
/// - EIDRM: the segment has lost its name: the name, the segment or the
///   registry was removed; or the process has moved to another IPC namespace;
///   or the segment is hidden, and has no name yet.
/// - EINVAL: `memory` is not a valid handle.
/// - EPERM: the segment belongs to another user.
/// - EACCES: the process may not inspect the segment (before Linux 4.17).
/// - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmxRemoveSegment(memory: SharedMemory) -> c_int {
    manage("shmxRemoveSegment", memory, |segment, call| {
        segment.remove_within(call)
    })
}

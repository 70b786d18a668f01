//! The functions of `shm_util.h`. Their comments are the header's text, so they
//! address C programmers.

// The names are libgpl's.
#![allow(non_snake_case, non_upper_case_globals)]

use std::cell::Cell;
use std::ffi::{OsStr, c_char, c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::argument::{bytes_of, null, positive};
use super::call::call;
use super::create::{cleared, create};
use super::frame::Frame;
use super::handle::Handle;
use super::{error_text, message};
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::namespace::Namespace;
use crate::quoted::Quoted;
use crate::request::{Request, Wanted};
use crate::segment::Segment;
use crate::snapshot::Loaded;
use crate::{filename, os};

/// The type that `SharedMemory` points to in name only.
///
/// cbindgen:no-export
#[repr(C)]
#[derive(Debug)]
pub struct _SharedMemory {
    _private: [u8; 0],
}

/// A handle for an attached segment. It is a checked number, not an address:
/// stale, already destroyed or invalid handles return EINVAL.
pub type SharedMemory = *mut _SharedMemory;

/// If this is not 0, shmCreate, shmDestroy, shmLoad and shmSave each print one
/// line to stdout. It is initially 0; the program may change it at any time.
#[unsafe(no_mangle)]
pub static mut shm_util_debug: c_int = 0;

/// Creates a named shared memory segment, or attaches an existing one.
///
/// `name` is a string of up to 1000 bytes. `size` is in bytes. If `size` > 0
/// and no segment has the name, a new one of exactly this size is created: all
/// its bytes are 0, and its mode is 0660 regardless of the umask. An existing
/// segment must have at least `size` bytes. If `size` <= 0, only an existing
/// segment is attached.
///
/// If neither `address` nor `*address` is NULL, the segment is attached at
/// `*address`, rounded down to a multiple of SHMLBA. Otherwise the system
/// chooses the address.
///
/// On success, returns 0. `*memory` is then the handle and, if `address` is not
/// NULL, `*address` is the segment's address. On error, returns one of these
/// values and sets errno to it. `*memory` is then NULL, and nothing else has
/// changed.
///
/// - EINVAL: `name` or `memory` is NULL; or the existing segment has fewer
///   than `size` bytes; or `size` is above the limit SHMMAX; or something is
///   mapped at `*address` already, or the system does not allow this address.
/// - ENOENT: `size` <= 0, and no segment has this name.
/// - ENAMETOOLONG: `name` has more than 1000 bytes.
/// - ENOSPC: the limit SHMMNI or SHMALL is reached, or the registry of names
///   is full.
/// - ENOMEM: there is too little memory or address space.
/// - ENFILE: the system's limit on open files is reached. Each segment and each
///   attachment counts as one.
/// - EAGAIN: the process locks its memory (mlockall(2)), and the segment would
///   exceed RLIMIT_MEMLOCK; or other processes kept creating and deleting the
///   segment.
/// - EACCES: the namespace belongs to another user; or the segment does, and
///   its mode does not allow reading and writing.
/// - ETIMEDOUT: a stopped process held the registry's lock, or the lock of a
///   segment's file, for 10 seconds. If this call has created a segment, that
///   segment remains, as if the process had died.
/// - ELOOP, ENAMETOOLONG, ENOENT: NOB_DATABASE cannot be translated: a
///   variable's value refers to itself; or the result has PATH_MAX bytes or
///   more; or the result is relative, and the current directory was removed.
/// - EUCLEAN: the registry was overwritten.
/// - ENOTSUP: the registry belongs to another version of this library.
/// - ENOSYS, EPERM: the kernel has no System V shared memory, or a sandbox
///   blocks it.
/// - EDEADLK: the caller is a signal handler that interrupted another call.
///
/// If the segments are files in a directory, these errors are possible, too:
///
/// - ENOENT, ENOTDIR: the directory does not exist, or is a file.
/// - EACCES: the directory may not be searched or, to create a segment,
///   written.
/// - EROFS: the file system is read-only. Segments can be attached with
///   SHMX_RDONLY (see shm_util_ext.h), and detached with shmxDetach.
/// - EINVAL: the file of this name is not a segment: it is a symbolic link or a
///   directory, for example, or it is empty.
/// - ENAMETOOLONG: the name of the file would have more than 255 bytes.
/// - ENOSPC, EDQUOT: the file system is full, or the disk quota is used up.
/// - EFBIG: `size` exceeds RLIMIT_FSIZE, or what the file system supports.
/// - EMFILE: the process has no file descriptor left for the duration of the
///   call.
/// - EIO: the disk reported an error.
/// - ENOTSUP: the directory is on a network file system; or SHM_UTIL_TRANSIENT
///   is set, and the call would create a segment.
///
/// # Safety
///
/// `name` is NULL or a string; `address` is NULL or points to a pointer;
/// `memory` is NULL or points to a SharedMemory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmCreate(
    name: *const c_char,
    size: c_long,
    address: *mut *mut c_void,
    memory: *mut SharedMemory,
) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    // SAFETY: the caller passes NULL or a pointer to a pointer.
    let address = unsafe { address.as_mut() };
    // SAFETY: the caller passes NULL or a pointer to a handle.
    let memory = cleared(unsafe { memory.as_mut() });
    let wanted_at = address.as_deref().map_or(0, |at| at.addr());
    traced_call(
        "shmCreate",
        || {
            create(name, address, memory, |name, placement| {
                let wanted = positive(size).map_or(Wanted::Existing, Wanted::OfSize);
                Segment::attach(
                    &Namespace::current(),
                    name,
                    &Request::usual(wanted, placement),
                )
            })
        },
        |result| {
            let name = Quoted(name.unwrap_or(b"(null)"));
            match result {
                Ok(handle) => message::debug(
                    "shmCreate",
                    format_args!(
                        "segment {name} at {:p}, {} bytes, id {}",
                        handle.address_or_null(),
                        size_of_segment(*handle),
                        id_of(*handle)
                    ),
                ),
                Err(error) => message::debug(
                    "shmCreate",
                    format_args!(
                        "segment {name} at {wanted_at:#x}, {size} bytes: {}",
                        os::strerror(Errno(error.errno()))
                    ),
                ),
            }
        },
    )
}

/// Detaches a segment. If no process has it attached any more, deletes the
/// segment and removes its name, unless the segment is kept (see shmxKeep in
/// shm_util_ext.h). Otherwise both remain. shmxDetach, in the same header,
/// never deletes.
///
/// Returns 0 on success, and if `memory` is NULL. On error, returns one of
/// these values and sets errno to it. Unless stated otherwise, the segment is
/// detached and the handle is no longer valid, but the segment and its name may
/// remain, as if the process had died.
///
/// - EINVAL: `memory` is not a valid handle, or the program has detached the
///   segment itself with shmdt(2) or munmap(2).
/// - EDEADLK: the caller is a signal handler that interrupted another call.
///   The handle remains valid.
/// - EPERM: no other process has the segment attached, but it belongs to
///   another user and was not deleted.
/// - EACCES: the process has changed its user ID and may no longer inspect the
///   segment (before Linux 4.17). Or no other process has the segment's file
///   attached, but the directory may not be written.
/// - EROFS, EMFILE, EIO: no other process has the segment's file attached, but
///   it cannot be deleted: as for shmCreate.
/// - ETIMEDOUT: as for shmCreate; or another thread's shmSave or shmLoad of the
///   same handle has not ended after 10 seconds. The handle remains valid then.
/// - EUCLEAN, ENOTSUP: as for shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmDestroy(memory: SharedMemory) -> c_int {
    let handle = Handle::from_pointer(memory);
    let what = Cell::new(None);
    traced_call(
        "shmDestroy",
        || {
            // A destroyed handle can't be described any more.
            what.set(is_debugging().then(|| handle.describe()));
            if memory.is_null() {
                return Ok(());
            }
            handle.destroy()
        },
        |result| debug("shmDestroy", &what.take().unwrap_or_default(), result),
    )
}

/// Returns the address of an attached segment. If `memory` is not a valid
/// handle, returns NULL and sets errno to EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn shmAddress(memory: SharedMemory) -> *mut c_void {
    match Handle::from_pointer(memory).address_at_once() {
        Some(address) => address,
        None => look_again(memory, Handle::address, ptr::null_mut()),
    }
}

/// Returns the System V identifier of a segment, which ipcs -m shows and
/// shmctl(2) takes. Files and private memory have none: for those, returns -1
/// and leaves errno unchanged. If `memory` is not a valid handle, returns -1
/// and sets errno to EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn shmId(memory: SharedMemory) -> c_int {
    match Handle::from_pointer(memory).id_at_once() {
        Some(id) => id,
        None => look_again(memory, Handle::id, -1),
    }
}

/// Returns the size of a segment in bytes. If `memory` is not a valid handle,
/// returns -1 and sets errno to EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn shmSizeOf(memory: SharedMemory) -> c_long {
    match Handle::from_pointer(memory).size_at_once() {
        Some(size) => c_long::try_from(size).unwrap_or(c_long::MAX),
        None => look_again(memory, size, -1),
    }
}

/// Reads a file into a segment. If their sizes differ, only as many bytes as
/// the smaller one holds are read; the segment's remaining bytes are unchanged,
/// and the difference is printed like an error (see APERROR_PRINT above),
/// although the call succeeds. shmxLoad, in shm_util_ext.h, stores the sizes
/// instead.
///
/// In `fileName`, `~`, `$NAME` and `${NAME}` are replaced by the present values
/// of environment variables.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it. If the file cannot be opened, is a directory or is empty, the segment
/// is unchanged.
///
/// - EINVAL: `memory` is not a valid handle; or `fileName` is NULL; or the
///   file is empty.
/// - ELOOP: the value of a variable in `fileName` refers to itself.
/// - ENAMETOOLONG: the translated file name has PATH_MAX bytes or more.
/// - EDEADLK: the caller is a signal handler that interrupted another call.
/// - EACCES: the file may not be read, or the segment is attached read-only
///   (see SHMX_RDONLY in shm_util_ext.h).
/// - EINTR: a signal handler without SA_RESTART ended a wait for a pipe, a
///   terminal or a device.
/// - EIO: the disk has failed; or the segment is a file that was truncated.
/// - ENOENT, EISDIR and all other errors of open(2) and read(2).
///
/// # Safety
///
/// `fileName` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmLoad(memory: SharedMemory, fileName: *const c_char) -> c_int {
    let handle = Handle::from_pointer(memory);
    // SAFETY: the caller passes NULL or a string.
    let file = unsafe { bytes_of(fileName) };
    traced_call(
        "shmLoad",
        || {
            let path = path_of(file)?;
            let path = Path::new(OsStr::from_bytes(&path));
            let translated = |error| translated_from(error, path, file);
            let loaded =
                handle.with(|segment, call| segment.load_within(call, path).map_err(translated))?;
            if loaded.sizes_differ() {
                message::error("shmLoad", &different_sizes(path, handle, &loaded));
            }
            Ok(())
        },
        |result| debug_copy("shmLoad", handle, "from", file, result),
    )
}

/// Writes the bytes of a segment, and nothing else, to a file. The save is all
/// or nothing: at any moment, even after a crash, the file has either all of
/// its old bytes or all of the new ones. When the call returns 0, the bytes are
/// on the disk, unless the environment of the process's first call contained
/// SHM_UTIL_SYNC=0.
///
/// The save is not all or nothing where no second file can take the place of
/// the first (the directory is not writable or append-only, or something is
/// mounted at the file): the file is then overwritten in place, after room for
/// all bytes has been reserved.
///
/// In `fileName`, `~`, `$NAME` and `${NAME}` are replaced by the present values
/// of environment variables.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it.
///
/// - EINVAL: `memory` is not a valid handle, or `fileName` is NULL.
/// - ELOOP: the value of a variable in `fileName` refers to itself.
/// - ENAMETOOLONG: the translated file name has PATH_MAX bytes or more.
/// - EDEADLK: the caller is a signal handler that interrupted another call.
/// - EINTR: a signal handler without SA_RESTART ended a wait for a pipe, a
///   terminal or a device.
/// - EIO: the disk has failed; or the segment is a file that was truncated.
/// - ENOENT, EACCES, EISDIR, ENOSPC and all other errors of open(2), write(2),
///   fsync(2) and rename(2).
///
/// # Safety
///
/// `fileName` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmSave(memory: SharedMemory, fileName: *const c_char) -> c_int {
    let handle = Handle::from_pointer(memory);
    // SAFETY: the caller passes NULL or a string.
    let file = unsafe { bytes_of(fileName) };
    traced_call(
        "shmSave",
        || {
            let path = path_of(file)?;
            let path = Path::new(OsStr::from_bytes(&path));
            let translated = |error| translated_from(error, path, file);
            handle.with(|segment, call| segment.save_within(call, path).map_err(translated))
        },
        |result| debug_copy("shmSave", handle, "to", file, result),
    )
}

/// [`call`] that also traces the result if `shm_util_debug` is set.
fn traced_call<T>(
    function: &str,
    work: impl FnOnce() -> Result<T>,
    trace: impl FnOnce(&Result<T>),
) -> c_int {
    call(function, work, |result| {
        if is_debugging() {
            trace(result);
        }
    })
}

fn is_debugging() -> bool {
    let debug = &raw mut shm_util_debug;
    // SAFETY: an int that lives as long as the library. Another thread of the
    // program may set it at any time.
    let debug = unsafe { AtomicI32::from_ptr(debug) };
    debug.load(Ordering::Relaxed) != 0
}

fn debug(function: &str, what: &str, result: &Result<()>) {
    match result {
        Ok(()) => message::debug(function, format_args!("{what}")),
        Err(error) => message::debug(
            function,
            format_args!("{what}: {}", os::strerror(Errno(error.errno()))),
        ),
    }
}

fn debug_copy(
    function: &str,
    handle: Handle,
    direction: &str,
    file: Option<&[u8]>,
    result: &Result<()>,
) {
    let what = crate::allocate::text(format_args!(
        "{}, {} bytes, {direction} {}",
        handle.describe(),
        size_of_segment(handle),
        Quoted(file.unwrap_or(b"(null)"))
    ));
    debug(function, &what, result);
}

fn different_sizes(path: &Path, handle: Handle, loaded: &Loaded) -> Error {
    let file = Quoted(path.as_os_str().as_bytes());
    let (segment, bytes) = (handle.describe(), loaded.bytes);
    let error = Errno(libc::EINVAL);
    if loaded.file < loaded.segment {
        let others = loaded.segment - loaded.file;
        error.during(format_args!(
            "{file} has only {bytes} bytes; the other {others} bytes of {segment} are unchanged"
        ))
    } else {
        let size = loaded.file;
        error.during(format_args!(
            "{file} has {size} bytes; only the first {bytes} fit into {segment}"
        ))
    }
}

fn size_of_segment(handle: Handle) -> usize {
    handle.size().unwrap_or(0)
}

fn id_of(handle: Handle) -> c_int {
    handle.id().unwrap_or(-1)
}

fn size(handle: Handle) -> Option<c_long> {
    let size = handle.size()?;
    Some(c_long::try_from(size).unwrap_or(c_long::MAX))
}

/// The result of an accessor that was not found at once; `none`, with `errno` `EINVAL`, if
/// the handle is not valid.
///
/// A function of its own, called last, so that the accessors stay small.
#[cold]
#[inline(never)]
pub(super) fn look_again<T>(memory: SharedMemory, access: fn(Handle) -> Option<T>, none: T) -> T {
    let handle = Handle::from_pointer(memory);
    if let Some(result) = access(handle) {
        return result;
    }
    // Not in a signal handler that interrupted another function, perhaps in malloc(3).
    if let Some(_frame) = Frame::enter() {
        error_text::set(&handle.unknown());
    }
    os::set_errno(libc::EINVAL);
    none
}

/// The path that a file name means.
pub(super) fn path_of(file: Option<&[u8]>) -> Result<Vec<u8>> {
    filename::translate(file.ok_or_else(|| null("fileName"))?)
}

/// Adds the file name that the caller passed to an error whose text ends with the path that it
/// means.
#[cold]
pub(super) fn translated_from(error: Error, path: &Path, file: Option<&[u8]>) -> Error {
    match file {
        // The text of an error with a reason ends differently.
        Some(file) if file != path.as_os_str().as_bytes() && error.reason() == Reason::None => {
            error.with_detail(format_args!("translated from {}", Quoted(file)))
        }
        _ => error,
    }
}

//! The functions of `shm_util.h`. Their comments are the header's text, so they
//! speak to C programmers.

// The names are libgpl's.
#![allow(non_snake_case, non_upper_case_globals)]

use std::ffi::{OsStr, c_char, c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::argument::{bytes_of, null, positive};
use super::call::call;
use super::create::create;
use super::handle::Handle;
use super::{error_text, message};
use crate::error::{Errno, Error, Quoted, Result};
use crate::segment::{Segment, Terms, Wanted};
use crate::{filename, process};

/// What a `SharedMemory` points to, if it pointed to anything.
///
/// cbindgen:no-export
#[repr(C)]
#[derive(Debug)]
pub struct _SharedMemory {
    _private: [u8; 0],
}

/// A handle for a mapped segment. It is a checked number, not an address: a
/// handle that is stale, destroyed twice or made up is EINVAL, never a crash.
pub type SharedMemory = *mut _SharedMemory;

/// Not 0: shmCreate, shmDestroy, shmLoad and shmSave each print one line to
/// stdout. The program may set it at any time.
#[unsafe(no_mangle)]
pub static mut shm_util_debug: c_int = 0;

/// Makes a named shared memory segment, or maps the one that has the name.
///
/// `name` is any string of up to 1000 bytes. `size` is in bytes: with
/// `size` > 0 a segment of exactly this size, all zero, is made if there is
/// none; one that exists must have at least as many. With `size` <= 0 only a
/// segment that exists is mapped. If `address` and `*address` are not NULL,
/// the segment is mapped at `*address`, rounded down to a multiple of SHMLBA,
/// else where the system likes.
///
/// Returns 0; then `*memory` is the handle, and `*address`, if `address` is
/// not NULL, is where the segment is. Otherwise returns, and leaves in errno:
///
/// - EINVAL: `name` or `memory` is NULL; the segment exists with fewer bytes;
///   a new one would have more than the limit SHMMAX; there is something at
///   `*address`, or no program can have it.
/// - ENOENT: `size` <= 0, and there is no such segment.
/// - ENAMETOOLONG: the name has more than 1000 bytes.
/// - ENOSPC, ENOMEM, ENFILE: there is no room, see shmget(2) and shmat(2).
/// - EAGAIN: memory is locked (mlockall), and RLIMIT_MEMLOCK allows no more;
///   or others make and delete the segment all the time.
/// - EACCES: the name space, or the segment, is another user's.
/// - ETIMEDOUT: a stopped process has kept the names locked for 10 s. A
///   segment that was just made then stays, as if the process had died.
/// - ELOOP, ENAMETOOLONG, ENOENT: NOB_DATABASE can't be translated.
/// - EUCLEAN, ENOTSUP: the registry of names was overwritten, or is that of
///   another version of this library.
/// - EDEADLK: called by a signal handler that interrupted another call.
///
/// After an error `*memory` is NULL, and all else is as it was.
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
    // SAFETY: the caller says that it is NULL or a string.
    let name = unsafe { bytes_of(name) };
    // SAFETY: the caller says that it is NULL or a pointer to a pointer.
    let address = unsafe { address.as_mut() };
    // SAFETY: the caller says that it is NULL or a pointer to a handle.
    let memory = unsafe { memory.as_mut() };
    let wanted_at = address.as_deref().map_or(0, |at| at.addr());
    traced_call(
        "shmCreate",
        || {
            create(name, address, memory, |name, placement| {
                let wanted = positive(size).map_or(Wanted::Existing, Wanted::OfSize);
                Segment::map(name, Terms::usual(wanted, placement))
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
                        process::strerror(error.errno())
                    ),
                ),
            }
        },
    )
}

/// Takes a mapping away. When no process is attached to the segment any more,
/// the segment and its name are deleted; a process that is keeps it whole.
///
/// Returns 0, also for NULL. Otherwise returns, and leaves in errno:
///
/// - EINVAL: `memory` is no handle, or the mapping was gone already (shmdt).
/// - EDEADLK: called by a signal handler that interrupted another call; the
///   handle is still good.
/// - EPERM: this was the last process, but the segment is another user's.
/// - EACCES: the user id was changed, and may not look at the segment (before
///   Linux 4.17).
/// - ETIMEDOUT, EUCLEAN, ENOTSUP: see shmCreate.
///
/// The handle and the mapping are gone all the same, except after EDEADLK; but
/// the segment and its name may stay, as if the process had died.
#[unsafe(no_mangle)]
pub extern "C" fn shmDestroy(memory: SharedMemory) -> c_int {
    let handle = Handle::from_pointer(memory);
    let what = is_debugging().then(|| handle.describe());
    traced_call(
        "shmDestroy",
        || {
            if memory.is_null() {
                return Ok(());
            }
            handle.destroy()
        },
        |result| debug("shmDestroy", what.as_deref().unwrap_or_default(), result),
    )
}

/// Returns where a segment is mapped; NULL, and EINVAL in errno, if `memory`
/// is no handle.
#[unsafe(no_mangle)]
pub extern "C" fn shmAddress(memory: SharedMemory) -> *mut c_void {
    known(memory, Handle::address).map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
}

/// Returns a segment's System V identifier, as `ipcs -m` shows it, good for
/// shmctl(2); -1, and EINVAL in errno, if `memory` is no handle.
#[unsafe(no_mangle)]
pub extern "C" fn shmId(memory: SharedMemory) -> c_int {
    known(memory, Handle::id).unwrap_or(-1)
}

/// Returns a segment's size in bytes; -1, and EINVAL in errno, if `memory` is
/// no handle.
#[unsafe(no_mangle)]
pub extern "C" fn shmSizeOf(memory: SharedMemory) -> c_long {
    known(memory, Handle::size).map_or(-1, |size| c_long::try_from(size).unwrap_or(c_long::MAX))
}

/// Reads a file into a segment: as many bytes as both have. Different sizes
/// are reported as an error is, but are none.
///
/// In the file name `~`, `$NAME` and `${NAME}` are translated.
///
/// Returns 0. Otherwise returns, and leaves in errno:
///
/// - EINVAL: `memory` is no handle, `fileName` is NULL, or the file is empty.
/// - ELOOP, ENAMETOOLONG: the file name can't be translated.
/// - EDEADLK: called by a signal handler that interrupted another call.
/// - What open(2) and read(2) say, such as ENOENT, EACCES or EISDIR; EACCES
///   also if the mapping is for reading only (see shm_util_ext.h).
///
/// # Safety
///
/// `fileName` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmLoad(memory: SharedMemory, fileName: *const c_char) -> c_int {
    let handle = Handle::from_pointer(memory);
    // SAFETY: the caller says that it is NULL or a string.
    let file = unsafe { bytes_of(fileName) };
    traced_call(
        "shmLoad",
        || {
            let path = path_of(file)?;
            let path = Path::new(OsStr::from_bytes(&path));
            let loaded = handle.with(|segment, call| segment.load_within(call, path))?;
            if loaded.sizes_differ() {
                message::error("shmLoad", &different_sizes(path, handle, &loaded));
            }
            Ok(())
        },
        |result| debug_copy("shmLoad", handle, "from", file, result),
    )
}

/// Writes a segment's bytes, and nothing else, to a file: all or nothing.
/// Whoever opens the file sees the whole old contents or the whole new ones,
/// whatever happens. When this returns 0 the bytes are on the disk, unless
/// SHM_UTIL_SYNC=0 is in the environment.
///
/// In the file name `~`, `$NAME` and `${NAME}` are translated.
///
/// Returns 0. Otherwise returns, and leaves in errno:
///
/// - EINVAL: `memory` is no handle, or `fileName` is NULL.
/// - ELOOP, ENAMETOOLONG: the file name can't be translated.
/// - EDEADLK: called by a signal handler that interrupted another call.
/// - What open(2), write(2), fsync(2) and rename(2) say, such as ENOENT,
///   EACCES, EISDIR, ENOSPC or EIO.
///
/// # Safety
///
/// `fileName` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmSave(memory: SharedMemory, fileName: *const c_char) -> c_int {
    let handle = Handle::from_pointer(memory);
    // SAFETY: the caller says that it is NULL or a string.
    let file = unsafe { bytes_of(fileName) };
    traced_call(
        "shmSave",
        || {
            let path = path_of(file)?;
            let path = Path::new(OsStr::from_bytes(&path));
            handle.with(|segment, call| segment.save_within(call, path))
        },
        |result| debug_copy("shmSave", handle, "to", file, result),
    )
}

/// [`call`] that also prints the line that `shm_util_debug` asks for.
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
    // SAFETY: an int that lives as long as the library; the program may set it
    // at any time, also from another thread.
    let debug = unsafe { AtomicI32::from_ptr(debug) };
    debug.load(Ordering::Relaxed) != 0
}

fn debug(function: &str, what: &str, result: &Result<()>) {
    match result {
        Ok(()) => message::debug(function, format_args!("{what}")),
        Err(error) => message::debug(
            function,
            format_args!("{what}: {}", process::strerror(error.errno())),
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
    let what = crate::error::text(format_args!(
        "{}, {} bytes, {direction} {}",
        handle.describe(),
        size_of_segment(handle),
        Quoted(file.unwrap_or(b"(null)"))
    ));
    debug(function, &what, result);
}

fn different_sizes(path: &Path, handle: Handle, loaded: &crate::Loaded) -> Error {
    Errno(libc::EINVAL).during(format_args!(
        "load {}, which has {} bytes, into {}, which has {}: {} were read",
        Quoted(path.as_os_str().as_bytes()),
        loaded.file,
        handle.describe(),
        loaded.segment,
        loaded.bytes
    ))
}

fn size_of_segment(handle: Handle) -> usize {
    handle.size().unwrap_or(0)
}

fn id_of(handle: Handle) -> c_int {
    handle.id().unwrap_or(-1)
}

/// What an accessor tells; nothing is `EINVAL`.
fn known<T>(memory: SharedMemory, tell: impl FnOnce(Handle) -> Option<T>) -> Option<T> {
    let handle = Handle::from_pointer(memory);
    let value = tell(handle);
    if value.is_none() {
        refuse(handle);
    }
    value
}

// Apart, so that who asks for what is there pays nothing for it.
#[cold]
#[inline(never)]
fn refuse(handle: Handle) {
    error_text::set(&handle.unknown());
    process::set_errno(libc::EINVAL);
}

fn path_of(file: Option<&[u8]>) -> Result<Vec<u8>> {
    filename::translate(file.ok_or_else(|| null("a file", "fileName"))?)
}

//! The functions of `shm_util.h`: conversion only.
//!
//! The comments here become the header's, so they speak to C programmers. From
//! Rust use [`Segment`]; what a C program does with these is
//!
//! ```
//! use shm_util::capi::*;
//! use std::ptr::null_mut;
//!
//! let (mut address, mut memory) = (null_mut(), null_mut());
//! // SAFETY: two strings, and places for a pointer and a handle. The bytes are
//! // the segment's, and nobody else uses it.
//! unsafe {
//!     shm_util_debug = 1; // shmCreate prints a line
//!     assert_eq!(shmCreate(c"doc-capi".as_ptr(), 100, &raw mut address, &raw mut memory), 0);
//!     shm_util_debug = 0;
//!     *address.cast::<u8>() = 42;
//!     assert_eq!(shmSave(memory, c"/dev/null".as_ptr()), 0);
//!     assert_eq!(shmLoad(memory, c"/dev/null".as_ptr()), libc::EINVAL); // it is empty
//! }
//! assert_eq!((shmAddress(memory), shmSizeOf(memory)), (address, 100));
//! assert!(shmId(memory) >= 0);
//! assert_eq!(shmDestroy(memory), 0);
//! assert_eq!(shmDestroy(memory), libc::EINVAL);
//! ```

// The names are libgpl's.
#![allow(non_snake_case, non_upper_case_globals)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_void};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::{Errno, Error, Quoted, Result};
use crate::handle::Handle;
use crate::segment::{Segment, Terms, Wanted};
use crate::sysv::Placement;
use crate::{error_text, filename, message, process};

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
    call(
        "shmCreate",
        || {
            create(name, address, memory, |name, placement| {
                let wanted = size_of(size).map_or(Wanted::Existing, Wanted::OfSize);
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
                        pointer_of(*handle),
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

/// A size that is not positive says none.
pub(crate) fn size_of(size: c_long) -> Option<NonZeroUsize> {
    usize::try_from(size).ok().and_then(NonZeroUsize::new)
}

/// What is the same however a segment is mapped. Only success changes
/// `*address`.
pub(crate) fn create(
    name: Option<&[u8]>,
    address: Option<&mut *mut c_void>,
    memory: Option<&mut SharedMemory>,
    map: impl FnOnce(&[u8], Placement) -> Result<Segment>,
) -> Result<Handle> {
    let memory = memory.ok_or_else(|| null("a segment", "memory"))?;
    *memory = ptr::null_mut();
    let name = name.ok_or_else(|| null("a segment", "name"))?;
    let placement = match address.as_deref().map_or(0, |at| at.addr()) {
        0 => Placement::Anywhere,
        at => Placement::At(at),
    };
    let handle = Handle::new(map(name, placement)?)?;
    *memory = handle.to_pointer();
    if let Some(address) = address {
        *address = pointer_of(handle);
    }
    Ok(handle)
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
    call(
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
    call(
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
    call(
        "shmSave",
        || {
            let path = path_of(file)?;
            let path = Path::new(OsStr::from_bytes(&path));
            handle.with(|segment, call| segment.save_within(call, path))
        },
        |result| debug_copy("shmSave", handle, "to", file, result),
    )
}

/// Does what a function does, prints what is to be printed, and turns the
/// result into a status: 0, with `errno` as it was, or an `errno` value.
pub(crate) fn call<T>(
    function: &str,
    work: impl FnOnce() -> Result<T>,
    debug: impl FnOnce(&Result<T>),
) -> c_int {
    let errno = process::errno();
    let result = work();
    if is_debugging() {
        debug(&result);
    }
    let status = match &result {
        Ok(_) => 0,
        Err(error) => {
            message::error(function, error);
            error_text::set(error);
            error.errno()
        }
    };
    process::set_errno(if status == 0 { errno } else { status });
    status
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

fn pointer_of(handle: Handle) -> *mut c_void {
    handle
        .address()
        .map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
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

//! The functions of `shm_util_ext.h`. Their comments are the header's text, so they
//! address C programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::time::Duration;

use super::argument::{bytes_of, null, positive};
use super::base::SharedMemory;
use super::call::call;
use super::create::{cleared, create};
use super::error_text;
use super::handle::Handle;
use super::info::ShmxInfo;
use super::place::Place;
use crate::error::{Error, Result};
use crate::info::Permissions;
use crate::names;
use crate::namespace::Namespace;
use crate::options::Options;
use crate::quoted::Quoted;
use crate::request::{Access, Lifetime, Placement, Swapping, Target, Wanted};
use crate::segment::Segment;

/// Flag of shmxCreate: fail with EEXIST if the segment exists.
pub const SHMX_EXCL: c_int = 1;
/// Flag of shmxCreate: fail with ENOENT if the segment does not exist.
pub const SHMX_ATTACH: c_int = 2;
/// Flag of shmxCreate: attach the segment read-only. A store to it raises
/// SIGSEGV; shmSave works, shmLoad fails with EACCES.
pub const SHMX_RDONLY: c_int = 4;
/// Flag of shmxCreate: create the segment with huge pages (SHM_HUGETLB, see
/// shmget(2)). The sysctl vm.nr_hugepages provides them. Files are in huge
/// pages if their directory is on hugetlbfs, with or without this flag.
pub const SHMX_HUGETLB: c_int = 8;
/// Flag of shmxCreate: create the segment without reserving swap space or huge
/// pages (SHM_NORESERVE, see shmget(2)). If no memory is left when a page is
/// first used, the process gets SIGBUS, or the kernel kills a process to free
/// some.
pub const SHMX_NORESERVE: c_int = 16;
/// Flag of shmxCreate: create a kept segment (see shmxKeep).
pub const SHMX_KEEP: c_int = 32;
/// Flag of shmxCreate: take `mode` as it is, even if it is 0: then only
/// privileged processes may attach the segment.
pub const SHMX_MODE: c_int = 64;
/// Flag of shmxCreate: create a transient segment. Its name and its memory
/// vanish with the last process that has it attached, however that process
/// ends. The segment has no System V key. Files are never transient.
pub const SHMX_TRANSIENT: c_int = 128;
/// Flag of shmxCreate: create a hidden segment, which other processes find once
/// shmxPublish has given it its name. Fail with EEXIST if the name exists, as
/// with SHMX_EXCL.
pub const SHMX_HIDDEN: c_int = 256;
/// Flag of shmxCreate: create a segment with a name that no other segment has:
/// `name`, which may be NULL or "", followed by 12 random letters and digits.
/// shmxName and shmxStat return the whole name.
pub const SHMX_UNIQUE: c_int = 512;

/// abi/shm_util_ext.h.head defines it for C, as an unsigned number.
const SHMX_SAME: c_uint = c_uint::MAX;

/// Creates a named shared memory segment, or attaches an existing one, with
/// more options than shmCreate.
///
/// `name`, `size`, `address` and `memory` are as for shmCreate. With
/// SHMX_ATTACH or `size` <= 0, only an existing segment is attached. An
/// existing segment must have at least `size` bytes. `flags` is 0 or the OR of
/// SHMX_... flags. `mode` is the nine permission bits of a new segment,
/// regardless of the umask; 0 means 0660, unless SHMX_MODE is set. `mode`,
/// SHMX_HUGETLB, SHMX_NORESERVE, SHMX_KEEP, SHMX_TRANSIENT and SHMX_MODE have
/// no effect on an existing segment. With SHMX_UNIQUE, `name` is only the
/// beginning of the name. shmxCreated returns whether this call created the
/// segment.
///
/// On success, returns 0. `*memory` is then the handle and, if `address` is not
/// NULL, `*address` is the segment's address. On error, returns an error of
/// shmCreate or one of these values, and sets errno to it. `*memory` is then
/// NULL, and nothing else has changed.
///
/// - EEXIST: SHMX_EXCL or SHMX_HIDDEN is set, and the segment exists.
/// - ENOENT: SHMX_ATTACH is set or `size` <= 0, and no segment has this name.
/// - EINVAL: `flags` has bits other than those of the SHMX_... flags; or
///   SHMX_EXCL, SHMX_HUGETLB, SHMX_NORESERVE, SHMX_KEEP, SHMX_TRANSIENT,
///   SHMX_HIDDEN, SHMX_MODE or SHMX_UNIQUE is set together with SHMX_ATTACH or
///   `size` <= 0; or SHMX_KEEP is set together with SHMX_TRANSIENT; or `mode` has
///   bits beyond 0777.
/// - ENAMETOOLONG: SHMX_UNIQUE is set, and `name` has more than 988 bytes.
/// - EACCES: the segment belongs to another user, and its mode does not allow
///   reading or, unless SHMX_RDONLY is set, writing; or `mode` does not allow
///   the caller to do so; or the segment is transient, was created by another
///   user who is not root, and the caller is not in the group that was the
///   creator's effective group.
/// - ENOTSUP: SHMX_TRANSIENT is set, and the segment would be a file, or the
///   system cannot attach a segment that is marked for deletion; or
///   SHMX_HUGETLB is set, and the segment would be private memory, or a file
///   outside hugetlbfs.
/// - ENOMEM: there are too few huge pages (see vm.nr_hugepages).
/// - EPERM: the user may not use huge pages (see vm.hugetlb_shm_group).
///
/// # Safety
///
/// `name` is NULL or a string; `address` is NULL or points to a pointer;
/// `memory` is NULL or points to a SharedMemory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxCreate(
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
    status_of("shmxCreate", || {
        create(
            beginning(name, flags),
            address,
            memory,
            |name, placement| map(&Namespace::current(), name, size, flags, mode, placement),
        )
        .map(drop)
    })
}

/// The name, or the beginning of one: then NULL is the empty one.
pub(super) fn beginning(name: Option<&[u8]>, flags: c_int) -> Option<&[u8]> {
    name.or((flags & SHMX_UNIQUE != 0).then_some(b""))
}

pub(super) fn map(
    namespace: &Namespace,
    name: &[u8],
    size: c_long,
    flags: c_int,
    mode: c_uint,
    placement: Placement,
) -> Result<Segment> {
    const ALL: c_int = SHMX_EXCL
        | SHMX_ATTACH
        | SHMX_RDONLY
        | SHMX_HUGETLB
        | SHMX_NORESERVE
        | SHMX_KEEP
        | SHMX_TRANSIENT
        | SHMX_HIDDEN
        | SHMX_MODE
        | SHMX_UNIQUE;
    if flags & !ALL != 0 {
        return Err(Error::argument(format_args!(
            "create or attach segment {}: flags {flags:#x} contain unknown bits",
            Quoted(name)
        )));
    }
    let has = |flag| flags & flag != 0;
    let wanted = match positive(size) {
        None => Wanted::Existing,
        Some(size) if has(SHMX_ATTACH) => Wanted::ExistingOfSize(size),
        Some(size) if has(SHMX_EXCL | SHMX_HIDDEN | SHMX_UNIQUE) => Wanted::New(size),
        Some(size) => Wanted::OfSize(size),
    };
    let access = if has(SHMX_RDONLY) {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    };
    let options = Options::new()
        .namespace(namespace)
        .placed(placement)
        .exclusive(has(SHMX_EXCL))
        .unique(has(SHMX_UNIQUE))
        .huge_pages(has(SHMX_HUGETLB))
        .no_reserve(has(SHMX_NORESERVE))
        .keep(has(SHMX_KEEP))
        .transient(has(SHMX_TRANSIENT))
        .hidden(has(SHMX_HIDDEN));
    let options = match mode {
        0 if !has(SHMX_MODE) => options,
        mode => options.mode(mode),
    };
    if has(SHMX_MODE) && !wanted.may_create() {
        return Err(Options::only_for_new(Target::Name(name)));
    }
    options.attach(name, wanted, access)
}

/// Stores information about a segment in `*info`, even if the segment has lost
/// its name.
///
/// The caller sets `info->size` to sizeof (struct ShmxInfo). Members that this
/// version of the library does not know are set to 0.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; `*info` is unchanged.
///
/// - EINVAL: `memory` is not a valid handle; or `info` is NULL; or `info->size`
///   is less than sizeof (struct ShmxInfo), or more than 65536.
/// - EACCES: the process has changed its user ID and may no longer inspect the
///   segment (before Linux 4.17).
/// - EIDRM: the process has moved to another IPC namespace.
/// - ENOMEM: there is too little memory for the name.
/// - EDEADLK, EUCLEAN: as for shmCreate.
///
/// # Safety
///
/// `info` is NULL or points to as many bytes as `info->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxStat(memory: SharedMemory, info: *mut ShmxInfo) -> c_int {
    let handle = Handle::from_pointer(memory);
    status_of("shmxStat", || {
        // SAFETY: the caller passes NULL or as many bytes as the struct says.
        let place = unsafe { Place::new(info) }?;
        place.fill(ShmxInfo::from(&handle.manage(Segment::info_within)?));
        Ok(())
    })
}

/// Stores information about the segment called `name` in `*info`, like
/// shmxStat. The segment need not be attached, and may belong to another user.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; `*info` is unchanged.
///
/// - ENOENT: no segment has this name.
/// - EINVAL: `name` or `info` is NULL; or `info->size` is less than
///   sizeof (struct ShmxInfo), or more than 65536.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
///
/// # Safety
///
/// `name` is NULL or a string; `info` is NULL or points to as many bytes as
/// `info->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxStatName(name: *const c_char, info: *mut ShmxInfo) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxStatName", || {
        // SAFETY: the caller passes NULL or as many bytes as the struct says.
        let place = unsafe { Place::new(info) }?;
        place.fill(ShmxInfo::from(&names::info(named(name)?)?));
        Ok(())
    })
}

/// Sets the owner, the group and the nine permission bits of a segment
/// (IPC_SET, see shmctl(2)). SHMX_SAME leaves a value unchanged. For a file,
/// the bits for execution are ignored.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; the segment is unchanged.
///
/// - EINVAL: `memory` is not a valid handle; or `mode` has bits beyond 0777;
///   or `uid` or `gid` is not a valid ID.
/// - EPERM: the segment belongs to another user; or the segment is a file, and
///   the caller may not give it to this user or group (see chown(2)).
/// - EACCES: the process may not inspect the segment (before Linux 4.17).
/// - EIDRM: the process has moved to another IPC namespace; or the segment is a
///   file that has lost its name.
/// - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmxSetPerm(
    memory: SharedMemory,
    uid: c_uint,
    gid: c_uint,
    mode: c_uint,
) -> c_int {
    manage("shmxSetPerm", memory, |segment, call| {
        segment.set_permissions_within(call, permissions(uid, gid, mode))
    })
}

pub(super) fn permissions(uid: c_uint, gid: c_uint, mode: c_uint) -> Permissions {
    let wanted = |value| (value != SHMX_SAME).then_some(value);
    Permissions {
        uid: wanted(uid),
        gid: wanted(gid),
        mode: wanted(mode),
    }
}

/// Locks a segment in memory: none of its pages is written to swap space
/// (SHM_LOCK, see shmctl(2)). Pages that were never used are not allocated.
/// Private memory is locked with mlock(2), which allocates all pages, and which
/// children do not inherit. Files cannot be locked for all processes; each
/// process can lock its own mapping with mlock(2).
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it.
///
/// - EINVAL: `memory` is not a valid handle.
/// - EPERM: the segment belongs to another user, or RLIMIT_MEMLOCK is 0.
/// - ENOMEM: the segment would exceed RLIMIT_MEMLOCK.
/// - ENOTSUP: the segment is a file.
/// - EACCES, EDEADLK, EIDRM: as for shmxSetPerm.
#[unsafe(no_mangle)]
pub extern "C" fn shmxLock(memory: SharedMemory) -> c_int {
    manage("shmxLock", memory, |segment, call| {
        segment.set_swapping_within(call, Swapping::Forbidden)
    })
}

/// Reverses shmxLock.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it.
///
/// - EINVAL: `memory` is not a valid handle.
/// - EPERM: the segment belongs to another user.
/// - EACCES, EDEADLK, EIDRM: as for shmxSetPerm.
#[unsafe(no_mangle)]
pub extern "C" fn shmxUnlock(memory: SharedMemory) -> c_int {
    manage("shmxUnlock", memory, |segment, call| {
        segment.set_swapping_within(call, Swapping::Allowed)
    })
}

/// If `on` is not 0, keeps a segment even when no process has it attached:
/// neither shmDestroy nor shmxPrune deletes it, only shmxRemove does. If `on`
/// is 0, the segment is no longer kept: the next shmDestroy that leaves no
/// process attached deletes it.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; the segment is unchanged.
///
/// - EINVAL: `memory` is not a valid handle; or `on` is not 0, and the segment
///   is transient.
/// - EPERM: the segment belongs to another user.
/// - EACCES: the process may not inspect the segment (before Linux 4.17).
/// - EIDRM: the segment has lost its name: the name, the segment or the
///   registry was removed.
/// - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmxKeep(memory: SharedMemory, on: c_int) -> c_int {
    manage("shmxKeep", memory, |segment, call| {
        segment.keep_within(call, Lifetime::kept_if(on != 0))
    })
}

/// Removes a name at once, and deletes its segment, kept or not, as soon as no
/// process has it attached. Processes that have it attached keep their bytes
/// and their handles, and their shmDestroy returns 0. The next shmCreate of the
/// name creates a new segment.
///
/// On success, returns 0. On error, returns one of these values and sets errno
/// to it; nothing has changed.
///
/// - ENOENT: no segment has this name.
/// - EINVAL: `name` is NULL.
/// - EPERM: the segment belongs to another user.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
///
/// # Safety
///
/// `name` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxRemove(name: *const c_char) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxRemove", || names::remove(named(name)?))
}

/// Waits until a segment called `name` exists, at most `milliseconds`. If
/// `milliseconds` < 0, waits without a limit. The caller sleeps until a process
/// creates the name. The segment need not be attached, and may be removed at
/// any time: a shmCreate that follows may find nothing.
///
/// On success, returns 0. On error, returns an error of shmCreate or one of
/// these values, and sets errno to it.
///
/// - ETIMEDOUT: the name did not exist within this time.
/// - EINTR: a signal handler interrupted the wait.
/// - EINVAL: `name` is NULL.
///
/// # Safety
///
/// `name` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxWait(name: *const c_char, milliseconds: c_long) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxWait", || {
        names::wait(named(name)?, time_limit(milliseconds))
    })
}

pub(super) fn time_limit(milliseconds: c_long) -> Duration {
    u64::try_from(milliseconds).map_or(Duration::MAX, Duration::from_millis)
}

/// Deletes the segments that no process has attached, that are not kept, and
/// that were last detached at least `minimumAge` seconds ago. For a segment
/// that was never attached, the time since its creation counts. Every attach
/// and detach resets the age, including those by shmutil save, copy and dump.
/// A file does not record when it was detached: its age is the time since it
/// was last written or attached, or its owner or mode was changed.
/// Also deletes the hidden segments whose creators have died, whatever their
/// age. Segments that belong to other users and that the caller may not remove
/// are skipped.
///
/// On success, returns 0; if `count` is not NULL, `*count` is then the number
/// of deleted segments. On error, returns one of these values and sets errno to
/// it; `*count` is unchanged, but segments may have been deleted.
///
/// - EINVAL: `minimumAge` is negative.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxList.
///
/// # Safety
///
/// `count` is NULL or points to a long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxPrune(minimumAge: c_long, count: *mut c_long) -> c_int {
    // SAFETY: the caller passes NULL or a pointer to a long.
    let count = unsafe { count.as_mut() };
    status_of("shmxPrune", || {
        prune(&Namespace::current(), minimumAge, count)
    })
}

pub(super) fn prune(
    namespace: &Namespace,
    minimum_age: c_long,
    count: Option<&mut c_long>,
) -> Result<()> {
    let age = u64::try_from(minimum_age).map_err(|_| {
        Error::argument(format_args!(
            "prune: minimumAge is {minimum_age}, less than 0"
        ))
    })?;
    let pruned = namespace.prune(Duration::from_secs(age))?.len();
    if let Some(count) = count {
        *count = c_long::try_from(pruned).unwrap_or(c_long::MAX);
    }
    Ok(())
}

/// Returns the version of the library that the program runs with, as a number
/// that can be compared with SHMX_VERSION, the version of the header that it
/// was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn shmxVersion() -> c_int {
    const VERSION: c_int = 10_000 * number(env!("CARGO_PKG_VERSION_MAJOR"))
        + 100 * number(env!("CARGO_PKG_VERSION_MINOR"))
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

const fn number(digits: &str) -> c_int {
    match c_int::from_str_radix(digits, 10) {
        Ok(number) => number,
        // Cargo accepts numbers only.
        Err(_) => 0,
    }
}

/// Returns the calling thread's last error as one sentence, or "" if there was
/// none. All functions of this header and of shm_util.h set it on error, except
/// in a signal handler that interrupted another call. A call that succeeds
/// leaves it unchanged.
///
/// The string belongs to the library, and is valid until the thread's next
/// call.
#[unsafe(no_mangle)]
pub extern "C" fn shmxErrorText() -> *const c_char {
    error_text::get()
}

/// [`call`] of a function that `shm_util_debug` does not trace: libgpl lacks
/// it.
pub(super) fn status_of(function: &str, work: impl FnOnce() -> Result<()>) -> c_int {
    call(function, work, |_| {})
}

/// Does work that inspects or changes the segment of a handle.
pub(super) fn manage(
    function: &str,
    memory: SharedMemory,
    work: impl FnOnce(&Segment, &crate::fork::Call) -> Result<()>,
) -> c_int {
    status_of(function, || Handle::from_pointer(memory).manage(work))
}

pub(super) fn named(name: Option<&[u8]>) -> Result<&[u8]> {
    name.ok_or_else(|| null("name"))
}

//! The functions of `shm_util_ext.h`. Their comments are the header's text, so they
//! speak to C programmers.

// The names are those of C, in libgpl's manner.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::mem::offset_of;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::argument::{bytes_of, null, positive};
use super::base::SharedMemory;
use super::call::call;
use super::create::create;
use super::error_text;
use super::handle::Handle;
use crate::directory;
use crate::error::{Errno, Quoted, Result};
use crate::info::{Info, Permissions};
use crate::options::Options;
use crate::registry::{Lifetime, NAME_MAX};
use crate::segment::{Segment, Wanted};
use crate::sysv::{Access, Placement, Swapping};

/// A flag of shmxCreate: only a new segment will do. EEXIST if there is one.
pub const SHMX_EXCL: c_int = 1;
/// A flag of shmxCreate: only a segment that exists will do. ENOENT if there is
/// none.
pub const SHMX_ATTACH: c_int = 2;
/// A flag of shmxCreate: the mapping is for reading. A store to it is SIGSEGV;
/// shmSave works, shmLoad is EACCES.
pub const SHMX_RDONLY: c_int = 4;
/// A flag of shmxCreate: a new segment consists of huge pages (SHM_HUGETLB of
/// shmget(2)), which the sysctl vm.nr_hugepages sets aside.
pub const SHMX_HUGETLB: c_int = 8;
/// A flag of shmxCreate: no swap space, and no huge pages, are reserved for a
/// new segment (SHM_NORESERVE of shmget(2)). If there is no memory for a page when
/// it is first used, that is SIGBUS, or the kernel kills a process to have some.
pub const SHMX_NORESERVE: c_int = 16;
/// A flag of shmxCreate: a new segment is a kept one, see shmxKeep.
pub const SHMX_KEEP: c_int = 32;

/// In the header's head, as an unsigned number of C.
const SHMX_SAME: c_uint = c_uint::MAX;

/// What is known of a segment, see shmctl(2). A later version of the library
/// may append members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ShmxInfo {
    /// sizeof (struct ShmxInfo), set by the caller: tells the library how
    /// much the program knows of.
    pub size: c_ulong,
    /// The segment's size.
    pub bytes: c_long,
    /// When it was made.
    pub created: c_long,
    /// When it was last mapped; 0 if it never was.
    pub attached: c_long,
    /// When it was last unmapped, by its user or by the user's death; 0 if it
    /// never was.
    pub detached: c_long,
    /// When it was made, or its owner, group or mode were last set.
    pub changed: c_long,
    /// How many mappings there are, in all processes. A process may have
    /// several, and mprotect(2) may split one in two.
    pub mappings: c_ulong,
    /// The System V identifier, as `ipcs -m` shows it.
    pub id: c_int,
    /// The System V key; 0 if the segment has lost its name.
    pub key: c_int,
    /// The process that made it; 0 if it can't be seen from here.
    pub creatorPid: c_int,
    /// The process that last mapped or unmapped it; 0 if none did, or it can't
    /// be seen from here.
    pub lastPid: c_int,
    /// The owner's user id.
    pub uid: c_uint,
    /// The owner's group id.
    pub gid: c_uint,
    /// The user id of who made it.
    pub creatorUid: c_uint,
    /// The group id of who made it.
    pub creatorGid: c_uint,
    /// The nine permission bits.
    pub mode: c_uint,
    /// 1 if it may not be written to swap space (shmxLock), else 0.
    pub locked: c_int,
    /// 1 if it outlives its last user (shmxKeep), else 0.
    pub kept: c_int,
    /// The name: any bytes, up to 1000, and a NUL behind them.
    pub name: [c_char; 1001],
}

// What programs are compiled with: c_tests/programs/ext_stat.c has the same numbers.
const _: () = {
    assert!(offset_of!(ShmxInfo, bytes) == 8);
    assert!(offset_of!(ShmxInfo, created) == 16);
    assert!(offset_of!(ShmxInfo, changed) == 40);
    assert!(offset_of!(ShmxInfo, mappings) == 48);
    assert!(offset_of!(ShmxInfo, id) == 56);
    assert!(offset_of!(ShmxInfo, uid) == 72);
    assert!(offset_of!(ShmxInfo, kept) == 96);
    assert!(offset_of!(ShmxInfo, name) == 100);
    assert!(size_of::<ShmxInfo>() == 1104);
    assert!(size_of::<[c_char; 1001]>() == NAME_MAX + 1);
};

/// No version of the struct is larger: more is a size that was never set.
const LARGEST_INFO: usize = 65_536;

/// What shmxList calls for each segment. What is not 0 ends the list.
pub type ShmxCallback =
    Option<unsafe extern "C" fn(info: *const ShmxInfo, context: *mut c_void) -> c_int>;

/// Makes a named shared memory segment, or maps the one that has the name, in
/// other ways than shmCreate does.
///
/// `name`, `size`, `address` and `memory` are those of shmCreate: with `size` <=
/// 0, and with SHMX_ATTACH, only a segment that exists is mapped; if `size` > 0 it
/// must have as many bytes. `flags` is 0 or some SHMX_... flags. `mode` has the
/// permission bits of a new segment: exactly these, whatever the umask; 0 is
/// 0660. What is for a new segment does not matter to one that exists.
///
/// Returns 0; then `*memory` is the handle, and `*address`, if `address` is not
/// NULL, is where the segment is. Otherwise returns, and leaves in errno, what
/// shmCreate does, or:
///
/// - EEXIST: SHMX_EXCL, and there is a segment of this name.
/// - ENOENT: SHMX_ATTACH or `size` <= 0, and there is none.
/// - EINVAL: a flag that is none; SHMX_EXCL, SHMX_HUGETLB, SHMX_NORESERVE or
///   SHMX_KEEP, but SHMX_ATTACH or `size` <= 0; `mode` has bits beyond 0777.
/// - EACCES: also if the segment is another user's whose mode does not let us
///   write to it, without SHMX_RDONLY.
/// - ENOMEM: also if there are too few huge pages; see vm.nr_hugepages.
/// - EPERM: this user may not have huge pages; see vm.hugetlb_shm_group.
///
/// After an error `*memory` is NULL, and all else is as it was.
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
    // SAFETY: the caller says that it is NULL or a string.
    let name = unsafe { bytes_of(name) };
    // SAFETY: the caller says that it is NULL or a pointer to a pointer.
    let address = unsafe { address.as_mut() };
    // SAFETY: the caller says that it is NULL or a pointer to a handle.
    let memory = unsafe { memory.as_mut() };
    status_of("shmxCreate", || {
        create(name, address, memory, |name, placement| {
            map(name, size, flags, mode, placement)
        })
        .map(drop)
    })
}

fn map(
    name: &[u8],
    size: c_long,
    flags: c_int,
    mode: c_uint,
    placement: Placement,
) -> Result<Segment> {
    const ALL: c_int =
        SHMX_EXCL | SHMX_ATTACH | SHMX_RDONLY | SHMX_HUGETLB | SHMX_NORESERVE | SHMX_KEEP;
    if flags & !ALL != 0 {
        return Err(Errno(libc::EINVAL).during(format_args!(
            "map segment {} with flags {flags:#x}, not all of which are known",
            Quoted(name)
        )));
    }
    let has = |flag| flags & flag != 0;
    let wanted = match positive(size) {
        None => Wanted::Existing,
        Some(size) if has(SHMX_ATTACH) => Wanted::ExistingOfSize(size),
        Some(size) if has(SHMX_EXCL) => Wanted::New(size),
        Some(size) => Wanted::OfSize(size),
    };
    let access = if has(SHMX_RDONLY) {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    };
    let options = Options::new()
        .exclusive(has(SHMX_EXCL))
        .huge_pages(has(SHMX_HUGETLB))
        .no_reserve(has(SHMX_NORESERVE))
        .keep(has(SHMX_KEEP));
    let options = match mode {
        0 => options,
        mode => options.mode(mode),
    };
    options.map(name, wanted, placement, access)
}

/// Tells what is known of a segment now; also of one that has lost its name,
/// whose `key` is 0 then.
///
/// The caller sets `info->size` to sizeof (struct ShmxInfo). Members that the
/// library does not know become 0.
///
/// Returns 0. Otherwise returns, and leaves in errno; `*info` is as it was:
///
/// - EINVAL: `memory` is no handle, `info` is NULL, or `info->size` is not a
///   size of the struct.
/// - EACCES: the user id was changed, and may not look at the segment (before
///   Linux 4.17).
/// - EIDRM: this process is in another IPC name space now.
/// - ENOMEM: there is no memory for the name.
/// - EDEADLK, EUCLEAN: see shmCreate.
///
/// # Safety
///
/// `info` is NULL or points to as many bytes as `info->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxStat(memory: SharedMemory, info: *mut ShmxInfo) -> c_int {
    let handle = Handle::from_pointer(memory);
    status_of("shmxStat", || {
        // SAFETY: the caller says that it is NULL or so large.
        let place = unsafe { Place::new(info) }?;
        place.fill(&handle.manage(Segment::info_within)?);
        Ok(())
    })
}

/// The same of the segment of a name, which needs not be mapped, and may be
/// another user's.
///
/// Returns 0. Otherwise returns, and leaves in errno; `*info` is as it was:
///
/// - ENOENT: there is no such segment.
/// - EINVAL: `name` or `info` is NULL, or `info->size` is not a size of the
///   struct.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOMEM, ENOTSUP,
///   ETIMEDOUT, EUCLEAN, and ENOENT for NOB_DATABASE: see shmCreate.
///
/// # Safety
///
/// `name` is NULL or a string; `info` is NULL or points to as many bytes as
/// `info->size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxStatName(name: *const c_char, info: *mut ShmxInfo) -> c_int {
    // SAFETY: the caller says that it is NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxStatName", || {
        // SAFETY: the caller says that it is NULL or so large.
        let place = unsafe { Place::new(info) }?;
        place.fill(&directory::info(named(name)?)?);
        Ok(())
    })
}

/// Calls a function for each segment of the name space, live or orphaned, in no
/// order. The function may call whatever it likes, also of this library; what it
/// is shown is good until it returns. Segments that others make or remove
/// meanwhile are shown or not.
///
/// Returns 0 when all were shown. What `callback` returns ends the list if it is
/// not 0, and is returned: -1, say, can't be mistaken for an error. Otherwise
/// returns, and leaves in errno, before `callback` is called at all:
///
/// - EINVAL: `callback` is NULL.
/// - ENOMEM: there is no memory for so many.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOTSUP,
///   ETIMEDOUT, EUCLEAN: see shmCreate. But that there is no segment is no error.
///
/// # Safety
///
/// `callback` is NULL or a function that may be called with `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxList(callback: ShmxCallback, context: *mut c_void) -> c_int {
    let mut infos = Vec::new();
    let status = status_of("shmxList", || {
        callback.ok_or_else(|| null("a list", "callback"))?;
        infos = directory::list()?;
        Ok(())
    });
    let Some(callback) = callback.filter(|_| status == 0) else {
        return status;
    };
    // Nothing is held from here on: what is called may call us.
    infos
        .iter()
        .map(|info| {
            let shown = ShmxInfo::from(info);
            // SAFETY: the caller says that it may be called with this context.
            unsafe { callback(&raw const shown, context) }
        })
        .find(|&result| result != 0)
        .unwrap_or(0)
}

/// Sets the owner, the group and the permission bits of a segment (IPC_SET of
/// shmctl(2)). What is SHMX_SAME stays as it is.
///
/// Returns 0. Otherwise returns, and leaves in errno; nothing is changed:
///
/// - EINVAL: `memory` is no handle, `mode` has bits beyond 0777, or there can be
///   no such user or group.
/// - EPERM: the segment is another user's.
/// - EACCES: it may not be looked at (before Linux 4.17).
/// - EIDRM: this process is in another IPC name space now.
/// - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: see shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmxSetPerm(
    memory: SharedMemory,
    uid: c_uint,
    gid: c_uint,
    mode: c_uint,
) -> c_int {
    let said = |value| (value != SHMX_SAME).then_some(value);
    let permissions = Permissions {
        uid: said(uid),
        gid: said(gid),
        mode: said(mode),
    };
    manage("shmxSetPerm", memory, |segment, call| {
        segment.set_permissions_within(call, permissions)
    })
}

/// Keeps a segment in memory: no page of it is written to swap space (SHM_LOCK
/// of shmctl(2)). Pages that were never used are not made by this.
///
/// Returns 0. Otherwise returns, and leaves in errno:
///
/// - EINVAL: `memory` is no handle.
/// - EPERM: the segment is another user's, or RLIMIT_MEMLOCK is 0.
/// - ENOMEM: with it the user would have locked more than RLIMIT_MEMLOCK.
/// - EACCES, EDEADLK, EIDRM: see shmxSetPerm.
#[unsafe(no_mangle)]
pub extern "C" fn shmxLock(memory: SharedMemory) -> c_int {
    manage("shmxLock", memory, |segment, call| {
        segment.set_swapping_within(call, Swapping::Forbidden)
    })
}

/// Undoes shmxLock.
///
/// Returns 0. Otherwise returns, and leaves in errno:
///
/// - EINVAL: `memory` is no handle.
/// - EPERM: the segment is another user's.
/// - EACCES, EDEADLK, EIDRM: see shmxSetPerm.
#[unsafe(no_mangle)]
pub extern "C" fn shmxUnlock(memory: SharedMemory) -> c_int {
    manage("shmxUnlock", memory, |segment, call| {
        segment.set_swapping_within(call, Swapping::Allowed)
    })
}

/// Has a segment outlive its last user, if `on` is not 0: neither shmDestroy nor
/// shmxPrune deletes it, only shmxRemove does. If `on` is 0, the next shmDestroy
/// that leaves nobody attached deletes it, as ever.
///
/// Returns 0. Otherwise returns, and leaves in errno; nothing is changed:
///
/// - EINVAL: `memory` is no handle.
/// - EPERM: the segment is another user's.
/// - EACCES: it may not be looked at (before Linux 4.17).
/// - EIDRM: it has lost its name: it, or the registry of names, was removed.
/// - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: see shmCreate.
#[unsafe(no_mangle)]
pub extern "C" fn shmxKeep(memory: SharedMemory, on: c_int) -> c_int {
    manage("shmxKeep", memory, |segment, call| {
        segment.keep_within(call, Lifetime::kept_if(on != 0))
    })
}

/// Removes a name at once, and its segment, kept or not, when its last user
/// leaves. Those who have it mapped keep their bytes and their handles, for which
/// shmDestroy returns 0 as ever. The next one to create the name makes a new
/// segment.
///
/// Returns 0. Otherwise returns, and leaves in errno; nothing is changed:
///
/// - ENOENT: there is no such segment.
/// - EINVAL: `name` is NULL.
/// - EPERM: the segment is another user's.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOMEM, ENOTSUP,
///   ETIMEDOUT, EUCLEAN, and ENOENT for NOB_DATABASE: see shmCreate.
///
/// # Safety
///
/// `name` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxRemove(name: *const c_char) -> c_int {
    // SAFETY: the caller says that it is NULL or a string.
    let name = unsafe { bytes_of(name) };
    status_of("shmxRemove", || directory::remove(named(name)?))
}

/// Removes the segments that nobody has mapped, that are not kept, and that
/// were last unmapped at least `minimumAge` seconds ago; of those that were never
/// mapped, those that were made so long ago. To map a segment and unmap it, as
/// `shmutil save` and `shmutil dump` do too, begins its age anew. Segments that we
/// may not remove, because they are another user's, are left alone.
///
/// Returns 0; then `*count`, if `count` is not NULL, is how many were removed.
/// Otherwise returns, and leaves in errno; `*count` is as it was:
///
/// - EINVAL: `minimumAge` is negative.
/// - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
///   ENOTSUP, ETIMEDOUT, EUCLEAN: see shmxList. What was removed until then is
///   removed.
///
/// # Safety
///
/// `count` is NULL or points to a long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmxPrune(minimumAge: c_long, count: *mut c_long) -> c_int {
    // SAFETY: the caller says that it is NULL or points to a long.
    let count = unsafe { count.as_mut() };
    status_of("shmxPrune", || {
        let age = u64::try_from(minimumAge).map_err(|_| {
            Errno(libc::EINVAL).during(format_args!("prune what is {minimumAge} seconds old"))
        })?;
        let pruned = directory::prune(Duration::from_secs(age))?.len();
        if let Some(count) = count {
            *count = c_long::try_from(pruned).unwrap_or(c_long::MAX);
        }
        Ok(())
    })
}

/// Returns the last error of this thread as a sentence, such as "map segment 'x'
/// with 8192 bytes, which has 4096: Invalid argument"; "" if there was none. A
/// call that succeeds leaves it. All functions here and in shm_util.h set it.
///
/// The string is the library's, and good until the thread's next call.
#[unsafe(no_mangle)]
pub extern "C" fn shmxErrorText() -> *const c_char {
    error_text::get()
}

/// What `shm_util_debug` asks for is what libgpl prints: nothing here.
fn status_of(function: &str, work: impl FnOnce() -> Result<()>) -> c_int {
    call(function, work, |_| {})
}

fn manage(
    function: &str,
    memory: SharedMemory,
    work: impl FnOnce(&Segment, &crate::fork::Call) -> Result<()>,
) -> c_int {
    status_of(function, || Handle::from_pointer(memory).manage(work))
}

fn named(name: Option<&[u8]>) -> Result<&[u8]> {
    name.ok_or_else(|| null("a segment", "name"))
}

/// Where a caller wants to have what is known of a segment.
struct Place {
    info: *mut ShmxInfo,
    size: usize,
}

impl Place {
    /// # Safety
    ///
    /// `info` is NULL, or points to as many bytes as its size says, which are
    /// the caller's as long as this lives.
    unsafe fn new(info: *mut ShmxInfo) -> Result<Self> {
        if info.is_null() {
            return Err(null("a segment's information", "info"));
        }
        // SAFETY: it is not NULL, so the caller says that there is a size.
        let size = unsafe { (*info).size };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if !(size_of::<ShmxInfo>()..=LARGEST_INFO).contains(&size) {
            return Err(Errno(libc::EINVAL).during(format_args!(
                "use an info whose size is set to {size}; set it to sizeof (struct ShmxInfo)"
            )));
        }
        Ok(Self { info, size })
    }

    /// Fills in all of it but the size.
    fn fill(&self, info: &Info) {
        let mut known = ShmxInfo::from(info);
        known.size = c_ulong::try_from(self.size).unwrap_or(c_ulong::MAX);
        // SAFETY: `new` has seen that there is room for more than that.
        unsafe { self.info.write(known) };
        // SAFETY: as above: not beyond the caller's bytes.
        let rest = unsafe { self.info.add(1) }.cast::<u8>();
        // SAFETY: as above: up to their end.
        unsafe { rest.write_bytes(0, self.size - size_of::<ShmxInfo>()) };
    }
}

impl From<&Info> for ShmxInfo {
    fn from(info: &Info) -> Self {
        let mut name = [0; NAME_MAX + 1];
        for (to, from) in name.iter_mut().zip(info.name.iter().take(NAME_MAX)) {
            *to = c_char::from_ne_bytes([*from]);
        }
        Self {
            size: c_ulong::try_from(size_of::<Self>()).unwrap_or(c_ulong::MAX),
            bytes: c_long::try_from(info.size).unwrap_or(c_long::MAX),
            created: seconds(Some(info.created)),
            attached: seconds(info.attached),
            detached: seconds(info.detached),
            changed: seconds(Some(info.changed)),
            mappings: info.mappings,
            id: info.id,
            key: info.key,
            creatorPid: info.creator_pid,
            lastPid: info.last_pid,
            uid: info.uid,
            gid: info.gid,
            creatorUid: info.creator_uid,
            creatorGid: info.creator_gid,
            mode: info.mode,
            locked: info.locked.into(),
            kept: info.kept.into(),
            name,
        }
    }
}

fn seconds(time: Option<SystemTime>) -> c_long {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| {
            c_long::try_from(since.as_secs()).unwrap_or(c_long::MAX)
        })
}

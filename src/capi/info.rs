//! `struct ShmxInfo` of `shm_util_ext.h`. Its comments are the header's text.

// The names are those of the C header, in libgpl's style.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::mem::offset_of;
use std::time::{SystemTime, UNIX_EPOCH};

use super::place::Extensible;
use crate::info::{Info, Kind};
use crate::name::NAME_MAX;

/// Kind of memory in ShmxInfo: a System V segment (see shmget(2)).
pub const SHMX_SYSV: c_int = 1;
/// Kind of memory in ShmxInfo: a file in a directory (see NOB_DATABASE in
/// shm_util.h).
pub const SHMX_DIRECTORY: c_int = 2;
/// Kind of memory in ShmxInfo: memory of this process and of the children that
/// it forks.
pub const SHMX_PRIVATE: c_int = 3;

/// Information about a segment. Later versions of the library may append
/// members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ShmxInfo {
    /// Set by the caller to sizeof (struct ShmxInfo): the library writes no
    /// more bytes than that.
    pub size: c_ulong,
    /// Size of the segment in bytes.
    pub bytes: c_long,
    /// Time of creation.
    pub created: c_long,
    /// Time of the last attach; 0 if there was none, and for kinds of memory
    /// other than SHMX_SYSV.
    pub attached: c_long,
    /// Time of the last detach, including at the end of a process; 0 if there was
    /// none, and for other kinds of memory.
    pub detached: c_long,
    /// Time of creation, or of the last change of owner, group or mode; for a
    /// file, also of its bytes.
    pub changed: c_long,
    /// Number of attachments in all processes. A process may have several, and
    /// mprotect(2) may split one in two. A child of fork(2) shares its parent's
    /// attachments of files, and each counts once. For private memory, only the
    /// attachments of this process count.
    pub mappings: c_ulong,
    /// System V identifier, as shown by ipcs -m; -1 for other kinds of memory.
    pub id: c_int,
    /// System V key; 0 if the segment is transient or has lost its name, and
    /// for other kinds of memory.
    pub key: c_int,
    /// Process ID of the creator; 0 if it is not visible in this PID
    /// namespace, and for files.
    pub creatorPid: c_int,
    /// Process ID of the last attach or detach; 0 if there was none, if it is
    /// not visible in this PID namespace, and for other kinds of memory.
    pub lastPid: c_int,
    /// User ID of the owner.
    pub uid: c_uint,
    /// Group ID of the owner.
    pub gid: c_uint,
    /// User ID of the creator; for a file, that of the owner.
    pub creatorUid: c_uint,
    /// Group ID of the creator; for a file, that of the owner.
    pub creatorGid: c_uint,
    /// The nine permission bits; for a file, without those for execution.
    pub mode: c_uint,
    /// 1 if the segment is locked in memory (see shmxLock), otherwise 0.
    pub locked: c_int,
    /// 1 if the segment is kept (see shmxKeep), otherwise 0.
    pub kept: c_int,
    /// 1 if the segment is transient (see SHMX_TRANSIENT), otherwise 0.
    pub transient: c_int,
    /// 1 if the segment is hidden (see SHMX_HIDDEN), otherwise 0. Only shmxStat
    /// sees such a segment.
    pub hidden: c_int,
    /// What the segment is: SHMX_SYSV, SHMX_DIRECTORY or SHMX_PRIVATE. Members
    /// that this kind of memory does not record are 0, except `id`, which is -1.
    pub kind: c_int,
    /// Name: up to 1000 bytes and a terminating NUL.
    pub name: [c_char; 1001],
}

// The layout that programs are compiled with; c_tests/programs/ext_stat.c checks
// the same numbers.
const _: () = {
    const LONG: usize = size_of::<c_long>();
    assert!(offset_of!(ShmxInfo, size) == 0);
    assert!(offset_of!(ShmxInfo, bytes) == LONG);
    assert!(offset_of!(ShmxInfo, created) == 2 * LONG);
    assert!(offset_of!(ShmxInfo, changed) == 5 * LONG);
    assert!(offset_of!(ShmxInfo, mappings) == 6 * LONG);
    assert!(offset_of!(ShmxInfo, id) == 7 * LONG);
    assert!(offset_of!(ShmxInfo, uid) == 7 * LONG + 16);
    assert!(offset_of!(ShmxInfo, kept) == 7 * LONG + 40);
    assert!(offset_of!(ShmxInfo, hidden) == 7 * LONG + 48);
    assert!(offset_of!(ShmxInfo, kind) == 7 * LONG + 52);
    assert!(offset_of!(ShmxInfo, name) == 7 * LONG + 56);
    assert!(size_of::<ShmxInfo>() == if LONG == 8 { 1120 } else { 1088 });
    assert!(size_of::<[c_char; 1001]>() == NAME_MAX + 1);
};

// SAFETY: it has C's layout, and its first member is `size`.
unsafe impl Extensible for ShmxInfo {
    const ARGUMENT: &'static str = "info";
    const NAME: &'static str = "ShmxInfo";
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
            mappings: c_ulong::try_from(info.mappings).unwrap_or(c_ulong::MAX),
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
            transient: info.transient.into(),
            hidden: info.hidden.into(),
            kind: match info.kind {
                Kind::SysV => SHMX_SYSV,
                Kind::Directory => SHMX_DIRECTORY,
                Kind::Private => SHMX_PRIVATE,
            },
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

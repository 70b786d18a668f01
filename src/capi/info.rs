//! `struct ShmxInfo` of `shm_util_ext.h`. Its comments are the header's text.

// The names are those of the C header, in libgpl's style.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::mem::offset_of;
use std::time::{SystemTime, UNIX_EPOCH};

use super::argument::null;
use crate::errno::Errno;
use crate::error::Result;
use crate::info::Info;
use crate::name::NAME_MAX;

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
    /// Time of the last attach; 0 if there was none.
    pub attached: c_long,
    /// Time of the last detach, including at the end of a process; 0 if there was
    /// none.
    pub detached: c_long,
    /// Time of creation, or of the last change of owner, group or mode.
    pub changed: c_long,
    /// Number of attachments in all processes. A process may have several, and
    /// mprotect(2) may split one in two.
    pub mappings: c_ulong,
    /// System V identifier, as shown by ipcs -m.
    pub id: c_int,
    /// System V key; 0 if the segment has lost its name.
    pub key: c_int,
    /// Process ID of the creator; 0 if it is not visible in this PID
    /// namespace.
    pub creatorPid: c_int,
    /// Process ID of the last attach or detach; 0 if there was none, or if it
    /// is not visible in this PID namespace.
    pub lastPid: c_int,
    /// User ID of the owner.
    pub uid: c_uint,
    /// Group ID of the owner.
    pub gid: c_uint,
    /// User ID of the creator.
    pub creatorUid: c_uint,
    /// Group ID of the creator.
    pub creatorGid: c_uint,
    /// The nine permission bits.
    pub mode: c_uint,
    /// 1 if the segment is locked in memory (see shmxLock), otherwise 0.
    pub locked: c_int,
    /// 1 if the segment is kept (see shmxKeep), otherwise 0.
    pub kept: c_int,
    /// Name: up to 1000 bytes and a terminating NUL.
    pub name: [c_char; 1001],
}

// The layout that programs are compiled with; c_tests/programs/ext_stat.c checks
// the same numbers.
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

/// No version of the struct will be larger. A larger size is one that the program did not set.
const LARGEST_INFO: usize = 65_536;

/// The struct that a caller wants to have filled in.
pub(crate) struct Place {
    info: *mut ShmxInfo,
    size: usize,
}

impl Place {
    /// # Safety
    ///
    /// `info` is NULL, or points to as many bytes as its size says, which
    /// nobody else uses while this value lives.
    pub(crate) unsafe fn new(info: *mut ShmxInfo) -> Result<Self> {
        if info.is_null() {
            return Err(null("info"));
        }
        // SAFETY: it is not NULL, so the caller guarantees that it has a size.
        let size = unsafe { (*info).size };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if !(size_of::<ShmxInfo>()..=LARGEST_INFO).contains(&size) {
            return Err(Errno(libc::EINVAL).during(format_args!(
                "info->size is {size}; set it to sizeof (struct ShmxInfo)"
            )));
        }
        Ok(Self { info, size })
    }

    /// Fills in all members but the size.
    pub(crate) fn fill(&self, info: &Info) {
        let mut known = ShmxInfo::from(info);
        known.size = c_ulong::try_from(self.size).unwrap_or(c_ulong::MAX);
        // SAFETY: `new` has checked that the caller's struct is at least as large.
        unsafe { self.info.write(known) };
        // SAFETY: the result is not beyond the end of the caller's bytes.
        let rest = unsafe { self.info.add(1) }.cast::<u8>();
        // SAFETY: these are the caller's remaining bytes.
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

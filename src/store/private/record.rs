//! A segment: its memory, and what is known about it.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use super::mapping::Mapping;
use crate::allocate::{require_memory_for, try_to_vec};
use crate::errno::Errno;
use crate::error::Result;
use crate::ids::{GroupId, ProcessId, UserId};
use crate::info::{Info, Kind, Permissions};
use crate::name::OwnedName;
use crate::quoted::Quoted;
use crate::request::{Creation, Lifetime};
use crate::{fork, os};

/// A segment. Its memory is freed when neither a name nor an attachment refers to it.
///
/// A child of fork may find a change by another thread of its parent unfinished, so everything
/// that changes is one word, and no two words depend on each other. Changes require the lock of the
/// names, except [`set_locked`](Self::set_locked), and a create that is rolled back.
#[derive(Debug)]
pub(super) struct Record {
    name: OwnedName,
    pub(super) base: Mapping,
    /// In seconds since 1970.
    created: u64,
    creator_process: ProcessId,
    creator: UserId,
    creator_group: GroupId,
    is_transient: bool,
    is_kept: AtomicBool,
    is_hidden: AtomicBool,
    /// How many attachments this process has.
    attachments: AtomicU64,
    /// When the last attachment ended, in seconds since the system was started.
    idle_since: AtomicU64,
    /// In seconds since 1970.
    changed: AtomicU64,
    owner: AtomicU32,
    group: AtomicU32,
    mode: AtomicU32,
    /// 0 if it is not locked in memory. Otherwise 1 more than the epoch in which it was locked: a
    /// child does not inherit the lock.
    locked: AtomicU64,
}

impl Record {
    /// A new segment without attachments, which has no name yet.
    pub(super) fn new(
        name: &[u8],
        base: Mapping,
        creation: Creation,
        lifetime: Lifetime,
    ) -> std::result::Result<Arc<Self>, Errno> {
        let name = OwnedName::new(name)?;
        let now = os::seconds(os::Clock::Realtime);
        let (user, group) = (os::effective_user(), os::effective_group());
        // `Arc::new` aborts the program if memory is short.
        require_memory_for(size_of::<Self>())?;
        Ok(Arc::new(Self {
            name,
            base,
            created: now,
            creator_process: fork::process(),
            creator: user,
            creator_group: group,
            is_transient: lifetime == Lifetime::Transient,
            is_kept: AtomicBool::new(lifetime == Lifetime::Kept),
            is_hidden: AtomicBool::new(true),
            attachments: AtomicU64::new(0),
            idle_since: AtomicU64::new(os::seconds(os::Clock::Uptime)),
            changed: AtomicU64::new(now),
            owner: AtomicU32::new(user.0),
            group: AtomicU32::new(group.0),
            mode: AtomicU32::new(creation.mode),
            locked: AtomicU64::new(0),
        }))
    }

    pub(super) fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    /// In bytes.
    pub(super) fn size(&self) -> usize {
        self.base.bytes().len()
    }

    pub(super) fn lifetime(&self) -> Lifetime {
        if self.is_transient {
            Lifetime::Transient
        } else {
            Lifetime::kept_if(self.is_kept.load(Relaxed))
        }
    }

    /// Changes the lifetime of a segment that is not transient.
    pub(super) fn keep(&self, yes: bool) {
        self.is_kept.store(yes, Relaxed);
    }

    /// Whether it has not been published yet.
    pub(super) fn is_hidden(&self) -> bool {
        self.is_hidden.load(Relaxed)
    }

    /// Records that it has been published.
    pub(super) fn show(&self) {
        self.is_hidden.store(false, Relaxed);
    }

    pub(super) fn add_attachment(&self) {
        self.attachments.fetch_add(1, Relaxed);
    }

    /// Returns whether it was the last one.
    pub(super) fn end_attachment(&self) -> bool {
        self.idle_since
            .store(os::seconds(os::Clock::Uptime), Relaxed);
        self.attachments.fetch_sub(1, Relaxed) == 1
    }

    /// How long the segment has been an orphan; `None` if it is not one.
    pub(super) fn idle_time(&self) -> Option<Duration> {
        let now = os::seconds(os::Clock::Uptime);
        let idle = now.saturating_sub(self.idle_since.load(Relaxed));
        (self.attachments.load(Relaxed) == 0).then_some(Duration::from_secs(idle))
    }

    /// Changes the owner, group and permission bits, which were checked.
    pub(super) fn set_permissions(&self, permissions: Permissions) {
        for (value, place) in [
            (permissions.uid, &self.owner),
            (permissions.gid, &self.group),
            (permissions.mode, &self.mode),
        ] {
            if let Some(value) = value {
                place.store(value, Relaxed);
            }
        }
        self.changed
            .store(os::seconds(os::Clock::Realtime), Relaxed);
    }

    /// Locks or unlocks it in memory.
    pub(super) fn set_locked(&self, yes: bool) -> std::result::Result<(), Errno> {
        self.base.set_locked(yes)?;
        let locked = if yes { this_epoch() } else { 0 };
        self.locked.store(locked, Relaxed);
        Ok(())
    }

    /// The description of the segment for programs.
    pub(super) fn info(&self) -> Result<Info> {
        let name = try_to_vec(self.name()).map_err(|errno| {
            errno.during(format_args!("look at segment {}", Quoted(self.name())))
        })?;
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Ok(Info {
            name,
            kind: Kind::Private,
            id: -1,
            key: 0,
            size: self.size(),
            created: at(self.created),
            attached: None,
            detached: None,
            changed: at(self.changed.load(Relaxed)),
            creator_pid: i32::try_from(self.creator_process.0).unwrap_or(0),
            last_pid: 0,
            uid: self.owner.load(Relaxed),
            gid: self.group.load(Relaxed),
            creator_uid: self.creator.0,
            creator_gid: self.creator_group.0,
            mode: self.mode.load(Relaxed),
            mappings: self.attachments.load(Relaxed),
            locked: self.locked.load(Relaxed) == this_epoch(),
            kept: self.lifetime() == Lifetime::Kept,
            transient: self.is_transient,
            hidden: self.is_hidden(),
        })
    }
}

/// The number of this process's epoch, which is never 0.
fn this_epoch() -> u64 {
    u64::from(fork::epoch()) + 1
}

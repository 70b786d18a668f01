//! A segment's attachment, until it is detached; and the deletion of the segment with the last
//! one of this process.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use super::change;
use super::mapping::Mapping;
use super::names::Names;
use super::record::Record;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::info::{Info, Permissions};
use crate::name::OwnedName;
use crate::quoted::Quoted;
use crate::request::{Access, Lifetime, Swapping};

/// A segment that this process has attached.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(super) name: OwnedName,
    pub(super) origin: Origin,
    pub(super) access: Access,
    /// `None` once the segment is detached.
    pub(super) attachment: Option<Attachment>,
}

/// What ends when a segment is detached.
#[derive(Debug)]
pub(super) struct Attachment {
    /// `None` if it shares the segment's base.
    pub(super) own: Option<Mapping>,
    pub(super) record: Arc<Record>,
}

/// Where a segment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It existed.
    Found,
    /// This attachment's call created it.
    Created,
}

/// How an attachment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The segment stays, unless it is transient.
    Detach,
    /// The last attachment deletes the segment, unless it is kept.
    Destroy,
}

impl Attachment {
    fn mapping(&self) -> &Mapping {
        match &self.own {
            Some(own) => own,
            None => &self.record.base,
        }
    }

    /// Stops counting the attachment. Removes the segment's name if the segment ends with it.
    fn end(&self, ending: Ending) -> Result<()> {
        let names = Names::lock();
        let is_last = self.record.end_attachment();
        let names = names?;
        let is_deleted = match (ending, self.record.lifetime()) {
            (Ending::Destroy, Lifetime::Used) | (_, Lifetime::Transient) => is_last,
            (Ending::Detach, Lifetime::Used) | (_, Lifetime::Kept) => false,
        };
        if is_deleted && names.has(&self.record)? {
            names.remove(&self.record)?;
        }
        Ok(())
    }
}

impl Attached {
    pub(in crate::store) fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    pub(in crate::store) fn bytes(&self) -> &[AtomicU8] {
        self.attachment
            .as_ref()
            .map_or(&[], |attachment| attachment.mapping().bytes())
    }

    pub(in crate::store) const fn access(&self) -> Access {
        self.access
    }

    pub(in crate::store) const fn is_closed(&self) -> bool {
        self.attachment.is_none()
    }

    pub(in crate::store) const fn was_created(&self) -> bool {
        matches!(self.origin, Origin::Created)
    }

    pub(in crate::store) fn info(&self) -> Result<Info> {
        let record = self.record("look at")?;
        let _names = Names::lock()?;
        record.info()
    }

    pub(in crate::store) fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        change::check(permissions, self.name())?;
        let record = self.record("set the permissions of")?;
        let _names = Names::lock()?;
        record.set_permissions(permissions);
        Ok(())
    }

    pub(in crate::store) fn set_swapping(&self, swapping: Swapping) -> Result<()> {
        let record = self.record("lock or unlock")?;
        if !record.base.is_there() {
            return Err(self.not_attached("lock or unlock"));
        }
        change::set_swapping(record, swapping)
    }

    pub(in crate::store) fn set_lifetime(&self, lifetime: Lifetime) -> Result<()> {
        let record = self.record("keep")?;
        let names = Names::lock()?;
        if !record.is_hidden() && !names.has(record)? {
            return Err(
                Errno(libc::EIDRM).during(format_args!("keep {self}: it has lost its name"))
            );
        }
        change::set_lifetime(record, lifetime)
    }

    pub(in crate::store) fn publish(&self) -> Result<()> {
        let record = self.record("publish")?;
        let names = Names::lock()?;
        if !record.is_hidden() {
            return Err(Errno(libc::EINVAL)
                .during(format_args!(
                    "publish {self}: it is not hidden, or was published before"
                ))
                .because(Reason::NotHidden));
        }
        if !record.base.is_there() {
            return Err(Errno(libc::EIDRM).during(format_args!(
                "publish {self}: the program has unmapped its memory (munmap)"
            )));
        }
        if let Some(other) = names.find(self.name())? {
            return Err(Errno(libc::EEXIST).during(format_args!(
                "publish {self}: another segment, of {} bytes, already has the name",
                other.size()
            )));
        }
        names.insert(record)
    }

    pub(in crate::store) fn remove(&self) -> Result<()> {
        let record = self.record("remove")?;
        let names = Names::lock()?;
        if record.is_hidden() {
            return Err(Errno(libc::EIDRM).during(format_args!(
                "remove {self}: it is hidden, and has no name yet"
            )));
        }
        if !names.has(record)? {
            return Err(Errno(libc::EIDRM).during(format_args!(
                "remove {self}: it has lost its name, which may be another segment's by now"
            )));
        }
        names.remove(record)
    }

    /// Rolls back this attachment's creation: the segment does not outlive it.
    #[cfg(feature = "capi")]
    pub(in crate::store) fn give_up(&self) {
        if let Some(attachment) = &self.attachment {
            attachment.record.keep(false);
        }
    }

    pub(in crate::store) fn detach(&mut self) -> Result<()> {
        self.end(Ending::Detach)
    }

    pub(in crate::store) fn close(&mut self) -> Result<()> {
        self.end(Ending::Destroy)
    }

    fn end(&mut self, ending: Ending) -> Result<()> {
        let Some(attachment) = self.attachment.take() else {
            return Ok(());
        };
        let was_there = attachment.mapping().is_there();
        let ended = attachment.end(ending);
        // Unmaps the attachment's own mapping, if any, and frees the memory of a segment that is
        // deleted.
        drop(attachment);
        ended?;
        if was_there {
            Ok(())
        } else {
            Err(self.not_attached("detach"))
        }
    }

    fn record(&self, doing: &str) -> Result<&Arc<Record>> {
        match &self.attachment {
            Some(attachment) => Ok(&attachment.record),
            None => Err(self.not_attached(doing)),
        }
    }

    #[cold]
    fn not_attached(&self, doing: &str) -> Error {
        Errno(libc::EINVAL)
            .during(format_args!(
                "{doing} {self}: it is not attached there any more (the program may have called \
                 munmap)"
            ))
            .because(Reason::Detached)
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}", Quoted(self.name()))
    }
}

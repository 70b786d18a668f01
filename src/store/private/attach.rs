//! Creates or attaches the segment of a name.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::attached::{Attached, Attachment, Origin};
use super::mapping::Mapping;
use super::names::Names;
use super::record::Record;
use super::store::Private;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::name::OwnedName;
use crate::quoted::{Doing, Quoted};
use crate::request::{Access, Placement, Request, Target, Wanted};
use crate::{environment, os};

impl Private {
    pub(in crate::store) fn attach(&self, name: OwnedName, request: &Request) -> Result<Attached> {
        let names = Names::lock()?;
        let (record, origin) = match (names.find(name.bytes())?, request.wanted) {
            (Some(record), wanted) => {
                wanted.check(record.name(), record.size())?;
                (record, Origin::Found)
            }
            (None, Wanted::OfSize(size) | Wanted::New(size)) => {
                (create(name.bytes(), size, request)?, Origin::Created)
            }
            (None, Wanted::Existing | Wanted::ExistingOfSize(_)) => {
                return Err(self.no_such(Target::Name(name.bytes())));
            }
        };
        let own = map_again_if_necessary(&record, request)?;
        if origin == Origin::Created && !request.hidden {
            names.insert(&record)?;
        }
        record.add_attachment();
        Ok(Attached {
            name,
            origin,
            access: request.access,
            attachment: Some(Attachment { own, record }),
        })
    }
}

/// Creates a segment for a name that has none.
fn create(name: &[u8], size: NonZeroUsize, request: &Request) -> Result<Arc<Record>> {
    let lifetime = environment::lifetime(request.lifetime);
    if request.creation.huge_pages {
        return Err(Errno(libc::ENOTSUP).during(format_args!(
            "create segment {} with huge pages: private memory has none",
            Quoted(name)
        )));
    }
    map(size.get(), request)
        .and_then(|base| Record::new(name, base, request.creation, lifetime))
        .map_err(|errno| not_mapped(errno, Doing("create", name), size.get(), request.placement))
}

/// Maps the memory of a new segment at the requested address, unless the attachment will be a
/// mapping of its own there.
fn map(size: usize, request: &Request) -> std::result::Result<Mapping, Errno> {
    let map = |placement| Mapping::new(size, placement, request.creation);
    match (request.access, request.placement) {
        (Access::ReadWrite, placement) => map(placement),
        (Access::ReadOnly, Placement::Anywhere) => map(Placement::Anywhere),
        (Access::ReadOnly, Placement::At(address)) => {
            let base = map(Placement::Anywhere)?;
            // The system may have chosen the very place that the attachment needs.
            if base.address().abs_diff(address) < size + os::page_size() {
                map(Placement::Anywhere)
            } else {
                Ok(base)
            }
        }
    }
}

/// The mapping of an attachment that cannot share the base.
fn map_again_if_necessary(record: &Record, request: &Request) -> Result<Option<Mapping>> {
    let shares = match (request.access, request.placement) {
        (Access::ReadOnly, _) => false,
        (Access::ReadWrite, Placement::Anywhere) => true,
        (Access::ReadWrite, Placement::At(address)) => {
            address & !(os::page_size() - 1) == record.base.address()
        }
    };
    if shares {
        return Ok(None);
    }
    record
        .base
        .again(request.placement, request.access)
        .map(Some)
        .map_err(|errno| {
            let doing = Doing("attach", record.name());
            not_mapped(errno, doing, record.size(), request.placement)
        })
}

/// The error if memory could not be mapped.
#[cold]
fn not_mapped(errno: Errno, doing: Doing<'_>, size: usize, placement: Placement) -> Error {
    let (remedy, reason) = match (errno, placement) {
        (Errno(libc::EINVAL), Placement::At(_)) => ("", Reason::Address),
        (Errno(libc::ENOMEM), _) => (
            ", more than memory or RLIMIT_AS allows; raise it with 'ulimit -v'",
            Reason::None,
        ),
        (Errno(libc::EAGAIN), _) => (
            ", more than RLIMIT_MEMLOCK allows to lock (mlockall); raise it with 'ulimit -l'",
            Reason::None,
        ),
        (Errno(libc::ENOTSUP), _) => (
            ", which this system maps only once, for reading and writing",
            Reason::None,
        ),
        _ => ("", Reason::None),
    };
    errno
        .during(format_args!("{doing} of {size} bytes{placement}{remedy}"))
        .because(reason)
}

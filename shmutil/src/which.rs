//! The segment that a command looks at, selected by its name or by its identifier.

#![forbid(unsafe_code)]

use shm_util::admin::KeyKind;
use shm_util::{Info, Options, ReadOnlySegment};

use crate::borrowed;
use crate::cli::Which;
use crate::failure::{Failure, Result, command};
use crate::names::Name;
use crate::{namespace, sysvipc};

impl Which {
    /// What is known about the segment, which this does not attach.
    pub(crate) fn info(&self) -> Result<Info> {
        let namespace = namespace::selected();
        match (&self.name, self.id) {
            (Some(Name(name)), _) => namespace
                .info(name)
                .map_err(|error| Failure::library(&error, Some(name))),
            (None, Some(id)) => {
                namespace::require_identifiers()?;
                namespace
                    .info_by_id(id)
                    .map_err(|error| failure_of_id(id, &error))
            }
            (None, None) => Err(Failure::misuse("no segment given")),
        }
    }

    /// Attaches the segment for reading. `info` is what [`info`](Self::info) has returned.
    pub(crate) fn read_only(&self, info: &Info) -> Result<ReadOnlySegment> {
        match &self.name {
            Some(name) => borrowed::read_only(name),
            None => Options::new()
                .namespace(&namespace::selected())
                .open_read_only_by_id(info.id)
                .map_err(|error| failure_of_id(info.id, &error)),
        }
    }
}

/// Why nothing was done with the segment of an identifier. If it does not belong to the namespace,
/// the advice depends on what has the identifier.
pub(crate) fn failure_of_id(id: i32, error: &shm_util::Error) -> Failure {
    let rows = sysvipc::rows().unwrap_or_default();
    let found = rows.iter().find(|row| row.id == id);
    let advice = match found.map(|row| KeyKind::of(row.key)) {
        _ if error.errno() != libc::ENOENT => return Failure::library(error, None),
        None => return Failure::library(error, None),
        Some(KeyKind::Registry) => {
            "; this is a registry, which programs remove when no names are left in it".to_owned()
        }
        Some(KeyKind::Named) => format!(
            "; this is a segment of another namespace, or one that has no name: '{}' shows which",
            command("list --all")
        ),
        Some(KeyKind::Other) => {
            format!("; this is another program's segment, which 'ipcrm -m {id}' removes")
        }
    };
    Failure::no_such_segment(error, &advice)
}

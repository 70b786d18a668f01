//! Segments that were found by name, and what is known about their files.

#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime};

use shm_util::admin::{self, SegmentFile, Space};
use shm_util::{Info, Kind, Namespace};

use crate::units;

/// A segment of a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) info: Info,
    /// `None` if it is not a file, or if the file has been removed since.
    pub(crate) file: Option<SegmentFile>,
}

impl Found {
    pub(crate) fn new(namespace: &Namespace, info: Info) -> Self {
        let file = admin::file(namespace, &info.name).ok().flatten();
        Self { info, file }
    }

    /// The time since which it has been an orphan; `None` if it is not one.
    pub(crate) fn idle_since(&self) -> Option<SystemTime> {
        let info = &self.info;
        let is_orphan = info.mappings == 0 && !info.kept;
        is_orphan.then(|| match &self.file {
            Some(file) => file.used,
            None => info.detached.unwrap_or(info.created),
        })
    }

    /// How long ago something happened to it.
    pub(crate) fn since(&self, time: SystemTime) -> Duration {
        match self.info.kind {
            Kind::Directory => units::elapsed(time),
            _ => units::since_boot(time),
        }
    }
}

/// The segments of a namespace.
pub(crate) fn list(namespace: &Namespace) -> shm_util::Result<Vec<Found>> {
    let infos = namespace.list()?.into_iter();
    Ok(infos.map(|info| Found::new(namespace, info)).collect())
}

/// The segments of a namespace that this process may inspect, but perhaps not use.
pub(crate) fn list_space(space: &Space) -> shm_util::Result<Vec<Found>> {
    let infos = space.list()?.into_iter();
    let found = infos.map(|info| {
        let file = space.file(&info.name).ok().flatten();
        Found { info, file }
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_that_is_a_file_is_idle_since_its_last_use() {
        let directory = tempfile::tempdir().unwrap();
        let namespace = Namespace::at(directory.path().join("")).unwrap();
        let segment = namespace.create("x", 1).unwrap();
        let found = Found::new(&namespace, segment.info().unwrap());
        assert_eq!(found.idle_since(), None);
        segment.detach().unwrap();

        let mut found = list(&namespace).unwrap().remove(0);
        found.file.as_mut().unwrap().used = SystemTime::UNIX_EPOCH;
        assert_eq!(found.idle_since(), Some(SystemTime::UNIX_EPOCH));
        // A file may be older than the system's uptime.
        let age = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        assert!(found.since(SystemTime::UNIX_EPOCH) >= age);

        namespace.keep("x", true).unwrap();
        assert_eq!(list(&namespace).unwrap().remove(0).idle_since(), None);
    }
}

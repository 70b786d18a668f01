//! Which users and groups the process's user namespace maps. See user_namespaces(7).

#![forbid(unsafe_code)]

use std::os::unix::fs::MetadataExt as _;

use super::selected::read_lines;
use crate::errno::Errno;

/// Every id there can be: the last one is invalid.
const ALL: u64 = u32::MAX as u64;

/// The inode of the user namespace that exists from the start (`PROC_USER_INIT_INO`).
const INITIAL: u64 = 0xefff_fffd;

/// Whether this process is outside all user namespaces. Takes a fraction of the time that
/// it takes to read a map. False if that is unknown.
fn is_outside() -> bool {
    std::fs::metadata("/proc/self/ns/user").is_ok_and(|namespace| namespace.ino() == INITIAL)
}

/// A map of the process's user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Users,
    Groups,
}

impl Map {
    /// Whether it maps every id, as outside all user namespaces. True if the system shows
    /// no map; false if it can't be read now.
    pub(crate) fn is_complete(self) -> bool {
        let mut count = 0;
        is_outside()
            || match self.read(|range| count += range.count) {
                Ok(()) => count >= ALL,
                Err(errno) => errno == NO_MAP,
            }
    }

    /// The id that an id has outside the user namespace; the same one if that is unknown.
    pub(crate) fn outside(self, id: u32) -> Result<u32, Errno> {
        if is_outside() {
            return Ok(id);
        }
        let mut outside = None;
        match self.read(|range| outside = outside.or(range.outside(id))) {
            Err(errno) if errno != NO_MAP => Err(errno),
            _ => Ok(outside.unwrap_or(id)),
        }
    }

    fn read(self, mut use_range: impl FnMut(Range)) -> Result<(), Errno> {
        let path = match self {
            Self::Users => c"/proc/self/uid_map",
            Self::Groups => c"/proc/self/gid_map",
        };
        read_lines(path, |line| {
            Range::parse(line).into_iter().for_each(&mut use_range);
            true
        })
    }
}

/// The system has no user namespaces, or /proc is not mounted.
const NO_MAP: Errno = Errno(libc::ENOENT);

/// A line of a map.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    inside: u64,
    outside: u64,
    count: u64,
}

impl Range {
    fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        Some(Self {
            inside: numbers.next()?.ok()?,
            outside: numbers.next()?.ok()?,
            count: numbers.next()?.ok()?,
        })
    }

    fn outside(&self, id: u32) -> Option<u32> {
        let distance = u64::from(id).checked_sub(self.inside)?;
        u32::try_from(self.outside + distance)
            .ok()
            .filter(|_| distance < self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_maps_the_ids_of_its_range() {
        let range = Range::parse(b"         1     100000      65536").unwrap();
        assert_eq!(
            (range.inside, range.outside, range.count),
            (1, 100_000, 65_536)
        );
        assert_eq!(range.outside(0), None);
        assert_eq!(range.outside(1), Some(100_000));
        assert_eq!(range.outside(65_536), Some(165_535));
        assert_eq!(range.outside(65_537), None);
        assert_eq!(Range::parse(b"no map"), None);
    }
}

//! Which users and groups the process's user namespace maps. See user_namespaces(7).

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;

use super::linux::Uncancelled;
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
        let maps_all = |text: &str| ranges(text).map(|range| range.count).sum::<u64>() >= ALL;
        is_outside()
            || self
                .read(maps_all)
                .is_ok_and(|complete| complete != Some(false))
    }

    /// The id that an id has outside the user namespace; the same one if that is unknown.
    pub(crate) fn outside(self, id: u32) -> Result<u32, Errno> {
        if is_outside() {
            return Ok(id);
        }
        let outside = self.read(|text| {
            let id = u64::from(id);
            let range = ranges(text).find(|range| (range.inside..range.end()).contains(&id))?;
            u32::try_from(id - range.inside + range.outside).ok()
        })?;
        Ok(outside.flatten().unwrap_or(id))
    }

    /// Parses the map. `None` if the system has none, or /proc is not mounted.
    fn read<T>(self, parse: impl FnOnce(&str) -> T) -> Result<Option<T>, Errno> {
        let path = match self {
            Self::Users => "/proc/self/uid_map",
            Self::Groups => "/proc/self/gid_map",
        };
        let _uncancelled = Uncancelled::new();
        // A map has at most 340 lines of 33 bytes.
        let mut text = [0; 12_288];
        let mut length = 0;
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        while let Some(rest) = text.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read(rest)? {
                0 => break,
                count => length += count,
            }
        }
        let text = text.get(..length).unwrap_or(&text);
        Ok(std::str::from_utf8(text).ok().map(parse))
    }
}

/// A line of a map.
struct Range {
    inside: u64,
    outside: u64,
    count: u64,
}

impl Range {
    const fn end(&self) -> u64 {
        self.inside + self.count
    }
}

fn ranges(text: &str) -> impl Iterator<Item = Range> {
    text.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        Some(Range {
            inside: numbers.next()?.ok()?,
            outside: numbers.next()?.ok()?,
            count: numbers.next()?.ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_parsed() {
        let text = "         0       1000          1\n         1     100000      65536\n";
        let parsed: Vec<_> = ranges(text)
            .map(|range| (range.inside, range.outside, range.count))
            .collect();
        assert_eq!(parsed, [(0, 1000, 1), (1, 100_000, 65_536)]);
    }
}

//! The kernel's table of the segments of this IPC name space, and what their
//! keys say.

#![forbid(unsafe_code)]

use std::fs;
use std::io;

/// A line of /proc/sysvipc/shm, as far as it matters here: see
/// proc_sysvipc(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: i32,
    pub(crate) id: i32,
    /// Permissions, and what else `shm_perm.mode` has.
    pub(crate) mode: u32,
    /// In bytes.
    pub(crate) size: u64,
}

/// The text of the table.
pub(crate) fn read() -> io::Result<String> {
    fs::read_to_string("/proc/sysvipc/shm")
}

/// The rows of its text.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Row> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        Some(Row {
            key: fields.next()?.parse().ok()?,
            id: fields.next()?.parse().ok()?,
            mode: u32::from_str_radix(fields.next()?, 8).ok()?,
            size: fields.next()?.parse().ok()?,
        })
    })
}

/// What the two first bits of a key say, see the library's
/// `registry::namespace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Registry,
    /// Of a segment that has, or had, a name.
    Named,
    Other,
}

impl Kind {
    pub(crate) fn of(key: i32) -> Self {
        match u32::from_ne_bytes(key.to_ne_bytes()) >> 30 {
            0b10 => Self::Registry,
            0b11 => Self::Named,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_what_is_none_is_left_out() {
        let text = "       key      shmid perms                  size  cpid\n\
                    -1073741824          7  1660                  4097   12\n\
                    not a row\n\
                              5          8   600                   100   12\n";
        let rows: Vec<_> = rows(text)
            .map(|row| (row.key, row.id, row.mode, row.size))
            .collect();
        assert_eq!(
            rows,
            [(-1_073_741_824, 7, 0o1660, 4097), (5, 8, 0o600, 100)]
        );
    }

    #[test]
    fn keys_tell_what_they_are_for() {
        let kinds = [i32::MIN, -1_073_741_824, -1, 5].map(Kind::of);
        assert_eq!(
            kinds,
            [Kind::Registry, Kind::Named, Kind::Named, Kind::Other]
        );
    }
}

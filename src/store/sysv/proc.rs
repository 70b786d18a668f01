//! The kernel's table of segments, /proc/sysvipc/shm. See proc_sysvipc(5).

#![forbid(unsafe_code)]

/// The file that has the table.
pub const SEGMENT_TABLE: &str = "/proc/sysvipc/shm";

/// A row of the table, as far as it is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The System V key; see [`KeyKind::of`](super::KeyKind::of).
    pub key: i32,
    /// The System V identifier.
    pub id: i32,
    /// Permission bits and the flags `SHM_DEST` and `SHM_LOCKED`.
    pub mode: u32,
    /// In bytes.
    pub size: u64,
    /// How much of it is in swap space, in bytes; `None` if the kernel does not tell.
    pub swap: Option<u64>,
}

/// The rows in the text of the table. Skips what is not a row.
pub fn parse_segment_table(text: &str) -> impl Iterator<Item = Row> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        Some(Row {
            key: fields.next()?.parse().ok()?,
            id: fields.next()?.parse().ok()?,
            mode: u32::from_str_radix(fields.next()?, 8).ok()?,
            size: fields.next()?.parse().ok()?,
            // The last of 16 columns.
            swap: fields.nth(11).and_then(|swap| swap.parse().ok()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_parsed_and_other_lines_skipped() {
        let text = "       key      shmid perms                  size  cpid\n\
                    -1073741824          7  1660                  4097   12\n\
                    not a row\n\
                              5          8   600                   100   12\n";
        let rows: Vec<_> = parse_segment_table(text)
            .map(|row| (row.key, row.id, row.mode, row.size))
            .collect();
        assert_eq!(
            rows,
            [(-1_073_741_824, 7, 0o1660, 4097), (5, 8, 0o600, 100)]
        );
    }
}

//! How much of a segment is in swap space.

#![forbid(unsafe_code)]

use std::fs;

use super::proc::{SEGMENT_TABLE, parse_segment_table};
use super::shm::Id;
use crate::os::{self, page_size};

/// How many pages of a segment are in swap space now; `None` if the kernel does not
/// tell. Everybody may know.
pub(super) fn pages(id: Id) -> Option<u64> {
    // Usually nothing is swapped out, and this call needs no /proc.
    match os::usage()?.pages_in_swap {
        0 => Some(0),
        _ => in_table(&fs::read_to_string(SEGMENT_TABLE).ok()?, id),
    }
}

fn in_table(table: &str, id: Id) -> Option<u64> {
    let row = parse_segment_table(table).find(|row| row.id == id.0)?;
    Some(row.swap?.div_ceil(u64::try_from(page_size()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_of_the_segments_row_counts() {
        let two_pages = 2 * page_size();
        let table = format!(
            "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  \
                     cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
                     5         7   660            1073741824    12    12      1     0     0     0     \
                     0 1795447499          0 1795447499                  4096                     0\n\
                     6         8   660            1073741824    12    12      1     0     0     0     \
                     0 1795447499          0 1795447499                  4096                  {two_pages}\n\
                     7         9   660            1073741824\n"
        );
        let pages = |id| in_table(&table, Id(id));
        assert_eq!((pages(7), pages(8)), (Some(0), Some(2)));
        assert_eq!(pages(9), None, "a kernel without these columns");
        assert_eq!(pages(10), None, "no such segment");
    }

    #[test]
    fn the_kernel_tells_of_a_segment_that_was_not_swapped_out() {
        assert!(os::usage().is_some());
    }
}

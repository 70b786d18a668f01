//! The kernel's table of the segments of this IPC namespace.

#![forbid(unsafe_code)]

use std::fs;
use std::io;

use shm_util::admin::{Row, SEGMENT_TABLE, parse_segment_table};

/// The rows of the table.
pub(crate) fn rows() -> io::Result<Vec<Row>> {
    let text = fs::read_to_string(SEGMENT_TABLE)?;
    Ok(parse_segment_table(&text).collect())
}

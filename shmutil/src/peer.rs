//! Detects this command at the other end of a pipe.
//!
//! * A load needs to know how much a save sends: the pipe does not tell, and a
//!   segment cannot be resized afterwards.
//! * A save may lend its pages to a load, which copies them at once. Other
//!   readers might hold on to the pages, and see what is written to them later.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;

use rustix::event::{PollFd, PollFlags, poll};
use shm_util::admin::{KeyKind, Row};

use crate::holders;
use crate::sysvipc;

/// How many bytes the `shmutil save` at the other end of a pipe sends. `None`
/// if it is another program, has ended already, or may not be inspected.
pub(crate) fn size(pipe: &File) -> Option<u64> {
    // A save that has started to send has its segment attached.
    poll(&mut [PollFd::new(pipe, PollFlags::IN)], None).ok()?;
    let sender = at_descriptor(pipe, 1)
        .into_iter()
        .find(|&pid| is_command(pid, b"save"))?;
    let mut segments = holders::mapped_by(sender);
    segments.retain(|&(_, key)| KeyKind::of(key) == KeyKind::Named);
    // If the save runs in another IPC namespace, the segment is not in this one's table.
    match segments.as_slice() {
        &[(id, key)] => find(&sysvipc::rows().ok()?, id, key),
        _ => None,
    }
}

/// Whether a `shmutil load` reads a pipe as its standard input, and no other
/// process does, as far as this process may inspect them. Call this when the reader has
/// started to read: before that, it may be a shell that has yet to call exec.
pub(crate) fn is_load(pipe: &File) -> bool {
    let readers = at_descriptor(pipe, 0);
    !readers.is_empty() && readers.iter().all(|&pid| is_command(pid, b"load"))
}

/// The processes whose descriptor `descriptor` is this pipe.
fn at_descriptor(pipe: &File, descriptor: i32) -> Vec<u32> {
    let this_pipe = fs::read_link(format!("/proc/self/fd/{}", pipe.as_raw_fd()));
    let Ok(this_pipe) = this_pipe else {
        return Vec::new();
    };
    let file = format!("fd/{descriptor}");
    let mut processes = holders::processes();
    processes.retain(|&pid| {
        fs::read_link(holders::path(pid, &file)).is_ok_and(|target| target == this_pipe)
    });
    processes
}

/// Whether a process runs this same executable with this subcommand.
fn is_command(pid: u32, word: &[u8]) -> bool {
    let executable = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let ours = executable("self");
    ours.is_some()
        && executable(&pid.to_string()) == ours
        && fs::read(holders::path(pid, "cmdline"))
            .is_ok_and(|line| line.split(|&byte| byte == 0).any(|found| found == word))
}

/// Finds the size of a segment in the kernel's table.
fn find(table: &[Row], id: i32, key: i32) -> Option<u64> {
    table
        .iter()
        .find(|row| (row.id, row.key) == (id, key))
        .map(|row| row.size)
}

#[cfg(test)]
mod tests {
    use shm_util::admin::parse_segment_table;

    use super::*;

    #[test]
    fn a_segment_is_found_by_identifier_and_key() {
        let text = "       key      shmid perms                  size  cpid\n\
                     -1073741824          7   660                  4097   12\n\
                              5          8   600                   100   12\n";
        let table: Vec<_> = parse_segment_table(text).collect();
        assert_eq!(find(&table, 7, -1_073_741_824), Some(4097));
        assert_eq!(find(&table, 8, 5), Some(100));
        assert_eq!(find(&table, 8, 6), None);
    }
}

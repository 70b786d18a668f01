//! The size of what comes from a pipe, if a `shmutil save` of this system sends
//! it: a pipe does not tell, and a segment's size can't be changed afterwards.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;

use rustix::event::{PollFd, PollFlags, poll};

use crate::holders;

/// The keys of segments that have names begin with two bits set, those of
/// registries with one (see the library's `registry::namespace`).
const NAMED: u32 = 0b11;

/// How many bytes the `shmutil save` at the other end of a pipe sends. `None`
/// if there is none, it has ended already, or we may not look at it.
pub(crate) fn size(pipe: &File) -> Option<u64> {
    // Once it has begun to send, it has its segment mapped.
    poll(&mut [PollFd::new(pipe, PollFlags::IN)], None).ok()?;
    let target = |path: &str| fs::read_link(path).ok();
    let this_pipe = target(&format!("/proc/self/fd/{}", pipe.as_raw_fd()))?;
    let this_command = target("/proc/self/exe")?;
    let sends = |pid: u32| {
        let is = |file, expected| fs::read_link(holders::path(pid, file)).ok() == Some(expected);
        is("fd/1", this_pipe.clone())
            && is("exe", this_command.clone())
            && fs::read(holders::path(pid, "cmdline"))
                .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == b"save"))
    };
    let sender = holders::processes().into_iter().find(|&pid| sends(pid))?;
    let mut segments = holders::mapped_by(sender);
    segments.retain(|(_, key)| u32::from_ne_bytes(key.to_ne_bytes()) >> 30 == NAMED);
    // It is in our IPC name space, or the kernel's table does not have it.
    match segments.as_slice() {
        &[(id, key)] => find(&fs::read_to_string("/proc/sysvipc/shm").ok()?, id, key),
        _ => None,
    }
}

/// The size of a segment in the text of /proc/sysvipc/shm, see
/// proc_sysvipc(5): key, identifier, permissions, size.
fn find(table: &str, id: i32, key: i32) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let found = (fields.next()?.parse(), fields.next()?.parse());
        (found == (Ok(key), Ok(id)))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_found_by_identifier_and_key() {
        let table = "       key      shmid perms                  size  cpid\n\
                     -1073741824          7   660                  4097   12\n\
                              5          8   600                   100   12\n";
        assert_eq!(find(table, 7, -1_073_741_824), Some(4097));
        assert_eq!(find(table, 8, 5), Some(100));
        assert_eq!(find(table, 8, 6), None);
    }
}

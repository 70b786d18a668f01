//! Whether a thread that has the owner's id is another one.
//!
//! If an owner ends without the kernel's notice (see `judge`) while nobody waits for the lock,
//! its id may be given to a new thread before anyone does. A process that does not have the
//! lock's memory attached has no thread that holds the lock.

#![forbid(unsafe_code)]

use std::fs;

use super::judge::Status;
use crate::ids::ThreadId;
use crate::os::Uncancelled;

/// Whether a thread of this PID namespace can't hold the lock whose word is at this address.
/// False in doubt.
///
/// This reads all mappings of two processes, and waits while the other one changes its own.
pub(super) fn is_stranger(thread: ThreadId, address: usize) -> bool {
    let _uncancelled = Uncancelled::new();
    if Status::of(c"/proc/self/status").is_none_or(|own| own.ids != 1) {
        return false;
    }
    let own = fs::read_to_string("/proc/self/maps");
    let other = fs::read(format!("/proc/{thread}/maps"));
    match (own, other) {
        (Ok(own), Ok(other)) => lacks(&String::from_utf8_lossy(&other), file_at(&own, address)),
        _ => false,
    }
}

/// Its device, its inode, and the beginning of its path.
type File<'a> = (&'a str, &'a str, &'a str);

/// Whether a process has mappings, but none of this file.
fn lacks(mappings: &str, file: Option<File<'_>>) -> bool {
    file.is_some_and(|file| {
        !mappings.is_empty() && mappings.lines().filter_map(file_of).all(|one| one != file)
    })
}

/// The file that is mapped at an address.
fn file_at(mappings: &str, address: usize) -> Option<File<'_>> {
    let number = |text: &str| usize::from_str_radix(text, 16).ok();
    let has_address = |line: &&str| {
        let range = line.split(' ').next()?;
        let (start, end) = range.split_once('-')?;
        Some(number(start)? <= address && address < number(end)?)
    };
    mappings
        .lines()
        .find(|line| has_address(line) == Some(true))
        .and_then(file_of)
}

/// The file in a line of /proc/PID/maps, see proc_pid_maps(5); `None` if there is none. The inode
/// of a System V segment is its identifier, which may be 0.
fn file_of(line: &str) -> Option<File<'_>> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let (device, inode, path) = (fields.next()?, fields.next()?, fields.next()?);
    path.starts_with('/').then_some((device, inode, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPINGS: &str = "\
        1000-2000 r-xp 00000000 08:01 7 /bin/true\n\
        2000-3000 rw-p 00000000 00:00 0 [heap]\n\
        5000-7000 rw-s 00000000 00:01 0 /SYSV8376b8b9 (deleted)\n";

    const SEGMENT: File<'_> = ("00:01", "0", "/SYSV8376b8b9");

    #[test]
    fn the_file_at_an_address_is_found() {
        assert_eq!(file_at(MAPPINGS, 0x6fff), Some(SEGMENT));
        assert_eq!(file_at(MAPPINGS, 0x7000), None);
        assert_eq!(file_at(MAPPINGS, 0x2000), None, "no file");
    }

    #[test]
    fn a_process_without_the_file_is_told_from_one_with_it() {
        let others = "1000-2000 r-xp 00000000 08:01 7 /bin/true\n";
        assert!(lacks(others, Some(SEGMENT)));
        assert!(lacks(others, Some(("08:02", "7", "/bin/true"))));
        assert!(!lacks(others, Some(("08:01", "7", "/bin/true"))));
        assert!(!lacks(MAPPINGS, Some(SEGMENT)));
        assert!(!lacks(others, None), "unknown what the lock is in");
        assert!(!lacks("", Some(SEGMENT)), "it is just ending");
    }

    #[test]
    fn a_thread_of_this_process_is_no_stranger() {
        static NUMBER: u32 = 1;
        assert!(!is_stranger(
            crate::os::thread(),
            (&raw const NUMBER).addr()
        ));
    }
}

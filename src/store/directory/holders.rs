//! How many attachments a file has. Looking at them changes nothing, and disturbs nobody.

#![forbid(unsafe_code)]

use std::fs::File;

use super::lock;
use crate::errno::Errno;
use crate::file::Status;
use crate::os;

/// The device and the inode number of a file.
type FileId = ((u32, u32), u64);

/// The number of attachments. Those that a child of fork shares with its parent count once. If
/// the file is not open, or the kernel does not list its locks, the number is 0 or 1.
pub(super) fn count(file: Option<&File>, status: &Status) -> u64 {
    count_with(file, || listed(status))
}

/// Whether there are attachments.
pub(super) fn is_attached(file: Option<&File>, status: &Status) -> bool {
    match file.map(lock::is_attached) {
        Some(Ok(is_attached)) => is_attached,
        _ => listed(status) > 0,
    }
}

fn count_with(file: Option<&File>, listed: impl Fn() -> u64) -> u64 {
    match file.map(lock::is_attached) {
        Some(Ok(false)) => 0,
        Some(Ok(true)) => listed().max(1),
        _ => listed(),
    }
}

/// The attachments of all files at one moment. To read the kernel's list for each of many files
/// would take time that grows with the square of their number.
pub(super) struct Attachments {
    /// Sorted. A file occurs once for each attachment.
    files: Vec<FileId>,
}

impl Attachments {
    /// `ENOMEM` if memory is short.
    pub(super) fn read() -> Result<Self, Errno> {
        let mut files = Vec::new();
        let mut is_short = false;
        // Without the list, nothing is known.
        let _ = os::read_lines(c"/proc/locks", |line| {
            if let Some(file) = attached_file(line) {
                is_short = files.try_reserve(1).is_err();
                if !is_short {
                    files.push(file);
                }
            }
            !is_short
        });
        if is_short {
            return Err(Errno(libc::ENOMEM));
        }
        files.sort_unstable();
        Ok(Self { files })
    }

    /// The number of attachments of a file, as `count` returns it.
    pub(super) fn count(&self, file: Option<&File>, status: &Status) -> u64 {
        count_with(file, || {
            let wanted = id_of(status);
            let start = self.files.partition_point(|file| *file < wanted);
            let end = self.files.partition_point(|file| *file <= wanted);
            u64::try_from(end - start).unwrap_or(0)
        })
    }
}

/// The number of attachments in the kernel's list of locks, see proc(5).
fn listed(status: &Status) -> u64 {
    let mut count = 0;
    // Without the list, nothing is known.
    let _ = os::read_lines(c"/proc/locks", |line| {
        count += u64::from(attached_file(line) == Some(id_of(status)));
        true
    });
    count
}

const fn id_of(status: &Status) -> FileId {
    (status.device, status.inode)
}

/// The file that a line of the list is about, if the lock is an attachment.
fn attached_file(line: &[u8]) -> Option<FileId> {
    let text = std::str::from_utf8(line).ok()?;
    let mut fields = text.split_ascii_whitespace().skip(1);
    let (class, _, mode) = (fields.next()?, fields.next()?, fields.next()?);
    let file = fields.nth(1)?;
    let range = (fields.next()?, fields.next()?);
    if (class, mode, range) != ("OFDLCK", "READ", ("0", "0")) {
        return None;
    }
    let mut parts = file.split(':');
    let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
    let device = (number()?, number()?);
    let inode = parts.next()?.parse().ok()?;
    Some((device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_attached() {
        let file = ((0x1a, 0x15), 77);
        let is = |line: &str| attached_file(line.as_bytes()) == Some(file);
        assert!(is("1: OFDLCK ADVISORY  READ  -1 1a:15:77 0 0"));
        assert!(!is("1: OFDLCK ADVISORY  READ  -1 1a:15:78 0 0"));
        assert!(!is("1: OFDLCK ADVISORY  READ  -1 1a:16:77 0 0"));
        assert!(!is("1: OFDLCK ADVISORY  WRITE -1 1a:15:77 0 1"));
        assert!(!is("1: OFDLCK ADVISORY  READ  -1 1a:15:77 1 1"));
        assert!(!is("1: FLOCK  ADVISORY  READ  -1 1a:15:77 0 0"));
        assert!(!is("1: -> OFDLCK"));
        assert!(!is(""));
    }
}

//! How many attachments a file has. Looking at them changes nothing, and disturbs nobody.

#![forbid(unsafe_code)]

use std::fs::File;

use super::lock;
use crate::file::Status;
use crate::os;

/// The number of attachments. Those that a child of fork shares with its parent count once. If
/// the file is not open, or the kernel does not list its locks, the number is 0 or 1.
pub(super) fn count(file: Option<&File>, status: &Status) -> u64 {
    match file.map(lock::is_attached) {
        Some(Ok(false)) => 0,
        Some(Ok(true)) => listed(status).max(1),
        _ => listed(status),
    }
}

/// The number of attachments in the kernel's list of locks, see proc(5).
fn listed(status: &Status) -> u64 {
    let mut count = 0;
    // Without the list, nothing is known.
    let _ = os::read_lines(c"/proc/locks", |line| {
        count += u64::from(is_attachment(line, status));
        true
    });
    count
}

/// Whether a line of the list is about an attachment of this file.
fn is_attachment(line: &[u8], status: &Status) -> bool {
    let fields = || {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.split_ascii_whitespace().skip(1);
        let kind = (fields.next()?, fields.next()?, fields.next()?);
        let file = fields.nth(1)?;
        let range = (fields.next()?, fields.next()?);
        Some((kind, file, range))
    };
    let Some((("OFDLCK", _, "READ"), file, ("0", "0"))) = fields() else {
        return false;
    };
    let mut parts = file.split(':');
    let number = |part: Option<&str>| u32::from_str_radix(part?, 16).ok();
    let device = (number(parts.next()), number(parts.next()));
    let inode = parts.next().and_then(|part| part.parse().ok());
    device == (Some(status.device.0), Some(status.device.1)) && inode == Some(status.inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_attached() {
        let mut status = Status::of_target("/".as_ref()).unwrap();
        status.inode = 77;
        status.device = (0x1a, 0x15);
        let is = |line: &str| is_attachment(line.as_bytes(), &status);
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

//! Reads files of /proc line by line: without allocating, and without a cancellation point.

use std::ffi::{CStr, c_int};

use super::threads::{checked, close};
use crate::errno::Errno;

/// Passes the lines of a file, without their ends, until `use_line` returns false. Of a long
/// line, only the beginning is passed.
pub(crate) fn read_lines(
    path: &CStr,
    mut use_line: impl FnMut(&[u8]) -> bool,
) -> Result<(), Errno> {
    let mut lines = Lines::default();
    read_in_pieces(path, |piece| lines.feed(piece, &mut use_line))
}

/// Reads a file in pieces, until `use_piece` returns false.
fn read_in_pieces(path: &CStr, mut use_piece: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    // SAFETY: the path ends with a NUL.
    let file = checked(unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY,
        )
    })?;
    let file = c_int::try_from(file).unwrap_or(-1);
    let mut piece = [0; 1024];
    let outcome = loop {
        // SAFETY: there is room for that many bytes.
        let read = checked(unsafe {
            libc::syscall(libc::SYS_read, file, piece.as_mut_ptr(), piece.len())
        });
        match read {
            Err(errno) => break Err(errno),
            Ok(length) => {
                let piece = usize::try_from(length)
                    .ok()
                    .and_then(|end| piece.get(..end));
                match piece {
                    Some(piece) if !piece.is_empty() && use_piece(piece) => {}
                    _ => break Ok(()),
                }
            }
        }
    };
    close(file);
    outcome
}

/// Puts the pieces of a file together into lines.
struct Lines {
    line: [u8; 160],
    length: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            line: [0; 160],
            length: 0,
        }
    }
}

impl Lines {
    /// Passes the lines that end in a piece. False as soon as `use_line` returns that.
    fn feed(&mut self, piece: &[u8], mut use_line: impl FnMut(&[u8]) -> bool) -> bool {
        for &byte in piece {
            if byte == b'\n' {
                if !use_line(self.line.get(..self.length).unwrap_or_default()) {
                    return false;
                }
                self.length = 0;
            } else if let Some(place) = self.line.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_long_ones_cut_off() {
        let text = format!("one\n\n{}\ntwo\nthe rest", "x".repeat(3000));
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in text.as_bytes().chunks(7) {
            assert!(lines.feed(piece, |line| {
                found.push(String::from_utf8(line.to_vec()).unwrap());
                true
            }));
        }
        assert_eq!(found, ["one", "", &"x".repeat(160), "two"]);
    }

    #[test]
    fn reading_ends_when_a_line_is_the_last_one_wanted() {
        let mut count = 0;
        let read = read_lines(c"/proc/self/status", |_| {
            count += 1;
            count < 3
        });
        assert_eq!((read, count), (Ok(()), 3));
        let missing = read_lines(c"/proc/self/no such file", |_| true);
        assert_eq!(missing, Err(Errno(libc::ENOENT)));
    }
}

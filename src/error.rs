//! One error type, and the one place where it becomes an `errno` value.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::process;

/// What a system call left in `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    /// Says what was being done to what when the system call failed.
    #[cold]
    pub(crate) fn during(self, what: fmt::Arguments<'_>) -> Error {
        Error::new(self.0, what)
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// What failed and why: an `errno` value, and what was being done to what.
///
/// Its `Display` form is one line, such as
/// `map segment 'sensors' with 8192 bytes, which has 4096: Invalid argument`.
///
/// ```
/// use shm_util::Segment;
///
/// let error = Segment::open("doc-error").unwrap_err();
/// assert_eq!(error.to_string(), "find segment 'doc-error': No such file or directory");
/// let error: std::io::Error = error.into();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    errno: i32,
    what: Cow<'static, str>,
}

/// What every function of this crate that can fail returns.
///
/// ```
/// fn size(name: &str) -> shm_util::Result<usize> {
///     Ok(shm_util::info(name)?.size)
/// }
/// assert!(size("doc-result").is_err());
/// ```
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    #[cold]
    pub(crate) fn new(errno: i32, what: fmt::Arguments<'_>) -> Self {
        // What says always the same takes no memory: it is said to signal handlers
        // too, which may have interrupted malloc(3).
        let what = match what.as_str() {
            Some(what) => Cow::Borrowed(what),
            None => Cow::Owned(text(what)),
        };
        Self { errno, what }
    }

    /// Says first what gave the thing that failed.
    #[cold]
    pub(crate) fn in_what(self, source: &str) -> Self {
        Self::new(self.errno, format_args!("{source}: {}", self.what))
    }

    /// The `errno` value, as in errno(3): what the C functions return.
    ///
    /// ```
    /// let error = shm_util::Segment::open("doc-errno").unwrap_err();
    /// assert_eq!(error.errno(), libc::ENOENT);
    /// ```
    #[must_use]
    pub const fn errno(&self) -> i32 {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Empty where there was no memory for it.
        if !self.what.is_empty() {
            write!(f, "{}: ", self.what)?;
        }
        write!(f, "{}", process::strerror(self.errno))
    }
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::new(
            Self::from_raw_os_error(error.errno).kind(),
            error.to_string(),
        )
    }
}

/// A `String` made without aborting the program where memory is short: then
/// the text is cut off, and the `errno` value tells the rest.
pub(crate) fn text(arguments: fmt::Arguments<'_>) -> String {
    struct Cautious(String);

    impl fmt::Write for Cautious {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
            self.0.push_str(part);
            Ok(())
        }
    }

    let mut cautious = Cautious(String::new());
    // The only error is the one above, and a shorter text is its remedy.
    let _ = cautious.write_fmt(arguments);
    cautious.0
}

/// `ENOMEM` where memory is short. For what is done with a path of so many bytes
/// in the standard library: it would end the program.
pub(crate) fn require_memory_for(path: usize) -> std::result::Result<(), Errno> {
    // More than it takes at any time: a dozen copies, and a few small things.
    let enough = path.saturating_add(256).saturating_mul(16);
    let mut some = Vec::<u8>::new();
    let result = some.try_reserve_exact(enough);
    std::hint::black_box(&mut some);
    result.map_err(|_| Errno(libc::ENOMEM))
}

/// Copies bytes without aborting the program where memory is short.
pub(crate) fn try_to_vec(bytes: &[u8]) -> std::result::Result<Vec<u8>, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Errno(libc::ENOMEM))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Shows a name or a file name on one line: what is not UTF-8, or changes how
/// the line is shown, is escaped, everything else is as it is.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if is_control(character) {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('\'')
    }
}

/// Also those that only bidirectional text has: they put what follows elsewhere.
fn is_control(character: char) -> bool {
    let is_bidirectional = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || is_bidirectional
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_signal_handlers_are_told_takes_no_memory() {
        let error = Errno(libc::EDEADLK).during(format_args!("call the library"));
        assert!(matches!(error.what, Cow::Borrowed("call the library")));
    }

    #[test]
    fn what_would_change_the_line_is_escaped() {
        let name = "a\u{202e}b\u{2066}\x1b\u{e9}";
        let shown = Quoted(name.as_bytes()).to_string();
        assert_eq!(shown, "'a\\u{202e}b\\u{2066}\\u{1b}\u{e9}'");
    }

    #[test]
    fn an_error_says_what_failed_with_what_and_why() {
        let error = Errno(libc::EINVAL).during(format_args!("attach {}", Quoted(b"a\nb\xff")));
        assert_eq!(error.to_string(), "attach 'a\\nb\\xff': Invalid argument");
        assert_eq!(error.errno(), libc::EINVAL);
    }
}

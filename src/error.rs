//! The error type: an `errno` value and what was being done to what.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt;
use std::io;

use crate::allocate::text;
use crate::errno::Errno;
use crate::os;

/// Why a call failed: an `errno` value, and what was being done to what.
///
/// Its `Display` form is one line, such as
/// `segment 'sensors' has 4096 bytes, 8192 requested: Invalid argument`.
///
/// ```
/// use shm_util::Segment;
///
/// let error = Segment::open("doc-error").unwrap_err();
/// assert_eq!(error.errno(), libc::ENOENT);
/// assert!(error.to_string().starts_with("no segment 'doc-error' in "));
/// ```
///
/// # As an `io::Error`
///
/// The operator `?` converts it to a [`std::io::Error`], which keeps everything: the
/// [`kind`](std::io::Error::kind) is that of the `errno` value, the text is the sentence, and
/// [`Error::from_io`] finds this error in it. Only
/// [`raw_os_error`](std::io::Error::raw_os_error) is `None`: the standard library returns a
/// number there only from errors without a text of their own.
///
/// ```
/// use shm_util::{Error, Segment};
/// use std::io;
///
/// fn first_byte(name: &str) -> io::Result<u8> {
///     let mut byte = [0];
///     Segment::open(name)?.read_at(0, &mut byte)?;
///     Ok(byte[0])
/// }
///
/// let error = first_byte("doc-error").unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// assert!(error.to_string().starts_with("no segment 'doc-error' in "));
/// assert_eq!(Error::from_io(&error).map(Error::errno), Some(libc::ENOENT));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    errno: i32,
    reason: Reason,
    what: Cow<'static, str>,
}

/// What an [`Error`] means more closely than its `errno` value: `EINVAL` and `EACCES` have
/// many causes.
///
/// ```
/// use shm_util::{Reason, Segment};
///
/// let segment = Segment::create("doc-reason", 100)?;
/// let error = Segment::create("doc-reason", 200).unwrap_err();
/// assert_eq!((error.errno(), error.reason()), (libc::EINVAL, Reason::TooSmall));
/// # Ok::<(), shm_util::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is known beyond the `errno` value.
    None,
    /// `EINVAL`: an argument is invalid in itself, or a name is that of a file that is not a
    /// segment.
    Argument,
    /// `EINVAL`: a C program's handle is not valid.
    Handle,
    /// `EINVAL`: the segment exists with fewer bytes than requested.
    TooSmall,
    /// `EINVAL`: the size exceeds the limit SHMMAX. `EFBIG`: it exceeds `RLIMIT_FSIZE`.
    Limit,
    /// `EINVAL`: something is mapped at the address, or the system does not allow it.
    Address,
    /// `EINVAL`: the program has detached the segment itself, with shmdt(2) or munmap(2).
    Detached,
    /// `EINVAL`: the file to be loaded is empty.
    EmptyFile,
    /// `EINVAL`: the segment is transient, and cannot be kept.
    Transient,
    /// `EINVAL`: the segment is not hidden, or not any more, and cannot be published.
    NotHidden,
    /// `EACCES`: this user may not use the namespace. `ENOENT`, `ENOTDIR`: the directory of the
    /// namespace does not exist, or is a file.
    Namespace,
    /// `EACCES`: the segment's mode does not allow this user to attach it; or the segment is
    /// transient, and was created by a user whom this process must not trust.
    Permission,
    /// `EACCES`: the segment is attached for reading only.
    ReadOnly,
    /// `ENOSYS`, `EPERM`: the kernel has no System V shared memory, or a sandbox blocks it.
    NoSystemV,
    /// `EPERM`: the segment belongs to another user.
    Owner,
}

/// The result of every function of this crate that can fail.
///
/// ```
/// fn size(name: &str) -> shm_util::Result<usize> {
///     Ok(shm_util::info(name)?.size)
/// }
/// assert!(size("doc-result").is_err());
/// ```
pub type Result<T> = std::result::Result<T, Error>;

impl Errno {
    /// Adds what was being done to what when the call failed.
    #[cold]
    pub(crate) fn during(self, what: fmt::Arguments<'_>) -> Error {
        Error::new(self.0, what)
    }
}

impl Error {
    #[cold]
    pub(crate) fn new(errno: i32, what: fmt::Arguments<'_>) -> Self {
        // Constant messages do not allocate: a signal handler that is refused may
        // have interrupted malloc(3).
        let what = match what.as_str() {
            Some(what) => Cow::Borrowed(what),
            None => Cow::Owned(text(what)),
        };
        Self {
            errno,
            reason: Reason::None,
            what,
        }
    }

    /// The error of an argument that is invalid in itself.
    #[cold]
    pub(crate) fn argument(what: fmt::Arguments<'_>) -> Self {
        Self::new(libc::EINVAL, what).because(Reason::Argument)
    }

    /// The same error with a reason.
    #[cold]
    pub(crate) fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    /// A copy. Where memory is short, its text is cut off; `clone` would abort.
    #[cold]
    pub(crate) fn copy(&self) -> Self {
        Self::new(self.errno, format_args!("{}", self.what)).because(self.reason)
    }

    /// Puts the source of the bad value in front of the message.
    #[cold]
    pub(crate) fn in_what(self, source: &str) -> Self {
        Self::new(self.errno, format_args!("{source}: {}", self.what)).because(self.reason)
    }

    /// Appends a detail to the message, unless memory is short.
    #[cfg(feature = "capi")]
    #[cold]
    pub(crate) fn with_detail(self, detail: fmt::Arguments<'_>) -> Self {
        if self.what.is_empty() {
            return self;
        }
        Self::new(self.errno, format_args!("{}, {detail}", self.what)).because(self.reason)
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

    /// The error of this crate that was converted to an [`io::Error`](std::io::Error);
    /// `None` if that has another source. `io::Error::downcast` returns it by value.
    ///
    /// ```
    /// use shm_util::{Error, Segment};
    /// use std::io;
    ///
    /// let error = io::Error::from(Segment::create("doc-from-io", 0).unwrap_err());
    /// assert_eq!(Error::from_io(&error).map(Error::errno), Some(libc::EINVAL));
    /// assert_eq!(Error::from_io(&io::Error::from_raw_os_error(libc::EINVAL)), None);
    /// ```
    #[must_use]
    pub fn from_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What the error means more closely than its `errno` value.
    ///
    /// ```
    /// use shm_util::{Reason, Segment};
    ///
    /// let error = Segment::create("doc-error-reason", 0).unwrap_err();
    /// assert_eq!(error.reason(), Reason::Argument);
    /// ```
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Empty if there was no memory for it.
        if !self.what.is_empty() {
            write!(f, "{}: ", self.what)?;
        }
        write!(f, "{}", os::strerror(Errno(self.errno)))
    }
}

/// The same sentence as `Display`: `main` prints errors that it returns in this form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// Keeps the kind, the text and the `errno` value: see [`Error::from_io`].
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(Self::from_raw_os_error(error.errno).kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quoted::Quoted;

    #[test]
    fn a_constant_message_does_not_allocate() {
        let error = Errno(libc::EDEADLK).during(format_args!("call the library"));
        assert!(matches!(error.what, Cow::Borrowed("call the library")));
    }

    #[test]
    fn an_error_says_what_failed_with_what_and_why() {
        let error = Errno(libc::EINVAL).during(format_args!("attach {}", Quoted(b"a\nb\xff")));
        assert_eq!(error.to_string(), "attach 'a\\nb\\xff': Invalid argument");
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!(error.errno(), libc::EINVAL);
    }

    #[test]
    fn an_io_error_keeps_the_kind_the_text_and_the_errno_value() {
        for (errno, kind) in [
            (libc::ENOENT, io::ErrorKind::NotFound),
            (libc::EEXIST, io::ErrorKind::AlreadyExists),
            (libc::EACCES, io::ErrorKind::PermissionDenied),
            (libc::EINVAL, io::ErrorKind::InvalidInput),
            (libc::ETIMEDOUT, io::ErrorKind::TimedOut),
        ] {
            let ours = Errno(errno)
                .during(format_args!("attach {}", Quoted(b"x")))
                .because(Reason::Address);
            let error = io::Error::from(ours.clone());
            assert_eq!(error.kind(), kind);
            assert_eq!(error.to_string(), ours.to_string());
            assert_eq!(Error::from_io(&error), Some(&ours));
            assert_eq!(error.downcast::<Error>().unwrap(), ours);
        }
        // An errno value for which the standard library has no name.
        let error = io::Error::from(Errno(os::EUCLEAN).during(format_args!("x")));
        assert_eq!(Error::from_io(&error).map(Error::errno), Some(os::EUCLEAN));
    }
}

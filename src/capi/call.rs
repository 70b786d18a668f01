//! What surrounds the work of each function: `errno`, and the report of errors.

use std::ffi::c_int;

use super::frame::Frame;
use super::{error_text, message};
use crate::error::Result;
use crate::{environment, os};

/// Does the work of a function, reports the result, and turns it into a status:
/// 0, which leaves `errno` unchanged, or an `errno` value. In a signal handler that
/// interrupted another function, returns `EDEADLK` and does nothing else.
pub(crate) fn call<T>(
    function: &str,
    work: impl FnOnce() -> Result<T>,
    report: impl FnOnce(&Result<T>),
) -> c_int {
    let Some(_frame) = Frame::enter() else {
        os::set_errno(libc::EDEADLK);
        return libc::EDEADLK;
    };
    let errno = os::errno();
    environment::read_once();
    let result = work();
    report(&result);
    let status = match &result {
        Ok(_) => 0,
        Err(error) => {
            message::error(function, error);
            error_text::set(error);
            error.errno()
        }
    };
    os::set_errno(if status == 0 { errno } else { status });
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;
    use std::ffi::CStr;

    fn fail(what: &str) -> c_int {
        let work = || -> Result<()> { Err(Errno(libc::ENOENT).during(format_args!("{what}"))) };
        call("test", work, |_| ())
    }

    #[test]
    fn a_refused_signal_handler_leaves_the_error_text_unchanged() {
        assert_eq!(fail("first"), libc::ENOENT);
        let interrupted = Frame::enter();
        assert_eq!(fail("second"), libc::EDEADLK);
        assert_eq!(os::errno(), libc::EDEADLK);
        drop(interrupted);
        // SAFETY: the text is a string that belongs to this thread.
        let text = unsafe { CStr::from_ptr(error_text::get()) };
        assert!(text.to_bytes().starts_with(b"first: "), "{text:?}");
    }
}

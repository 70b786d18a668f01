//! What surrounds the work of each function: `errno`, and the report of errors.

use std::ffi::c_int;

use super::frame::Frame;
use super::{error_text, message};
use crate::error::Result;
use crate::os;

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

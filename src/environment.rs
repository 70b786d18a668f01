//! Environment variables, as a set-uid program may read them.

#![forbid(unsafe_code)]

use std::ffi::CStr;

use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::os;

/// A copy of the value of a variable; `None` if it is not set or may not be
/// read, see [`os::variable`].
pub(crate) fn variable(name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    os::variable(name)
        .map(|value| try_to_vec(value.to_bytes()))
        .transpose()
}

/// Whether a variable is, as atoi(3) reads it, a number other than 0.
pub(crate) fn is_nonzero(name: &CStr) -> bool {
    let Some(value) = os::variable(name) else {
        return false;
    };
    let digits = value.to_bytes().trim_ascii_start();
    let digits = match digits {
        [b'+' | b'-', rest @ ..] => rest,
        all => all,
    };
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .any(|&digit| digit != b'0')
}

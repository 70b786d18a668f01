//! The reasons of errors in `shm_util_ext.h`. Their comments are the header's text, so they
//! address C programmers.

#![allow(non_snake_case)] // the names are those of C

use std::ffi::c_int;

use super::error_text;
use crate::error::Reason;

/// Reason of an error: nothing is known beyond its errno value.
pub const SHMX_REASON_NONE: c_int = 0;
/// Reason of an error: EINVAL: an argument is invalid in itself: NULL, or an
/// unknown flag, or the name of a file that is not a segment, for example.
pub const SHMX_REASON_ARGUMENT: c_int = 1;
/// Reason of an error: EINVAL: the handle is not valid.
pub const SHMX_REASON_HANDLE: c_int = 2;
/// Reason of an error: EINVAL: the segment exists with fewer bytes than
/// requested.
pub const SHMX_REASON_TOO_SMALL: c_int = 3;
/// Reason of an error: EINVAL: the size exceeds the limit SHMMAX; or EFBIG: it
/// exceeds RLIMIT_FSIZE.
pub const SHMX_REASON_LIMIT: c_int = 4;
/// Reason of an error: EINVAL: something is mapped at the address, or the
/// system does not allow it.
pub const SHMX_REASON_ADDRESS: c_int = 5;
/// Reason of an error: EINVAL: the program has detached the segment itself
/// with shmdt(2) or munmap(2).
pub const SHMX_REASON_DETACHED: c_int = 6;
/// Reason of an error: EINVAL: the file to be loaded is empty.
pub const SHMX_REASON_EMPTY_FILE: c_int = 7;
/// Reason of an error: EACCES: the user may not use the namespace; or ENOENT,
/// ENOTDIR: the directory of the namespace does not exist, or is a file.
pub const SHMX_REASON_NAMESPACE: c_int = 8;
/// Reason of an error: EACCES: the segment's mode does not allow the user to
/// attach it; or the segment is transient, and was created by another user who
/// is not root, and in a group of which the process is not a member.
pub const SHMX_REASON_PERMISSION: c_int = 9;
/// Reason of an error: EACCES: the segment is attached read-only.
pub const SHMX_REASON_READ_ONLY: c_int = 10;
/// Reason of an error: EINVAL: the segment is transient, and cannot be kept.
pub const SHMX_REASON_TRANSIENT: c_int = 11;
/// Reason of an error: EINVAL: the segment is not hidden, or not any more, and
/// cannot be published.
pub const SHMX_REASON_NOT_HIDDEN: c_int = 12;
/// Reason of an error: ENOSYS or EPERM: the kernel has no System V shared
/// memory, or a sandbox blocks it.
pub const SHMX_REASON_NO_SYSTEM_V: c_int = 13;
/// Reason of an error: EPERM: the segment belongs to another user.
pub const SHMX_REASON_OWNER: c_int = 14;

/// Returns the cause of the calling thread's last error, which is more specific
/// than its errno value, as one of the SHMX_REASON_... constants;
/// SHMX_REASON_NONE if there was no error. All functions of this header and of
/// shm_util.h set it whenever they set shmxErrorText. Later versions may return
/// further reasons.
#[unsafe(no_mangle)]
pub extern "C" fn shmxErrorReason() -> c_int {
    match error_text::reason() {
        Reason::None => SHMX_REASON_NONE,
        Reason::Argument => SHMX_REASON_ARGUMENT,
        Reason::Handle => SHMX_REASON_HANDLE,
        Reason::TooSmall => SHMX_REASON_TOO_SMALL,
        Reason::Limit => SHMX_REASON_LIMIT,
        Reason::Address => SHMX_REASON_ADDRESS,
        Reason::Detached => SHMX_REASON_DETACHED,
        Reason::EmptyFile => SHMX_REASON_EMPTY_FILE,
        Reason::Transient => SHMX_REASON_TRANSIENT,
        Reason::NotHidden => SHMX_REASON_NOT_HIDDEN,
        Reason::Namespace => SHMX_REASON_NAMESPACE,
        Reason::Permission => SHMX_REASON_PERMISSION,
        Reason::ReadOnly => SHMX_REASON_READ_ONLY,
        Reason::NoSystemV => SHMX_REASON_NO_SYSTEM_V,
        Reason::Owner => SHMX_REASON_OWNER,
    }
}

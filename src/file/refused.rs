//! System calls that a sandbox, a security module, a file system or an old kernel
//! refuses, and what does the same job.

#![forbid(unsafe_code)]

use crate::errno::Errno;

/// Whether an error may mean that the system call is not available here, rather than
/// that the operation has failed. Sandboxes return any of these.
pub(crate) const fn is_refusal(Errno(errno): Errno) -> bool {
    matches!(
        errno,
        libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP
    )
}

/// Whether an error means that nameless files are not supported. Before Linux 3.11 the
/// flag means to open the directory itself.
pub(crate) const fn is_nameless_unsupported(errno: Errno) -> bool {
    is_refusal(errno) || matches!(errno, Errno(libc::EISDIR | libc::EXDEV | libc::EMLINK))
}

/// Tries ways to do the same in turn, until one is not refused. If all are, returns the
/// error of the first.
pub(crate) fn first_allowed<T>(ways: &[&dyn Fn() -> Result<T, Errno>]) -> Result<T, Errno> {
    let mut refusal = None;
    for way in ways {
        match way() {
            Err(errno) if is_refusal(errno) => {
                refusal.get_or_insert(errno);
            }
            result => return result,
        }
    }
    Err(refusal.unwrap_or(Errno(libc::ENOSYS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_that_is_not_refused_counts() {
        let refused = || Err(Errno(libc::ENOSYS));
        let forbidden = || Err(Errno(libc::EPERM));
        let full = || Err(Errno(libc::ENOSPC));
        let fine = || Ok(7);
        assert_eq!(first_allowed(&[&refused, &fine]), Ok(7));
        assert_eq!(first_allowed(&[&fine, &full]), Ok(7));
        assert_eq!(first_allowed(&[&refused, &full, &fine]), full());
        assert_eq!(first_allowed::<i32>(&[&forbidden, &refused]), forbidden());
    }
}

//! Paths as system calls take them.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::errno::Errno;

/// The longest path, in bytes, for which no memory is allocated.
const SHORT: usize = 255;

/// A path that ends with a zero byte.
#[allow(
    clippy::large_enum_variant,
    reason = "it is on the stack so that no memory is allocated"
)]
pub(crate) enum CPath {
    Short([u8; SHORT + 1]),
    Long(CString),
}

impl Deref for CPath {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        match self {
            Self::Short(bytes) => CStr::from_bytes_until_nul(bytes).unwrap_or(c""),
            Self::Long(path) => path,
        }
    }
}

/// `EINVAL` if the path contains a zero byte, `ENOMEM` if memory is short.
pub(crate) fn to_c(path: &Path) -> Result<CPath, Errno> {
    let path = path.as_os_str().as_bytes();
    let mut short = [0; SHORT + 1];
    match short.get_mut(..path.len()) {
        Some(room) if path.len() <= SHORT => {
            room.copy_from_slice(path);
            if path.contains(&0) {
                return Err(Errno(libc::EINVAL));
            }
            Ok(CPath::Short(short))
        }
        _ => {
            let mut long = Vec::new();
            // There is room for the last byte, so `CString` allocates nothing.
            long.try_reserve_exact(path.len() + 1)
                .map_err(|_| Errno(libc::ENOMEM))?;
            long.extend_from_slice(path);
            CString::new(long)
                .map(CPath::Long)
                .map_err(|_| Errno(libc::EINVAL))
        }
    }
}

/// A path that leads to an open file, also if it has no name.
pub(crate) fn of_descriptor(file: &File) -> Result<CString, Errno> {
    CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|_| Errno(libc::EINVAL))
}

/// Does with that path what another call, which was refused, does with the file. `ENOSYS`
/// if /proc is not mounted.
pub(crate) fn by_path<T>(
    file: &File,
    call: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    match call(&of_descriptor(file)?) {
        Err(Errno(libc::ENOENT)) => Err(Errno(libc::ENOSYS)),
        result => result,
    }
}

/// The directory that a path's last component is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    #[test]
    fn paths_of_each_length_end_with_a_zero_byte_and_contain_none() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 4000] {
            let mut bytes = vec![b'x'; length];
            let path = OsString::from_vec(bytes.clone());
            assert_eq!(to_c(path.as_ref()).unwrap().to_bytes(), bytes);
            if let Some(last) = bytes.last_mut() {
                *last = 0;
                let path = OsString::from_vec(bytes);
                let result = to_c(path.as_ref()).map(|path| path.to_bytes().len());
                assert_eq!(result, Err(Errno(libc::EINVAL)), "{length} bytes");
            }
        }
    }
}

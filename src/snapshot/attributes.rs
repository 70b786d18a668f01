//! A file's owner, group, mode and access control list.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::ptr;

use crate::errno::Errno;
use crate::file::Status;
use crate::file::by_path;
use crate::file::check;
use crate::file::first_allowed;
use crate::file::{set_mode, set_owner};
use crate::os::{self, Of};

const LIST: &CStr = c"system.posix_acl_access";

/// Gives `new` the owner, group, mode and access control list of `old`, whose status is
/// passed, too.
pub(super) fn copy(old: &File, status: &Status, new: &File) -> Result<(), Errno> {
    let mut created = Status::of(new)?;
    let mut is_changed = false;
    if (created.user, created.group) != (status.user, status.group) {
        set_owner(new, status.user, status.group)?;
        is_changed = true;
    }
    is_changed |= copy_access_control_list(old, new)?;
    if is_changed {
        created = Status::of(new)?;
    }
    if created.permissions() != status.permissions() {
        set_mode(new, status.permissions())?;
    }
    Ok(())
}

/// Gives the file `to` the access control list of `from` (see acl(5)), or removes
/// the one that it inherited from its directory if `from` has none. Returns whether that
/// took a change.
fn copy_access_control_list(from: &File, to: &File) -> Result<bool, Errno> {
    let Some(size) = list_size(from)? else {
        let inherited = list_size(to)?.is_some();
        if inherited {
            remove_list(to)?;
        }
        return Ok(inherited);
    };
    let mut list = Vec::<u8>::new();
    list.try_reserve_exact(size)
        .map_err(|_| Errno(libc::ENOMEM))?;
    list.resize(size, 0);
    let size = read_list(from, list.as_mut_ptr(), list.len())?;
    list.truncate(size);
    set_list(to, &list).map(|()| true)
}

/// The size of a file's list in bytes; `None` if it has none.
fn list_size(file: &File) -> Result<Option<usize>, Errno> {
    match read_list(file, ptr::null_mut(), 0) {
        Ok(size) => Ok(Some(size).filter(|size| *size > 0)),
        Err(Errno(os::ENODATA | libc::ENOTSUP)) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn read_list(file: &File, list: *mut u8, size: usize) -> Result<usize, Errno> {
    let call = |of: Of<'_>| checked(os::attribute(of, LIST, list, size));
    let size = first_allowed(&[&|| call(Of::Descriptor(file.as_raw_fd())), &|| {
        by_path(file, |path| call(Of::Path(path)))
    }])?;
    Ok(usize::try_from(size).unwrap_or(0))
}

fn checked(size: isize) -> Result<i64, Errno> {
    check(i64::try_from(size).unwrap_or(-1))
}

fn set_list(file: &File, list: &[u8]) -> Result<(), Errno> {
    let call = |of: Of<'_>| check(os::set_attribute(of, LIST, list));
    first_allowed(&[&|| call(Of::Descriptor(file.as_raw_fd())), &|| {
        by_path(file, |path| call(Of::Path(path)))
    }])
    .map(drop)
}

fn remove_list(file: &File) -> Result<(), Errno> {
    let call = |of: Of<'_>| check(os::remove_attribute(of, LIST));
    first_allowed(&[&|| call(Of::Descriptor(file.as_raw_fd())), &|| {
        by_path(file, |path| call(Of::Path(path)))
    }])
    .map(drop)
}

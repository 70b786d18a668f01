//! Files on UNIX systems other than Linux. Where a function here always fails, `crate::file` uses
//! another call, as it does on Linux in sandboxes and on old kernels.

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::mem::MaybeUninit;

use super::system::{self, lacking};
use crate::errno::Errno;
use crate::os::file_status::{FileSystemStatus, Status};
use crate::os::posix::{Replace, time, unsigned};

pub(crate) use libc::{AT_EACCESS, ftruncate, lseek, open, pread, pwrite, truncate};
pub(crate) use system::{ENODATA, SEEK_DATA, SEEK_HOLE};

/// No file is opened without access to its bytes.
pub(crate) const O_PATH: c_int = 0;

/// There are no files without a name.
pub(crate) const NAMELESS: Option<c_int> = None;

/// Whether symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Yes,
    No,
}

/// These systems report no attributes.
pub(crate) const fn status_with_attributes(_: c_int, _: &CStr, _: Follow) -> Result<Status, Errno> {
    Err(Errno(libc::ENOSYS))
}

/// fstatat(2). An empty path is the file `directory` itself.
pub(crate) fn status(directory: c_int, path: &CStr, follow: Follow) -> Result<Status, Errno> {
    let mut raw = MaybeUninit::<libc::stat>::zeroed();
    let flags = match follow {
        Follow::Yes => 0,
        Follow::No => libc::AT_SYMLINK_NOFOLLOW,
    };
    let result = if path.is_empty() {
        // SAFETY: there is room for a stat.
        unsafe { libc::fstat(directory, raw.as_mut_ptr()) }
    } else {
        // SAFETY: as above, and the path is a string.
        unsafe { libc::fstatat(directory, path.as_ptr(), raw.as_mut_ptr(), flags) }
    };
    if result != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the kernel has filled it in.
    let raw = unsafe { raw.assume_init() };
    Ok(Status {
        mode: system::mode(&raw),
        user: raw.st_uid,
        group: raw.st_gid,
        links: unsigned(raw.st_nlink),
        size: unsigned(raw.st_size),
        blocks: unsigned(raw.st_blocks),
        created: system::created(&raw),
        modified: time(raw.st_mtime),
        accessed: time(raw.st_atime),
        changed: time(raw.st_ctime),
        inode: unsigned(raw.st_ino),
        device: system::device(raw.st_dev),
        attributes: 0,
    })
}

/// The file system of an open file.
pub(crate) fn file_system(fd: c_int) -> Result<FileSystemStatus, Errno> {
    let mut status = MaybeUninit::<system::FileSystem>::zeroed();
    // SAFETY: the system writes a whole status.
    if unsafe { system::file_system(fd, status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the system has filled it in.
    let status = unsafe { status.assume_init() };
    Ok(FileSystemStatus {
        magic: number_of(system::name_of(&status)),
        unit: system::unit_of(&status),
        available: unsigned(status.f_bavail),
    })
}

/// The number of Linux for a type of file system with the same properties; 0 for others, which
/// are like disks.
fn number_of(name: &[std::ffi::c_char]) -> u32 {
    let mut text = [0_u8; 16];
    for (byte, &letter) in text.iter_mut().zip(name) {
        *byte = letter.to_ne_bytes()[0];
    }
    let name = text.split(|&byte| byte == 0).next().unwrap_or(&[]);
    match name {
        b"tmpfs" | b"mfs" => 0x0102_1994,
        b"nfs" | b"nfs3" | b"nfs4" => 0x6969,
        b"smbfs" | b"cifs" => 0x517b,
        b"afs" => 0x5346_414f,
        b"9p" | b"p9fs" => 0x0102_1997,
        b"coda" => 0x7375_7245,
        b"nullfs" | b"null" | b"unionfs" | b"union" | b"lofs" => 0x794c_7630,
        name if name.starts_with(b"fuse") || name.starts_with(b"macfuse") => 0x6573_5546,
        _ => 0,
    }
}

/// There is no other call.
pub(crate) fn open_without_at(_: &CStr, _: c_int, _: u32) -> c_int {
    lacking()
}

/// There are no files without a name.
pub(crate) fn link_descriptor(_: c_int, _: &CStr) -> c_int {
    lacking()
}

/// Whether a file keeps its size when room beyond its end is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Grows,
    Kept,
}

/// posix_fallocate(2), where the system has it: reserves room.
pub(crate) fn allocate(fd: c_int, start: i64, length: i64, size: Size) -> c_int {
    match size {
        Size::Grows => system::allocate(fd, start, length),
        Size::Kept => lacking(),
    }
}

/// Makes no hole.
pub(crate) fn deallocate(_: c_int, _: i64, _: i64) -> c_int {
    lacking()
}

/// The system begins when it likes.
pub(crate) const fn begin_write_back(_: c_int, _: i64, _: i64) {}

/// Waits until a file's bytes are on the disk.
pub(crate) fn sync_data(fd: c_int) -> c_int {
    system::sync_data(fd)
}

/// sync(2), which on some systems does not wait.
pub(crate) fn sync_file_system(_: c_int) -> c_int {
    // SAFETY: it has no arguments.
    unsafe { libc::sync() };
    0
}

/// There is no other call.
pub(crate) fn change_owner_at(_: c_int, _: u32, _: u32) -> c_int {
    lacking()
}

/// Renames a file in a way that rename(2) does not offer.
pub(crate) fn rename(from: &CStr, to: &CStr, replace: Replace) -> c_int {
    match replace {
        Replace::Yes => lacking(),
        Replace::No => system::rename_new(from, to),
    }
}

/// No link is ever opened.
pub(crate) fn read_open_link(_: c_int, _: &mut [u8]) -> isize {
    lacking();
    -1
}

/// There is no other call than pread(2).
///
/// # Safety
///
/// None is needed.
pub(crate) unsafe fn preadv(_: c_int, _: *const libc::iovec, _: c_int, _: i64) -> isize {
    lacking();
    -1
}

/// There is no other call than pwrite(2).
///
/// # Safety
///
/// None is needed.
pub(crate) unsafe fn pwritev(_: c_int, _: *const libc::iovec, _: c_int, _: i64) -> isize {
    lacking();
    -1
}

/// Passes each name in an open directory, in no particular order.
pub(crate) fn for_each_entry<E>(
    directory: c_int,
    failed: impl Fn(Errno) -> E,
    mut work: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut entries = Entries::of(directory).map_err(&failed)?;
    while let Some(name) = entries.next().map_err(&failed)? {
        work(name.to_bytes())?;
    }
    Ok(())
}

/// A directory that is being read.
struct Entries(*mut libc::DIR);

impl Entries {
    fn of(directory: c_int) -> Result<Self, Errno> {
        // SAFETY: fcntl fails with EBADF if the descriptor is not open.
        let copy = unsafe { libc::fcntl(directory, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the descriptor is new, and is given away.
        let entries = unsafe { libc::fdopendir(copy) };
        if entries.is_null() {
            let errno = io::Error::last_os_error().into();
            // SAFETY: nobody else knows the descriptor.
            unsafe { libc::close(copy) };
            return Err(errno);
        }
        // The copy has the position of the descriptor.
        // SAFETY: it was opened just now.
        unsafe { libc::rewinddir(entries) };
        Ok(Self(entries))
    }

    /// `None` at the end.
    fn next(&mut self) -> Result<Option<CString>, Errno> {
        system::set_errno(0);
        // SAFETY: it is open.
        let entry = unsafe { libc::readdir(self.0) };
        if entry.is_null() {
            return match system::errno() {
                0 | libc::ENOENT => Ok(None),
                errno => Err(Errno(errno)),
            };
        }
        // SAFETY: the C library keeps it until the next call.
        let name = unsafe { &raw const (*entry).d_name };
        // SAFETY: the name ends with a NUL.
        let name = unsafe { CStr::from_ptr(name.cast()) };
        Ok(Some(name.to_owned()))
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        // SAFETY: it is open, and not used again.
        unsafe { libc::closedir(self.0) };
    }
}

/// A file whose attributes are meant: an open one, or that of a path.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "no attribute is read")]
pub(crate) enum Of<'a> {
    Descriptor(c_int),
    Path(&'a CStr),
}

/// Access control lists are not copied: `ENOTSUP`.
pub(crate) fn attribute(_: Of<'_>, _: &CStr, _: *mut u8, _: usize) -> isize {
    system::set_errno(libc::ENOTSUP);
    -1
}

/// As above.
pub(crate) fn set_attribute(_: Of<'_>, _: &CStr, _: &[u8]) -> c_int {
    system::set_errno(libc::ENOTSUP);
    -1
}

/// As above.
pub(crate) fn remove_attribute(_: Of<'_>, _: &CStr) -> c_int {
    system::set_errno(libc::ENOTSUP);
    -1
}

/// Watches no directory: waiters look again and again.
pub(crate) const fn watch(_: &CStr) -> Option<c_int> {
    None
}

//! The entries of a directory. The standard library's iterator panics if close(2) reports an error.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use super::calls::check;
use crate::errno::Errno;

/// Records of the kernel, `struct linux_dirent64`, see getdents(2).
#[repr(align(8))]
struct Records([u8; 4096]);

/// The offsets of a record's length and of the name.
const LENGTH: usize = 16;
const NAME: usize = 19;

/// Passes each name in an open directory, except `.` and `..`, in no particular order.
pub(crate) fn for_each_entry<E>(
    directory: &File,
    failed: impl Fn(Errno) -> E,
    mut work: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut records = Records([0; 4096]);
    loop {
        let length = read(directory, &mut records).map_err(&failed)?;
        let mut rest = records.0.get(..length).unwrap_or(&[]);
        if rest.is_empty() {
            return Ok(());
        }
        while let Some((record, behind)) = first(rest) {
            let name = record.get(NAME..).unwrap_or(&[]);
            let name = name.split(|&byte| byte == 0).next().unwrap_or(&[]);
            if name != b"." && name != b".." {
                work(name)?;
            }
            rest = behind;
        }
    }
}

/// The first record, and what is behind it.
fn first(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = records.get(LENGTH..LENGTH + 2)?.try_into().ok()?;
    records.split_at_checked(usize::from(u16::from_ne_bytes(length)))
}

/// The number of bytes that were read; 0 at the end, and if the directory was removed.
fn read(directory: &File, records: &mut Records) -> Result<usize, Errno> {
    let (fd, buffer) = (directory.as_raw_fd(), records.0.as_mut_ptr());
    // SAFETY: the buffer has that many bytes.
    let result = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer, records.0.len()) };
    match check(result) {
        Err(Errno(libc::ENOENT)) => Ok(0),
        result => Ok(usize::try_from(result?).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_entry_is_passed_once() {
        let path = std::env::temp_dir().join(format!("shm_util.entries.{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let expected: BTreeSet<String> = (0..300).map(|n| format!("{n}-{n:0100}")).collect();
        for name in &expected {
            File::create(path.join(name)).unwrap();
        }
        let directory = File::open(&path).unwrap();
        let mut found = Vec::new();
        let result = for_each_entry(
            &directory,
            |errno| errno,
            |name| {
                found.push(String::from_utf8(name.to_vec()).unwrap());
                Ok(())
            },
        );
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(result, Ok(()));
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn a_directory_that_was_removed_has_no_entries() {
        let path = std::env::temp_dir().join(format!("shm_util.removed.{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let directory = File::open(&path).unwrap();
        std::fs::remove_dir(&path).unwrap();
        let result = for_each_entry(&directory, |errno| errno, |_| Err(Errno(libc::EEXIST)));
        assert_eq!(result, Ok(()));
    }
}

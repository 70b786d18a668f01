//! The entries of a directory. The standard library's iterator panics if close(2) reports an error.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use crate::errno::Errno;
use crate::os;

/// Passes each name in an open directory, except `.` and `..`, in no particular order.
pub(crate) fn for_each_entry<E>(
    directory: &File,
    failed: impl Fn(Errno) -> E,
    mut work: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    os::for_each_entry(directory.as_raw_fd(), failed, |name| {
        if name == b"." || name == b".." {
            Ok(())
        } else {
            work(name)
        }
    })
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

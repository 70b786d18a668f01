//! A save: whoever opens the file sees all of the old bytes or all of the new ones,
//! and a device, a pipe or a symbolic link stays one.

#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::descriptor::above_standard;
use super::durability::Durability;
use super::replace::{Old, Replaced, replace};
use super::resolve::{Target, is_same_file, refuse_trap};
use super::touched::{Memory, Touched};
use super::{ascending, file};
use crate::errno::Errno;

/// How often a save starts again where the file at the path keeps changing.
const ATTEMPTS: usize = 100;

/// Writes all bytes to the file that a path leads to.
pub(super) fn save(memory: Memory<'_>, path: &Path) -> Result<(), Errno> {
    let durability = Durability::selected();
    for _ in 0..ATTEMPTS {
        match try_to_save(memory, path, durability) {
            // Another file has taken the path.
            Err(Errno(libc::EEXIST)) => {}
            result => return result,
        }
    }
    Err(Errno(libc::EAGAIN))
}

fn try_to_save(memory: Memory<'_>, path: &Path, durability: Durability) -> Result<(), Errno> {
    let (path, name) = match Target::of(path)? {
        Target::Descriptor(file) => return write_through(memory, file, durability),
        Target::Named { path, name } => (path, name),
    };
    let is_in_proc = path != name;
    // A link that appears only now is not followed.
    let no_follow = if is_in_proc { 0 } else { libc::O_NOFOLLOW };
    let found = fs::symlink_metadata(&name).ok();
    if let Some(found) = &found {
        refuse_trap(&name, found)?;
    }
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY | no_follow)
        .open(&path);
    match opened.map_err(Errno::from) {
        Ok(file) => {
            let file = above_standard(file)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return write_through(memory, file, durability);
            }
            match found {
                Some(found) if is_same_file(&found, &metadata) => {}
                // A link in /proc to a file that has no path.
                _ if is_in_proc => return overwrite(memory, file, durability),
                // Another file has taken the path.
                _ => return Err(Errno(libc::EEXIST)),
            }
            let old = Old {
                file: &file,
                metadata: &metadata,
            };
            match replace(memory, &name, Some(old), durability)? {
                Replaced::Done => Ok(()),
                Replaced::NotAllowed(_) => overwrite(memory, file, durability),
            }
        }
        Err(Errno(libc::ENOENT)) => match replace(memory, &name, None, durability)? {
            Replaced::Done => Ok(()),
            Replaced::NotAllowed(errno) => Err(errno),
        },
        // A link has taken the path.
        Err(Errno(libc::ELOOP)) if fs::read_link(&path).is_ok() => Err(Errno(libc::EEXIST)),
        Err(errno) => Err(errno),
    }
}

/// Writes to a device, a pipe or the like.
fn write_through(memory: Memory<'_>, file: File, durability: Durability) -> Result<(), Errno> {
    ascending::write(&file, Touched::new(memory))?;
    durability.wait_for(&file)?;
    file::close(file)
}

/// Overwrites a file that cannot be replaced, as libgpl does with every file.
fn overwrite(memory: Memory<'_>, file: File, durability: Durability) -> Result<(), Errno> {
    ascending::write(&file, Touched::new(memory))?;
    file.set_len(u64::try_from(memory.bytes.len()).unwrap_or(u64::MAX))?;
    durability.wait_for(&file)?;
    file::close(file)
}

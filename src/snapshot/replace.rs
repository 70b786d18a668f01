//! Replaces a file by a complete new one, so that its name always leads to all of the
//! old bytes or all of the new ones.
//!
//! The bytes go to a second file in the same directory, which then takes over the
//! first one's name with rename(2).

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::ascending;
use super::block::LARGE;
use super::copy::Interruption;
use super::large::{self, Allocation};
use super::second::{Kind, Old, Published, Second};
use super::touched::{Memory, Touched};
use crate::errno::Errno;
use crate::file;
use crate::file::Durability;
use crate::file::Status;
use crate::file::directory_of;
use crate::file::is_refusal;

/// The outcome of replacing a file.
pub(super) enum Replaced {
    Done,
    /// It is not allowed here; nothing has changed.
    NotAllowed(Errno),
}

/// Puts a new file in the place of the one named `path`: `old`, if that exists. After
/// an error the old file is unchanged. `EEXIST` if another file has taken the name.
pub(super) fn replace(
    memory: Memory<'_>,
    path: &Path,
    old: Option<Old<'_>>,
    durability: Durability,
) -> Result<Replaced, Errno> {
    // `Path` drops a final slash or dot, with which the kernel expects a directory.
    if path.file_name().is_none() || !path.as_os_str().as_bytes().ends_with(name_of(path)) {
        return Err(Errno(libc::ENOENT));
    }
    let kinds = match allowed_kinds(path, old) {
        Ok(kinds) => kinds,
        Err(errno) => return Ok(Replaced::NotAllowed(errno)),
    };
    let mut refusal = Errno(libc::EPERM);
    for kind in kinds
        .iter()
        .skip_while(|kind| **kind != Kind::first() && kinds.len() > 1)
    {
        match replace_with(memory, path, old, durability, *kind) {
            Ok(Some(published)) => {
                durability.wait_for_entry(directory_of(path), &published)?;
                file::close(published)?;
                return Ok(Replaced::Done);
            }
            Ok(None) => {}
            Err(errno) if is_about_the_place(errno) => {
                refusal = errno;
                break;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(Replaced::NotAllowed(refusal))
}

/// Which kinds of second files can take the name, in the order in which they are tried. An
/// error if none can, which is better known before a copy is written.
fn allowed_kinds(path: &Path, old: Option<Old<'_>>) -> Result<&'static [Kind], Errno> {
    if old.is_some_and(|old| old.status.is_mount_point()) {
        return Err(Errno(libc::EBUSY));
    }
    // In such a directory no name can be changed or removed.
    let is_append_only = Status::of_target(directory_of(path)).is_ok_and(|it| it.is_append_only());
    match (is_append_only, old) {
        (false, _) => Ok(&[Kind::Nameless, Kind::Named]),
        (true, None) => Ok(&[Kind::Nameless]),
        (true, Some(_)) => Err(Errno(libc::EPERM)),
    }
}

/// `None` if a file of this kind cannot take the name.
fn replace_with(
    memory: Memory<'_>,
    path: &Path,
    old: Option<Old<'_>>,
    durability: Durability,
    kind: Kind,
) -> Result<Option<File>, Errno> {
    let second = Second::new(path, old, kind)?;
    write(&second.file, memory, durability)?;
    (memory.check_whole)()?;
    match (old, Status::of_path(path)) {
        // Not only the new file of another save, but something else.
        (Some(old), Ok(found)) if !found.is_alike(old.status) => {
            return Err(Errno(libc::EEXIST));
        }
        _ => {}
    }
    match second.publish(path, old.is_some())? {
        Published::Done(file) => Ok(Some(file)),
        Published::LinkRefused => Ok(None),
    }
}

/// Whether the place, not the file or the disk, prevents the replacement: the process may
/// not create a second file or give it the first one's owner, or the file is a mount point,
/// or a sandbox refuses all ways to do it.
fn is_about_the_place(errno: Errno) -> bool {
    is_refusal(errno) || matches!(errno, Errno(libc::EROFS | libc::EBUSY | libc::EXDEV))
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], |name| name.as_bytes())
}

fn write(file: &File, memory: Memory<'_>, durability: Durability) -> Result<(), Errno> {
    let touched = Touched::new(memory);
    if memory.bytes.len() < LARGE {
        ascending::write(file, touched, Interruption::Ignored)?;
    } else {
        let allocation = match durability {
            Durability::Disk => Allocation::Before,
            Durability::Memory => Allocation::Delayed,
        };
        large::write(file, touched, allocation)?;
    }
    durability.wait_for(file)
}

//! A save: whoever opens the file sees all of the old bytes or all of the new ones,
//! and a device, a pipe or a symbolic link stays one.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::fs::File;
use std::path::Path;

use super::ascending;
use super::copy::Interruption;
use super::in_place::overwrite;
use super::replace::{Replaced, replace};
use super::resolve::Target;
use super::second::Old;
use super::touched::{Memory, Touched};
use crate::errno::Errno;
use crate::file;
use crate::file::Durability;
use crate::file::Status;
use crate::os;

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
    let (path, name, found) = match Target::of(path)? {
        Target::Descriptor(file) => {
            let status = Status::of(&file)?;
            return write_through(memory, file, &status, durability);
        }
        Target::Named { path, name, found } => (path, name, found),
    };
    let is_in_proc = path != name;
    // A link that appears only now is not followed.
    let no_follow = if is_in_proc { 0 } else { libc::O_NOFOLLOW };
    let flags = libc::O_WRONLY | no_follow | found.as_ref().map_or(0, flag_against_traps);
    match file::open(&path, flags, 0o666) {
        Ok(file) => {
            let status = match found {
                // If another file took the path before it was opened, `replace` notices that,
                // unless the two files are alike.
                Some(found) if found.is_file() && !is_in_proc => found,
                _ => Status::of(&file)?,
            };
            if !status.is_file() {
                return write_through(memory, file, &status, durability);
            }
            match found {
                Some(found) if found.is_same_file(&status) => {}
                // A link in /proc to a file that has no path.
                _ if is_in_proc => return overwrite(memory, file, durability),
                // Another file has taken the path.
                _ => return Err(Errno(libc::EEXIST)),
            }
            let old = Old {
                file: &file,
                status: &status,
            };
            match replace(memory, &name, Some(old), durability)? {
                Replaced::Done => Ok(()),
                Replaced::NotAllowed(_) if status.is_same_file(&Status::of(&file)?) => {
                    overwrite(memory, file, durability)
                }
                // Another file has taken the path.
                Replaced::NotAllowed(_) => Err(Errno(libc::EEXIST)),
            }
        }
        Err(Errno(libc::ENOENT)) => match replace(memory, &name, None, durability)? {
            Replaced::Done => Ok(()),
            Replaced::NotAllowed(errno) => Err(errno),
        },
        // A link has taken the path.
        Err(Errno(libc::ELOOP)) if Status::of_path(&path).is_ok_and(|it| it.is_link()) => {
            Err(Errno(libc::EEXIST))
        }
        Err(errno) => Err(errno),
    }
}

/// Lets open(2) refuse another user's file where fopen(3) does, with `EACCES`: in a
/// directory where everybody may create files it may be a trap (`fs.protected_regular` and
/// `fs.protected_fifos`, see proc(5)). The kernel looks only with `O_CREAT`. A second
/// open(2) to find out would show a FIFO's reader the end of its input.
fn flag_against_traps(found: &Status) -> c_int {
    let may_be_trap = (found.is_file() || found.is_fifo()) && found.user != os::effective_user().0;
    if may_be_trap { libc::O_CREAT } else { 0 }
}

/// Writes to a device, a pipe or the like, or to a file that is open already.
fn write_through(
    memory: Memory<'_>,
    file: File,
    status: &Status,
    durability: Durability,
) -> Result<(), Errno> {
    ascending::write(&file, Touched::new(memory), Interruption::of(status))?;
    (memory.check_whole)()?;
    durability.wait_for(&file)?;
    file::close(file)
}

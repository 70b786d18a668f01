//! Saves and loads: a segment's bytes, and nothing else, in a file.
//!
//! This module knows only bytes and files. Each module uses only those below it:
//!
//! | module       | job |
//! | ------------ | --- |
//! | `save`       | chooses how the bytes get into the file |
//! | `load`       | from a file into memory |
//! | `replace`    | replaces the old file by a complete new one |
//! | `second`     | the new file, and how it gets its name |
//! | `in_place`   | overwriting a file that cannot be replaced |
//! | `resolve`    | symbolic links, and which of them are not followed |
//! | `large`      | 2 MiB and more: holes, write-back; loads by two threads |
//! | `ascending`  | the order in which a save reads a segment |
//! | `zeros`      | which blocks are zero |
//! | `touched`    | which pages were ever touched |
//! | `runs`       | which ranges of a file hold data |
//! | `memory`     | system calls for memory |
//! | `pair`       | two threads |
//! | `copy`       | bytes between memory and a descriptor |
//! | `handlers`   | the program's signal handlers |
//! | `attributes` | owner, group, mode and access control list |
//! | `lock`       | whether the process that writes a file lives |
//! | `loaded`     | what a load reports |
//! | `block`      | the unit that is zero or not |

mod ascending;
mod attributes;
mod block;
mod copy;
mod handlers;
mod in_place;
mod large;
mod load;
mod loaded;
mod lock;
mod memory;
mod pair;
mod replace;
mod resolve;
mod runs;
mod save;
mod second;
#[cfg(test)]
mod tests;
mod touched;
mod zeros;

use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use crate::allocate::require_memory_for;
use crate::errno::Errno;
use crate::error::{Reason, Result};
use crate::os::{Uncancelled, page_size};
use crate::quoted::Quoted;

pub use loaded::Loaded;
pub(crate) use touched::Memory;
use touched::Touched;

/// Writes all bytes to a file, all or nothing.
pub(crate) fn save(memory: Memory<'_>, path: &Path) -> Result<()> {
    let _uncancelled = Uncancelled::new();
    require_memory_for(path.as_os_str().len())
        .and_then(|()| save::save(memory, path))
        .map_err(|errno| {
            errno.during(format_args!(
                "save {} bytes to {}",
                memory.bytes.len(),
                Quoted(path.as_os_str().as_bytes())
            ))
        })
}

/// The first part of a segment, from `start` on, that may have been touched. The bytes
/// before it are zero now. If no page was touched, the part is empty, and at the end.
pub(crate) fn data_from(memory: Memory<'_>, start: usize) -> Range<usize> {
    let end = memory.bytes.len();
    let start = start.min(end);
    let first = start - start % page_size();
    let data = Touched::new(memory).first_in(&(first..end));
    data.start.max(start)..data.end
}

/// Reads as many bytes from a file as both hold. `EINVAL` if the file is empty.
pub(crate) fn load(bytes: &[AtomicU8], path: &Path) -> Result<Loaded> {
    let _uncancelled = Uncancelled::new();
    let file = Quoted(path.as_os_str().as_bytes());
    let loaded = load::load(bytes, path)
        .map_err(|errno| errno.during(format_args!("load {} bytes from {file}", bytes.len())))?;
    if loaded.bytes == 0 {
        return Err(Errno(libc::EINVAL)
            .during(format_args!("load {file}: it is empty"))
            .because(Reason::EmptyFile));
    }
    Ok(loaded)
}

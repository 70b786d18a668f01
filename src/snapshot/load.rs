//! A load: reads as many bytes as the file and the segment both hold.

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::atomic::AtomicU8;

use super::block::LARGE;
use super::copy::{self, Interruption};
use super::large;
use super::loaded::Loaded;
use crate::errno::Errno;
use crate::file;
use crate::file::Status;
use crate::file::{inherited, position};

pub(super) fn load(bytes: &[AtomicU8], path: &Path) -> Result<Loaded, Errno> {
    let inherited = inherited(path)?;
    let is_inherited = inherited.is_some();
    let file = match inherited {
        Some(file) => file,
        None => file::open(path, libc::O_RDONLY, 0)?,
    };
    let status = Status::of(&file)?;
    let size = usize::try_from(status.size).unwrap_or(usize::MAX);
    // An inherited descriptor is read from its position on.
    let start = if is_inherited { position(&file) } else { 0 };
    let count = if status.is_file() && !is_inherited && size.min(bytes.len()) >= LARGE {
        large::read(&file, size, bytes)?
    } else {
        // A directory can be opened, but reading it fails, before any byte changes.
        // Files in /proc hold more bytes than their size.
        let count = copy::read(&file, bytes, Interruption::of(&status))?;
        let end = start.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if status.is_file() && end <= status.size {
            copy::still_there(&file, start, count)
        } else {
            count
        }
    };
    let segment = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(Loaded {
        bytes: count,
        // The file may hold more than the segment. Only regular files have a size.
        file: if status.is_file() && count == segment {
            status.size.saturating_sub(start).max(count)
        } else {
            count
        },
        segment,
    })
}

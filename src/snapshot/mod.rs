//! Saves and loads: a segment's bytes, and nothing else, in a file.

mod copy;
mod large;
mod memory;
mod pair;
mod target;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use crate::error::{Errno, Quoted, Result, require_memory_for};
use crate::process::Uncancelled;

/// What a load did.
///
/// ```
/// let file = std::env::temp_dir().join(format!("doc-loaded.{}", std::process::id()));
/// std::fs::write(&file, "twelve bytes").unwrap();
/// let loaded = shm_util::Segment::create("doc-loaded", 10)?.load(&file)?;
/// assert_eq!((loaded.bytes, loaded.file, loaded.segment), (10, 12, 10));
/// # std::fs::remove_file(file).unwrap();
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Loaded {
    /// How many bytes were read into the segment.
    pub bytes: u64,
    /// The size of the file in bytes, or what was read of a file that has no
    /// size, such as a pipe. Of `/dev/stdin` and the like, what was left.
    pub file: u64,
    /// The size of the segment in bytes.
    pub segment: u64,
}

impl Loaded {
    /// Whether file and segment have different sizes: then only as much was
    /// read as both have, and the segment's other bytes are as they were.
    ///
    /// ```
    /// # let file = std::env::temp_dir().join(format!("doc-sizes.{}", std::process::id()));
    /// let segment = shm_util::Segment::create("doc-sizes", 10)?;
    /// segment.save(&file)?;
    /// assert!(!segment.load(&file)?.sizes_differ());
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn sizes_differ(&self) -> bool {
        self.file != self.segment
    }
}

/// Writes all bytes to a file, all or nothing.
pub(crate) fn save(bytes: &[AtomicU8], path: &Path) -> Result<()> {
    let _uncancelled = Uncancelled::new();
    let saved =
        require_memory_for(path.as_os_str().len()).and_then(|()| target::write(bytes, path));
    saved.map_err(|errno| {
        errno.during(format_args!(
            "save {} bytes to {}",
            bytes.len(),
            Quoted(path.as_os_str().as_bytes())
        ))
    })
}

/// Reads as many bytes as both have from a file.
pub(crate) fn load(bytes: &[AtomicU8], path: &Path) -> Result<Loaded> {
    let _uncancelled = Uncancelled::new();
    let file = Quoted(path.as_os_str().as_bytes());
    let loaded = require_memory_for(path.as_os_str().len())
        .and_then(|()| read(bytes, path))
        .map_err(|errno| errno.during(format_args!("load {} bytes from {file}", bytes.len())))?;
    if loaded.bytes == 0 {
        return Err(Errno(libc::EINVAL).during(format_args!("load {file}, which is empty")));
    }
    Ok(loaded)
}

fn read(bytes: &[AtomicU8], path: &Path) -> std::result::Result<Loaded, Errno> {
    let inherited = target::inherited(path)?;
    let is_inherited = inherited.is_some();
    let file = match inherited {
        Some(file) => file,
        None => above_standard(
            OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NOCTTY)
                .open(path)?,
        )?,
    };
    let metadata = file.metadata()?;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    // An inherited descriptor is read from where it is.
    let start = if is_inherited {
        copy::position(&file)
    } else {
        0
    };
    let count = if metadata.is_file() && !is_inherited && size.min(bytes.len()) >= large::LARGE {
        large::read(&file, size, bytes)?
    } else {
        // A directory can be opened, but says so only when it is read: before
        // any byte is changed. Files in /proc have more bytes than they say.
        copy::read(&file, bytes)?
    };
    let segment = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(Loaded {
        bytes: count,
        // A full segment may have left more in the file; only a file with a
        // size can be asked.
        file: if metadata.is_file() && count == segment {
            metadata.len().saturating_sub(start).max(count)
        } else {
            count
        },
        segment,
    })
}

/// Keeps a file off the descriptors 0 to 2: in a program that has closed
/// those, a `printf` of another thread would go into it.
fn above_standard(file: File) -> std::result::Result<File, Errno> {
    use std::os::fd::AsRawFd as _;
    if file.as_raw_fd() > libc::STDERR_FILENO {
        Ok(file)
    } else {
        // A clone never gets one of them.
        Ok(file.try_clone()?)
    }
}

//! What the path of a namespace selects: System V segments, a directory, or memory of this
//! process.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use crate::allocate::require_memory_for;
use crate::error::Result;
use crate::filename;
use crate::quoted::Quoted;

/// What the path of a namespace selects. Processes share names if these are equal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// The System V segments of an absolute path. No file with this path need exist.
    Path(Arc<[u8]>),
    /// The files in the directory of this absolute path, which ends in `/`.
    Directory(Arc<[u8]>),
    /// Memory of this process.
    Private,
}

/// The path that selects memory of this process.
const PRIVATE: &[u8] = b"private:";

impl Location {
    /// What a path selects, in `NOB_DATABASE` or by a call.
    pub(crate) fn at(path: &[u8]) -> Result<Self> {
        if path == PRIVATE {
            return Ok(Self::Private);
        }
        let path = filename::translate(path)?;
        let mut absolute = filename::absolute(&path)?;
        if path.last() != Some(&b'/') {
            return Self::of_registry(&absolute);
        }
        if absolute.last() != Some(&b'/') {
            absolute.push(b'/');
        }
        Self::shared(&absolute).map(Self::Directory)
    }

    /// The System V segments of an absolute path.
    pub(crate) fn of_registry(path: &[u8]) -> Result<Self> {
        Self::shared(path).map(Self::Path)
    }

    fn shared(path: &[u8]) -> Result<Arc<[u8]>> {
        // `Arc::from` aborts the program if memory is short.
        require_memory_for(path.len())
            .map_err(|errno| errno.during(format_args!("use namespace {}", Quoted(path))))?;
        Ok(Arc::from(path))
    }
}

/// Shows a path as text, escaped where it is not UTF-8.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "Path({})", Quoted(path)),
            Self::Directory(path) => write!(f, "Directory({})", Quoted(path)),
            Self::Private => f.write_str("Private"),
        }
    }
}

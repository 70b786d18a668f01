//! What the path of a namespace selects: System V segments, a directory, or memory of this
//! process.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use crate::allocate::require_memory_for;
use crate::error::{Error, Result};
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
        let path = filename::translate(path)?;
        match path.strip_prefix(PRIVATE) {
            Some([]) => return Ok(Self::Private),
            Some(_) => {
                return Err(Error::argument(format_args!(
                    "use {}: nothing may follow 'private:'; if it is a path, begin it with './'",
                    Quoted(&path)
                )));
            }
            None => {}
        }
        let mut absolute = filename::absolute(&path)?;
        if path.last() != Some(&b'/') {
            return Self::of_registry(&absolute);
        }
        // A variable that is not set probably has led here; every file there would be a segment.
        if absolute == b"/" {
            return Err(Error::argument(format_args!(
                "use {}: the root directory cannot be a namespace; does a variable in it have no \
                 value?",
                Quoted(&path)
            )));
        }
        absolute.push(b'/');
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

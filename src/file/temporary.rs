//! Names of files that are not complete yet.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::calls;
use crate::errno::Errno;
use crate::ids::ProcessId;
use crate::os;

/// A name that is removed unless its file is renamed. A child of fork leaves it to its parent.
#[derive(Debug)]
pub(crate) struct TemporaryName {
    path: PathBuf,
    maker: ProcessId,
    is_gone: AtomicBool,
}

impl TemporaryName {
    /// A name that exists.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self {
            path,
            maker: os::process(),
            is_gone: AtomicBool::new(false),
        }
    }

    /// Calls `make` with paths in a directory, whose last components begin with `prefix`, until
    /// it does not fail with `EEXIST`.
    pub(crate) fn new<T>(
        directory: &Path,
        prefix: &str,
        make: impl Fn(&Path) -> Result<T, Errno>,
    ) -> Result<(T, Self), Errno> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let mut name = OsString::from(prefix);
            name.push(os::process().0.to_string());
            name.push(".");
            name.push(COUNTER.fetch_add(1, Ordering::Relaxed).to_string());
            let path = directory.join(name);
            match make(&path) {
                Err(Errno(libc::EEXIST)) => {}
                result => return result.map(|made| (made, Self::at(path))),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves a name alone that another process has removed: it may be another file's by now.
    pub(crate) fn leave(self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// Renames the file to `path`, whatever that named before.
    pub(crate) fn rename(&self, path: &Path) -> Result<(), Errno> {
        calls::rename(&self.path, path)?;
        self.is_gone.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Renames the file to `path`, if that names nothing.
    pub(crate) fn rename_new(&self, path: &Path) -> Result<(), Errno> {
        calls::rename_new(&self.path, path)?;
        self.is_gone.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The same, but fails where the system cannot do that in one step.
    pub(crate) fn rename_new_at_once(&self, path: &Path) -> Result<(), Errno> {
        calls::rename_new_at_once(&self.path, path)?;
        self.is_gone.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if !*self.is_gone.get_mut() && self.maker == os::process() {
            // The caller reports its own error, not this one.
            let _ = calls::unlink(&self.path);
        }
    }
}

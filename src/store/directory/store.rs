//! The directory of a namespace, and errors about it.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file_name;
use super::file_system::FileSystem;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::{self, Status};
use crate::os;
use crate::patience;
use crate::quoted::Quoted;
use crate::request::Target;

/// The files in the directory of this absolute path, which ends in `/`.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: Arc<[u8]>,
}

impl Directory {
    pub(in crate::store) const fn new(path: Arc<[u8]>) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The path of a segment's file; `doing` is what the call does with it, for the message.
    pub(super) fn path_of(&self, doing: &str, name: &[u8]) -> Result<PathBuf> {
        let failed = |errno: Errno| errno.during(format_args!("{doing} segment {}", Quoted(name)));
        let mut path = Vec::new();
        path.try_reserve_exact(self.path.len() + 3 * name.len().max(1))
            .map_err(|_| failed(Errno(libc::ENOMEM)))?;
        path.extend_from_slice(&self.path);
        let start = path.len();
        file_name::encode(name, &mut path).map_err(failed)?;
        let length = path.len() - start;
        if length > file_name::LONGEST {
            return Err(Errno(libc::ENAMETOOLONG).during(format_args!(
                "{doing} segment {}: the name of its file has {length} bytes, the limit is {}",
                Quoted(name),
                file_name::LONGEST
            )));
        }
        Ok(PathBuf::from(OsString::from_vec(path)))
    }

    /// The error if no segment has a name or an identifier.
    pub(in crate::store) fn no_such(&self, target: Target<'_>) -> Error {
        match self.check_exists(&format_args!("look for {target}")) {
            Ok(()) => Errno(libc::ENOENT).during(format_args!("no {target} in {self}")),
            Err(error) => error,
        }
    }

    /// The error if there is no such directory. This process need not be allowed to read it.
    pub(super) fn check_exists(&self, doing: &dyn std::fmt::Display) -> Result<()> {
        match Status::of_target(self.path()) {
            Ok(status) if status.is_directory() => Ok(()),
            Ok(_) => Err(self.refused(Errno(libc::ENOTDIR), doing)),
            Err(errno) => Err(self.refused(errno, doing)),
        }
    }

    /// Opens the directory; `doing` is what the call does, for the message.
    pub(super) fn open(&self, doing: &dyn std::fmt::Display) -> Result<File> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let opened =
            file::open(self.path(), flags, 0).map_err(|errno| self.refused(errno, doing))?;
        let found = FileSystem::of(&opened).unwrap_or(FileSystem::Disk);
        self.check(found, doing).map(|()| opened)
    }

    /// `ENOTSUP` if the file system does not suit segments.
    pub(super) fn check(&self, found: FileSystem, doing: &dyn std::fmt::Display) -> Result<()> {
        if !os::HAS_FILE_LOCKS {
            return Err(Errno(libc::ENOTSUP).during(format_args!(
                "{doing}: this system has no locks of files that end with their descriptors, which \
                 namespaces such as {self} need"
            )));
        }
        match found {
            FileSystem::Network(name) => Err(Errno(libc::ENOTSUP).during(format_args!(
                "{doing}: {self} is on {name}, whose locks and mappings are not coherent between \
                 machines; choose a directory of this machine"
            ))),
            _ => Ok(()),
        }
    }

    /// The error if the directory itself, or something in it, can't be used.
    #[cold]
    pub(super) fn refused(&self, errno: Errno, doing: &dyn std::fmt::Display) -> Error {
        let status = Status::of_target(self.path());
        match (errno, status) {
            (Errno(libc::ENOENT), Err(Errno(libc::ENOENT))) => errno
                .during(format_args!(
                    "{doing}: {self} does not exist; make it with mkdir(1)"
                ))
                .because(Reason::Namespace),
            // Its path ends in `/`, so a file there has no status.
            (Errno(libc::ENOTDIR), Err(Errno(libc::ENOTDIR))) => errno
                .during(format_args!("{doing}: {self} is a file"))
                .because(Reason::Namespace),
            (Errno(libc::EACCES), _) => errno
                .during(format_args!("{doing}: this user may not use {self}"))
                .because(Reason::Namespace),
            _ => errno.during(format_args!("{doing} in {self}")),
        }
    }
}

impl std::fmt::Display for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "directory {}", Quoted(&self.path))
    }
}

/// Waits for another process that is changing or deleting a segment, for at most as long as a
/// call may wait.
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(super) const fn new() -> Self {
        Self {
            next: Duration::ZERO,
        }
    }

    /// Sleeps, each time longer. `ETIMEDOUT` if the call has waited for too long.
    pub(super) fn pause(&mut self) -> std::result::Result<(), Errno> {
        const LONGEST: Duration = Duration::from_millis(4);
        /// Time during which this process itself was stopped does not count.
        const LONGEST_COUNTED: Duration = Duration::from_millis(100);
        let pause = self.next.min(patience::left());
        if self.next > Duration::ZERO && pause == Duration::ZERO {
            return Err(Errno(libc::ETIMEDOUT));
        }
        let began = Instant::now();
        if pause == Duration::ZERO {
            std::thread::yield_now();
        } else {
            std::thread::sleep(pause);
        }
        // A sleep takes longer than requested; on a busy machine, that adds up to seconds.
        patience::spend(began.elapsed().min(LONGEST_COUNTED));
        self.next = LONGEST.min(self.next * 2 + Duration::from_micros(20));
        Ok(())
    }
}

/// The error if another process does not finish its change.
#[cold]
pub(super) fn impatient(doing: &str, name: &[u8]) -> Error {
    Errno(libc::ETIMEDOUT).during(format_args!(
        "{doing} segment {}: another process has been changing it for {} s; continue or end that \
         process (lslocks(8) shows it)",
        Quoted(name),
        patience::LIMIT.as_secs()
    ))
}

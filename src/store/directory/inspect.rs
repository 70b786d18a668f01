//! Questions about a directory and its files that only an administrator's tool asks. Nothing here
//! takes a lock or changes anything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::file_system::FileSystem;
use super::store::Directory;
use super::{existing, file_name, fresh, lock};
use crate::errno::Errno;
use crate::error::Result;
use crate::file::{self, Status};
use crate::ids::UserId;
use crate::info::{Info, time_of};
use crate::os::{self, Uncancelled};
use crate::request::Access;

/// The file that a segment is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its absolute path.
    pub path: PathBuf,
    /// The major and minor number of its file system's device, as in stat(2).
    pub device: (u32, u32),
    /// Its inode number.
    pub inode: u64,
    /// When it was last written, attached or changed: [`prune`](crate::prune) counts the age of
    /// an orphan from then on.
    pub used: SystemTime,
}

/// A file in the directory of a namespace that is not a segment, and whose name does not begin with
/// `.`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its file name.
    pub file_name: Vec<u8>,
    /// Why it is not a segment: `is empty`, for example.
    pub flaw: &'static str,
}

/// The directory of a namespace.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryState {
    /// Its absolute path, which ends in `/`.
    pub path: PathBuf,
    /// The owner's user id.
    pub owner: u32,
    /// The owner's group id.
    pub group: u32,
    /// The permission bits, set-uid, set-gid and sticky.
    pub mode: u32,
    /// Whether this process may create segments in it.
    pub may_create: bool,
    /// Where its files are stored.
    pub file_system: FileSystem,
    /// How many temporary files were left in it by processes that died while they created a
    /// segment, as far as this process may open the files. The next process that makes such a file
    /// removes them, and so does [`prune`](crate::prune).
    pub left_behind: usize,
    /// The files in it that are not segments.
    pub strangers: Vec<Stranger>,
}

/// In a directory's mode: users may only remove their own files.
const STICKY: u32 = 0o1000;

impl Directory {
    /// `None` if the name stands for no segment.
    pub(in crate::store) fn file(&self, name: &[u8]) -> Result<Option<SegmentFile>> {
        let _uncancelled = Uncancelled::new();
        let path = self.path_of("look at", name)?;
        let found = Status::of_path(&path).ok();
        Ok(found
            .filter(|status| existing::flaw(status).is_none())
            .map(|status| SegmentFile {
                path,
                device: status.device,
                inode: status.inode,
                used: time_of(existing::last_use(&status)).unwrap_or(UNIX_EPOCH),
            }))
    }

    /// Whether this process may delete a segment of this directory: whether it may lock the file
    /// and remove its name.
    pub(in crate::store) fn may_delete(&self, segment: &Info) -> bool {
        let _uncancelled = Uncancelled::new();
        let Ok(path) = self.path_of("look at", &segment.name) else {
            return false;
        };
        let (Ok(directory), Ok(found)) = (Status::of_target(self.path()), Status::of_path(&path))
        else {
            return false;
        };
        let user = os::effective_user();
        let is_own = UserId(found.user) == user;
        let may_unlink = directory.mode & STICKY == 0
            || is_own
            || UserId(directory.user) == user
            || user == UserId(0);
        may_unlink
            && self.may_create()
            && (is_own || file::may_access(&path, libc::R_OK | libc::W_OK))
    }

    fn may_create(&self) -> bool {
        file::may_access(self.path(), libc::W_OK | libc::X_OK)
    }

    pub(in crate::store) fn state(&self) -> Result<DirectoryState> {
        let _uncancelled = Uncancelled::new();
        let doing = "look at it";
        let failed = |errno: Errno| self.refused(errno, &doing);
        // This also works for a directory that this process may not read.
        let opened = file::open(self.path(), os::O_PATH | libc::O_DIRECTORY, 0);
        let opened = opened.map_err(failed)?;
        let status = Status::of(&opened).map_err(failed)?;
        let (left_behind, strangers) = self.others();
        Ok(DirectoryState {
            path: self.path().to_path_buf(),
            owner: status.user,
            group: status.group,
            mode: status.permissions(),
            may_create: self.may_create(),
            file_system: FileSystem::of(&opened).map_err(failed)?,
            left_behind,
            strangers,
        })
    }

    /// How many temporary files were left behind, and the files that are not segments.
    fn others(&self) -> (usize, Vec<Stranger>) {
        let mut left_behind = 0;
        let mut strangers = Vec::new();
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let Ok(directory) = file::open(self.path(), flags, 0) else {
            return (left_behind, strangers);
        };
        let look_at = |file_name: &[u8]| {
            let path = self.path().join(OsStr::from_bytes(file_name));
            if fresh::is_temporary(file_name) {
                left_behind += usize::from(is_left_behind(&path));
            }
            if file_name.starts_with(b".") {
                return Ok(());
            }
            // It may have been removed in the meantime.
            let Ok(status) = Status::of_path(&path) else {
                return Ok(());
            };
            let is_name = file_name::decode(file_name).is_some();
            let flaw = existing::flaw(&status)
                .or((!is_name).then_some("has a name that stands for no segment"));
            let file_name = file_name.to_vec();
            strangers.extend(flaw.map(|flaw| Stranger { file_name, flaw }));
            Ok(())
        };
        // If an error ends this, the files that were found count.
        let _ = file::for_each_entry(&directory, |errno| errno, look_at);
        strangers.sort_unstable_by(|one, other| one.file_name.cmp(&other.file_name));
        (left_behind, strangers)
    }
}

/// Whether the creator of a temporary file has died: no process has the file locked.
fn is_left_behind(path: &Path) -> bool {
    existing::open(path, Access::ReadOnly).is_ok_and(|file| lock::is_attached(&file) == Ok(false))
}

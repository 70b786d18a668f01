//! The directory of programs that choose no namespace, on systems without System V segments of a
//! useful size.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::ids::UserId;
use crate::os;
use crate::quoted::Quoted;

/// The directories in which it may be.
#[derive(Clone, Debug, Default)]
struct Places {
    /// `XDG_RUNTIME_DIR`
    runtime: Option<PathBuf>,
    /// What the system offers to this user.
    offered: Option<PathBuf>,
    /// `TMPDIR`, which other users may share.
    temporary: Option<PathBuf>,
}

impl Places {
    /// Those of this process now.
    fn found() -> Self {
        let variable = |name| {
            let mut value = [0; libc::PATH_MAX as usize];
            let value = os::variable(name, &mut value)?;
            let path = Path::new(OsStr::from_bytes(value));
            path.is_absolute().then(|| path.to_path_buf())
        };
        Self {
            runtime: variable(c"XDG_RUNTIME_DIR"),
            offered: os::temporary_directory(),
            temporary: variable(c"TMPDIR"),
        }
    }

    /// The path of the directory for a user; `None` if there is no place for it.
    fn choose(self, user: UserId) -> Option<PathBuf> {
        if let Some(own) = self.runtime.or(self.offered) {
            return Some(own.join("shm_util"));
        }
        Some(self.temporary?.join(format!("shm_util-{user}")))
    }
}

/// The absolute path of the directory, which ends in `/`. Makes the directory if it is missing.
#[cold]
pub(crate) fn path() -> Result<Arc<[u8]>> {
    let user = os::effective_user();
    let Some(path) = Places::found().choose(user) else {
        return Err(Errno(libc::ENOTSUP).during(format_args!(
            "choose a directory for segments: none of XDG_RUNTIME_DIR and TMPDIR is set, and this \
             system has no System V segments of a useful size; set NOB_DATABASE to a directory, as \
             a path that ends in '/'"
        )));
    };
    make(&path, user)?;
    let mut path = path.into_os_string().into_vec();
    path.push(b'/');
    Ok(Arc::from(path))
}

/// Makes a directory for a user only, or checks that an existing one is. Another user who could
/// write to it could exchange the segments.
fn make(path: &Path, user: UserId) -> Result<()> {
    let shown = Quoted(path.as_os_str().as_bytes());
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => {
            return result.map_err(|error| {
                Errno::from(error).during(format_args!("make directory {shown} for segments"))
            });
        }
    }
    let found = std::fs::symlink_metadata(path).map_err(|error| {
        Errno::from(error).during(format_args!("look at directory {shown} for segments"))
    })?;
    if found.is_dir() && UserId(found.uid()) == user && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(refused(&shown, user))
}

fn refused(shown: &Quoted<'_>, user: UserId) -> Error {
    Errno(libc::EACCES)
        .during(format_args!(
            "use directory {shown} for segments: it must be a directory of user {user} to which no \
             other user can write"
        ))
        .because(Reason::Namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_directory_of_the_user_is_chosen_before_one_that_others_share() {
        let some = |path: &str| Some(PathBuf::from(path));
        let all = Places {
            runtime: some("/run/user/7"),
            offered: some("/var/folders/x"),
            temporary: some("/tmp"),
        };
        let choose = |places: &Places| places.clone().choose(UserId(7));
        assert_eq!(choose(&all), some("/run/user/7/shm_util"));
        let offered = Places {
            runtime: None,
            ..all
        };
        assert_eq!(choose(&offered), some("/var/folders/x/shm_util"));
        let shared = Places {
            offered: None,
            ..offered
        };
        assert_eq!(choose(&shared), some("/tmp/shm_util-7"));
        assert_eq!(choose(&Places::default()), None);
    }

    #[test]
    fn it_is_made_for_this_user_only() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("shm_util");
        let user = os::effective_user();
        for _ in 0..2 {
            make(&path, user).unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let errno = |result: Result<()>| result.map_err(|error| error.errno());
        assert_eq!(
            errno(make(&path, UserId(user.0 + 1))),
            Err(libc::EACCES),
            "it is another user's"
        );
        let missing = scratch.path().join("missing/shm_util");
        assert_eq!(errno(make(&missing, user)), Err(libc::ENOENT));
    }

    #[test]
    fn one_to_which_others_can_write_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("shm_util");
        let user = os::effective_user();
        make(&path, user).unwrap();
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(make(&link, user).unwrap_err().errno(), libc::EACCES);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o720)).unwrap();
        assert_eq!(make(&path, user).unwrap_err().errno(), libc::EACCES);
    }
}

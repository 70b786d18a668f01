//! Namespaces: which names a process shares with which other processes.

#![forbid(unsafe_code)]

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::allocate::{text, try_to_vec};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::location::Location;
use crate::quoted::Quoted;
use crate::{default_directory, environment, os};

/// A namespace: a set of names. Calls of one process, from any of its threads, may use
/// several at once.
///
/// The functions of this crate that take no namespace use the
/// [current](Self::current) one. A copy is cheap.
///
/// ```
/// use shm_util::Namespace;
///
/// let plant = Namespace::at("/doc/namespace/plant")?;
/// let test = Namespace::at("/doc/namespace/test")?;
/// let in_plant = plant.create("sensors", 4096)?;
/// let in_test = test.create("sensors", 100)?; // another segment
/// assert_ne!(in_plant.id(), in_test.id());
/// assert_eq!(plant.info("sensors")?.size, 4096);
/// assert_eq!(test.open("sensors")?.len(), 100);
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Kinds of memory
///
/// A namespace also selects what its segments are:
///
/// | namespace | its segments are | its names last |
/// | --- | --- | --- |
/// | of a user, or of a path | System V segments | as long as the segments: until a reboot at most |
/// | of a path that ends in `/` | files in this directory, one for each name, with exactly the segment's bytes | as long as the files |
/// | `private:` | memory of this process and of the children that it forks | as long as the process |
///
/// ```
/// use shm_util::{Kind, Namespace};
///
/// let directory = std::env::temp_dir().join(format!("doc-kinds.{}", std::process::id()));
/// std::fs::create_dir(&directory).unwrap();
/// let files = Namespace::at(directory.join(""))?; // the path ends in /
/// let segment = files.create("sensors", 4096)?;
/// assert_eq!(std::fs::metadata(directory.join("sensors")).unwrap().len(), 4096);
/// assert_eq!((segment.info()?.kind, segment.id()), (Kind::Directory, -1));
/// segment.destroy()?; // removes the file
/// # std::fs::remove_dir(&directory).unwrap();
///
/// let private = Namespace::at("private:")?;
/// assert_eq!(private.create("sensors", 100)?.info()?.kind, Kind::Private);
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(Choice);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    Current,
    OfUser,
    At(Location),
}

impl Namespace {
    /// The namespace of the functions that take none: the one that `NOB_DATABASE`
    /// selects at the process's first call or, without it, that of the effective user.
    ///
    /// ```
    /// use shm_util::{Namespace, Segment};
    ///
    /// let segment = Segment::create("doc-current", 100)?;
    /// assert_eq!(Namespace::current().info("doc-current")?.id, segment.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn current() -> Self {
        Self(Choice::Current)
    }

    /// The namespace of the effective user at the time of each call, whatever
    /// `NOB_DATABASE` is.
    ///
    /// ```
    /// use shm_util::Namespace;
    ///
    /// let segment = Namespace::of_user().create("doc-of-user", 100)?;
    /// assert!(Namespace::at("/doc/of-user")?.open("doc-of-user").is_err());
    /// segment.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn of_user() -> Self {
        Self(Choice::OfUser)
    }

    /// The namespace of a path: the one that `NOB_DATABASE` selects if it has this value. `~`,
    /// `$NAME` and `${NAME}` in the path are replaced, and a relative path begins at the current
    /// directory, both at the time of this call. The empty path selects the namespace of the
    /// effective user. A path that ends in `/` is that of a directory, which must exist when a
    /// segment is created; otherwise no file with this path need exist.
    ///
    /// ```
    /// use shm_util::Namespace;
    ///
    /// assert_eq!(Namespace::at("/doc/./at/x/..")?, Namespace::at("/doc/at")?);
    /// assert_eq!(Namespace::at("")?, Namespace::of_user());
    /// assert_eq!(Namespace::at("a\0b").unwrap_err().errno(), libc::EINVAL);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `ELOOP`: the value of a variable refers to itself.
    /// * `ENAMETOOLONG`: the translated path has `PATH_MAX` bytes or more.
    /// * `EINVAL`: the path contains a zero byte.
    /// * those of getcwd(3), for a relative path.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        if path.is_empty() {
            return Ok(Self::of_user());
        }
        if path.contains(&0) {
            return Err(Error::argument(format_args!(
                "namespace {}: the path contains a zero byte",
                Quoted(path)
            )));
        }
        let location = Location::at(path).map_err(|error| error.in_what("namespace"))?;
        Ok(Self(Choice::At(location)))
    }

    /// The namespace of System V segments of a path that is absolute and translated.
    pub(crate) fn of_registry(path: &[u8]) -> Result<Self> {
        Ok(Self(Choice::At(Location::of_registry(path)?)))
    }

    /// The namespace at this moment: a program may change its effective user id.
    #[inline]
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        let location = match &self.0 {
            Choice::Current => environment::selected()?,
            Choice::OfUser => None,
            Choice::At(location) => Some(location),
        };
        Ok(match location {
            None if os::DEFAULT_IS_DIRECTORY => Resolved::Directory(default_directory::path()?),
            None => Resolved::SysV(Registered::User(os::effective_user())),
            Some(Location::Path(path)) => Resolved::SysV(Registered::at(path)?),
            Some(Location::Directory(path)) => Resolved::Directory(Arc::clone(path)),
            Some(Location::Private) => Resolved::Private,
        })
    }
}

/// Shows the namespace as in messages: `namespace '/path'`, `the namespace of user 1000`.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resolve() {
            Ok(resolved) => resolved.fmt(f),
            Err(_) => f.write_str("the namespace of NOB_DATABASE"),
        }
    }
}

/// A namespace during one call, when its user or path is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// System V segments.
    SysV(Registered),
    /// The files in the directory of this absolute path, which ends in `/`.
    Directory(Arc<[u8]>),
    /// Memory of this process.
    Private,
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SysV(registered) => registered.fmt(f),
            Self::Directory(path) => write!(f, "directory {}", Quoted(path)),
            Self::Private => f.write_str("the private namespace of this process"),
        }
    }
}

/// A namespace of System V segments, which a registry names. Processes share names if these are
/// equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    /// The namespace of an effective user id.
    User(UserId),
    /// The namespace of an absolute path. No file with this path need exist.
    Path(Vec<u8>),
}

impl Registered {
    fn at(path: &[u8]) -> Result<Self> {
        try_to_vec(path)
            .map(Self::Path)
            .map_err(|errno| errno.during(format_args!("use namespace {}", Quoted(path))))
    }

    /// Bytes that distinguish it from every other namespace.
    pub(crate) fn identity(&self) -> Result<Vec<u8>> {
        match self {
            // In a user namespace, other users may have the same id.
            Self::User(user) => {
                let outside = os::Map::Users.outside(user.0).map_err(|errno| {
                    errno.during(format_args!("open {self}: read /proc/self/uid_map"))
                })?;
                Ok(text(format_args!("uid {outside}")).into_bytes())
            }
            Self::Path(path) => {
                try_to_vec(path).map_err(|errno| errno.during(format_args!("use {self}")))
            }
        }
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "the namespace of user {user}"),
            Self::Path(path) => write!(f, "namespace {}", Quoted(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_paths_as_text() {
        let of_path = Namespace::at("/plant\n/1").unwrap();
        assert_eq!(format!("{of_path:?}"), "Namespace(At(Path('/plant\\n/1')))");
        let directory = Namespace::at("/plant/./").unwrap();
        assert_eq!(
            format!("{directory:?}"),
            "Namespace(At(Directory('/plant/')))"
        );
        let private = Namespace::at("private:").unwrap();
        for refused in ["/", "/x/..//", "private:x"] {
            assert_eq!(Namespace::at(refused).unwrap_err().errno(), libc::EINVAL);
        }
        assert!(Namespace::at("./private:x").is_ok());
        assert_eq!(format!("{private:?}"), "Namespace(At(Private))");
        assert_eq!(format!("{:?}", Namespace::of_user()), "Namespace(OfUser)");
        assert_eq!(format!("{:?}", Namespace::current()), "Namespace(Current)");
    }
}

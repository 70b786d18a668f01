//! Functions that use segments of the current namespace by name, without attaching them:
//! information, list, keep, remove, prune, wait. Only a wait creates a registry.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::error::Result;
use crate::info::{Info, RegistryInfo};
use crate::namespace::Namespace;

/// What is known about the segment of a name. This process need not have it attached,
/// nor have permission to attach it.
///
/// ```
/// use shm_util::Segment;
///
/// let segment = Segment::create("doc-info", 5000)?;
/// let info = shm_util::info("doc-info")?;
/// assert_eq!((info.id, info.size, info.mappings), (segment.id(), 5000, 1));
/// assert_eq!((info.mode, info.kept, info.locked), (0o660, false, false));
/// segment.destroy()?;
/// assert_eq!(shm_util::info("doc-info").unwrap_err().errno(), libc::ENOENT);
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// * `ENOENT`: no segment has this name.
/// * `ENAMETOOLONG`, `EINVAL`: no segment can have this name.
/// * `EACCES`, `ETIMEDOUT`, `EUCLEAN`, `ENOTSUP`, `EDEADLK`: see
///   [`Segment::create`](crate::Segment::create).
pub fn info(name: impl AsRef<[u8]>) -> Result<Info> {
    Namespace::current().info(name)
}

/// All segments of the namespace, orphans included, in no particular order.
///
/// The list is not a snapshot: other processes may create and delete segments
/// meanwhile.
///
/// ```
/// use shm_util::Segment;
///
/// let segment = Segment::create("doc-list", 100)?;
/// let infos = shm_util::list()?;
/// assert!(infos.iter().any(|info| info.name == b"doc-list" && info.size == 100));
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// * `ENOMEM`: there is no memory for the list.
/// * `EACCES`, `ETIMEDOUT`, `EUCLEAN`, `ENOTSUP`, `EDEADLK`: see
///   [`Segment::create`](crate::Segment::create).
pub fn list() -> Result<Vec<Info>> {
    Namespace::current().list()
}

/// Makes the segment of a name a kept one, which outlives its last holder, or an
/// ordinary one again. A segment that nobody has attached stays in either case.
///
/// ```
/// use shm_util::Segment;
///
/// Segment::create("doc-keep", 100)?.keep(true)?; // and dropped
/// assert_eq!(Segment::open("doc-keep")?.len(), 100);
/// shm_util::keep("doc-keep", false)?;
/// Segment::open("doc-keep")?.destroy()?; // the last one
/// assert!(Segment::open("doc-keep").is_err());
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// * `EINVAL`: the segment is [transient](crate::Options::transient), and `yes` is true.
/// * `EPERM`: the segment belongs to another user.
/// * `EACCES`: its status may not be read (only before Linux 4.17).
/// * otherwise as [`info`].
pub fn keep(name: impl AsRef<[u8]>, yes: bool) -> Result<()> {
    Namespace::current().keep(name, yes)
}

/// Removes a name at once, and deletes its segment when the last process detaches it.
/// Processes that have it attached keep their bytes, and destroy it as usual. The
/// next call that creates the name creates a new segment.
///
/// ```
/// use shm_util::Segment;
///
/// let old = Segment::create("doc-remove", 100)?;
/// shm_util::remove("doc-remove")?;
/// let new = Segment::create("doc-remove", 200)?;
/// assert_ne!(old.id(), new.id());
/// old.destroy()?;
/// new.destroy()?;
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// `EPERM` if the segment belongs to another user; otherwise as [`info`].
pub fn remove(name: impl AsRef<[u8]>) -> Result<()> {
    Namespace::current().remove(name)
}

/// Waits until a segment of this name exists, at most for `limit`; with `Duration::MAX`,
/// without a limit. The waiter sleeps until another process creates the name.
///
/// ```
/// use shm_util::Segment;
/// use std::time::Duration;
///
/// let limit = Duration::from_millis(1);
/// assert_eq!(shm_util::wait("doc-wait", limit).unwrap_err().errno(), libc::ETIMEDOUT);
/// let creator = std::thread::spawn(|| Segment::create("doc-wait", 100));
/// shm_util::wait("doc-wait", Duration::from_secs(10))?;
/// assert_eq!(Segment::open("doc-wait")?.len(), 100);
/// # creator.join().unwrap()?;
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// * `ETIMEDOUT`: the name did not exist after `limit`; see
///   [`Segment::create`](crate::Segment::create), too.
/// * `EINTR`: a signal handler interrupted the wait.
/// * otherwise as [`Segment::open`](crate::Segment::open), except `ENOENT`.
pub fn wait(name: impl AsRef<[u8]>, limit: Duration) -> Result<()> {
    Namespace::current().wait(name, limit)
}

/// Deletes orphans that have been unused for at least `minimum_age`: segments that
/// nobody has attached, that are not kept, and that were last detached, or created if
/// they were never attached, at least that long ago; and [hidden](crate::Options::hidden)
/// segments whose creators have died, whatever their age. Returns what they were, sorted by
/// name. Segments that this user may not delete are left alone.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// # // SAFETY: the only thread.
/// # unsafe { std::env::set_var("NOB_DATABASE", "/doc/prune") };
/// let old = shm_util::prune(Duration::from_secs(24 * 3600))?;
/// for info in old {
///     println!("{} bytes are free again", info.size);
/// }
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// As [`list`]. Segments that were deleted before the error stay deleted.
pub fn prune(minimum_age: Duration) -> Result<Vec<Info>> {
    Namespace::current().prune(minimum_age)
}

/// What is known about the registry of the namespace; `None` if it has none. Reads all
/// of it, and reports any damage.
///
/// ```
/// use shm_util::Segment;
///
/// let segment = Segment::create("doc-registry", 100)?;
/// let registry = shm_util::registry()?.expect("a name exists");
/// assert!(registry.names >= 1 && registry.names <= registry.capacity);
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// * `EUCLEAN`: it was overwritten.
/// * `ENOTSUP`: it belongs to another version of this library.
/// * `EACCES`, `ETIMEDOUT`, `EDEADLK`: see
///   [`Segment::create`](crate::Segment::create).
pub fn registry() -> Result<Option<RegistryInfo>> {
    Namespace::current().registry()
}

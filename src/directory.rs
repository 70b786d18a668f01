//! What is done with segments by name, without mapping them: look, list, keep,
//! remove, clean up. None of it makes a registry where there is none.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Errno, Error, Quoted, Result, try_to_vec};
use crate::fork::{Call, Purpose};
use crate::info::{Info, RegistryInfo};
use crate::process;
use crate::registry::{Entry, Lifetime, Listed, Lookup, Name, Names, Registry, Removal};
use crate::segment::{attach_again, check_name, no_such, set_lifetime};
use crate::sysv::{Access, Status};

/// How often something that others undo in between is tried again.
const ATTEMPTS: usize = 10_000;

/// What is known of the segment of a name, which this process needs not have
/// mapped, nor be allowed to.
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
/// * `ENOENT`: there is no segment of this name.
/// * `ENAMETOOLONG`, `EINVAL`: there can be none, see
///   [`Segment::create`](crate::Segment::create), as for the following.
/// * `EACCES`, `ETIMEDOUT`, `EUCLEAN`, `ENOTSUP`, `EDEADLK`.
pub fn info(name: impl AsRef<[u8]>) -> Result<Info> {
    let name = name.as_ref();
    let _call = begin(name)?;
    with_entry(name, |_, names, entry| {
        let failed = |errno: Errno| errno.during(format_args!("look at segment {}", Quoted(name)));
        let Some(status) = entry.status().map_err(failed)? else {
            return Ok(None);
        };
        let lifetime = names.lifetime(entry)?.unwrap_or(Lifetime::Used);
        let name = try_to_vec(name).map_err(failed)?;
        Ok(Some(Info::new(name, entry, &status, lifetime)))
    })
}

/// All segments of the name space, live or orphaned, in no order.
///
/// They are not of one moment: others may make and remove some meanwhile.
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
/// * `ENOMEM`: there is no memory for so many.
/// * `EACCES`, `ETIMEDOUT`, `EUCLEAN`, `ENOTSUP`, `EDEADLK`: see
///   [`Segment::create`](crate::Segment::create).
pub fn list() -> Result<Vec<Info>> {
    let _call = Call::begin(Purpose::Change)?;
    let mut infos = Vec::new();
    let Some((_, listed)) = all_names()? else {
        return Ok(infos);
    };
    infos
        .try_reserve_exact(listed.len())
        .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list the names")))?;
    for Listed {
        name,
        entry,
        lifetime,
    } in listed
    {
        let status = entry
            .status()
            .map_err(|errno| errno.during(format_args!("look at segment {}", Quoted(&name))))?;
        // Removed since, or behind our back.
        let Some(status) = status else { continue };
        infos.push(Info::new(name, &entry, &status, lifetime));
    }
    Ok(infos)
}

/// Has the segment of a name outlive its last user, or not any more. One that
/// nobody has mapped stays in either case.
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
/// * `EPERM`: the segment is another user's.
/// * `EACCES`: it may not be looked at (before Linux 4.17).
/// * else as [`info`].
pub fn keep(name: impl AsRef<[u8]>, yes: bool) -> Result<()> {
    let name = name.as_ref();
    let _call = begin(name)?;
    with_entry(name, |_, names, entry| {
        let done = set_lifetime(names, name, entry, Lifetime::kept_if(yes))?;
        Ok(done.then_some(()))
    })
}

/// Removes a name at once, and its segment when its last user leaves: those who
/// have it mapped keep their bytes, and destroy it as ever. The next one to
/// create the name makes a new segment.
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
/// `EPERM`: the segment is another user's; else as [`info`].
pub fn remove(name: impl AsRef<[u8]>) -> Result<()> {
    let name = name.as_ref();
    let _call = begin(name)?;
    let failed = |errno: Errno| errno.during(format_args!("remove segment {}", Quoted(name)));
    for _ in 0..ATTEMPTS {
        let (registry, entry) = with_entry(name, |registry, _, entry| {
            if let Some(status) = entry.status().map_err(failed)? {
                entry.may_be_removed(&status).map_err(failed)?;
            }
            Ok(Some((Arc::clone(registry), *entry)))
        })?;
        // If nobody else has it, its memory is freed with this mapping, that is,
        // without the lock.
        let mapping = attach_again(&entry, Access::ReadOnly);
        let names = registry.lock()?;
        if !names.has(&entry)? {
            continue;
        }
        let removal = names.remove_if(&entry, |_| true)?;
        drop(names);
        drop(mapping);
        return match removal {
            Removal::Failed(errno) => Err(failed(errno)),
            _ => Ok(()),
        };
    }
    Err(restless(name))
}

/// Removes the segments that nobody has mapped, that are not kept, and that
/// somebody last had mapped at least `minimum_age` ago; of those that nobody
/// ever had mapped, those that were made so long ago. Tells what was removed.
/// Other users' segments, which we may not remove, are left alone.
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
/// As [`list`]. What was removed until then is removed.
pub fn prune(minimum_age: Duration) -> Result<Vec<Info>> {
    let _call = Call::begin(Purpose::Change)?;
    let mut pruned = Vec::new();
    let Some((registry, listed)) = all_names()? else {
        return Ok(pruned);
    };
    for one in listed {
        pruned
            .try_reserve(1)
            .map_err(|_| Errno(libc::ENOMEM).during(format_args!("note what is removed")))?;
        pruned.extend(prune_one(&registry, one, minimum_age)?);
    }
    Ok(pruned)
}

fn prune_one(registry: &Registry, one: Listed, minimum_age: Duration) -> Result<Option<Info>> {
    let Listed {
        name,
        entry,
        lifetime,
    } = one;
    let is_abandoned = |status: &Status| status.mappings == 0 && age(&entry, status) >= minimum_age;
    let status = match entry.status() {
        Ok(Some(status)) => status,
        Ok(None) => {
            // Removed behind our back: so is its name.
            registry.lock()?.remove_stale(&entry)?;
            return Ok(None);
        }
        Err(_) => return Ok(None),
    };
    if lifetime == Lifetime::Kept
        || !is_abandoned(&status)
        || entry.may_be_removed(&status).is_err()
    {
        return Ok(None);
    }
    // That was a look only: it is decided under the lock. And only then is it
    // mapped, for the sake of which see `remove`: whoever leaves it meanwhile must
    // not take this mapping for another user's, and leave the segment to it.
    let names = registry.lock()?;
    let mut mapping = None;
    let removed = names.lifetime(&entry)? == Some(Lifetime::Used)
        && names.remove_if(&entry, |now| {
            let goes = is_abandoned(now);
            if goes {
                mapping = attach_again(&entry, Access::ReadOnly);
            }
            goes
        })? == Removal::Removed;
    drop(names);
    drop(mapping);
    Ok(removed.then(|| Info::new(name, &entry, &status, lifetime)))
}

/// How long nobody has used a segment that nobody has mapped.
fn age(entry: &Entry, status: &Status) -> Duration {
    let last_used = match u64::try_from(status.detached) {
        Ok(seconds) if seconds > 0 => seconds,
        _ => entry.created,
    };
    Duration::from_secs(process::seconds_since_1970().saturating_sub(last_used))
}

/// What is known of the registry of the name space; `None` if it has none. All
/// of it is read, and found whole.
///
/// ```
/// use shm_util::Segment;
///
/// let segment = Segment::create("doc-registry", 100)?;
/// let registry = shm_util::registry()?.expect("there is a name");
/// assert!(registry.names >= 1 && registry.names <= registry.capacity);
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Errors
///
/// * `EUCLEAN`: it was overwritten.
/// * `ENOTSUP`: it is that of another version of this library.
/// * `EACCES`, `ETIMEDOUT`, `EDEADLK`: see
///   [`Segment::create`](crate::Segment::create).
pub fn registry() -> Result<Option<RegistryInfo>> {
    let _call = Call::begin(Purpose::Change)?;
    let Some((registry, listed)) = all_names()? else {
        return Ok(None);
    };
    let status = registry.status()?;
    Ok(Some(RegistryInfo {
        id: registry.id(),
        size: status.size,
        capacity: registry.capacity(),
        names: listed.len(),
        owner: status.owner,
        mode: status.mode,
        mappings: status.mappings,
    }))
}

fn begin(name: &[u8]) -> Result<Call> {
    check_name(name)?;
    Call::begin(Purpose::Change)
}

fn restless(name: &[u8]) -> Error {
    Errno(libc::EAGAIN).during(format_args!(
        "find segment {}, which others make and delete all the time",
        Quoted(name)
    ))
}

/// Does something with a name's segment, under the lock. `None` of `work` says
/// that the segment is gone: then the name is looked up again.
fn with_entry<T>(
    name: &[u8],
    work: impl Fn(&Arc<Registry>, &Names<'_>, &Entry) -> Result<Option<T>>,
) -> Result<T> {
    for _ in 0..ATTEMPTS {
        let registry = Registry::existing()?.ok_or_else(|| no_such(name))?;
        let names = registry.lock()?;
        match names.look_up(&Name::new(name))? {
            Lookup::Found(entry) => {
                if let Some(done) = work(&registry, &names, &entry)? {
                    return Ok(done);
                }
            }
            Lookup::Absent => return Err(no_such(name)),
            Lookup::NotCurrent => {
                drop(names);
                registry.forget();
            }
        }
    }
    Err(restless(name))
}

/// All names of the name space, and their registry, if there is one.
fn all_names() -> Result<Option<(Arc<Registry>, Vec<Listed>)>> {
    for _ in 0..ATTEMPTS {
        let Some(registry) = Registry::existing()? else {
            return Ok(None);
        };
        match registry.all_names()? {
            Some(names) => return Ok(Some((registry, names))),
            None => registry.forget(),
        }
    }
    Err(Errno(libc::EAGAIN).during(format_args!(
        "list names whose registry comes and goes all the time"
    )))
}

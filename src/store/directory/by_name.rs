//! Operations on segments by name, which do not attach them for the program: look, list, keep,
//! remove, prune.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use super::change::Fate;
use super::existing::{self, Identity, KEPT, MODE_BITS};
use super::store::Directory;
use super::{file_name, fresh};
use crate::allocate::require_memory_for;
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::file::{self, Status};
use crate::info::{Info, Permissions};
use crate::os::{self, Uncancelled};
use crate::quoted::{Doing, Quoted};
use crate::request::{Lifetime, SETTING, Swapping, Target, check_mode};

impl Directory {
    pub(in crate::store) fn info(&self, target: Target<'_>) -> Result<Info> {
        let _uncancelled = Uncancelled::new();
        let doing = "look at";
        let Target::Name(name) = target else {
            return Err(self.no_such(target));
        };
        let path = self.path_of(doing, name)?;
        match Status::of_path(&path) {
            Ok(status) => match existing::is_no_segment(doing, name, &status) {
                None => {
                    let count = existing::count(&path)
                        .map_err(|errno| errno.during(format_args!("{doing} {target}")))?;
                    existing::info(name, &status, count)
                }
                Some(error) => Err(error),
            },
            Err(Errno(libc::ENOENT)) => Err(self.no_such(target)),
            Err(errno) => Err(self.refused(errno, &format_args!("{doing} {target}"))),
        }
    }

    pub(in crate::store) fn list(&self) -> Result<Vec<Info>> {
        let _uncancelled = Uncancelled::new();
        let doing = "list the names";
        let failed = |errno: Errno| errno.during(format_args!("{doing}"));
        let mut infos = Vec::new();
        self.for_each(doing, |name, path, status| {
            infos
                .try_reserve(1)
                .map_err(|_| failed(Errno(libc::ENOMEM)))?;
            infos.push(existing::info(
                name,
                status,
                existing::count(path).map_err(failed)?,
            )?);
            Ok(())
        })?;
        Ok(infos)
    }

    /// Passes each segment's name, path and status.
    fn for_each(
        &self,
        doing: &str,
        mut work: impl FnMut(&[u8], &Path, &Status) -> Result<()>,
    ) -> Result<()> {
        let directory = self.open(&doing)?;
        require_memory_for(self.path().as_os_str().len() + file_name::LONGEST)
            .map_err(|errno| errno.during(format_args!("{doing}")))?;
        let failed = |errno| self.refused(errno, &doing);
        file::for_each_entry(&directory, failed, |entry| {
            let Some(name) = file_name::decode(entry) else {
                return Ok(());
            };
            let path = self.path().join(OsStr::from_bytes(entry));
            match Status::of_path(&path) {
                Ok(status) if status.is_file() && status.size > 0 => work(&name, &path, &status),
                // It is not a segment, or has been removed since.
                Ok(_) | Err(Errno(libc::ENOENT)) => Ok(()),
                Err(errno) => Err(failed(errno)),
            }
        })
    }

    pub(in crate::store) fn set_lifetime(&self, name: &[u8], lifetime: Lifetime) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        let path = self.path_of("keep", name)?;
        Self::change_lifetime(name, &path, None, lifetime)?
            .ok_or_else(|| self.no_such(Target::Name(name)))
    }

    /// `None` if the name stands for no segment, or not for `segment`.
    pub(super) fn change_lifetime(
        name: &[u8],
        path: &Path,
        segment: Option<Identity>,
        lifetime: Lifetime,
    ) -> Result<Option<()>> {
        Self::with_claim("keep", name, path, segment, |file, status| {
            change_lifetime(name, file, status, lifetime)
        })
    }

    pub(in crate::store) fn set_permissions(
        &self,
        name: &[u8],
        permissions: Permissions,
    ) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        let path = self.path_of(SETTING, name)?;
        Self::change_permissions(name, &path, None, permissions)?
            .ok_or_else(|| self.no_such(Target::Name(name)))
    }

    /// `None` if the name stands for no segment, or not for `segment`.
    pub(super) fn change_permissions(
        name: &[u8],
        path: &Path,
        segment: Option<Identity>,
        permissions: Permissions,
    ) -> Result<Option<()>> {
        check_mode(Doing(SETTING, name), permissions.mode)?;
        Self::with_claim(SETTING, name, path, segment, |file, status| {
            change_permissions(name, file, status, permissions)
        })
    }

    pub(in crate::store) fn set_swapping(&self, name: &[u8], swapping: Swapping) -> Result<()> {
        self.info(Target::Name(name))?;
        set_swapping(name, swapping)
    }

    pub(in crate::store) fn remove(&self, target: Target<'_>) -> Result<()> {
        let _uncancelled = Uncancelled::new();
        let Target::Name(name) = target else {
            return Err(self.no_such(target));
        };
        let path = self.path_of("remove", name)?;
        self.remove_file(name, &path, None)?
            .ok_or_else(|| self.no_such(target))
    }

    /// `None` if the name stands for no segment, or not for `segment`.
    pub(super) fn remove_file(
        &self,
        name: &[u8],
        path: &Path,
        segment: Option<Identity>,
    ) -> Result<Option<()>> {
        Self::with_claim("remove", name, path, segment, |file, status| {
            self.unlink("remove", name, path, file, status)
        })
    }

    pub(in crate::store) fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        let _uncancelled = Uncancelled::new();
        let mut pruned = Vec::new();
        fresh::sweep(self.path());
        self.for_each("prune", |name, path, status| {
            let is_old = |status: &Status| idle_time(status) >= minimum_age;
            if existing::is_kept(status) || !is_old(status) {
                return Ok(());
            }
            pruned
                .try_reserve(1)
                .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list what was pruned")))?;
            let info = existing::info(name, status, 0)?;
            match self.try_to_delete(name, path, Identity::of(status), None, is_old) {
                Ok(Fate::Deleted) => pruned.push(info),
                Ok(_) => {}
                // A segment that this user may not delete stays.
                Err(error) if matches!(error.errno(), libc::EPERM | libc::EACCES) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        pruned.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(pruned)
    }
}

/// How long a file has been neither written, attached nor changed.
fn idle_time(status: &Status) -> Duration {
    let last = existing::last_use(status);
    let now = os::seconds(os::Clock::Realtime);
    Duration::from_secs(now.saturating_sub(u64::try_from(last).unwrap_or(0)))
}

/// Marks an open file as kept, or removes the mark.
pub(super) fn change_lifetime(
    name: &[u8],
    file: &File,
    status: &Status,
    lifetime: Lifetime,
) -> Result<()> {
    let mode = match lifetime {
        Lifetime::Kept => status.permissions() | KEPT,
        Lifetime::Used | Lifetime::Transient => status.permissions() & !KEPT,
    };
    if mode == status.permissions() {
        return Ok(());
    }
    file::set_mode(file, mode).map_err(|errno| not_changed(errno, "keep", name, status))
}

/// Changes the owner, group and mode of an open file, and leaves its mark as a kept segment as it
/// is.
pub(super) fn change_permissions(
    name: &[u8],
    file: &File,
    status: &Status,
    permissions: Permissions,
) -> Result<()> {
    check_mode(Doing(SETTING, name), permissions.mode)?;
    let failed = |errno| not_changed(errno, SETTING, name, status);
    let mode = match permissions.mode {
        Some(mode) => mode & MODE_BITS | status.mode & KEPT,
        None => status.permissions(),
    };
    let (user, group) = (permissions.uid, permissions.gid);
    // After a change of the owner, this process may no longer change the mode.
    if mode != status.permissions() {
        file::set_mode(file, mode).map_err(failed)?;
    }
    if user.is_some_and(|user| user != status.user)
        || group.is_some_and(|group| group != status.group)
    {
        let unchanged = u32::MAX;
        let owned = file::set_owner(file, user.unwrap_or(unchanged), group.unwrap_or(unchanged));
        if let Err(errno) = owned {
            // A call that fails changes nothing.
            let _ = file::set_mode(file, status.permissions());
            return Err(failed(errno));
        }
        // The kernel may have taken the mark of a kept segment for a program's execute permission.
        let after = Status::of(file).map_err(failed)?;
        if after.permissions() != mode {
            file::set_mode(file, mode).map_err(failed)?;
        }
    }
    Ok(())
}

#[cold]
fn not_changed(errno: Errno, doing: &str, name: &[u8], status: &Status) -> Error {
    let error = errno.during(format_args!(
        "{doing} segment {} of user {}",
        Quoted(name),
        status.user
    ));
    if errno == Errno(libc::EPERM) && status.user != os::effective_user().0 {
        error.because(Reason::Owner)
    } else {
        error
    }
}

/// Files cannot be locked in memory for all processes.
#[cold]
pub(super) fn set_swapping(name: &[u8], swapping: Swapping) -> Result<()> {
    match swapping {
        Swapping::Allowed => Ok(()),
        Swapping::Forbidden => Err(Errno(libc::ENOTSUP).during(format_args!(
            "lock segment {} in memory: it is a file; each process can lock its own mapping with \
             mlock(2)",
            Quoted(name)
        ))),
    }
}

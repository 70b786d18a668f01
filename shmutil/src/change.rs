//! `create`, `keep`, `remove` and `prune`.

#![forbid(unsafe_code)]

use std::fs;
use std::mem;
use std::time::SystemTime;

use shm_util::{Info, Options, admin};

use crate::cli::{Create, Keep, Prune, Remove};
use crate::failure::{Failure, Outcome, Result, say};
use crate::names::{self, Name};
use crate::{output, units};

/// `shmutil create`
pub(crate) fn create(arguments: &Create) -> Result<Outcome> {
    let options = Options::new().mode(arguments.mode).keep(arguments.keep);
    create_with(options, &arguments.name, arguments.size).map(mem::forget)?;
    Ok(Outcome::Fine)
}

/// Creates a segment. The caller must not destroy it: it is to outlive this
/// process.
pub(crate) fn create_with(options: Options, name: &Name, size: u64) -> Result<shm_util::Segment> {
    if fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").is_ok_and(|text| text.trim() == "1") {
        return Err(Failure::new(
            "kernel.shm_rmid_forced is 1: the kernel would delete the segment when this command \
             ends; run sysctl -w kernel.shm_rmid_forced=0",
        ));
    }
    let size = usize::try_from(size).map_err(|error| Failure::misuse(format!("size: {error}")))?;
    options
        .exclusive(true)
        .create(&name.0, size)
        .map_err(|error| Failure::library(&error, Some(&name.0)))
}

/// `shmutil keep`
pub(crate) fn keep(arguments: &Keep) -> Result<Outcome> {
    let name = &arguments.name.0;
    shm_util::keep(name, !arguments.off).map_err(|error| Failure::library(&error, Some(name)))?;
    Ok(Outcome::Fine)
}

/// `shmutil remove`
pub(crate) fn remove(arguments: &Remove) -> Result<Outcome> {
    let mut removed = Vec::new();
    let mut failures = Vec::new();
    for Name(name) in &arguments.names {
        match shm_util::remove(name) {
            Ok(()) => removed.push(names::quote(name)),
            Err(error) => failures.push(Failure::library(&error, Some(name))),
        }
    }
    // If any failure is more than a name that does not exist, its exit status counts.
    failures.sort_by_key(|failure| !failure.is_no_such_name());
    let Some(last) = failures.pop() else {
        return Ok(Outcome::Fine);
    };
    let count = arguments.names.len();
    if count > 1 {
        say(&format!(
            "removed {} of {count} names{}{}",
            removed.len(),
            if removed.is_empty() { "" } else { ": " },
            removed.join(", ")
        ));
    }
    failures.iter().for_each(Failure::print);
    Err(last)
}

/// `shmutil prune`
pub(crate) fn prune(arguments: &Prune) -> Result<Outcome> {
    let library = |error| Failure::library(&error, None);
    let is_old = |since: SystemTime| units::since(since) >= arguments.older_than;
    let old_orphans = || {
        let mut listed = shm_util::list().map_err(library)?;
        listed.retain(|info| idle_since(info).is_some_and(is_old));
        Ok(listed)
    };
    let (removed, left, verb) = if arguments.dry_run {
        let (ours, others) = old_orphans()?
            .into_iter()
            .partition(|info| admin::may_be_removed(info.id));
        (ours, others, "would delete")
    } else {
        let removed = shm_util::prune(arguments.older_than).map_err(library)?;
        let mut left: Vec<Info> = old_orphans()?;
        left.retain(|info| !admin::may_be_removed(info.id));
        (removed, left, "deleted")
    };
    output::print(|out| {
        for info in &removed {
            writeln!(
                out,
                "{verb} {} (id {}, {})",
                names::show(&info.name),
                info.id,
                units::size(u64::try_from(info.size).unwrap_or(u64::MAX))
            )?;
        }
        Ok(())
    })?;
    prune_registries(arguments.dry_run)?;
    if let Some(info) = left.first() {
        say(&format!(
            "skipped {} old {} of other users, such as {} of user {}; run this as their owner or \
             as root",
            left.len(),
            units::plural(left.len(), "orphan"),
            names::quote(&info.name),
            info.uid
        ));
    }
    Ok(Outcome::Fine)
}

/// Removes the empty registries that programs left behind, in any namespace of this user.
fn prune_registries(dry_run: bool) -> Result<()> {
    let (count, verb) = if dry_run {
        (admin::left_behind().len(), "would remove")
    } else {
        (admin::sweep(), "removed")
    };
    if count == 0 {
        return Ok(());
    }
    let noun = if count == 1 { "registry" } else { "registries" };
    output::print(|out| writeln!(out, "{verb} {count} empty {noun} that programs left behind"))?;
    Ok(())
}

/// Since when a segment has been an orphan; `None` if it is not one.
pub(crate) fn idle_since(info: &Info) -> Option<SystemTime> {
    let is_orphan = info.mappings == 0 && !info.kept;
    is_orphan.then(|| info.detached.unwrap_or(info.created))
}

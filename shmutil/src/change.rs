//! `create`, `keep`, `remove` and `prune`.

#![forbid(unsafe_code)]

use std::fs;
use std::mem;
use std::time::Duration;

use shm_util::admin::{self, Hidden, LeftBehind, Whose};
use shm_util::{Info, Kind, Namespace, Options};

use crate::cli::{Create, Keep, Prune, Remove};
use crate::failure::{Failure, Outcome, Result, say};
use crate::found::{self, Found};
use crate::names::{self, Name};
use crate::namespace::Obstacle;
use crate::{namespace, output, units, which};

/// `shmutil create`
pub(crate) fn create(arguments: &Create) -> Result<Outcome> {
    let options = Options::new().mode(arguments.mode).keep(arguments.keep);
    let name = &arguments.name;
    let failed = |error: &shm_util::Error| Failure::library(error, Some(&name.0));
    create_with(
        &namespace::selected(),
        options,
        name,
        arguments.size,
        &failed,
    )
    .map(mem::forget)?;
    Ok(Outcome::Fine)
}

/// Creates a segment. The caller must not destroy it: it is to outlive this
/// process.
pub(crate) fn create_with(
    namespace: &Namespace,
    options: Options,
    name: &Name,
    size: u64,
    failed: &dyn Fn(&shm_util::Error) -> Failure,
) -> Result<shm_util::Segment> {
    let is_system_v = admin::identity(namespace).is_ok_and(|found| namespace::has_registry(&found));
    if is_system_v && is_removal_forced() {
        return Err(Failure::new(
            "kernel.shm_rmid_forced is 1: the kernel would delete the segment when this command \
             ends; run sysctl -w kernel.shm_rmid_forced=0",
        ));
    }
    let size = usize::try_from(size).map_err(|error| Failure::misuse(format!("size: {error}")))?;
    let segment = options
        .namespace(namespace)
        .exclusive(true)
        .create(&name.0, size)
        .map_err(|error| failed(&error))?;
    if segment.info().map_err(|error| failed(&error))?.transient {
        return Err(Failure::new(
            "SHM_UTIL_TRANSIENT is set: the kernel would delete the segment when this command \
             ends; unset the variable, or use --keep",
        ));
    }
    Ok(segment)
}

/// Whether the kernel deletes every System V segment that no process has attached.
fn is_removal_forced() -> bool {
    fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").is_ok_and(|text| text.trim() == "1")
}

/// `shmutil keep`
pub(crate) fn keep(arguments: &Keep) -> Result<Outcome> {
    let name = &arguments.name.0;
    namespace::selected()
        .keep(name, !arguments.off)
        .map_err(|error| Failure::library(&error, Some(name)))?;
    Ok(Outcome::Fine)
}

/// `shmutil remove`
pub(crate) fn remove(arguments: &Remove) -> Result<Outcome> {
    let mut removed = Vec::new();
    let mut failures = Vec::new();
    let namespace = namespace::selected();
    if !arguments.ids.is_empty() {
        namespace::require_identifiers()?;
    }
    for Name(name) in &arguments.names {
        match namespace.remove(name) {
            Ok(()) => removed.push(names::quote(name)),
            Err(error) => failures.push(Failure::library(&error, Some(name))),
        }
    }
    for &id in &arguments.ids {
        match namespace.remove_by_id(id) {
            Ok(()) => removed.push(format!("id {id}")),
            Err(error) => failures.push(which::failure_of_id(id, &error)),
        }
    }
    // If any failure is more than a name that does not exist, its exit status counts.
    failures.sort_by_key(|failure| !failure.is_no_such_name());
    let Some(last) = failures.pop() else {
        return Ok(Outcome::Fine);
    };
    let count = arguments.names.len() + arguments.ids.len();
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
    let mut outcome = Outcome::Fine;
    let mut skipped = Vec::new();
    let mut registries = Vec::new();
    if arguments.all {
        // Looked for before this process attaches any registry.
        registries = prune_registries(arguments);
        let (spaces, unreadable) = namespace::all()?;
        for space in &spaces {
            let shown = format!(" in {}", namespace::quote(space.identity()));
            // A dry run has not deleted those of registries that were left behind.
            let is_counted = |info: &Info| {
                let mut hidden = registries.iter().flat_map(|one| &one.hidden);
                hidden.any(|one| one.id == info.id)
            };
            let pruned = prune_one(
                arguments,
                &shown,
                &Prunable {
                    list: &|| found::list_space(space),
                    prune: &|age| space.prune(age),
                    hidden: &|| {
                        let mut hidden = space.hidden()?;
                        hidden.retain(|one| !is_counted(&one.info));
                        Ok(hidden)
                    },
                    may_prune: &|info| space.may_prune(info),
                },
            );
            match pruned {
                Ok(mut left) => skipped.append(&mut left),
                Err(failure) => {
                    failure.print();
                    outcome = Outcome::Attention;
                }
            }
        }
        namespace::report(&unreadable);
    } else if !namespace::is_private() {
        let namespace = namespace::selected();
        skipped = prune_one(
            arguments,
            "",
            &Prunable {
                list: &|| found::list(&namespace),
                prune: &|age| namespace.prune(age),
                hidden: &|| admin::hidden(&namespace),
                may_prune: &|info| admin::may_be_deleted(&namespace, info),
            },
        )?;
    }
    // The registries whose last names were deleted above.
    let sweeps = if arguments.all {
        !arguments.dry_run
    } else {
        namespace::identity().is_none_or(|found| namespace::has_registry(&found))
    };
    if sweeps {
        registries.append(&mut prune_registries(arguments));
    }
    print_registries(&registries, arguments.dry_run)?;
    report_skipped(skipped);
    Ok(outcome)
}

/// Prints which orphans this user may not delete, and why, on standard error.
fn report_skipped(skipped: Vec<Info>) {
    // The only files among them are those of the selected directory.
    let is_file = |info: &Info| info.kind == Kind::Directory;
    let directory = skipped.iter().any(is_file).then(namespace::selected);
    let state = directory.and_then(|selected| admin::directory(&selected).ok()?);
    let obstacle = state.as_ref().and_then(Obstacle::of);
    let is_blocked = |info: &Info| obstacle.is_some() && is_file(info);
    let (blocked, others): (Vec<_>, Vec<_>) = skipped.into_iter().partition(is_blocked);
    let orphans = |count| units::plural(count, "orphan");
    if let (Some(info), Some(obstacle)) = (blocked.first(), obstacle) {
        say(&format!(
            "skipped {} old {}, such as {}: {}",
            blocked.len(),
            orphans(blocked.len()),
            names::quote(&info.name),
            obstacle.text()
        ));
    }
    if let Some(info) = others.first() {
        say(&format!(
            "skipped {} old {} of other users, such as {} of user {}; run this as their owner or \
             as root",
            others.len(),
            orphans(others.len()),
            names::quote(&info.name),
            info.uid
        ));
    }
}

/// A namespace whose orphans are deleted.
struct Prunable<'a> {
    list: &'a dyn Fn() -> shm_util::Result<Vec<Found>>,
    prune: &'a dyn Fn(Duration) -> shm_util::Result<Vec<Info>>,
    hidden: &'a dyn Fn() -> shm_util::Result<Vec<Hidden>>,
    may_prune: &'a dyn Fn(&Info) -> bool,
}

/// Deletes the orphans of one namespace, and prints a line for each, which ends with `shown`.
/// Returns the orphans that this user may not delete.
fn prune_one(arguments: &Prune, shown: &str, namespace: &Prunable<'_>) -> Result<Vec<Info>> {
    let library = |error| Failure::library(&error, None);
    let is_old = |found: &Found| {
        let idle = found.idle_since().map(|since| found.since(since));
        idle.is_some_and(|time| time >= arguments.older_than)
    };
    let old_orphans = || -> Result<Vec<Info>> {
        let listed = (namespace.list)().map_err(library)?.into_iter();
        Ok(listed.filter(is_old).map(|found| found.info).collect())
    };
    let (removed, left) = if arguments.dry_run {
        let (mut ours, others): (Vec<_>, _) = old_orphans()?
            .into_iter()
            .partition(|info| (namespace.may_prune)(info));
        let hidden = (namespace.hidden)().map_err(library)?;
        let abandoned = hidden.into_iter().filter(|one| one.is_abandoned);
        ours.extend(
            abandoned
                .map(|one| one.info)
                .filter(|info| (namespace.may_prune)(info)),
        );
        ours.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        (ours, others)
    } else {
        let removed = (namespace.prune)(arguments.older_than).map_err(library)?;
        let mut left: Vec<Info> = old_orphans()?;
        left.retain(|info| !(namespace.may_prune)(info));
        (removed, left)
    };
    print_deleted(&removed, shown, arguments.dry_run)?;
    Ok(left)
}

/// Prints a line for each segment, which ends with `shown`.
fn print_deleted<'a>(
    infos: impl IntoIterator<Item = &'a Info>,
    shown: &str,
    dry_run: bool,
) -> Result<()> {
    let verb = if dry_run { "would delete" } else { "deleted" };
    output::print(|out| {
        for info in infos {
            write!(out, "{verb} {} (", names::show(&info.name))?;
            if info.kind == Kind::SysV {
                write!(out, "id {}, ", info.id)?;
            }
            writeln!(
                out,
                "{}{}){shown}",
                units::size(u64::try_from(info.size).unwrap_or(u64::MAX)),
                if info.hidden {
                    ", hidden, its creator has died"
                } else {
                    ""
                }
            )?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Removes the empty registries that programs left behind, in any namespace of this user or,
/// with --all, of all users. Returns what those are.
fn prune_registries(arguments: &Prune) -> Vec<LeftBehind> {
    let whose = if arguments.all {
        Whose::Everybodys
    } else {
        Whose::Ours
    };
    if arguments.dry_run {
        admin::left_behind(whose)
    } else {
        admin::sweep(whose)
    }
}

fn print_registries(registries: &[LeftBehind], dry_run: bool) -> Result<()> {
    let count = registries.len();
    if count == 0 {
        return Ok(());
    }
    let hidden = registries.iter().flat_map(|one| &one.hidden);
    print_deleted(hidden, " in a registry that programs left behind", dry_run)?;
    let verb = if dry_run { "would remove" } else { "removed" };
    let noun = if count == 1 { "registry" } else { "registries" };
    output::print(|out| writeln!(out, "{verb} {count} empty {noun} that programs left behind"))?;
    Ok(())
}

//! Permissions, and segments that no process uses any more.

#![forbid(unsafe_code)]

use shm_util::Info;
use shm_util::admin::{self, Hidden, Identity, Space};

use crate::failure::{command, command_in};
use crate::found::Found;
use crate::namespace::Obstacle;
use crate::{names, namespace, units};

use super::Finding;

/// The access that this user has to segments. `obstacle` is that of their directory.
pub(super) fn check_permissions(segments: &[Found], obstacle: Option<Obstacle>) -> Finding {
    let subject = "permissions";
    if let (Some(Obstacle::ReadOnly), false) = (obstacle, segments.is_empty()) {
        return Finding::attention(
            subject,
            format!(
                "no process can write to a segment: {}",
                Obstacle::ReadOnly.text()
            ),
            Obstacle::ReadOnly.remedy(),
        );
    }
    let user = rustix::process::geteuid().as_raw();
    let groups: Vec<u32> = rustix::process::getgroups()
        .unwrap_or_default()
        .into_iter()
        .chain([rustix::process::getegid()])
        .map(rustix::process::Gid::as_raw)
        .collect();
    let access = |info: &Info| {
        if user == 0 {
            0o6
        } else if user == info.uid || user == info.creator_uid {
            (info.mode >> 6) & 0o7
        } else if groups.contains(&info.gid) || groups.contains(&info.creator_gid) {
            (info.mode >> 3) & 0o7
        } else {
            info.mode & 0o7
        }
    };
    let segments: Vec<&Info> = segments.iter().map(|found| &found.info).collect();
    let is_open = |info: &&&Info| info.mode & 0o002 != 0;
    let is_closed = |info: &&&Info| access(info) & 0o6 != 0o6;
    if let Some(info) = segments.iter().find(is_open) {
        let count = segments.iter().filter(is_open).count();
        return Finding::attention(
            subject,
            format!(
                "every user of this system can write to {} of {} {}, such as {}",
                count,
                segments.len(),
                units::plural(segments.len(), "segment"),
                names::quote(&info.name)
            ),
            "change the programs that create them to use a stricter mode, such as 0660",
        );
    }
    if let Some(info) = segments.iter().find(is_closed) {
        let count = segments.iter().filter(is_closed).count();
        return Finding::attention(
            subject,
            format!(
                "you cannot read and write {} of {} {}, such as {} of user {}",
                count,
                segments.len(),
                units::plural(segments.len(), "segment"),
                names::quote(&info.name),
                info.uid
            ),
            "work as their owner or in their group, or have the owner change their mode",
        );
    }
    let text = match segments.len() {
        0 => "there are no segments".to_owned(),
        1 => "you can read and write the only segment; it is not world-writable".to_owned(),
        count => format!("you can read and write all {count} segments; none is world-writable"),
    };
    Finding::ok(subject, text)
}

/// The hidden segments, if there are any.
pub(super) fn check_hidden(hidden: &[Hidden]) -> impl Iterator<Item = Finding> {
    let subject = "hidden";
    let (abandoned, filled): (Vec<_>, Vec<_>) = hidden.iter().partition(|one| one.is_abandoned);
    let count = |found: &[&Hidden]| {
        let bytes = total(found.iter().map(|one| &one.info));
        let noun = units::plural(found.len(), "hidden segment");
        format!("{} {noun}, {}", found.len(), units::size(bytes))
    };
    let abandoned = (!abandoned.is_empty()).then(|| {
        Finding::attention(
            subject,
            format!(
                "{}, whose {} died; deleted by the next create or prune",
                count(&abandoned),
                if abandoned.len() == 1 {
                    "creator has"
                } else {
                    "creators have"
                }
            ),
            format!("run '{}'", command("prune --older-than AGE")),
        )
    });
    let filled = (!filled.is_empty()).then(|| {
        let verb = if filled.len() == 1 { "is" } else { "are" };
        Finding::ok(subject, format!("{}, {verb} being filled", count(&filled)))
    });
    abandoned.into_iter().chain(filled)
}

/// How many bytes segments have together.
fn total<'a>(segments: impl Iterator<Item = &'a Info>) -> u64 {
    segments
        .map(|info| u64::try_from(info.size).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add)
}

/// The orphans of the selected namespace.
pub(super) fn check_orphans(segments: &[Found], obstacle: Option<Obstacle>) -> Finding {
    let may_prune = |info: &Info| admin::may_be_deleted(&namespace::selected(), info);
    orphans(segments, obstacle, &may_prune, || {
        format!(
            "delete those that are not needed with '{}', and keep the others with '{}'",
            command("prune --older-than AGE"),
            command("keep NAME")
        )
    })
}

/// The orphans of another namespace.
pub(super) fn check_orphans_elsewhere(space: &Space, segments: &[Found]) -> Finding {
    orphans(segments, None, &|info| space.may_prune(info), || {
        let prune = match space.identity() {
            Identity::Path(path) if space.is_usable() => command_in(path, "prune --older-than AGE"),
            Identity::User(_) if space.is_usable() => command_in(b"", "prune --older-than AGE"),
            _ => command("prune --all --older-than AGE"),
        };
        format!("delete those that are not needed with '{prune}'")
    })
}

/// The finding about orphans. `advice` is for those that this user may delete.
fn orphans(
    segments: &[Found],
    obstacle: Option<Obstacle>,
    may_prune: &dyn Fn(&Info) -> bool,
    advice: impl FnOnce() -> String,
) -> Finding {
    let subject = "orphans";
    let orphans: Vec<_> = segments
        .iter()
        .filter_map(|found| found.idle_since().map(|since| (found.since(since), found)))
        .collect();
    let Some(&(idle, oldest)) = orphans.iter().max_by_key(|(idle, _)| *idle) else {
        return Finding::ok(subject, "none".to_owned());
    };
    let bytes = total(orphans.iter().map(|(_, found)| &found.info));
    let (ours, others): (Vec<&Info>, Vec<&Info>) = orphans
        .iter()
        .map(|(_, found)| &found.info)
        .partition(|info| may_prune(info));
    let mut remedies = Vec::new();
    if !ours.is_empty() {
        remedies.push(advice());
    }
    match obstacle {
        Some(obstacle) if !others.is_empty() => {
            remedies.push(format!("{}; then delete them", obstacle.remedy()));
        }
        _ => remedies.extend(ask_owners(&others)),
    }
    Finding::attention(
        subject,
        format!(
            "{} {}, {}; oldest: {} ({}){}",
            orphans.len(),
            units::plural(orphans.len(), "orphan"),
            units::size(bytes),
            names::quote(&oldest.info.name),
            units::age(idle),
            obstacle.map_or_else(String::new, |obstacle| format!("; {}", obstacle.text()))
        ),
        remedies.join("; "),
    )
}

/// Advice on orphans that this user may not delete; `None` if there are none.
fn ask_owners(orphans: &[&Info]) -> Option<String> {
    let first = orphans.first()?;
    Some(if orphans.len() == 1 {
        format!(
            "1 belongs to another user, {}: ask that user, or root",
            first.uid
        )
    } else {
        format!(
            "{} belong to other users, such as {}: ask them, or root",
            orphans.len(),
            first.uid
        )
    })
}

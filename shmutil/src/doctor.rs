//! `doctor`: what is, or soon will be, in the way of shared memory here, and
//! what to do about it.

#![forbid(unsafe_code)]

mod logind;
mod lost;

use std::fs;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use rustix::process::{Resource, getrlimit};
use shm_util::{Info, RegistryInfo};

use crate::change::idle_since;
use crate::failure::{Outcome, Result};
use crate::sysvipc::{self, Row};
use crate::{names, output, units};

const FINE: Style = AnsiColor::Green.on_default();
const ATTENTION: Style = AnsiColor::Yellow.on_default().bold();

/// From how much of a limit on it needs attention, in percent.
const NEAR: u64 = 80;

/// What one look has found.
#[derive(Debug)]
struct Finding {
    subject: &'static str,
    text: String,
    /// What to do, if anything is.
    remedy: Option<String>,
}

impl Finding {
    fn fine(subject: &'static str, text: String) -> Self {
        Self {
            subject,
            text,
            remedy: None,
        }
    }

    fn attention(subject: &'static str, text: String, remedy: impl Into<String>) -> Self {
        Self {
            subject,
            text,
            remedy: Some(remedy.into()),
        }
    }
}

/// `shmutil doctor`
pub(crate) fn doctor() -> Result<Outcome> {
    let user = rustix::process::geteuid().as_raw();
    let registry = shm_util::registry();
    let segments = shm_util::list();
    let mut findings = limits();
    findings.push(check_registry(&registry));
    match &segments {
        Ok(segments) => {
            findings.extend(lost::check(segments));
            findings.push(check_permissions(segments));
            findings.push(check_orphans(segments));
        }
        // Where it is the registry's, that has been said.
        Err(error) if registry.is_ok() => findings.push(Finding::attention(
            "names",
            error.to_string(),
            "see the error's cause in shm_util_ext(3)",
        )),
        Err(_) => {}
    }
    findings.push(check_forced_removal());
    findings.push(logind::check(Path::new("/"), user));
    findings.push(check_locked_memory(registry.ok().flatten().as_ref()));
    report(&findings)
}

fn report(findings: &[Finding]) -> Result<Outcome> {
    output::print(|out| {
        for finding in findings {
            let Finding { subject, text, .. } = finding;
            match &finding.remedy {
                None => writeln!(out, "{FINE}fine{FINE:#}       {subject}: {text}")?,
                Some(remedy) => {
                    writeln!(out, "{ATTENTION}attention{ATTENTION:#}  {subject}: {text}")?;
                    writeln!(out, "           -> {remedy}")?;
                }
            }
        }
        Ok(())
    })?;
    let is_fine = findings.iter().all(|finding| finding.remedy.is_none());
    Ok(if is_fine {
        Outcome::Fine
    } else {
        Outcome::Attention
    })
}

/// A number that the kernel shows. The limits may be up to 2^64 - 1.
fn kernel_number(name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?;
    text.trim().parse().ok()
}

/// All segments of this IPC name space: how many, their pages, the largest.
#[derive(Debug, Default, PartialEq, Eq)]
struct Usage {
    segments: u64,
    pages: u64,
    largest: u64,
}

impl Usage {
    /// From the text of the kernel's table.
    fn parse(table: &str, page: u64) -> Self {
        sysvipc::rows(table).fold(Self::default(), |usage, Row { size, .. }| Self {
            segments: usage.segments + 1,
            pages: usage.pages.saturating_add(size.div_ceil(page)),
            largest: usage.largest.max(size),
        })
    }
}

fn limits() -> Vec<Finding> {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let table = sysvipc::read();
    let numbers = ["shmmni", "shmall", "shmmax"].map(kernel_number);
    let (Ok(table), [Some(most), Some(all), Some(largest)]) = (table, numbers) else {
        return vec![Finding::attention(
            "limits",
            "/proc does not tell them".to_owned(),
            "mount proc at /proc",
        )];
    };
    let usage = Usage::parse(&table, page);
    let size_of = |pages: u64| units::size(pages.saturating_mul(page));
    vec![
        share(
            "shmmni",
            format!(
                "{} of {most} {}",
                usage.segments,
                units::plural(usize::try_from(most).unwrap_or(usize::MAX), "segment")
            ),
            (usage.segments, most),
            most.saturating_mul(2),
        ),
        share(
            "shmall",
            match size_of_limit(all.saturating_mul(page)) {
                Some(limit) => format!("{} of {limit}", size_of(usage.pages)),
                None => format!("{}, and there is no limit", size_of(usage.pages)),
            },
            (usage.pages, all),
            all.saturating_mul(2),
        ),
        share(
            "shmmax",
            format!(
                "the largest segment has {}, and may have {}",
                units::size(usage.largest),
                size_of_limit(largest).unwrap_or_else(|| "any size".to_owned())
            ),
            (usage.largest, largest),
            largest.saturating_mul(2),
        ),
    ]
}

/// `None` if it is none.
fn size_of_limit(bytes: u64) -> Option<String> {
    // The kernel's own value for none is a little less than all 64 bits say.
    (bytes < 1 << 62).then(|| units::size(bytes))
}

/// How near a limit is.
fn share(subject: &'static str, text: String, (used, limit): (u64, u64), better: u64) -> Finding {
    let percent = u128::from(used) * 100 / u128::from(limit.max(1));
    if percent >= NEAR.into() {
        Finding::attention(
            subject,
            format!("{text}, that is {percent}%"),
            format!("as root: sysctl -w kernel.{subject}={better}"),
        )
    } else {
        Finding::fine(subject, text)
    }
}

fn check_registry(registry: &shm_util::Result<Option<RegistryInfo>>) -> Finding {
    let subject = "registry";
    match registry {
        Ok(None) => Finding::fine(subject, "there is none, so there are no names".to_owned()),
        Ok(Some(info)) => {
            let text = format!(
                "{} of {} names (id {}, mode {:04o}, {} {})",
                info.names,
                info.capacity,
                info.id,
                info.mode,
                info.mappings,
                units::plural(
                    usize::try_from(info.mappings).unwrap_or(usize::MAX),
                    "mapping"
                )
            );
            let near = u64::try_from(info.capacity).unwrap_or(u64::MAX) / 100 * NEAR;
            if u64::try_from(info.names).unwrap_or(u64::MAX) >= near.max(1) {
                Finding::attention(
                    subject,
                    text,
                    "remove what is not needed; a new registry, after the last name is gone, \
                     has room for twice kernel.shmmni",
                )
            } else {
                Finding::fine(subject, text)
            }
        }
        Err(error) => Finding::attention(
            subject,
            error.to_string(),
            match error.errno() {
                libc::EUCLEAN => "do as it says; its segments stay, 'ipcs -m' shows them",
                libc::EACCES => {
                    "use it as its owner, or in the group that shares it, or choose another with --namespace"
                }
                libc::ETIMEDOUT => "do as it says",
                _ => "see the error's cause in shm_util_ext(3)",
            },
        ),
    }
}

fn check_permissions(segments: &[Info]) -> Finding {
    let subject = "permissions";
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
    let is_open = |info: &&Info| info.mode & 0o002 != 0;
    let is_closed = |info: &&Info| access(info) & 0o6 != 0o6;
    if let Some(info) = segments.iter().find(is_open) {
        let count = segments.iter().filter(is_open).count();
        return Finding::attention(
            subject,
            format!(
                "every user of the system may write to {} of {} {}, such as {}",
                count,
                segments.len(),
                units::plural(segments.len(), "segment"),
                names::show_in_shell(&info.name)
            ),
            "let the programs that make them ask for less, such as mode 0660",
        );
    }
    if let Some(info) = segments.iter().find(is_closed) {
        let count = segments.iter().filter(is_closed).count();
        return Finding::attention(
            subject,
            format!(
                "you may not read and write {} of {} {}, such as {}, which is user {}'s",
                count,
                segments.len(),
                units::plural(segments.len(), "segment"),
                names::show_in_shell(&info.name),
                info.uid
            ),
            "work as their owner or in their group, or let the owner change their mode",
        );
    }
    let text = match segments.len() {
        0 => "there are no segments".to_owned(),
        1 => "you may read and write the segment, and not everybody may".to_owned(),
        count => format!("you may read and write all {count} segments, and not everybody may"),
    };
    Finding::fine(subject, text)
}

fn check_orphans(segments: &[Info]) -> Finding {
    let subject = "orphans";
    let orphans: Vec<_> = segments
        .iter()
        .filter_map(|info| idle_since(info).map(|since| (since, info)))
        .collect();
    let Some(&(since, oldest)) = orphans.iter().min_by_key(|(since, _)| *since) else {
        return Finding::fine(subject, "none".to_owned());
    };
    let bytes: u64 = orphans
        .iter()
        .map(|(_, info)| u64::try_from(info.size).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add);
    Finding::attention(
        subject,
        format!(
            "{} with {}; {} has been one longest, for {}",
            orphans.len(),
            units::size(bytes),
            names::show_in_shell(&oldest.name),
            units::age(units::since(since))
        ),
        "remove those that nobody needs with 'shmutil prune --older-than AGE', and keep the others \
         with 'shmutil keep NAME'",
    )
}

fn check_forced_removal() -> Finding {
    let subject = "shm_rmid_forced";
    match kernel_number("shm_rmid_forced") {
        Some(0) => Finding::fine(
            subject,
            "segments stay when their last user ends".to_owned(),
        ),
        Some(_) => Finding::attention(
            subject,
            "the system deletes every segment as soon as nobody has it mapped: what a crashed \
             program leaves, and what is kept, is lost"
                .to_owned(),
            "as root: sysctl -w kernel.shm_rmid_forced=0",
        ),
        None => Finding::fine(subject, "this system has no such setting".to_owned()),
    }
}

fn check_locked_memory(registry: Option<&RegistryInfo>) -> Finding {
    let subject = "locked memory";
    let size = registry.map_or(0, |info| u64::try_from(info.size).unwrap_or(u64::MAX));
    match getrlimit(Resource::Memlock).current {
        None => Finding::fine(subject, "no limit".to_owned()),
        // That matters to few programs, so it needs nobody's attention.
        Some(limit) if limit < size => Finding::fine(
            subject,
            format!(
                "{}, less than the registry's {}: programs that call mlockall(MCL_FUTURE) without \
                 CAP_IPC_LOCK need a higher 'ulimit -l'",
                units::size(limit),
                units::size(size)
            ),
        ),
        Some(limit) => Finding::fine(subject, units::size(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_counts_segments_and_whole_pages() {
        let table = "       key      shmid perms                  size  cpid\n\
                     -1073741824          0   660                  4097   12\n\
                              0          1   600                   100   12\n";
        assert_eq!(
            Usage::parse(table, 4096),
            Usage {
                segments: 2,
                pages: 3,
                largest: 4097
            }
        );
    }

    #[test]
    fn four_fifths_of_a_limit_need_attention() {
        assert!(
            share("shmmni", String::new(), (79, 100), 200)
                .remedy
                .is_none()
        );
        let near = share("shmmni", String::new(), (80, 100), 200);
        assert_eq!(
            near.remedy.as_deref(),
            Some("as root: sysctl -w kernel.shmmni=200")
        );
        assert!(
            share("shmall", String::new(), (u64::MAX, 1), 2)
                .remedy
                .is_some()
        );
    }
}

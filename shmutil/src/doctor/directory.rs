//! The directory of a namespace: who may use it, where its files are stored, and which of them are
//! not segments.

#![forbid(unsafe_code)]

use std::env;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::statvfs;
use shm_util::Namespace;
use shm_util::admin::{self, DirectoryState, FileSystem, Stranger};

use super::{Finding, environment, logind, segments};
use crate::failure::command;
use crate::namespace::Obstacle;
use crate::{found, names, namespace, units};

/// A file system needs attention if at most this much of it is free, in percent.
const SCARCE: u64 = 5;

/// Where systemd-logind also removes files.
const SHARED_MEMORY: &str = "/dev/shm";

/// Checks the selected namespace, which is a directory.
pub(super) fn check(selected: &Namespace) -> Vec<Finding> {
    let state = match admin::directory(selected) {
        Ok(Some(state)) => state,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![unusable(&error), environment::check()],
    };
    let subject = format!(
        "directory {}, selected by --namespace or NOB_DATABASE",
        names::quote(state.path.as_os_str().as_bytes())
    );
    let mut findings = vec![Finding::ok("namespace", subject), environment::check()];
    findings.extend(transient());
    let obstacle = Obstacle::of(&state);
    findings.push(check_access(&state, obstacle));
    findings.push(check_file_system(state.file_system));
    findings.push(check_room(&state.path));
    findings.extend(check_left_behind(state.left_behind));
    findings.extend(check_strangers(&state.strangers));
    // Every call refuses the directory.
    if !matches!(state.file_system, FileSystem::Network(_)) {
        findings.extend(check_segments(selected, obstacle));
    }
    if is_shared_memory(&state.path) {
        let user = rustix::process::geteuid().as_raw();
        findings.push(logind::check(Path::new("/"), user));
    }
    findings
}

fn unusable(error: &shm_util::Error) -> Finding {
    let remedy = match error.errno() {
        libc::ENOENT => "make it, with the group and the mode of those who may use it",
        libc::ENOTDIR => {
            "name a directory; or omit the / at the end, which selects System V segments"
        }
        libc::EACCES => "ask its owner for access, or choose another directory",
        _ => "choose another directory",
    };
    Finding::attention("namespace", error.to_string(), remedy)
}

/// `SHM_UTIL_TRANSIENT` makes programs fail here.
fn transient() -> Option<Finding> {
    let is_set = |name| env::var_os(name).is_some_and(|value| admin::is_nonzero(value.as_bytes()));
    (is_set("SHM_UTIL_TRANSIENT") && !is_set("SHM_UTIL_KEEP")).then(|| {
        Finding::attention(
            "transient",
            "files cannot be transient, so programs cannot create segments (ENOTSUP)",
            "unset SHM_UTIL_TRANSIENT for programs that use this directory",
        )
    })
}

fn check_access(state: &DirectoryState, obstacle: Option<Obstacle>) -> Finding {
    let subject = "access";
    let DirectoryState { mode, .. } = *state;
    let who = format!(
        "of user {}, group {}, mode {mode:04o}",
        namespace::user_name(state.owner),
        state.group
    );
    let (is_open, is_sticky) = (mode & 0o002 != 0, mode & 0o1000 != 0);
    if is_open && !is_sticky {
        return Finding::attention(
            subject,
            format!("{who}: every user of this system can delete and replace every segment"),
            format!(
                "run 'chmod +t {path}', so that only owners delete segments, or 'chmod o-w {path}'",
                path = names::show_in_shell(state.path.as_os_str().as_bytes())
            ),
        );
    }
    let may = match (obstacle, is_sticky) {
        (None, true) => "you can create segments, and only their owners can delete them",
        (None, false) => "you can create and delete segments",
        (Some(Obstacle::ReadOnly), _) => {
            "you cannot create or delete segments, because it is mounted read-only"
        }
        (Some(Obstacle::NotWritable), _) => "you cannot create or delete segments",
    };
    Finding::ok(subject, format!("{who}: {may}"))
}

fn check_file_system(file_system: FileSystem) -> Finding {
    let subject = "file system";
    match file_system {
        FileSystem::Disk => Finding::ok(subject, "a disk: segments outlive a reboot"),
        FileSystem::Memory => Finding::ok(
            subject,
            "memory (tmpfs or ramfs): segments do not outlive a reboot",
        ),
        FileSystem::Layer => Finding::ok(
            subject,
            "a layer over another file system, such as overlayfs: each attachment keeps a file \
             descriptor open; in a container, segments usually end with it",
        ),
        FileSystem::HugePages(page) => Finding::ok(
            subject,
            format!(
                "huge pages (hugetlbfs): sizes must be multiples of {}; segments do not outlive a \
                 reboot",
                units::size(u64::try_from(page).unwrap_or(u64::MAX))
            ),
        ),
        FileSystem::Network(name) => Finding::attention(
            subject,
            format!(
                "{name}, whose locks and mappings are not coherent between machines: every call \
                 fails (ENOTSUP)"
            ),
            "choose a directory on a disk of this machine, or on a tmpfs",
        ),
        FileSystem::Fuse => Finding::attention(
            subject,
            "FUSE: whether locks and mappings are coherent depends on the program that serves the \
             files",
            "choose a directory on a disk of this machine or on a tmpfs, unless you know that this \
             program supports both",
        ),
    }
}

fn check_room(path: &Path) -> Finding {
    let subject = "free room";
    let found = match statvfs(path) {
        Ok(found) => found,
        Err(errno) => return Finding::ok(subject, format!("unknown: {errno}")),
    };
    // hugetlbfs without a limit, and some FUSE programs, report no size.
    if found.f_blocks == 0 {
        return Finding::ok(subject, "this file system does not report it");
    }
    let bytes = |blocks: u64| units::size(blocks.saturating_mul(found.f_frsize));
    let text = format!("{} of {}", bytes(found.f_bavail), bytes(found.f_blocks));
    let remedy = "free some room in the file system, or choose another directory";
    if is_scarce(found.f_bavail, found.f_blocks) {
        return Finding::attention(subject, text, remedy);
    }
    if found.f_files > 0 && found.f_favail == 0 {
        return Finding::attention(subject, format!("{text}, but for no more files"), remedy);
    }
    Finding::ok(subject, text)
}

fn is_scarce(free: u64, total: u64) -> bool {
    u128::from(free) * 100 < u128::from(total) * u128::from(SCARCE)
}

fn check_left_behind(count: usize) -> Option<Finding> {
    (count > 0).then(|| {
        Finding::attention(
            "left behind",
            format!(
                "{count} temporary {} (.shm_util_new.*) of programs that died",
                units::plural(count, "file")
            ),
            format!("remove them with '{}'", command("prune --older-than AGE")),
        )
    })
}

fn check_strangers(strangers: &[Stranger]) -> Option<Finding> {
    // Some kinds of file systems always have this directory.
    let mut strangers = strangers
        .iter()
        .filter(|stranger| stranger.file_name != b"lost+found");
    let first = strangers.next()?;
    let count = 1 + strangers.count();
    let are = if count == 1 { "is" } else { "are" };
    Some(Finding::attention(
        "other files",
        format!(
            "{count} {} {are} no {}, such as {}, which {}",
            units::plural(count, "file"),
            if count == 1 { "segment" } else { "segments" },
            names::quote(&first.file_name),
            first.flaw
        ),
        "move them to another directory: programs cannot create segments of their names (EINVAL)",
    ))
}

fn check_segments(selected: &Namespace, obstacle: Option<Obstacle>) -> Vec<Finding> {
    match found::list(selected) {
        Ok(list) => vec![
            segments::check_permissions(&list, obstacle),
            segments::check_orphans(&list, obstacle),
        ],
        Err(error) => vec![Finding::attention(
            "names",
            error.to_string(),
            "see ERRORS in shm_util_ext(3)",
        )],
    }
}

fn is_shared_memory(path: &Path) -> bool {
    std::fs::canonicalize(path).is_ok_and(|path| path.starts_with(SHARED_MEMORY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_are_not_coherent_need_attention() {
        for (file_system, text, needs_attention) in [
            (FileSystem::Disk, "outlive a reboot", false),
            (FileSystem::Memory, "do not outlive a reboot", false),
            (FileSystem::Layer, "keeps a file descriptor open", false),
            (FileSystem::HugePages(2 << 20), "multiples of 2 MiB", false),
            (FileSystem::Network("NFS"), "NFS, whose locks", true),
            (FileSystem::Fuse, "FUSE: whether locks", true),
        ] {
            let finding = check_file_system(file_system);
            assert!(finding.text.contains(text), "{finding:?}");
            assert_eq!(finding.remedy.is_some(), needs_attention, "{finding:?}");
        }
    }

    #[test]
    fn a_twentieth_of_a_file_system_is_scarce() {
        assert!(is_scarce(4, 100));
        assert!(!is_scarce(5, 100));
        assert!(!is_scarce(u64::MAX, u64::MAX));
    }

    #[test]
    fn the_directory_of_shared_memory_is_recognized() {
        assert!(is_shared_memory(Path::new("/dev/shm/")));
        assert!(!is_shared_memory(Path::new("/dev/")));
    }
}

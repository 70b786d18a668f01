//! Which processes have which segments attached, according to `/proc/PID/maps`.
//!
//! An attached segment appears there as a line such as
//!
//! ```text
//! 7f0a3c000000-7f0a3c001000 rw-s 00000000 00:01 32769    /SYSVc0ffee00 (deleted)
//! ```
//!
//! whose inode is the segment's identifier, and whose name contains its key. Both
//! are valid in the process's own IPC namespace only.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::thread;

use shm_util::Info;
use shm_util::admin::KeyKind;

/// A process that has a segment attached.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Holder {
    /// The process id.
    pub(crate) pid: u32,
    /// The first 15 bytes of its command's name, escaped like segment names.
    pub(crate) command: String,
    /// How many times it has the segment attached.
    pub(crate) mappings: u64,
}

/// The identifier and the key of a segment. The key of a transient segment is 0 here, because
/// the segment has lost it; /proc still shows the original one.
pub(crate) type Segment = (i32, i32);

/// How many times a process has each segment attached.
type Counts = HashMap<Segment, u64>;

/// The holders of each segment, sorted by process id, as far as this process may
/// inspect them. The map's keys are the segments' identifiers.
pub(crate) fn of<'a>(segments: impl Iterator<Item = &'a Info>) -> HashMap<i32, Vec<Holder>> {
    let wanted: Counts = segments
        .filter(|info| info.mappings > 0)
        .map(|info| ((info.id, info.key), 0))
        .collect();
    if wanted.is_empty() {
        return HashMap::new();
    }
    let processes = processes();
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let share = processes.len().div_ceil(threads).max(1);
    let wanted = &wanted;
    let mut found: Vec<(u32, Counts)> = thread::scope(|scope| {
        let workers: Vec<_> = processes
            .chunks(share)
            .map(|processes| scope.spawn(move || look_at(processes, wanted)))
            .collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().ok())
            .flatten()
            .collect()
    });
    found.sort_unstable_by_key(|&(pid, _)| pid);
    let mut holders: HashMap<i32, Vec<Holder>> = HashMap::new();
    for (pid, counts) in found {
        let command = command(pid);
        for ((id, _), mappings) in counts {
            holders.entry(id).or_default().push(Holder {
                pid,
                command: command.clone(),
                mappings,
            });
        }
    }
    holders
}

/// All processes except this one.
pub(crate) fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let this = std::process::id();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != this)
        .collect()
}

fn look_at(processes: &[u32], wanted: &Counts) -> Vec<(u32, Counts)> {
    let Some(namespace) = IpcNamespace::ours() else {
        return Vec::new();
    };
    let mut maps = Vec::new();
    processes
        .iter()
        .filter_map(|&pid| {
            if !namespace.has(pid) {
                return None;
            }
            maps.clear();
            File::open(path(pid, "maps"))
                .and_then(|mut file| file.read_to_end(&mut maps))
                .ok()?;
            let counts = count(&maps, wanted);
            (!counts.is_empty()).then_some((pid, counts))
        })
        .collect()
}

/// An IPC namespace, by the name that /proc has for it.
pub(crate) struct IpcNamespace(PathBuf);

impl IpcNamespace {
    /// The namespace of this process; `None` without /proc.
    pub(crate) fn ours() -> Option<Self> {
        fs::read_link("/proc/self/ns/ipc").ok().map(Self)
    }

    /// Whether a process is in this namespace. False if the process has ended or
    /// may not be inspected.
    pub(crate) fn has(&self, pid: u32) -> bool {
        fs::read_link(path(pid, "ns/ipc")).is_ok_and(|theirs| theirs == self.0)
    }
}

/// The segments that a process has attached.
pub(crate) fn mapped_by(pid: u32) -> Vec<Segment> {
    let maps = fs::read(path(pid, "maps")).unwrap_or_default();
    maps.split(|&byte| byte == b'\n')
        .filter_map(segment)
        .collect()
}

/// Where this process has a segment attached.
pub(crate) fn own_address(id: i32) -> Option<u64> {
    let maps = fs::read("/proc/self/maps").ok()?;
    let line = maps
        .split(|&byte| byte == b'\n')
        .find(|line| segment(line).is_some_and(|(found, _)| found == id))?;
    let start = line.split(|&byte| byte == b'-').next()?;
    u64::from_str_radix(std::str::from_utf8(start).ok()?, 16).ok()
}

/// The path of a file in /proc about a process.
pub(crate) fn path(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

/// Counts the wanted segments in the text of a maps file.
fn count(maps: &[u8], wanted: &Counts) -> Counts {
    let mut counts = Counts::new();
    for (id, key) in maps.split(|&byte| byte == b'\n').filter_map(segment) {
        let transient = (KeyKind::of(key) == KeyKind::Named).then_some((id, 0));
        let found = [Some((id, key)), transient].into_iter().flatten();
        if let Some(segment) = found.into_iter().find(|one| wanted.contains_key(one)) {
            *counts.entry(segment).or_default() += 1;
        }
    }
    counts
}

/// The segment that a line of a maps file is about, if any.
fn segment(line: &[u8]) -> Option<Segment> {
    // Most lines end differently, so this test comes first.
    let line = line.strip_suffix(b" (deleted)")?;
    let (rest, key) = line.split_last_chunk::<8>()?;
    let rest = rest.strip_suffix(b"/SYSV")?.trim_ascii_end();
    let mut fields = rest.rsplit(|&byte| byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    // Any user could create a file of this name on a disk.
    if !fields.next()?.starts_with(b"00:") {
        return None;
    }
    let key = u32::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()?;
    Some((id, i32::from_ne_bytes(key.to_ne_bytes())))
}

fn command(pid: u32) -> String {
    let name = fs::read(path(pid, "comm")).unwrap_or_default();
    crate::names::show(name.strip_suffix(b"\n").unwrap_or(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_recognized_by_identifier_and_key() {
        let line = b"7f0a3c000000-7f0a3c001000 rw-s 00000000 00:01 32769                      /SYSVc0ffee00 (deleted)";
        let key = i32::from_ne_bytes(0xc0ff_ee00_u32.to_ne_bytes());
        assert_eq!(segment(line), Some((32769, key)));
    }

    #[test]
    fn other_mappings_are_ignored() {
        for line in [
            "",
            "55d0-55d1 r-xp 00000000 fe:00 123   /usr/bin/cat",
            "55d0-55d1 rw-s 00000000 fe:00 123   /SYSVc0ffee00 (deleted)",
            "55d0-55d1 rw-s 00000000 00:01 123   /SYSVc0ffee0 (deleted)",
            "55d0-55d1 rw-s 00000000 00:01 x   /SYSVc0ffee00 (deleted)",
            "55d0-55d1 rw-s 00000000 00:01 123   /memfd:x (deleted)",
            "/SYSVc0ffee00 (deleted)",
        ] {
            assert_eq!(segment(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn every_attachment_of_a_wanted_segment_counts() {
        let line = "7f0-7f1 rw-s 00000000 00:01 7   /SYSV00000001 (deleted)\n";
        let other = "7f0-7f1 rw-s 00000000 00:01 8   /SYSV00000001 (deleted)\n";
        let counts = count(
            [line, other, line].concat().as_bytes(),
            &Counts::from([((7, 1), 0)]),
        );
        assert_eq!(counts, Counts::from([((7, 1), 2)]));
    }

    #[test]
    fn a_transient_segment_is_recognized_by_its_identifier() {
        let line = "7f0-7f1 rw-s 00000000 00:01 7   /SYSVc0000001 (deleted)\n";
        let other = "7f0-7f1 rw-s 00000000 00:01 7   /SYSV00000001 (deleted)\n";
        let counts = count(
            [line, other].concat().as_bytes(),
            &Counts::from([((7, 0), 0)]),
        );
        assert_eq!(counts, Counts::from([((7, 0), 1)]));
    }
}

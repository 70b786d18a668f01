//! Which processes have which segments attached, according to `/proc/PID/maps`.
//!
//! An attached segment appears there as a line such as
//!
//! ```text
//! 7f0a3c000000-7f0a3c001000 rw-s 00000000 00:01 32769    /SYSVc0ffee00 (deleted)
//! 7f0a3c001000-7f0a3c002000 rw-s 00000000 08:02 1311768  /var/lib/plant/sensors
//! ```
//!
//! The first is a System V segment: its inode is the segment's identifier, and its name
//! contains its key. Both are valid in the process's own IPC namespace only. The second is a
//! file. Some file systems (btrfs, overlayfs) show a device number there that differs from that of
//! stat(2): then the path must be the segment's.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use shm_util::admin::{KeyKind, SegmentFile};

use crate::found::Found;

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

/// What distinguishes a segment from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Memory {
    SystemV(Segment),
    File { device: (u32, u32), inode: u64 },
}

impl Memory {
    const fn of(found: &Found) -> Self {
        match &found.file {
            Some(file) => Self::of_file(file),
            None => Self::SystemV((found.info.id, found.info.key)),
        }
    }

    const fn of_file(file: &SegmentFile) -> Self {
        Self::File {
            device: file.device,
            inode: file.inode,
        }
    }
}

/// How many times a process has each segment attached.
type Counts = HashMap<Memory, u64>;

/// The segments whose holders are looked for.
#[derive(Default)]
struct Wanted<'a> {
    system_v: Vec<Segment>,
    /// By inode numbers.
    files: HashMap<u64, Vec<&'a SegmentFile>>,
}

impl<'a> Wanted<'a> {
    fn of(segments: impl Iterator<Item = &'a Found>) -> Self {
        let mut wanted = Self::default();
        for found in segments.filter(|found| found.info.mappings > 0) {
            match &found.file {
                Some(file) => wanted.files.entry(file.inode).or_default().push(file),
                None => wanted.system_v.push((found.info.id, found.info.key)),
            }
        }
        wanted.system_v.sort_unstable();
        wanted
    }

    fn is_empty(&self) -> bool {
        self.system_v.is_empty() && self.files.is_empty()
    }

    /// The segment that a line of a maps file is about.
    fn find(&self, line: &[u8], is_same_ipc: bool) -> Option<Memory> {
        if is_same_ipc && !self.system_v.is_empty() {
            if let Some((id, key)) = segment(line) {
                let transient = (KeyKind::of(key) == KeyKind::Named).then_some((id, 0));
                let found = [Some((id, key)), transient].into_iter().flatten();
                let mut found = found.filter(|one| self.system_v.binary_search(one).is_ok());
                return found.next().map(Memory::SystemV);
            }
        }
        if self.files.is_empty() {
            return None;
        }
        let mapped = MappedFile::parse(line)?;
        let files = self.files.get(&mapped.inode)?;
        let is_mapped =
            |file: &&&SegmentFile| file.device == mapped.device || mapped.is_at(&file.path);
        files
            .iter()
            .find(is_mapped)
            .map(|file| Memory::of_file(file))
    }
}

/// A file that a line of a maps file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MappedFile<'a> {
    device: (u32, u32),
    inode: u64,
    path: &'a [u8],
}

impl<'a> MappedFile<'a> {
    /// `None` if the line is not about a shared mapping of the start of a file.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut rest = line;
        let mut next = || {
            let length = rest.iter().position(|&byte| byte == b' ')?;
            let (field, behind) = rest.split_at(length);
            rest = behind.trim_ascii_start();
            std::str::from_utf8(field).ok()
        };
        next()?;
        if !next()?.ends_with('s') || next()?.bytes().any(|digit| digit != b'0') {
            return None;
        }
        let (major, minor) = next()?.split_once(':')?;
        let number = |text| u32::from_str_radix(text, 16).ok();
        let device = (number(major)?, number(minor)?);
        let inode = next()?.parse().ok()?;
        Some(Self {
            device,
            inode,
            path: rest,
        })
    }

    /// Whether its path is the one of a segment's file.
    fn is_at(&self, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        // The kernel shows the path without symbolic links, and a line feed as an escape of digits.
        let Ok(directory) = fs::canonicalize(directory) else {
            return false;
        };
        let shown = directory.join(name).into_os_string();
        let shown = shown.as_bytes().split(|&byte| byte == b'\n');
        self.path == shown.collect::<Vec<_>>().join(&b"\\012"[..])
    }
}

/// The holders of segments, as far as this process may inspect them.
#[derive(Default)]
pub(crate) struct Holders(HashMap<Memory, Vec<Holder>>);

impl Holders {
    /// The holders of these segments.
    pub(crate) fn of<'a>(segments: impl Iterator<Item = &'a Found>) -> Self {
        let wanted = Wanted::of(segments);
        if wanted.is_empty() {
            return Self::default();
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
        let mut holders: HashMap<Memory, Vec<Holder>> = HashMap::new();
        for (pid, counts) in found {
            let command = command(pid);
            for (memory, mappings) in counts {
                holders.entry(memory).or_default().push(Holder {
                    pid,
                    command: command.clone(),
                    mappings,
                });
            }
        }
        Self(holders)
    }

    /// The holders of one of them, sorted by process id.
    pub(crate) fn get(&self, found: &Found) -> &[Holder] {
        self.0.get(&Memory::of(found)).map_or(&[], Vec::as_slice)
    }
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

fn look_at(processes: &[u32], wanted: &Wanted<'_>) -> Vec<(u32, Counts)> {
    let namespace = IpcNamespace::ours();
    let mut maps = Vec::new();
    processes
        .iter()
        .filter_map(|&pid| {
            let is_same_ipc = namespace.as_ref().is_some_and(|ours| ours.has(pid));
            if !is_same_ipc && wanted.files.is_empty() {
                return None;
            }
            maps.clear();
            File::open(path(pid, "maps"))
                .and_then(|mut file| file.read_to_end(&mut maps))
                .ok()?;
            let counts = count(&maps, wanted, is_same_ipc);
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

/// The path of a file in /proc about a process.
pub(crate) fn path(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

/// Counts the wanted segments in the text of a maps file.
fn count(maps: &[u8], wanted: &Wanted<'_>, is_same_ipc: bool) -> Counts {
    let mut counts = Counts::new();
    for line in maps.split(|&byte| byte == b'\n') {
        if let Some(memory) = wanted.find(line, is_same_ipc) {
            *counts.entry(memory).or_default() += 1;
        }
    }
    counts
}

/// The System V segment that a line of a maps file is about, if any.
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

    fn wanted(segment: Segment) -> Wanted<'static> {
        Wanted {
            system_v: vec![segment],
            ..Wanted::default()
        }
    }

    #[test]
    fn every_attachment_of_a_wanted_segment_counts() {
        let line = "7f0-7f1 rw-s 00000000 00:01 7   /SYSV00000001 (deleted)\n";
        let other = "7f0-7f1 rw-s 00000000 00:01 8   /SYSV00000001 (deleted)\n";
        let text = [line, other, line].concat();
        let counts = |is_same_ipc| count(text.as_bytes(), &wanted((7, 1)), is_same_ipc);
        assert_eq!(counts(true), Counts::from([(Memory::SystemV((7, 1)), 2)]));
        assert_eq!(counts(false), Counts::new());
    }

    #[test]
    fn a_transient_segment_is_recognized_by_its_identifier() {
        let line = "7f0-7f1 rw-s 00000000 00:01 7   /SYSVc0000001 (deleted)\n";
        let other = "7f0-7f1 rw-s 00000000 00:01 7   /SYSV00000001 (deleted)\n";
        let text = [line, other].concat();
        let counts = count(text.as_bytes(), &wanted((7, 0)), true);
        assert_eq!(counts, Counts::from([(Memory::SystemV((7, 0)), 1)]));
    }

    #[test]
    fn only_the_start_of_a_shared_mapping_is_an_attachment() {
        let parse = |line: &'static str| MappedFile::parse(line.as_bytes());
        let expected = MappedFile {
            device: (8, 0x1f),
            inode: 77,
            path: b"/a b",
        };
        assert_eq!(
            parse("7f0-7f1 rw-s 00000000 08:1f 77      /a b"),
            Some(expected)
        );
        assert_eq!(
            parse("7f0-7f1 r--s 00000000 08:1f 77      /a b"),
            Some(expected)
        );
        for line in [
            "",
            "7f0-7f1 rw-p 00000000 08:1f 77      /a b",
            "7f0-7f1 rw-s 00001000 08:1f 77      /a b",
            "7f0-7f1 rw-s 00000000 08 77      /a b",
            "7f0-7f1 rw-s 00000000 08:1f x      /a b",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_file_is_recognized_by_its_device_or_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("a\nb");
        let link = directory.path().join("link");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let path = real.to_str().unwrap().replace('\n', "\\012");
        let is_at = |path: &str, segment: &str| {
            let mapped = MappedFile {
                device: (0, 0),
                inode: 77,
                path: path.as_bytes(),
            };
            mapped.is_at(&link.join(segment))
        };
        assert!(is_at(&format!("{path}/x"), "x"));
        assert!(!is_at(&format!("{path}/x"), "y"));
        assert!(!is_at(&format!("{path}/x (deleted)"), "x"));
    }
}

//! `list` and `stat`.

#![forbid(unsafe_code)]

mod table;
mod watch;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use shm_util::admin::Unreadable;
use shm_util::{Info, Kind};

use crate::cli::{List, Stat};
use crate::failure::{Failure, Outcome, Result};
use crate::found::{self, Found};
use crate::holders::{Holder, Holders};
use crate::names;
use crate::namespace;
use crate::output;
use crate::screen;
use crate::units;

const LABEL: anstyle::Style = anstyle::Style::new().bold();

/// The state of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    InUse,
    Kept,
    Orphaned,
}

impl State {
    fn of(info: &Info) -> Self {
        if info.mappings > 0 {
            Self::InUse
        } else if info.kept {
            Self::Kept
        } else {
            Self::Orphaned
        }
    }
}

/// A segment in JSON. The names of the fields are documented: do not change them.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a field of its own")]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: String,
    kind: &'static str,
    path: Option<String>,
    id: i32,
    key: String,
    size: usize,
    state: State,
    kept: bool,
    transient: bool,
    locked: bool,
    mappings: u64,
    holders: &'a [Holder],
    all_holders_known: bool,
    age_seconds: u64,
    created: String,
    attached: Option<String>,
    detached: Option<String>,
    changed: String,
    creator_pid: i32,
    last_pid: i32,
    uid: u32,
    gid: u32,
    creator_uid: u32,
    creator_gid: u32,
    mode: String,
}

impl<'a> Row<'a> {
    fn new(namespace: Option<&'a str>, found: &Found, holders: &'a [Holder]) -> Self {
        let info = &found.info;
        Self {
            namespace,
            name: names::show(&info.name),
            kind: kind(info),
            path: path(found),
            id: info.id,
            key: key(info),
            size: info.size,
            state: State::of(info),
            kept: info.kept,
            transient: info.transient,
            locked: info.locked,
            mappings: info.mappings,
            holders,
            all_holders_known: are_all(holders, info),
            age_seconds: found.since(info.created).as_secs(),
            created: units::utc_time(info.created),
            attached: info.attached.map(units::utc_time),
            detached: info.detached.map(units::utc_time),
            changed: units::utc_time(info.changed),
            creator_pid: info.creator_pid,
            last_pid: info.last_pid,
            uid: info.uid,
            gid: info.gid,
            creator_uid: info.creator_uid,
            creator_gid: info.creator_gid,
            mode: mode(info),
        }
    }
}

/// `shmutil list`
pub(crate) fn list(arguments: &List) -> Result<Outcome> {
    if let Some(seconds) = arguments.watch {
        let interval = Duration::from_secs(seconds.into());
        return watch::watch(arguments.all, arguments.json, interval);
    }
    if arguments.names {
        let segments = sorted(namespace::list()?);
        output::print(|out| {
            let mut names = segments.iter().map(|found| names::show(&found.info.name));
            names.try_for_each(|name| writeln!(out, "{name}"))
        })?;
        return Ok(Outcome::Fine);
    }
    let listing = Listing::now(arguments.all)?;
    if arguments.json {
        output::print_json(&listing.rows())?;
    } else {
        let width = screen::size().map(|size| size.columns);
        output::print(|out| {
            table::lines(&listing, width).try_for_each(|line| writeln!(out, "{line}"))
        })?;
    }
    namespace::report(&listing.unreadable);
    listing.failures.iter().for_each(Failure::print);
    if listing.failures.is_empty() {
        Ok(Outcome::Fine)
    } else {
        Ok(Outcome::Attention)
    }
}

fn sorted(mut segments: Vec<Found>) -> Vec<Found> {
    segments.sort_by(|one, other| one.info.name.cmp(&other.info.name));
    segments
}

/// A segment, and its namespace if all namespaces are listed.
struct Listed {
    namespace: Option<Rc<str>>,
    found: Found,
}

/// All segments, sorted by namespace and name, and their holders.
struct Listing {
    segments: Vec<Listed>,
    holders: Holders,
    /// Whether the segments are those of all namespaces.
    is_of_all: bool,
    /// Registries that this user may not read.
    unreadable: Vec<Unreadable>,
    /// Why namespaces could not be listed.
    failures: Vec<Failure>,
}

impl Listing {
    fn now(all: bool) -> Result<Self> {
        let mut listing = Self {
            segments: Vec::new(),
            holders: Holders::default(),
            is_of_all: all,
            unreadable: Vec::new(),
            failures: Vec::new(),
        };
        if all {
            listing.add_all()?;
        } else {
            listing.add(None, namespace::list()?);
        }
        listing.holders = Holders::of(listing.segments.iter().map(|listed| &listed.found));
        Ok(listing)
    }

    fn add(&mut self, namespace: Option<&Rc<str>>, segments: Vec<Found>) {
        let listed = sorted(segments).into_iter().map(|found| Listed {
            namespace: namespace.cloned(),
            found,
        });
        self.segments.extend(listed);
    }

    fn add_all(&mut self) -> Result<()> {
        let (spaces, unreadable) = namespace::all()?;
        self.unreadable = unreadable;
        for space in &spaces {
            let namespace = namespace::show(space.identity()).into();
            match found::list_space(space) {
                Ok(segments) => self.add(Some(&namespace), segments),
                Err(error) => self.failures.push(Failure::library(&error, None)),
            }
        }
        Ok(())
    }

    fn holders(&self, found: &Found) -> &[Holder] {
        self.holders.get(found)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        self.segments
            .iter()
            .map(|Listed { namespace, found }| {
                Row::new(namespace.as_deref(), found, self.holders(found))
            })
            .collect()
    }
}

/// `shmutil stat`
pub(crate) fn stat(arguments: &Stat) -> Result<Outcome> {
    let info = arguments.which.info()?;
    let found = Found::new(&namespace::selected(), info);
    let holders = Holders::of([&found].into_iter());
    let holders = holders.get(&found);
    if arguments.json {
        output::print_json(&Row::new(None, &found, holders))?;
    } else {
        let lines = match found.info.kind {
            Kind::Directory => of_file(&found, holders),
            _ => of_segment(&found, holders),
        };
        output::print(|out| write_all(&lines, out))?;
    }
    Ok(Outcome::Fine)
}

/// A line of `stat`: what it is about, and its text.
type Line = (&'static str, String);

/// What is known about a System V segment.
fn of_segment(found: &Found, holders: &[Holder]) -> Vec<Line> {
    let info = &found.info;
    let never = || "never".to_owned();
    let time = |time| time_of(found, time);
    vec![
        ("name", names::show(&info.name)),
        ("id", info.id.to_string()),
        ("key", key(info)),
        ("size", size_in_bytes(info)),
        ("state", state(found)),
        ("kept", yes_or_no(info.kept)),
        ("transient", yes_or_no(info.transient)),
        ("locked", yes_or_no(info.locked)),
        ("mappings", info.mappings.to_string()),
        ("held by", held_by(info, holders, usize::MAX)),
        ("created", time(info.created)),
        ("attached", info.attached.map_or_else(never, time)),
        ("detached", info.detached.map_or_else(never, time)),
        ("changed", time(info.changed)),
        ("created by", format!("pid {}", info.creator_pid)),
        ("last used", format!("pid {}", info.last_pid)),
        ("owner", format!("uid {}, gid {}", info.uid, info.gid)),
        (
            "creator",
            format!("uid {}, gid {}", info.creator_uid, info.creator_gid),
        ),
        ("mode", mode(info)),
    ]
}

/// What is known about a file.
fn of_file(found: &Found, holders: &[Holder]) -> Vec<Line> {
    let info = &found.info;
    let time = |time| time_of(found, time);
    let mut lines = vec![("name", names::show(&info.name))];
    lines.extend(path(found).map(|path| ("file", path)));
    lines.extend([
        ("size", size_in_bytes(info)),
        ("state", state(found)),
        ("kept", yes_or_no(info.kept)),
        ("mappings", info.mappings.to_string()),
        ("held by", held_by(info, holders, usize::MAX)),
        ("created", time(info.created)),
        ("changed", time(info.changed)),
    ]);
    lines.extend(
        found
            .file
            .as_ref()
            .map(|file| ("last used", time(file.used))),
    );
    lines.extend([
        ("owner", format!("uid {}, gid {}", info.uid, info.gid)),
        ("mode", mode(info)),
    ]);
    lines
}

fn write_all(lines: &[Line], out: &mut dyn Write) -> io::Result<()> {
    for (label, value) in lines {
        writeln!(out, "{LABEL}{label:<10}{LABEL:#} {value}")?;
    }
    Ok(())
}

fn time_of(found: &Found, time: SystemTime) -> String {
    format!(
        "{} ({} ago)",
        units::local_time(time),
        units::age(found.since(time))
    )
}

fn size_in_bytes(info: &Info) -> String {
    format!("{} ({} bytes)", size(info), info.size)
}

/// What a segment is, in JSON.
const fn kind(info: &Info) -> &'static str {
    match info.kind {
        Kind::SysV => "system_v",
        Kind::Directory => "directory",
        _ => "private",
    }
}

/// The path of a segment's file, escaped.
fn path(found: &Found) -> Option<String> {
    let file = found.file.as_ref()?;
    Some(names::show(file.path.as_os_str().as_bytes()))
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn size(info: &Info) -> String {
    units::size(u64::try_from(info.size).unwrap_or(u64::MAX))
}

fn key(info: &Info) -> String {
    format!("{:#010x}", info.key)
}

fn mode(info: &Info) -> String {
    format!("{:04o}", info.mode)
}

fn state(found: &Found) -> String {
    let info = &found.info;
    match (State::of(info), found.idle_since()) {
        (State::InUse, _) if info.kept => "in use, kept".to_owned(),
        (State::InUse, _) if info.transient => "in use, transient".to_owned(),
        (State::InUse, _) => "in use".to_owned(),
        (State::Kept, _) => "kept".to_owned(),
        (State::Orphaned, Some(since)) => {
            format!("orphaned for {}", units::age(found.since(since)))
        }
        (State::Orphaned, None) => "orphaned".to_owned(),
    }
}

/// Whether these are all holders. The kernel only counts; holders that were not
/// found are processes that this one may not inspect.
fn are_all(holders: &[Holder], info: &Info) -> bool {
    let found: u64 = holders.iter().map(|holder| holder.mappings).sum();
    found >= info.mappings
}

fn held_by(info: &Info, holders: &[Holder], most: usize) -> String {
    let mut parts: Vec<String> = holders
        .iter()
        .take(most)
        .map(|holder| format!("{} {}", holder.pid, holder.command))
        .collect();
    match holders.len().saturating_sub(most) {
        0 => {}
        more => parts.push(format!("{more} more")),
    }
    if !are_all(holders, info) {
        parts.push("?".to_owned());
    }
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}

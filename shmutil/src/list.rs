//! `list` and `stat`.

#![forbid(unsafe_code)]

mod table;
mod watch;

use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use shm_util::Info;
use shm_util::admin::Unreadable;

use crate::change::idle_since;
use crate::cli::{List, Stat};
use crate::failure::{Failure, Outcome, Result};
use crate::holders::{self, Holder};
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
    fn new(namespace: Option<&'a str>, info: &Info, holders: &'a [Holder]) -> Self {
        Self {
            namespace,
            name: names::show(&info.name),
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
            age_seconds: units::since(info.created).as_secs(),
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
        let segments = sorted(namespace::selected().list())?;
        output::print(|out| {
            let mut names = segments.iter().map(|info| names::show(&info.name));
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

fn sorted(segments: shm_util::Result<Vec<Info>>) -> Result<Vec<Info>> {
    let mut segments = segments.map_err(|error| Failure::library(&error, None))?;
    segments.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(segments)
}

/// A segment, and its namespace if all namespaces are listed.
struct Listed {
    namespace: Option<Rc<str>>,
    info: Info,
}

/// All segments, sorted by namespace and name, and their holders.
struct Listing {
    segments: Vec<Listed>,
    holders: HashMap<i32, Vec<Holder>>,
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
            holders: HashMap::new(),
            is_of_all: all,
            unreadable: Vec::new(),
            failures: Vec::new(),
        };
        if all {
            listing.add_all()?;
        } else {
            listing.add(None, sorted(namespace::selected().list())?);
        }
        listing.holders = holders::of(listing.segments.iter().map(|listed| &listed.info));
        Ok(listing)
    }

    fn add(&mut self, namespace: Option<&Rc<str>>, infos: Vec<Info>) {
        self.segments.extend(infos.into_iter().map(|info| Listed {
            namespace: namespace.cloned(),
            info,
        }));
    }

    fn add_all(&mut self) -> Result<()> {
        let (spaces, unreadable) = namespace::all()?;
        self.unreadable = unreadable;
        for space in &spaces {
            let namespace = namespace::show(space.identity()).into();
            match sorted(space.list()) {
                Ok(infos) => self.add(Some(&namespace), infos),
                Err(failure) => self.failures.push(failure),
            }
        }
        Ok(())
    }

    fn holders(&self, info: &Info) -> &[Holder] {
        self.holders.get(&info.id).map_or(&[], Vec::as_slice)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        self.segments
            .iter()
            .map(|Listed { namespace, info }| {
                Row::new(namespace.as_deref(), info, self.holders(info))
            })
            .collect()
    }
}

/// `shmutil stat`
pub(crate) fn stat(arguments: &Stat) -> Result<Outcome> {
    let info = arguments.which.info()?;
    let holders = holders::of([&info].into_iter())
        .remove(&info.id)
        .unwrap_or_default();
    if arguments.json {
        output::print_json(&Row::new(None, &info, &holders))?;
    } else {
        output::print(|out| write_one(&info, &holders, out))?;
    }
    Ok(Outcome::Fine)
}

fn write_one(info: &Info, holders: &[Holder], out: &mut dyn Write) -> io::Result<()> {
    let time = |time| {
        format!(
            "{} ({} ago)",
            units::local_time(time),
            units::age(units::since(time))
        )
    };
    let never = || "never".to_owned();
    let lines = [
        ("name", names::show(&info.name)),
        ("id", info.id.to_string()),
        ("key", key(info)),
        ("size", format!("{} ({} bytes)", size(info), info.size)),
        ("state", state(info)),
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
    ];
    for (label, value) in lines {
        writeln!(out, "{LABEL}{label:<10}{LABEL:#} {value}")?;
    }
    Ok(())
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

fn state(info: &Info) -> String {
    match (State::of(info), idle_since(info)) {
        (State::InUse, _) if info.kept => "in use, kept".to_owned(),
        (State::InUse, _) if info.transient => "in use, transient".to_owned(),
        (State::InUse, _) => "in use".to_owned(),
        (State::Kept, _) => "kept".to_owned(),
        (State::Orphaned, Some(since)) => {
            format!("orphaned for {}", units::age(units::since(since)))
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

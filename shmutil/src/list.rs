//! `list` and `stat`: what there is.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write};
use std::iter;
use std::thread;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use shm_util::Info;

use crate::change::idle_since;
use crate::cli::{List, Stat};
use crate::failure::{Failure, Outcome, Result};
use crate::holders::{self, Holder};
use crate::names;
use crate::output::{self, Output, Reader};
use crate::units;

/// How many holders of a segment the table names.
const NAMED_HOLDERS: usize = 3;

const HEAD: Style = Style::new().bold();
const ORPHANED: Style = AnsiColor::Yellow.on_default();

/// Puts the cursor into the upper left corner of a terminal.
const HOME: &[u8] = b"\x1b[H";
/// Clears a terminal from the cursor on.
const CLEAR: &[u8] = b"\x1b[J";

/// What a segment is to its users.
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

/// A segment in JSON. The names of the fields are documented, and stay.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: String,
    id: i32,
    key: String,
    size: usize,
    state: State,
    kept: bool,
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
    fn new(info: &Info, holders: &'a [Holder]) -> Self {
        Self {
            name: names::show(&info.name),
            id: info.id,
            key: key(info),
            size: info.size,
            state: State::of(info),
            kept: info.kept,
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
    let Some(seconds) = arguments.watch else {
        let mut list = Listing::now()?;
        if arguments.json {
            output::print_json(&list.rows())?;
        } else {
            list.sort();
            output::print(|out| list.write(out))?;
        }
        return Ok(Outcome::Fine);
    };
    watch(arguments.json, Duration::from_secs(seconds.into()))
}

/// Until it is ended, or nobody reads it any more.
fn watch(json: bool, interval: Duration) -> Result<Outcome> {
    let is_terminal = io::stdout().is_terminal();
    let mut output = Output::new()?;
    let mut first = true;
    loop {
        let mut list = Listing::now()?;
        list.sort();
        let reader = output.print(|out| {
            if json {
                serde_json::to_writer(&mut *out, &list.rows())?;
                return out.write_all(b"\n");
            }
            if is_terminal {
                out.write_all(HOME)?;
                out.write_all(CLEAR)?;
            } else if !first {
                out.write_all(b"\n")?;
            }
            list.write(out)
        })?;
        if reader == Reader::Gone {
            return Ok(Outcome::Fine);
        }
        first = false;
        thread::sleep(interval);
    }
}

/// All segments, and who holds them.
struct Listing {
    segments: Vec<Info>,
    holders: HashMap<i32, Vec<Holder>>,
}

impl Listing {
    fn now() -> Result<Self> {
        let segments = shm_util::list().map_err(|error| Failure::library(&error, None))?;
        let holders = holders::of(segments.iter());
        Ok(Self { segments, holders })
    }

    fn sort(&mut self) {
        self.segments
            .sort_by(|one, other| one.name.cmp(&other.name));
    }

    fn holders(&self, info: &Info) -> &[Holder] {
        self.holders.get(&info.id).map_or(&[], Vec::as_slice)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        self.segments
            .iter()
            .map(|info| Row::new(info, self.holders(info)))
            .collect()
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_header(["NAME", "ID", "SIZE", "MAPPINGS", "HELD BY", "AGE", "STATE"]);
        for info in &self.segments {
            table.add_row([
                names::show(&info.name),
                info.id.to_string(),
                size(info),
                info.mappings.to_string(),
                held_by(info, self.holders(info), NAMED_HOLDERS),
                units::age(units::since(info.created)),
                state(info),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for numbers in 1..=3 {
            if let Some(column) = table.column_mut(numbers) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        // Nothing that is shown has a line feed in it: one line is one row.
        let styles = self.segments.iter().map(|info| match State::of(info) {
            State::Orphaned => ORPHANED,
            State::InUse | State::Kept => Style::new(),
        });
        for (line, style) in table.lines().zip(iter::once(HEAD).chain(styles)) {
            writeln!(out, "{style}{}{style:#}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `shmutil stat`
pub(crate) fn stat(arguments: &Stat) -> Result<Outcome> {
    let info = shm_util::info(&arguments.name.0)
        .map_err(|error| Failure::library(&error, Some(&arguments.name.0)))?;
    let holders = holders::of([&info].into_iter())
        .remove(&info.id)
        .unwrap_or_default();
    if arguments.json {
        output::print_json(&Row::new(&info, &holders))?;
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
        ("locked", yes_or_no(info.locked)),
        ("mappings", info.mappings.to_string()),
        ("held by", held_by(info, holders, usize::MAX)),
        ("created", time(info.created)),
        ("attached", info.attached.map_or_else(never, time)),
        ("detached", info.detached.map_or_else(never, time)),
        ("changed", time(info.changed)),
        ("creator", format!("pid {}", info.creator_pid)),
        ("last user", format!("pid {}", info.last_pid)),
        ("owner", format!("uid {}, gid {}", info.uid, info.gid)),
        (
            "made by",
            format!("uid {}, gid {}", info.creator_uid, info.creator_gid),
        ),
        ("mode", mode(info)),
    ];
    for (label, value) in lines {
        writeln!(out, "{HEAD}{label:<10}{HEAD:#} {value}")?;
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
        (State::InUse, _) => "in use".to_owned(),
        (State::Kept, _) => "kept".to_owned(),
        (State::Orphaned, Some(since)) => {
            format!("orphaned for {}", units::age(units::since(since)))
        }
        (State::Orphaned, None) => "orphaned".to_owned(),
    }
}

/// The kernel counts mappings; those that were not found are of processes that
/// we may not look at, or don't see.
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

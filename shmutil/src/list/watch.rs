//! `list --watch`: prints the list again and again.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::failure::{Outcome, Result};
use crate::output::{Output, Reader};
use crate::screen::{Screen, Size};
use crate::units;

use super::{Listing, table};

/// Runs until a signal ends it, an error occurs, or nothing reads the output any
/// more.
pub(super) fn watch(all: bool, json: bool, interval: Duration) -> Result<Outcome> {
    let mut output = Output::new()?;
    let screen = if json { None } else { Screen::enter() };
    let mut is_first = true;
    loop {
        let listing = Listing::now(all)?;
        let reader = output.print(|out| match &screen {
            Some(_) => draw(&listing, interval, Screen::size(), out),
            None if json => {
                serde_json::to_writer(&mut *out, &listing.rows())?;
                out.write_all(b"\n")
            }
            None => {
                if !is_first {
                    out.write_all(b"\n")?;
                }
                table::lines(&listing, None).try_for_each(|line| writeln!(out, "{line}"))
            }
        })?;
        if reader == Reader::Gone {
            return Ok(Outcome::Fine);
        }
        is_first = false;
        match &screen {
            Some(_) => Screen::wait(interval),
            None => thread::sleep(interval),
        }
    }
}

/// Draws what fits on the screen, in place of what was there.
fn draw(listing: &Listing, interval: Duration, size: Size, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(Screen::HOME)?;
    let count = listing.segments.len();
    let title = format!(
        "Every {}s: {count} {}",
        interval.as_secs(),
        units::plural(count, "segment")
    );
    let time = units::local_time(SystemTime::now());
    let mut lines: Vec<String> = table::lines(listing, Some(size.columns)).collect();
    // The title and an empty line are above the table.
    let room = size.rows.saturating_sub(2).max(1);
    let hidden = lines.len().saturating_sub(room);
    if hidden > 0 {
        // The last line replaces one row.
        lines.truncate(room - 1);
        lines.push(format!("... {} more", hidden + 1));
    }
    let gap = size.columns.saturating_sub(title.len());
    let title = format!("{title}{time:>gap$}");
    let title: String = title.chars().take(size.columns).collect();
    for (number, line) in [title, String::new()].iter().chain(&lines).enumerate() {
        if number > 0 {
            out.write_all(b"\r\n")?;
        }
        out.write_all(line.as_bytes())?;
        out.write_all(Screen::CLEAR_LINE)?;
    }
    out.write_all(Screen::CLEAR_BELOW)
}

//! `dump`: a segment's bytes for people, and what differs from a saved file.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use shm_util::ReadOnlySegment;

use crate::borrowed;
use crate::cli::Dump;
use crate::failure::{Failure, Outcome, Result};
use crate::names;
use crate::output;

/// How many bytes a line shows.
const WIDTH: usize = 16;
/// How many bytes are looked at at once: whole lines.
const STEP: usize = WIDTH << 16;

const OFFSET: Style = Style::new().dimmed();
const ZERO: Style = Style::new().dimmed();
const TEXT: Style = AnsiColor::Cyan.on_default();
const OTHER: Style = Style::new();
const OLD: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();

/// `shmutil dump`
pub(crate) fn dump(arguments: &Dump) -> Result<Outcome> {
    let name = &arguments.name;
    shm_util::info(&name.0).map_err(|error| Failure::library(&error, Some(&name.0)))?;
    let segment = borrowed::read_only(name)?;
    let size = segment.len();
    let begin = usize::try_from(arguments.offset).unwrap_or(usize::MAX);
    if begin > size {
        return Err(Failure::misuse(format!(
            "the offset {begin} is beyond the {size} bytes of {}",
            names::show_in_shell(&name.0)
        )));
    }
    let length = arguments.length.map_or(usize::MAX, |length| {
        usize::try_from(length).unwrap_or(usize::MAX)
    });
    let part = Part {
        segment: &segment,
        begin,
        end: begin.saturating_add(length).min(size),
        is_cut: begin.saturating_add(length) < size,
    };
    match &arguments.diff {
        Some(file) => part.diff(file),
        None => part.dump(arguments.all),
    }
}

/// What is shown of a segment.
struct Part<'a> {
    segment: &'a ReadOnlySegment,
    begin: usize,
    end: usize,
    /// Whether it ends before the segment does.
    is_cut: bool,
}

impl Part<'_> {
    /// The bytes in steps, with their offsets.
    fn steps(&self) -> impl Iterator<Item = (usize, Vec<u8>)> {
        (self.begin..self.end).step_by(STEP).map(|offset| {
            let mut bytes = vec![0; STEP.min(self.end - offset)];
            let count = self.segment.read(offset, &mut bytes);
            bytes.truncate(count);
            (offset, bytes)
        })
    }

    fn dump(&self, all: bool) -> Result<Outcome> {
        output::print(|out| {
            let mut before: Option<Vec<u8>> = None;
            let mut is_repeated = false;
            for (offset, bytes) in self.steps() {
                for (number, line) in bytes.chunks(WIDTH).enumerate() {
                    if !all && before.as_deref() == Some(line) {
                        if !is_repeated {
                            out.write_all(b"*\n")?;
                        }
                        is_repeated = true;
                        continue;
                    }
                    is_repeated = false;
                    write_line(out, "", offset + number * WIDTH, line, &[])?;
                    let before = before.get_or_insert_default();
                    before.clear();
                    before.extend_from_slice(line);
                }
            }
            // As hexdump -C does, so that the end is seen.
            writeln!(out, "{OFFSET}{:08x}{OFFSET:#}", self.end)
        })?;
        Ok(Outcome::Fine)
    }

    fn diff(&self, path: &Path) -> Result<Outcome> {
        let mut file = self.open(path)?;
        let mut outcome = Outcome::Fine;
        let mut problem = None;
        output::print(|out| {
            for (offset, ours) in self.steps() {
                let mut theirs = Vec::new();
                if let Err(error) = (&mut file)
                    .take(u64::try_from(ours.len()).unwrap_or(u64::MAX))
                    .read_to_end(&mut theirs)
                {
                    problem = Some(error);
                    return Ok(());
                }
                if ours == theirs {
                    continue;
                }
                outcome = Outcome::Attention;
                let common = ours.get(..theirs.len()).unwrap_or(&ours);
                write_differences(out, offset, common, &theirs)?;
                if theirs.len() < ours.len() {
                    return writeln!(
                        out,
                        "the file ends after {} of the segment's {} bytes",
                        offset + theirs.len(),
                        self.segment.len()
                    );
                }
            }
            if self.is_cut {
                return Ok(());
            }
            match is_at_end(&mut file) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    outcome = Outcome::Attention;
                    writeln!(
                        out,
                        "the file has more bytes than the segment's {}",
                        self.end
                    )
                }
                Err(error) => {
                    problem = Some(error);
                    Ok(())
                }
            }
        })?;
        match problem {
            Some(error) => Err(Failure::io(format!("read {}", shown(path)), &error)),
            None => Ok(outcome),
        }
    }

    /// Opens the saved file, where the part begins.
    fn open(&self, path: &Path) -> Result<Box<dyn Read>> {
        let wrong = |error: &io::Error| Failure::io(format!("open {}", shown(path)), error);
        let mut file: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(path).map_err(|error| wrong(&error))?;
            Box::new(BufReader::new(file))
        };
        let begin = u64::try_from(self.begin).unwrap_or(u64::MAX);
        io::copy(&mut (&mut file).take(begin), &mut io::sink()).map_err(|error| wrong(&error))?;
        Ok(file)
    }
}

fn shown(path: &Path) -> String {
    names::show_in_shell(path.as_os_str().as_bytes())
}

fn is_at_end(file: &mut dyn Read) -> io::Result<bool> {
    let mut more = [0];
    loop {
        match file.read(&mut more) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|count| count == 0),
        }
    }
}

/// The lines in which the file's bytes, `theirs`, are not the segment's, `ours`.
/// Both are of one length.
fn write_differences(
    out: &mut dyn Write,
    offset: usize,
    ours: &[u8],
    theirs: &[u8],
) -> io::Result<()> {
    let lines = ours.chunks(WIDTH).zip(theirs.chunks(WIDTH));
    for (number, (ours, theirs)) in lines
        .enumerate()
        .filter(|(_, (ours, theirs))| ours != theirs)
    {
        let offset = offset + number * WIDTH;
        write_line(out, "-", offset, theirs, ours)?;
        write_line(out, "+", offset, ours, theirs)?;
    }
    Ok(())
}

/// One line. With a sign, the bytes that differ from `other` are coloured.
fn write_line(
    out: &mut dyn Write,
    sign: &str,
    offset: usize,
    line: &[u8],
    other: &[u8],
) -> io::Result<()> {
    let style = |index: usize, byte: u8| match sign {
        "" => match byte {
            0 => ZERO,
            b' '..=b'~' => TEXT,
            _ => OTHER,
        },
        _ if other.get(index) == Some(&byte) => OTHER,
        "-" => OLD,
        _ => NEW,
    };
    write!(out, "{sign}{OFFSET}{offset:08x}{OFFSET:#} ")?;
    let mut current = OTHER;
    for index in 0..WIDTH {
        let gap = if index % 8 == 0 { " " } else { "" };
        match line.get(index) {
            Some(&byte) => {
                change_style(out, &mut current, style(index, byte))?;
                write!(out, "{gap}{byte:02x} ")?;
            }
            None => write!(out, "{gap}   ")?,
        }
    }
    change_style(out, &mut current, OTHER)?;
    out.write_all(b" |")?;
    for (index, &byte) in line.iter().enumerate() {
        change_style(out, &mut current, style(index, byte))?;
        let is_text = matches!(byte, b' '..=b'~');
        out.write_all(&[if is_text { byte } else { b'.' }])?;
    }
    change_style(out, &mut current, OTHER)?;
    out.write_all(b"|\n")
}

/// Escape sequences are only written where the style changes.
fn change_style(out: &mut dyn Write, current: &mut Style, style: Style) -> io::Result<()> {
    if *current != style {
        write!(out, "{current:#}{style}")?;
        *current = style;
    }
    Ok(())
}

//! `dump`: shows a segment's bytes, or how they differ from a saved file.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};

use crate::bytes::Bytes;
use crate::cli::Dump;
use crate::failure::{Failure, Outcome, Result};
use crate::names;
use crate::output;
use crate::standard;

/// The number of bytes in a line.
const WIDTH: usize = 16;
/// The number of bytes read at a time, in whole lines.
const STEP: usize = WIDTH << 16;

const OFFSET: Style = Style::new().dimmed();
const ZERO: Style = Style::new().dimmed();
const TEXT: Style = AnsiColor::Cyan.on_default();
const OTHER: Style = Style::new();
const OLD: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();

/// `shmutil dump`
pub(crate) fn dump(arguments: &Dump) -> Result<Outcome> {
    let info = arguments.which.info()?;
    let name = &info.name;
    let begin = usize::try_from(arguments.offset).unwrap_or(usize::MAX);
    // Attaching it would reset the age of an orphan.
    check_offset(name, begin, info.size)?;
    let segment = arguments.which.read_only(&info)?;
    let size = segment.len();
    // Another segment may have got the name since the check.
    check_offset(name, begin, size)?;
    let length = arguments.length.map_or(usize::MAX, |length| {
        usize::try_from(length).unwrap_or(usize::MAX)
    });
    let part = Part {
        bytes: Bytes::of(&segment),
        begin,
        end: begin.saturating_add(length).min(size),
        is_cut: begin.saturating_add(length) < size,
    };
    let outcome = match &arguments.diff {
        Some(file) => part.diff(file),
        None => part.dump(arguments.all),
    }?;
    part.bytes.check_whole()?;
    segment
        .detach()
        .map_err(|error| Failure::library(&error, None))?;
    Ok(outcome)
}

fn check_offset(name: &[u8], offset: usize, size: usize) -> Result<()> {
    if offset <= size {
        return Ok(());
    }
    Err(Failure::misuse(format!(
        "offset {offset} is beyond the end of {}, which has {size} bytes",
        names::quote(name)
    )))
}

/// The part of a segment to show.
struct Part<'a> {
    bytes: Bytes<'a>,
    begin: usize,
    end: usize,
    /// Whether --length ends it before the end of the segment.
    is_cut: bool,
}

impl Part<'_> {
    /// The bytes in blocks of up to STEP bytes, with their offsets.
    fn steps(&self) -> impl Iterator<Item = Result<(usize, Vec<u8>)>> {
        (self.begin..self.end).step_by(STEP).map(|offset| {
            let bytes = self.bytes.read(offset, STEP.min(self.end - offset))?;
            Ok((offset, bytes))
        })
    }

    fn dump(&self, all: bool) -> Result<Outcome> {
        let mut problem = None;
        output::print(|out| {
            let mut before: Option<Vec<u8>> = None;
            let mut is_repeated = false;
            for step in self.steps() {
                let (offset, bytes) = match step {
                    Ok(step) => step,
                    Err(failure) => {
                        problem = Some(failure);
                        return Ok(());
                    }
                };
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
            // hexdump -C also ends with the offset of the end.
            writeln!(out, "{OFFSET}{:08x}{OFFSET:#}", self.end)
        })?;
        problem.map_or(Ok(Outcome::Fine), Err)
    }

    fn diff(&self, path: &Path) -> Result<Outcome> {
        let mut file = open(path)?;
        // If writing the output fails, there was a difference to write.
        let mut outcome = Ok(Outcome::Attention);
        output::print(|out| {
            outcome = self.write_diff(&mut *file, path, out)?;
            Ok(())
        })?;
        outcome
    }

    /// The outer error is one of the output.
    fn write_diff(
        &self,
        file: &mut dyn Read,
        path: &Path,
        out: &mut dyn Write,
    ) -> io::Result<Result<Outcome>> {
        let wrong = |error: &io::Error| Failure::io(format!("read {}", shown(path)), error);
        let begin = to_u64(self.begin);
        let skipped = match io::copy(&mut (&mut *file).take(begin), &mut io::sink()) {
            Ok(skipped) => skipped,
            Err(error) => return Ok(Err(wrong(&error))),
        };
        let ends_after = |out: &mut dyn Write, count: u64| {
            writeln!(
                out,
                "the file has only {count} of the segment's {} bytes",
                self.bytes.segment.len()
            )
        };
        if skipped < begin {
            ends_after(out, skipped)?;
            return Ok(Ok(Outcome::Attention));
        }
        let mut outcome = Outcome::Fine;
        for step in self.steps() {
            let (offset, ours) = match step {
                Ok(step) => step,
                Err(failure) => return Ok(Err(failure)),
            };
            let mut theirs = Vec::new();
            let mut part = (&mut *file).take(to_u64(ours.len()));
            if let Err(error) = part.read_to_end(&mut theirs) {
                return Ok(Err(wrong(&error)));
            }
            if ours == theirs {
                continue;
            }
            outcome = Outcome::Attention;
            let common = ours.get(..theirs.len()).unwrap_or(&ours);
            write_differences(out, offset, common, &theirs)?;
            if theirs.len() < ours.len() {
                ends_after(out, to_u64(offset + theirs.len()))?;
                return Ok(Ok(outcome));
            }
        }
        if self.is_cut {
            return Ok(Ok(outcome));
        }
        match is_at_end(file) {
            Ok(true) => Ok(Ok(outcome)),
            Ok(false) => {
                writeln!(
                    out,
                    "the file is longer than the segment's {} bytes",
                    self.end
                )?;
                Ok(Ok(Outcome::Attention))
            }
            Err(error) => Ok(Err(wrong(&error))),
        }
    }
}

/// Opens the saved file.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let inherited = standard::inherited(path);
    match inherited.unwrap_or_else(|| File::open(path)) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(Failure::io(format!("open {}", shown(path)), &error)),
    }
}

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn shown(path: &Path) -> String {
    names::quote(path.as_os_str().as_bytes())
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

/// Writes the lines in which the file's bytes, `theirs`, differ from the
/// segment's, `ours`. Both have the same length.
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

/// Writes one line. If there is a sign, bytes that differ from `other` are colored.
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

/// Writes escape sequences only if the style changes.
fn change_style(out: &mut dyn Write, current: &mut Style, style: Style) -> io::Result<()> {
    if *current != style {
        write!(out, "{current:#}{style}")?;
        *current = style;
    }
    Ok(())
}

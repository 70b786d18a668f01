//! `save`: writes a segment's bytes to a file, a pipe or a device.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use shm_util::Segment;

use crate::borrowed;
use crate::cli::Save;
use crate::failure::{Failure, Outcome, Result};
use crate::names::{self, Name};
use crate::namespace;
use crate::transfer::{is_pipe, move_all, of_file, progress, to_u64, watched, widen};
use crate::{os, peer, raw, standard};

/// `shmutil save`
pub(crate) fn save(arguments: &Save) -> Result<Outcome> {
    let name = &arguments.name;
    // Unlike open, info creates no registry if there is none.
    namespace::selected()
        .info(&name.0)
        .map_err(|error| Failure::library(&error, Some(&name.0)))?;
    if arguments.file.as_os_str() == "-" {
        save_to_standard_output(name)?;
    } else {
        save_to_file(name, &arguments.file)?;
    }
    Ok(Outcome::Fine)
}

fn save_to_file(name: &Name, file: &Path) -> Result<()> {
    let segment = borrowed::read_only(name)?;
    watched(to_u64(segment.len()), "wchar", || segment.save(file))
        .map_err(|error| of_file(&error, file))?;
    segment
        .detach()
        .map_err(|error| Failure::library(&error, None))
}

fn save_to_standard_output(name: &Name) -> Result<()> {
    if io::stdout().is_terminal() {
        return Err(Failure::misuse(
            "refusing to write a segment's bytes to a terminal; redirect standard output, or use \
             dump",
        ));
    }
    if let Some(pipe) = standard::output().ok().filter(is_pipe) {
        // Only memory attached for reading and writing can be lent to a pipe.
        if let Ok(segment) = borrowed::writable(name) {
            save_to_pipe(&segment, &pipe)?;
            return segment.detach();
        }
        widen(&pipe);
    }
    save_to_file(name, Path::new("/dev/stdout"))
}

fn save_to_pipe(segment: &Segment, pipe: &File) -> Result<()> {
    let capacity = widen(pipe);
    let end = segment.len();
    let progress = progress(to_u64(end));
    // Once more bytes are written than the pipe holds, its reader has started
    // to read.
    let middle = end.min(2 * capacity);
    // Bytes that are still in the pipe when this process ends must be copies,
    // so that later changes of the segment do not show.
    let last = end.saturating_sub(capacity).max(middle);
    let copy = |part: &[AtomicU8]| raw::write(pipe, part);
    let lend = |part: &[AtomicU8]| os::lend(pipe, part);
    let move_range = |range: Range<usize>, data: &dyn Fn(&[AtomicU8]) -> io::Result<usize>| {
        for_each_part(segment, range, |part| match part {
            Part::Data(bytes) => check_all_moved(bytes, move_all(bytes, data, &progress)?),
            Part::Zeros(bytes) => check_all_moved(bytes, move_all(bytes, copy, &progress)?),
        })
    };
    let save = || {
        move_range(0..middle, &copy)?;
        if middle < last && peer::is_load(pipe) {
            move_range(middle..last, &lend)?;
        } else {
            move_range(middle..last, &copy)?;
        }
        move_range(last..end, &copy)
    };
    save().map_err(|error| {
        let name = names::quote(segment.name());
        Failure::io(format!("save {name} to standard output"), &error)
    })?;
    progress.finish_and_clear();
    Ok(())
}

enum Part<'a> {
    /// Bytes of the segment.
    Data(&'a [AtomicU8]),
    /// Zeros, for pages that were never touched: reading them would allocate them.
    Zeros(&'a [AtomicU8]),
}

/// Passes the parts of a range to `work`, in ascending order.
fn for_each_part(
    segment: &Segment,
    range: Range<usize>,
    mut work: impl FnMut(Part<'_>) -> io::Result<()>,
) -> io::Result<()> {
    static ZEROS: [AtomicU8; 1 << 16] = [const { AtomicU8::new(0) }; 1 << 16];
    let mut at = range.start;
    while at < range.end {
        let data = segment.data_from(at);
        while at < data.start.min(range.end) {
            let count = ZEROS.len().min(data.start.min(range.end) - at);
            work(Part::Zeros(ZEROS.get(..count).unwrap_or(&[])))?;
            at += count;
        }
        if at < range.end {
            let end = data.end.min(range.end);
            work(Part::Data(segment.bytes().get(at..end).unwrap_or(&[])))?;
            at = end;
        }
    }
    Ok(())
}

/// A pipe that accepts no more bytes without reporting an error is one.
fn check_all_moved(bytes: &[AtomicU8], moved: usize) -> io::Result<()> {
    if moved == bytes.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

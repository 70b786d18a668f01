//! `save`: writes a segment's bytes to a file, a pipe or a device.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::atomic::AtomicU8;

use shm_util::Segment;

use crate::borrowed;
use crate::cli::Save;
use crate::failure::{Failure, Outcome, Result};
use crate::names::{self, Name};
use crate::transfer::{is_pipe, move_all, of_file, progress, to_u64, watched, widen};
use crate::{peer, raw, standard};

/// `shmutil save`
pub(crate) fn save(arguments: &Save) -> Result<Outcome> {
    let name = &arguments.name;
    // Unlike open, info creates no registry if there is none.
    shm_util::info(&name.0).map_err(|error| Failure::library(&error, Some(&name.0)))?;
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
        .map_err(|error| of_file(&error, file))
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
            return save_to_pipe(&segment, &pipe);
        }
        widen(&pipe);
    }
    save_to_file(name, Path::new("/dev/stdout"))
}

fn save_to_pipe(segment: &Segment, pipe: &File) -> Result<()> {
    let capacity = widen(pipe);
    let bytes = segment.bytes();
    let progress = progress(to_u64(bytes.len()));
    // Once more bytes are written than the pipe holds, its reader has started
    // to read.
    let (first, rest) = bytes.split_at(bytes.len().min(2 * capacity));
    // Bytes that are still in the pipe when this process ends must be copies,
    // so that later changes of the segment do not show.
    let (middle, last) = rest.split_at(rest.len().saturating_sub(capacity));
    let copy = |part: &[AtomicU8]| raw::write(pipe, part);
    let save = || {
        check_all_moved(first, move_all(first, copy, &progress)?)?;
        let moved = if !middle.is_empty() && peer::is_load(pipe) {
            move_all(middle, |part| raw::lend(pipe, part), &progress)?
        } else {
            move_all(middle, copy, &progress)?
        };
        check_all_moved(middle, moved)?;
        check_all_moved(last, move_all(last, copy, &progress)?)
    };
    save().map_err(|error| {
        let name = names::quote(segment.name());
        Failure::io(format!("save {name} to standard output"), &error)
    })?;
    progress.finish_and_clear();
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

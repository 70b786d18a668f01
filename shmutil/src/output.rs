//! Standard output: buffered, colored on a terminal, with every error reported.
//!
//! Rust programs ignore SIGPIPE, and this one keeps it that way: a save into a
//! pipe whose reader is gone must report an error instead of dying silently.
//! But if a command prints text for people, a reader that has seen enough is
//! not an error.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Write};

use anstream::{AutoStream, ColorChoice, StripStream};

use crate::failure::{Failure, Result};
use crate::standard;

/// The size of the output buffer in bytes.
const SIZE: usize = 1 << 16;

/// Standard output.
pub(crate) struct Output {
    stream: BufWriter<Box<dyn Write>>,
}

/// Whether there is still a process that reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    Gone,
}

impl Output {
    /// Colours are kept if standard output is a terminal, unless `NO_COLOR` or a
    /// similar variable turns them off.
    pub(crate) fn new() -> Result<Self> {
        let file = standard::output().map_err(|error| wrong(&error))?;
        let stream: Box<dyn Write> = match AutoStream::choice(&file) {
            // Stripping the colors produces many small writes.
            ColorChoice::Never => Box::new(StripStream::new(buffered(file))),
            _ => Box::new(file),
        };
        Ok(Self {
            stream: BufWriter::with_capacity(SIZE, stream),
        })
    }

    /// Calls `write`, then flushes.
    pub(crate) fn print(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Reader> {
        let result = write(&mut self.stream).and_then(|()| self.stream.flush());
        match result {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(wrong(&error)),
        }
    }
}

/// Prints the whole output of a command.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Reader> {
    Output::new()?.print(write)
}

fn buffered(file: File) -> Box<dyn Write> {
    Box::new(BufWriter::with_capacity(SIZE, file))
}

fn wrong(error: &io::Error) -> Failure {
    Failure::io("write to standard output", error)
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<Reader> {
    print(|out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

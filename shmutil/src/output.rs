//! Standard output: buffered, in colours on a terminal, and nothing of it lost.
//!
//! Rust programs ignore SIGPIPE, and this one leaves it so: a save into a pipe
//! whose reader is gone is an error to be told, not a silent death. For what
//! people read, a reader that has seen enough is none.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Write};

use anstream::{AutoStream, ColorChoice, StripStream};

use crate::failure::{Failure, Result};
use crate::standard;

/// How much is written at once.
const SIZE: usize = 1 << 16;

/// Standard output.
pub(crate) struct Output {
    stream: BufWriter<Box<dyn Write>>,
}

/// Whether anybody still reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    Gone,
}

impl Output {
    /// Escape sequences of colours pass through where it is a terminal, and
    /// `NO_COLOR` and the like don't say otherwise.
    pub(crate) fn new() -> Result<Self> {
        let file = standard::output().map_err(|error| wrong(&error))?;
        let stream: Box<dyn Write> = match AutoStream::choice(&file) {
            // What takes the colours out writes in small pieces.
            ColorChoice::Never => Box::new(StripStream::new(buffered(file))),
            _ => Box::new(file),
        };
        Ok(Self {
            stream: BufWriter::with_capacity(SIZE, stream),
        })
    }

    /// Runs what writes, and then sees to it that all is written.
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

/// Prints all that there is to print.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Reader> {
    Output::new()?.print(write)
}

fn buffered(file: File) -> Box<dyn Write> {
    Box::new(BufWriter::with_capacity(SIZE, file))
}

fn wrong(error: &io::Error) -> Failure {
    Failure::io("write to standard output", error)
}

/// Prints one piece of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<Reader> {
    print(|out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

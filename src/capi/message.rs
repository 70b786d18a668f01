//! What is printed, where and when.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fmt;

use crate::error::{Error, text};
use crate::process::{self, Stream};

/// Prints the line that `shm_util_debug` asks for, to the C library's stdout.
pub(crate) fn debug(function: &str, what: fmt::Arguments<'_>) {
    print(Stream::Out, function, what);
}

/// Prints an error to stderr, if the environment variable `APERROR_PRINT` or a
/// global `aperror_print` asks for it.
pub(crate) fn error(function: &str, error: &Error) {
    if process::aperror_print() || process::variable_is_nonzero(c"APERROR_PRINT") {
        print(Stream::Error, function, format_args!("{error}"));
    }
}

fn print(stream: Stream, function: &str, what: fmt::Arguments<'_>) {
    // Names are quoted, so there is no NUL in the line.
    if let Ok(line) = CString::new(text(format_args!("({function}) {what}\n"))) {
        process::print(stream, &line);
    }
}

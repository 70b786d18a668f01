//! Lines on stdout and stderr.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fmt;

use super::aperror;
use crate::allocate::text;
use crate::environment;
use crate::error::Error;
use crate::os::{self, Stream};

/// Prints the line of a call to stdout, as `shm_util_debug` requests.
pub(crate) fn debug(function: &str, what: fmt::Arguments<'_>) {
    print(Stream::Out, function, what);
}

/// Prints an error to stderr, if the environment variable `APERROR_PRINT` requested it at
/// the first call, or if the program's variable `aperror_print` requests it now.
pub(crate) fn error(function: &str, error: &Error) {
    if aperror::is_set() || environment::prints_errors() {
        print(Stream::Error, function, format_args!("{error}"));
    }
}

fn print(stream: Stream, function: &str, what: fmt::Arguments<'_>) {
    // Names are quoted, so the line contains no NUL.
    if let Ok(line) = CString::new(text(format_args!("({function}) {what}\n"))) {
        os::print(stream, &line);
    }
}

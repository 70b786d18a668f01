//! Errors of the library as Python exceptions.

use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// An `OSError`, or the subclass that Python has for the `errno` value. Its `strerror` is
/// strerror(3)'s text, followed by what failed on what.
#[allow(clippy::needless_pass_by_value, reason = "as map_err passes it")]
pub(crate) fn raise(error: shm_util::Error) -> PyErr {
    new(error.errno(), error.to_string())
}

/// The error of the last part of a wait. It states the time of the whole wait.
pub(crate) fn raise_after(error: &shm_util::Error, limit: Duration) -> PyErr {
    let text = error.to_string();
    // The name may contain anything, so this looks from the end.
    let whole = match (text.rsplit_once(" after "), text.rsplit_once(": ")) {
        (Some((what, _)), Some((_, strerror))) => {
            format!("{what} after {} ms: {strerror}", limit.as_millis())
        }
        _ => text,
    };
    new(error.errno(), whole)
}

fn new(errno: i32, text: String) -> PyErr {
    // The library ends its sentence with strerror(3)'s text; Python begins with it.
    let strerror = match text.rsplit_once(": ") {
        Some((what, strerror)) => format!("{strerror}: {what}"),
        None => text,
    };
    PyOSError::new_err((errno, strerror))
}

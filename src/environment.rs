//! The environment as it was at the process's first call.
//!
//! It is read once. A thread that calls setenv(3) later can neither crash a call, which
//! might read what setenv frees, nor change where names are looked up. Only `~` and `$NAME`
//! in file names are read when the file is named, see `filename`.

#![forbid(unsafe_code)]

use std::ffi::CStr;

use once_cell::race::OnceBox;

use crate::allocate::try_box;
use crate::error::Result;
use crate::location::Location;
use crate::request::Lifetime;
use crate::{filename, os};

/// What the environment of the first call selects.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a variable of its own"
)]
pub(crate) struct Environment {
    /// What `NOB_DATABASE` selects; `None` if it is not set or empty. It is an error if the value
    /// cannot be translated.
    database: Result<Option<Location>>,
    /// `APERROR_PRINT`
    #[cfg(feature = "capi")]
    prints_errors: bool,
    /// `SHM_UTIL_KEEP` and `SHM_UTIL_TRANSIENT`
    lifetime: Lifetime,
    /// `SHM_UTIL_SYNC`
    waits_for_disk: bool,
    /// `SHM_UTIL_THREADS`
    uses_threads: bool,
}

/// Several threads may make the first call at once: all get what one of them has read.
/// This is no lock, which a fork at the wrong moment would leave locked in the child.
static AT_FIRST_CALL: OnceBox<[Environment; 1]> = OnceBox::new();

impl Environment {
    /// Reads it, unless that was done before. `ENOMEM` if memory is short: then the next
    /// call reads it.
    fn at_first_call() -> Result<&'static Self> {
        let [environment] = AT_FIRST_CALL.get_or_try_init(|| {
            try_box(Self {
                database: database()?,
                #[cfg(feature = "capi")]
                prints_errors: is_set(c"APERROR_PRINT"),
                lifetime: lifetime_of_new_segments(),
                waits_for_disk: os::variable(c"SHM_UTIL_SYNC", &mut [0; 2]) != Some(b"0"),
                uses_threads: os::variable(c"SHM_UTIL_THREADS", &mut [0; 2]) != Some(b"1"),
            })
            .map_err(|errno| errno.during(format_args!("read the environment")))
        })?;
        Ok(environment)
    }
}

/// Reads the environment, unless that was done before. Each C function does this first.
#[cfg(feature = "capi")]
#[inline]
pub(crate) fn read_once() {
    if AT_FIRST_CALL.get().is_none() {
        // If memory is short, the next call reads it.
        let _ = Environment::at_first_call();
    }
}

/// What `NOB_DATABASE` selects; `None` if it is not set or empty.
pub(crate) fn selected() -> Result<Option<&'static Location>> {
    match &Environment::at_first_call()?.database {
        Ok(location) => Ok(location.as_ref()),
        Err(error) => Err(error.copy()),
    }
}

/// Whether C functions print their errors (`APERROR_PRINT`).
#[cfg(feature = "capi")]
pub(crate) fn prints_errors() -> bool {
    match Environment::at_first_call() {
        Ok(environment) => environment.prints_errors,
        // This error is printed, too.
        Err(_) => is_set(c"APERROR_PRINT"),
    }
}

/// The lifetime of a new segment. If the program does not select one, `SHM_UTIL_KEEP` and
/// `SHM_UTIL_TRANSIENT` do.
pub(crate) fn lifetime(selected: Lifetime) -> Lifetime {
    match selected {
        Lifetime::Used => {
            Environment::at_first_call().map_or(Lifetime::Used, |environment| environment.lifetime)
        }
        selected => selected,
    }
}

/// If both variables are set, segments are kept, so that nothing is lost.
fn lifetime_of_new_segments() -> Lifetime {
    if is_set(c"SHM_UTIL_KEEP") {
        Lifetime::Kept
    } else if is_set(c"SHM_UTIL_TRANSIENT") {
        Lifetime::Transient
    } else {
        Lifetime::Used
    }
}

/// Whether a save waits for the disk: always, unless `SHM_UTIL_SYNC` is 0.
pub(crate) fn waits_for_disk() -> bool {
    Environment::at_first_call().map_or(true, |environment| environment.waits_for_disk)
}

/// Whether a load may use a second thread: always, unless `SHM_UTIL_THREADS` is 1.
pub(crate) fn uses_threads() -> bool {
    Environment::at_first_call().is_ok_and(|environment| environment.uses_threads)
}

/// What `NOB_DATABASE` selects. The outer error is a lack of memory.
fn database() -> Result<Result<Option<Location>>> {
    let location = filename::variable(c"NOB_DATABASE").and_then(|value| match value {
        Some(value) if !value.is_empty() => Location::at(&value).map(Some),
        _ => Ok(None),
    });
    match location.map_err(|error| error.in_what("NOB_DATABASE")) {
        Err(error) if error.errno() == libc::ENOMEM => Err(error),
        location => Ok(location),
    }
}

/// Whether a variable is set to a number other than 0.
fn is_set(name: &CStr) -> bool {
    let mut buffer = [0; 128];
    os::variable(name, &mut buffer).is_some_and(is_nonzero)
}

/// Whether a value is, as atoi(3) reads it, a number other than 0.
pub(crate) fn is_nonzero(value: &[u8]) -> bool {
    let digits = value.trim_ascii_start();
    let digits = match digits {
        [b'+' | b'-', rest @ ..] => rest,
        all => all,
    };
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .any(|&digit| digit != b'0')
}

//! `wait`: sleeps until a name exists.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::cli::Wait;
use crate::failure::{Failure, Outcome, Result};
use crate::namespace;

/// `shmutil wait`
pub(crate) fn wait(arguments: &Wait) -> Result<Outcome> {
    let name = &arguments.name.0;
    let namespace = namespace::selected();
    let limit = arguments.timeout.unwrap_or(Duration::MAX);
    let Err(error) = namespace.wait(name, limit) else {
        return Ok(Outcome::Fine);
    };
    if error.errno() != libc::ETIMEDOUT {
        return Err(Failure::library(&error, Some(name)));
    }
    // ETIMEDOUT may also mean that a stopped process holds the registry's lock; then this call
    // fails in the same way.
    match namespace.info(name) {
        Ok(_) => Ok(Outcome::Fine),
        Err(absent) if absent.errno() == libc::ENOENT => Err(Failure::no_such_name(format!(
            "{error}; check that the program that creates it is running and uses this namespace"
        ))),
        Err(error) => Err(Failure::library(&error, Some(name))),
    }
}

//! Commands in the private namespace, which is empty: its segments are memory of the process that
//! created them, and this command is another process.

#![forbid(unsafe_code)]

use crate::cli::Command;
use crate::failure::{Failure, Result, say};
use crate::names::{self, Name};

const WHY: &str = "a private namespace belongs to the process that uses it, so this command finds \
                   nothing in it";
const ADVICE: &str = "set NOB_DATABASE to a directory (it ends in /) or another path for the \
                      program, and select the same with --namespace";

/// Fails if a command needs a segment. Otherwise the command works, and finds none.
pub(crate) fn check(command: &Command) -> Result<()> {
    let name = match command {
        Command::Stat(arguments) => arguments.which.name.as_ref(),
        Command::Dump(arguments) => arguments.which.name.as_ref(),
        Command::Save(arguments) => Some(&arguments.name),
        Command::Load(arguments) if arguments.create => return Err(ends(&arguments.name)),
        Command::Load(arguments) => Some(&arguments.name),
        Command::Create(arguments) => return Err(ends(&arguments.name)),
        Command::Copy(arguments) => Some(&arguments.name),
        Command::Wait(arguments) => Some(&arguments.name),
        Command::Keep(arguments) => Some(&arguments.name),
        Command::Remove(arguments) => arguments.names.first(),
        Command::List(arguments) => {
            if !arguments.all && !arguments.json && !arguments.names && arguments.watch.is_none() {
                say(&format!("{WHY}; {ADVICE}"));
            }
            None
        }
        Command::Prune(arguments) => {
            if !arguments.all {
                say(&format!("{WHY}; {ADVICE}"));
            }
            None
        }
        Command::Doctor(_) | Command::Completions(_) | Command::Man => None,
    };
    match name {
        Some(Name(name)) => Err(Failure::no_such_name(format!(
            "no segment {}: {WHY}; {ADVICE}",
            names::quote(name)
        ))),
        // Identifiers are refused elsewhere.
        None => Ok(()),
    }
}

/// The error of a command that would create a segment.
fn ends(Name(name): &Name) -> Failure {
    would_end("create", name)
}

/// The error of a segment that would end with this command.
pub(crate) fn would_end(doing: &str, name: &[u8]) -> Failure {
    Failure::new(format!(
        "{doing} segment {}: a private namespace belongs to the process that uses it, so the \
         segment would end with this command; choose a directory (it ends in /) or another path",
        names::quote(name)
    ))
}

//! `shmutil`: see, steer and clean up named shared memory segments.
//!
//! | module     | job |
//! | ---------- | --- |
//! | `cli`      | the command line, from which completions and manual page are made |
//! | `manual`   | completions and manual page |
//! | `list`     | `list` and `stat` |
//! | `change`   | `create`, `keep`, `remove`, `prune` |
//! | `transfer` | `save` and `load` |
//! | `peer`     | this command at the other end of a pipe |
//! | `dump`     | `dump` |
//! | `doctor`   | `doctor` |
//! | `borrowed` | a segment that is looked at, and never destroyed |
//! | `holders`  | which processes have which segment mapped |
//! | `names`    | names, escaped and back |
//! | `units`    | sizes, ages and times, for people |
//! | `output`   | standard output, none of which is lost |
//! | `standard` | the standard descriptors, also where they are closed |
//! | `failure`  | errors, in one line |
//! | `raw`      | the few system calls on memory that others change |
//!
//! A segment is deleted by the last process that destroys it. This command is
//! never that process: what it maps, it leaves mapped until it ends, which
//! counts as nothing.

mod borrowed;
mod change;
mod cli;
mod doctor;
mod dump;
mod failure;
mod holders;
mod list;
mod manual;
mod names;
mod output;
mod peer;
mod raw;
mod standard;
mod sysvipc;
mod transfer;
mod units;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use failure::{Failure, Outcome, Result};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            if let Some(namespace) = &cli.namespace {
                // SAFETY: no other thread has been started yet.
                unsafe { std::env::set_var("NOB_DATABASE", namespace) };
            }
            finish(run(cli.command))
        }
        Err(error) if error.use_stderr() => finish(Err(Failure::usage(&error))),
        Err(help) => finish(manual::print_help(&help)),
    }
}

fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::List(arguments) => list::list(&arguments),
        Command::Stat(arguments) => list::stat(&arguments),
        Command::Create(arguments) => change::create(&arguments),
        Command::Save(arguments) => transfer::save(&arguments),
        Command::Load(arguments) => transfer::load(&arguments),
        Command::Dump(arguments) => dump::dump(&arguments),
        Command::Keep(arguments) => change::keep(&arguments),
        Command::Remove(arguments) => change::remove(&arguments),
        Command::Prune(arguments) => change::prune(&arguments),
        Command::Doctor => doctor::doctor(),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man => manual::page(),
    }
}

/// The exit status, after the one line that an error is told in.
fn finish(result: Result<Outcome>) -> ExitCode {
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

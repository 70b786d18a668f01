//! `shmutil`: inspects, manages and cleans up named shared memory segments.
//!
//! | module        | job |
//! | ------------- | --- |
//! | `cli`         | the command line |
//! | `list`        | `list` and `stat`; the table, and its refresh with `--watch` |
//! | `change`      | `create`, `keep`, `remove`, `prune` |
//! | `save`        | `save` |
//! | `load`        | `load` |
//! | `copy`        | `copy` |
//! | `new_segment` | the hidden segment that `load` and `copy` fill and publish |
//! | `transfer`    | what `save` and `load` share: pipes, progress bars |
//! | `peer`        | detects this command at the other end of a pipe |
//! | `dump`        | `dump` |
//! | `wait`        | `wait` |
//! | `doctor`      | `doctor` |
//! | `completions` | `completions`: scripts that also complete names |
//! | `manual`      | `man` and `--help` |
//! | `which`       | segments selected by name or by identifier |
//! | `borrowed`    | segments that are attached but never destroyed |
//! | `found`       | segments with what is known about their files |
//! | `holders`     | which processes have which segments attached |
//! | `names`       | names with and without escapes |
//! | `namespace`   | the namespaces that commands work in |
//! | `private`     | what commands do in the private namespace, which is empty |
//! | `units`       | sizes, ages and times |
//! | `output`      | buffered standard output |
//! | `screen`      | the terminal: its size, its alternate screen |
//! | `standard`    | the standard descriptors |
//! | `failure`     | error messages and exit statuses |
//! | `bytes`       | reading a segment that may lack pages |
//! | `raw`         | system calls on memory that other processes may change |
//!
//! The process that destroys a segment last deletes it. This command is never
//! that process, because it leaves what it attaches attached until it ends, and
//! the kernel's detach at the end of a process deletes nothing.

mod borrowed;
mod bytes;
mod change;
mod cli;
mod completions;
mod copy;
mod doctor;
mod dump;
mod failure;
mod found;
mod holders;
mod list;
mod load;
mod manual;
mod names;
mod namespace;
mod new_segment;
mod os;
mod output;
mod peer;
mod private;
mod raw;
mod save;
mod screen;
mod standard;
mod sysvipc;
mod transfer;
mod units;
mod wait;
mod which;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use failure::{Failure, Outcome, Result};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let selected = cli.namespace.as_deref().map_or(Ok(()), |path| {
                failure::set_namespace(path);
                namespace::select(path)
            });
            finish(selected.and_then(|()| run(cli.command)))
        }
        Err(error) if error.use_stderr() => finish(Err(Failure::usage(&error))),
        Err(help) => finish(manual::print_help(&help)),
    }
}

fn run(command: Command) -> Result<Outcome> {
    if namespace::is_private() {
        private::check(&command)?;
    }
    match command {
        Command::List(arguments) => list::list(&arguments),
        Command::Stat(arguments) => list::stat(&arguments),
        Command::Create(arguments) => change::create(&arguments),
        Command::Save(arguments) => save::save(&arguments),
        Command::Load(arguments) => load::load(&arguments),
        Command::Copy(arguments) => copy::copy(&arguments),
        Command::Dump(arguments) => dump::dump(&arguments),
        Command::Wait(arguments) => wait::wait(&arguments),
        Command::Keep(arguments) => change::keep(&arguments),
        Command::Remove(arguments) => change::remove(&arguments),
        Command::Prune(arguments) => change::prune(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => completions::print(&arguments),
        Command::Man => manual::show(),
    }
}

/// Prints the error, if there is one, and returns the exit status.
fn finish(result: Result<Outcome>) -> ExitCode {
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

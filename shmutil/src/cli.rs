//! The command line. Help, completions and the manual page are made from this.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::names::{Name, NameParser};
use crate::units;

/// See, steer and clean up named shared memory segments
///
/// shmutil works on the segments that programs make with shmCreate of
/// libshm_util: System V shared memory that is found by name. It never deletes a
/// segment but by remove and prune: what only reads a segment leaves its bytes,
/// name and mode as they were. But save and dump have to map it, which makes
/// them its last user: see prune.
#[derive(Debug, Parser)]
#[command(name = "shmutil", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The name space to work in, as the environment variable NOB_DATABASE
    /// selects it; without both it is that of the effective user
    #[arg(long, global = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) namespace: Option<OsString>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List all names, with who holds what
    ///
    /// The state is 'in use' while a process has the segment mapped, 'kept' if it
    /// outlives its last user, and else 'orphaned': its last user ended without
    /// shmDestroy. Processes that may not be looked at are told as '?'.
    List(List),
    /// Show all that is known of one segment
    Stat(Stat),
    /// Make a segment, all zero, which stays when this command ends
    ///
    /// Nobody has it mapped then, so it is an orphan until a program maps it, and
    /// is deleted by the last program that destroys it. With --keep it outlives
    /// that too.
    Create(Create),
    /// Write a segment's bytes, and nothing else, to a file
    ///
    /// The file is replaced as a whole: whoever opens it, and after a crash too,
    /// finds all old or all new bytes. The segment is mapped meanwhile, so an
    /// orphan's age begins anew: see prune.
    Save(Save),
    /// Read a segment's bytes from a file
    ///
    /// If the sizes differ, as many bytes are read as both have, which is said,
    /// and the exit status is 1. A load that fails deletes a segment that it has
    /// made. One that a signal ends, such as that of Ctrl-C, can't: it leaves an
    /// orphan under this name, filled in part, which remove takes away.
    Load(Load),
    /// Show a segment's bytes, hexadecimal and as text
    ///
    /// The segment is mapped meanwhile, so an orphan's age begins anew: see prune.
    Dump(Dump),
    /// Let a segment outlive its last user, until it is removed
    Keep(Keep),
    /// Remove a name at once, and its segment when its last user leaves
    Remove(Remove),
    /// Remove the orphans that nobody has used for some time
    ///
    /// Those are segments that nobody has mapped, that are not kept, and whose
    /// last user left longer ago than the given age; those that nobody has ever
    /// mapped count from when they were made. A save and a dump are users too:
    /// where they come more often than the age, prune removes nothing. Orphans
    /// that are another user's stay, which is said on standard error.
    Prune(Prune),
    /// Check limits, the registry, permissions, orphans and the system's settings
    ///
    /// Says what to do about whatever it finds. The exit status is 1 if anything
    /// needs attention.
    Doctor,
    /// Print completions for a shell
    Completions(Completions),
    /// Print this command's manual page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print JSON: an array with one object for each name
    #[arg(long)]
    pub(crate) json: bool,
    /// Print it again every so many seconds, 2 if not said; with --json one
    /// array a line
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) watch: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Stat {
    /// The segment's name, escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// Print JSON: one object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name, which must be new; escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The size in bytes, or as 64K, 10M, 1G (powers of 1024)
    #[arg(value_parser = units::parse_nonzero_size, allow_negative_numbers = true)]
    pub(crate) size: u64,
    #[command(flatten)]
    pub(crate) new: New,
}

/// What a new segment is to be.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Its permission bits, octal, whatever the umask is
    #[arg(long, default_value = "660", value_parser = units::parse_mode)]
    pub(crate) mode: u32,
    /// Let it outlive its last user
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The segment's name, escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The file, or - for standard output, if that is no terminal
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The segment's name, escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The file, or - for standard input
    pub(crate) file: PathBuf,
    /// Make the segment, of the file's size, if there is none; it stays when this
    /// command ends
    #[arg(long)]
    pub(crate) create: bool,
    /// The size of a new segment: of what comes from a pipe it is not known
    /// beforehand, so all is read before the segment is made. A segment that is
    /// there already must have this size
    #[arg(long, requires = "create", value_parser = units::parse_nonzero_size,
          allow_hyphen_values = true)]
    pub(crate) size: Option<u64>,
    /// The permission bits of a new segment, octal, whatever the umask is
    #[arg(long, requires = "create", default_value = "660", value_parser = units::parse_mode)]
    pub(crate) mode: u32,
    /// Let a new segment outlive its last user
    #[arg(long, requires = "create")]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Dump {
    /// The segment's name, escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// Where to begin, in bytes, or as 64K or 0x1000
    #[arg(long, default_value = "0", value_parser = units::parse_size,
          allow_hyphen_values = true)]
    pub(crate) offset: u64,
    /// How many bytes to show; without it all to the end
    #[arg(long, value_parser = units::parse_size, allow_hyphen_values = true)]
    pub(crate) length: Option<u64>,
    /// Show only lines in which this saved file differs, or - for standard input:
    /// the file's with '-', the segment's with '+'. The exit status is 1 if there
    /// are any
    #[arg(long, value_name = "FILE")]
    pub(crate) diff: Option<PathBuf>,
    /// Show lines that repeat the one before, instead of one '*' for all of them
    #[arg(long, conflicts_with = "diff")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// The segment's name, escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// Let it end with its last user again
    #[arg(long)]
    pub(crate) off: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The segment's name, escaped as list shows it
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// How long nobody must have used them: 90s, 10m, '1h 30m', 7d
    #[arg(long, value_name = "AGE", value_parser = units::parse_age,
          allow_hyphen_values = true)]
    pub(crate) older_than: Duration,
    /// Only say what would be removed, and what would not
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_makes_sense() {
        super::Cli::command().debug_assert();
    }
}

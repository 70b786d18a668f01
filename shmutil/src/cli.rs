//! The command line. Help, completions and the manual page are generated from
//! it.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::names::{Name, NameParser};
use crate::units;

/// Inspect, manage and clean up named shared memory segments
///
/// shmutil works on the segments that programs create with shmCreate of libshm_util: named shared
/// memory, which is System V shared memory or, in a directory namespace, files. Read-only commands
/// never delete a segment, even if they are the last to detach it. However, save, copy and dump
/// attach the segment, which resets the age of an orphan: see prune.
#[derive(Debug, Parser)]
#[command(name = "shmutil", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The path that selects the namespace, instead of the environment variable NOB_DATABASE; a
    /// path that ends in / is a directory whose files are the segments (default: the namespace of
    /// the effective user)
    #[arg(long, global = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) namespace: Option<OsString>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List all segments and the processes that have them attached
    ///
    /// The state is 'in use' while a process has the segment attached, which may be followed by
    /// 'kept' or 'transient'. Otherwise it is 'kept' if the segment outlives its holders, and
    /// 'orphaned' if not, followed by the time since the last detach; for a file in a directory,
    /// since it was last written, attached or changed. Processes that you may not inspect are
    /// shown as '?'.
    ///
    /// On a terminal, long names are shortened in the middle until the table fits. Output to a
    /// file or a pipe is never shortened.
    List(List),
    /// Show everything known about one segment
    Stat(Stat),
    /// Create a segment filled with zeros
    ///
    /// No process has the segment attached when this command ends. Without --keep, it is then an
    /// orphan until a program attaches it, and the last program that destroys it deletes it.
    Create(Create),
    /// Save a segment's bytes to a file
    ///
    /// The file contains the segment's bytes and nothing else. It is replaced as a whole: a process
    /// that opens it, even after a crash, reads either all the old bytes or all the new. Saving
    /// attaches the segment, which resets the age of an orphan: see prune.
    Save(Save),
    /// Load a segment's bytes from a file
    ///
    /// If the sizes differ, load reads only as many bytes as the smaller of the two has, prints a
    /// message, and exits with status 1. A load that fails, or is ended by a signal, leaves nothing
    /// of the segment that it created: other programs never see it. A load into a segment that
    /// existed leaves it partly overwritten.
    Load(Load),
    /// Copy a segment to another namespace, of any kind
    ///
    /// The copy appears at once with all its bytes, or not at all: a copy that fails, or is ended
    /// by a signal, leaves nothing that other programs see. If the name exists there, the command
    /// fails, and the name keeps its segment. The copy has the segment's permission bits, and is
    /// kept if the segment is; it belongs to the user who copies. Parts that no program has ever
    /// touched are neither read nor written, but room for them is reserved.
    ///
    /// The segment itself stays. This attaches it, which resets the age of an orphan: see prune. If
    /// programs write to it meanwhile, the copy may have only some of what they have written.
    Copy(Copy),
    /// Show a segment's bytes in hexadecimal and as text
    ///
    /// This attaches the segment, which resets the age of an orphan: see prune.
    Dump(Dump),
    /// Wait until a segment exists
    ///
    /// This command sleeps until a program creates the segment, and prints nothing. It ends at once
    /// if the segment exists already. If the time limit is reached, the exit status is 4, as for
    /// any name that does not exist.
    Wait(Wait),
    /// Make a segment outlive its holders, until its name is removed
    Keep(Keep),
    /// Remove names now, and delete their segments once no process has them attached
    ///
    /// If a name cannot be removed, the others are removed nevertheless. Messages on standard error
    /// then state which names were removed, and why the others were not.
    Remove(Remove),
    /// Delete orphans that have been idle for some time, and registries left behind
    ///
    /// An orphan is a segment that is not kept and that no process has attached. Its age counts
    /// from when it was last detached or, if it was never attached, from when it was created; in a
    /// directory, from when its file was last written, attached or changed.
    /// A save, a copy or a dump resets the age: if one runs at intervals shorter than AGE, prune
    /// deletes nothing.
    /// Orphans that belong to other users are left alone and reported on standard error.
    ///
    /// In System V namespaces, a registry is left behind if it contains no names and no process has
    /// it attached. Programs that end with _exit(2) or by a signal leave such registries. Those of
    /// this user are removed, whatever their namespace and age. In a directory, the temporary files
    /// that such programs left are removed.
    Prune(Prune),
    /// Check environment, limits, registry, permissions, orphans and system settings
    ///
    /// In a directory namespace, this checks the directory, its file system and its files.
    ///
    /// Every problem is reported with advice on how to solve it. The exit status is 1 if anything
    /// needs attention.
    Doctor(Doctor),
    /// Print a completion script for a shell
    ///
    /// The scripts for bash, zsh and fish complete the names of segments, too.
    Completions(Completions),
    /// Show this command's manual page
    ///
    /// On a terminal, the page is formatted and paged, as man does. Otherwise its roff source is
    /// printed.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print a JSON array with one object per segment
    #[arg(long)]
    pub(crate) json: bool,
    /// Refresh every SECONDS seconds (default 2); with --json, print one array per line
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) watch: Option<u32>,
    /// List the segments of all System V namespaces that you may inspect, as root those of all
    /// users, and of the selected namespace. Other directories are not searched
    #[arg(long)]
    pub(crate) all: bool,
    /// Print names only, one per line: for the completion scripts
    #[arg(long, hide = true, conflicts_with_all = ["json", "watch", "all"])]
    pub(crate) names: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Also check all other System V namespaces that you may inspect; as root, those of all users.
    /// Other directories are not searched
    #[arg(long)]
    pub(crate) all: bool,
}

// The segment that a command only looks at. A doc comment would become that of the command.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The segment's name, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Option<Name>,
    /// The identifier of a segment of the namespace, as shown by list, instead of its name. Files
    /// have none
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..), allow_negative_numbers = true)]
    pub(crate) id: Option<i32>,
}

#[derive(Debug, Args)]
pub(crate) struct Stat {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The new segment's name, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The size in bytes, or with a unit: 64K, 10M, 1G (powers of 1024); see SIZES in the manual
    #[arg(value_parser = units::parse_nonzero_size, allow_negative_numbers = true)]
    pub(crate) size: u64,
    /// Permission bits in octal, regardless of the umask
    #[arg(long, default_value = "660", value_parser = units::parse_mode)]
    pub(crate) mode: u32,
    /// Make the segment outlive its holders
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The segment's name, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The file, or - for standard output (which must not be a terminal)
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The segment's name, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The file, or - for standard input
    pub(crate) file: PathBuf,
    /// Create the segment, with the file's size, if it does not exist
    #[arg(long)]
    pub(crate) create: bool,
    /// Only with --create: the size of the new segment, such as 10M; without this option, input
    /// from a pipe is collected in memory to find out its size. A segment that exists already must
    /// have this size
    #[arg(long, requires = "create", value_parser = units::parse_nonzero_size,
          allow_hyphen_values = true)]
    pub(crate) size: Option<u64>,
    /// Only with --create: permission bits of the new segment in octal, regardless of the umask
    #[arg(long, requires = "create", default_value = "660", value_parser = units::parse_mode)]
    pub(crate) mode: u32,
    /// Only with --create: make the new segment outlive its holders
    #[arg(long, requires = "create")]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The segment's name, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The path that selects the namespace of the copy, as with --namespace
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) to: OsString,
    /// The name of the copy, escaped as in the output of list (default: that of the segment)
    #[arg(long = "as", value_name = "NEWNAME", value_parser = NameParser)]
    pub(crate) new_name: Option<Name>,
}

#[derive(Debug, Args)]
pub(crate) struct Dump {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Where to start, in bytes: 4096, 64K or 0x1000
    #[arg(long, default_value = "0", value_parser = units::parse_size,
          allow_hyphen_values = true)]
    pub(crate) offset: u64,
    /// How many bytes to show (default: to the end)
    #[arg(long, value_parser = units::parse_size, allow_hyphen_values = true)]
    pub(crate) length: Option<u64>,
    /// Show only the lines that differ from this saved file (- for standard input), with '-' before
    /// those of the file and '+' before those of the segment. The exit status is 1 if any differ
    #[arg(long, value_name = "FILE")]
    pub(crate) diff: Option<PathBuf>,
    /// Show repeated lines, instead of replacing them with one '*'
    #[arg(long, conflicts_with = "diff")]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The name of the segment to wait for, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// The time limit, such as 90s, 10m or 500ms (default: no limit)
    #[arg(long, value_name = "TIME", value_parser = units::parse_time_limit,
          allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// The segment's name, escaped as in the output of list
    #[arg(value_parser = NameParser)]
    pub(crate) name: Name,
    /// Make the segment an ordinary one: the last program that destroys it deletes it
    #[arg(long)]
    pub(crate) off: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Remove {
    /// The segments' names, escaped as in the output of list
    #[arg(value_parser = NameParser, value_name = "NAME")]
    pub(crate) names: Vec<Name>,
    /// The identifier of a segment of the namespace, as shown by list, instead of its name. May be
    /// given several times
    #[arg(long = "id", value_name = "ID", value_parser = clap::value_parser!(i32).range(0..),
          allow_negative_numbers = true)]
    pub(crate) ids: Vec<i32>,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Minimum idle time: 90s, 10m, '1h 30m', 7d
    #[arg(long, value_name = "AGE", value_parser = units::parse_age,
          allow_hyphen_values = true)]
    pub(crate) older_than: Duration,
    /// Print what would be deleted, but delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete the orphans of all System V namespaces that you may inspect, as root those of all
    /// users, and of the selected namespace. Other directories are not searched. In a namespace
    /// that you may inspect but not use, only segments of the user who created its registry are
    /// deleted
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

//! How a command ends: its exit status, and errors in one line that says what
//! to do.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::names;

/// What the functions of the command return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// How a command that did its work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is to be said.
    Fine,
    /// It found differences, or what needs attention.
    Attention,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Attention => 1,
        })
    }
}

/// Why a command did not do its work. The values are the exit statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usage = 2,
    Failed = 3,
    NoSuchName = 4,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    text: String,
}

impl Failure {
    /// What clap says in several lines.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let command = Cli::command();
            let names: Vec<&str> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            return Self::misuse(format!("say what to do: {}", names.join(", ")));
        }
        let rendered = error.render().to_string();
        let paragraphs: Vec<String> = rendered
            .split("\n\n")
            .map(|paragraph| {
                let words: Vec<&str> = paragraph.split_whitespace().collect();
                words.join(" ")
            })
            .filter(|paragraph| !paragraph.is_empty())
            .collect();
        let text = paragraphs.join("; ");
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        Self {
            kind: Kind::Usage,
            text: text.trim_end_matches('.').to_owned(),
        }
    }

    /// Arguments that make no sense together.
    pub(crate) fn misuse(text: impl Display) -> Self {
        Self {
            kind: Kind::Usage,
            text: format!("{text}; see 'shmutil --help'"),
        }
    }

    /// Anything else that went wrong, and what to do.
    pub(crate) fn new(text: impl Display) -> Self {
        Self {
            kind: Kind::Failed,
            text: text.to_string(),
        }
    }

    /// A system call that failed, with what was being done.
    pub(crate) fn io(doing: impl Display, error: &io::Error) -> Self {
        let advice = match error.kind() {
            _ if error.raw_os_error() == Some(libc::EBADF) => {
                "; it is closed, or was not opened for that"
            }
            io::ErrorKind::BrokenPipe => "; its reader must read to the end",
            io::ErrorKind::StorageFull => "; free some space there",
            io::ErrorKind::NotFound => "; check the file's name",
            io::ErrorKind::PermissionDenied => "; check its permissions, see ls -ld",
            _ => "",
        };
        Self::new(format!("{doing}: {}{advice}", reason(error)))
    }

    /// An error of the library, which says what was being done to what. `name`
    /// is the one that the command was called with.
    pub(crate) fn library(error: &shm_util::Error, name: Option<&[u8]>) -> Self {
        let name = name.map_or_else(|| "NAME".to_owned(), names::show_in_shell);
        let (kind, advice) = match error.errno() {
            libc::ENOENT => (
                Kind::NoSuchName,
                "; see 'shmutil list' for the names there are".to_owned(),
            ),
            libc::EEXIST => (
                Kind::Failed,
                format!("; choose another name, or remove it: shmutil remove {name}"),
            ),
            // What may be read, or written to, but is the owner's to change.
            libc::EPERM => (
                Kind::Failed,
                "; do it as the segment's owner or as root".to_owned(),
            ),
            libc::EACCES => (
                Kind::Failed,
                "; do it as the segment's owner, as root, or in the group that shares the name \
                 space, if the segment's mode lets it"
                    .to_owned(),
            ),
            libc::ENOSPC | libc::ENOMEM => (
                Kind::Failed,
                "; 'shmutil doctor' says what to do".to_owned(),
            ),
            // Of a damaged or locked registry the library itself says it.
            _ => (Kind::Failed, String::new()),
        };
        Self {
            kind,
            text: format!("{error}{advice}"),
        }
    }

    /// Says it on standard error.
    pub(crate) fn print(&self) {
        say(&self.text);
    }

    /// The status to end with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Usage => 2,
            Kind::Failed => 3,
            Kind::NoSuchName => 4,
        })
    }
}

/// A line on standard error. Where that is closed or full, nobody is to be told.
pub(crate) fn say(text: &str) {
    let line = format!("shmutil: {}\n", text.replace('\n', " "));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// The text of strerror(3), without the number that Rust adds.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

//! How a command ends: its exit status, and the one-line message of an error,
//! which ends with advice.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use shm_util::Reason;

use crate::cli::Cli;
use crate::names;

/// The result type of the command's functions.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// How a command that did its work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is nothing to report.
    Fine,
    /// It found differences or problems.
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

/// The kinds of failure. The values are the exit statuses.
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
    /// An error in the command line: clap's message, on one line.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let command = Cli::command();
            let names: Vec<&str> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            return Self::misuse(format!("no command given; use one of {}", names.join(", ")));
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

    /// Arguments that are wrong for a reason that clap cannot know.
    pub(crate) fn misuse(text: impl Display) -> Self {
        Self {
            kind: Kind::Usage,
            text: format!("{text}; see 'shmutil --help'"),
        }
    }

    /// Any other failure. The text should say what to do.
    pub(crate) fn new(text: impl Display) -> Self {
        Self {
            kind: Kind::Failed,
            text: text.to_string(),
        }
    }

    /// No segment has the name that is needed. The text should contain advice.
    pub(crate) fn no_such_name(text: impl Display) -> Self {
        Self {
            kind: Kind::NoSuchName,
            text: text.to_string(),
        }
    }

    /// A failed system call; `doing` is what was attempted on what.
    pub(crate) fn io(doing: impl Display, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::BrokenPipe => "; its reader must read all of it",
            io::ErrorKind::StorageFull => "; free some space there",
            io::ErrorKind::NotFound => "; check the file's name",
            io::ErrorKind::PermissionDenied => "; check its permissions with ls -ld",
            io::ErrorKind::IsADirectory => "; name a file in it",
            io::ErrorKind::NotADirectory => "; check the directories in the file's name",
            _ => error.raw_os_error().map_or("", advice_on_file),
        };
        Self::new(format!("{doing}: {}{advice}", reason(error)))
    }

    /// An error of the library, whose text names what was attempted on what, with
    /// advice. `name` is the segment's name on the command line, if there was one.
    pub(crate) fn library(error: &shm_util::Error, name: Option<&[u8]>) -> Self {
        Self::library_with(error, name, &command)
    }

    /// As above, for a namespace in which these commands work.
    pub(crate) fn library_with(
        error: &shm_util::Error,
        name: Option<&[u8]>,
        command: &dyn Fn(&str) -> String,
    ) -> Self {
        let name = name.map_or_else(|| "NAME".to_owned(), names::show_in_shell);
        let (kind, advice) = match error.errno() {
            // The library's own text contains the advice.
            _ if error.reason() == Reason::NoSystemV => (Kind::Failed, String::new()),
            // So does this one, which is not about a segment.
            _ if error.reason() == Reason::Namespace => (Kind::Failed, String::new()),
            libc::ENOENT => (
                Kind::NoSuchName,
                format!("; run '{}' to see the names that exist", command("list")),
            ),
            libc::EEXIST => (
                Kind::Failed,
                format!(
                    "; choose another name, or remove this one with: {} {name}",
                    command("remove")
                ),
            ),
            // The segment may be accessed, but only its owner may change it.
            libc::EPERM => (
                Kind::Failed,
                "; run this as the segment's owner or as root".to_owned(),
            ),
            libc::EACCES => (
                Kind::Failed,
                "; run this as the segment's owner, as root, or as a member of the group that \
                 shares the namespace, if the segment's mode allows that"
                    .to_owned(),
            ),
            libc::ENOSPC | libc::ENOMEM => (
                Kind::Failed,
                format!("; run '{}' for advice", command("doctor")),
            ),
            libc::ENAMETOOLONG => (Kind::Failed, "; choose a shorter name".to_owned()),
            // The library's own text has the advice for a damaged or locked registry.
            _ => (Kind::Failed, String::new()),
        };
        Self {
            kind,
            text: format!("{error}{advice}"),
        }
    }

    /// No segment of the namespace has the identifier.
    pub(crate) fn no_such_segment(error: &shm_util::Error, advice: &str) -> Self {
        Self {
            kind: Kind::NoSuchName,
            text: format!("{error}{advice}"),
        }
    }

    /// Adds advice to that of the message.
    pub(crate) fn or_else(self, advice: &str) -> Self {
        Self {
            text: self.text + advice,
            ..self
        }
    }

    /// Whether the reason is that no segment has the name.
    pub(crate) fn is_no_such_name(&self) -> bool {
        self.kind == Kind::NoSuchName
    }

    /// Prints the message on standard error.
    pub(crate) fn print(&self) {
        say(&self.text);
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Usage => 2,
            Kind::Failed => 3,
            Kind::NoSuchName => 4,
        })
    }
}

/// The option --namespace, which advice repeats.
static NAMESPACE: OnceLock<String> = OnceLock::new();

/// Makes advice repeat the option --namespace.
pub(crate) fn set_namespace(path: &OsStr) {
    // It is set once.
    let _ = NAMESPACE.set(names::show_in_shell(path.as_bytes()));
}

/// A command line for advice, which works in the same namespace as this process.
pub(crate) fn command(words: &str) -> String {
    match NAMESPACE.get() {
        Some(namespace) => format!("shmutil --namespace {namespace} {words}"),
        None => format!("shmutil {words}"),
    }
}

/// A command line for advice, which works in the namespace of a path; in that of this user if
/// the path is empty.
pub(crate) fn command_in(path: &[u8], words: &str) -> String {
    let path = if path.is_empty() {
        "\"\"".to_owned()
    } else {
        names::show_in_shell(path)
    };
    format!("shmutil --namespace {path} {words}")
}

/// Advice on an error of a file that `io::ErrorKind` does not distinguish.
pub(crate) fn advice_on_file(errno: i32) -> &'static str {
    match errno {
        libc::EBADF => "; it is closed, or open in the wrong direction",
        libc::ELOOP => "; check where the symbolic links in its name lead",
        libc::ENAMETOOLONG => "; choose a shorter name",
        libc::ENXIO | libc::ENODEV => "; name a file, a device or a pipe",
        libc::EMFILE | libc::ENFILE => "; close other files, or raise the limit with 'ulimit -n'",
        libc::EIO => "; check the system's log for errors of the disk",
        _ => "",
    }
}

/// Prints one line on standard error. If that fails, there is nowhere left to
/// report it.
pub(crate) fn say(text: &str) {
    let line = format!("shmutil: {}\n", text.replace('\n', " "));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// The text of strerror(3), without the number that Rust appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

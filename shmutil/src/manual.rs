//! Help and the manual page, generated from the definition of the command line.
//! The sections of the page that it does not cover are in `shmutil.1.after`.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Seek as _, Write};
use std::os::unix::process::CommandExt as _;
use std::process;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::{Failure, Outcome, Result};
use crate::{os, output};

/// The date of the page's last change.
const DATE: &str = "2026-11-27";

/// The sections after the generated ones.
const AFTER: &str = include_str!("shmutil.1.after");

/// Shows the page that is on standard input. man(1) finds the pager itself.
/// Without it, a formatter and a pager do the same; without these, the page is
/// printed as it is.
const PAGER: &str = "
    command -v man >/dev/null && exec man -l /dev/stdin
    if command -v groff >/dev/null; then format='groff -man -Tutf8'
    elif command -v mandoc >/dev/null; then format='mandoc'
    else exec cat
    fi
    pager=${MANPAGER:-${PAGER:-$(command -v less || command -v more || echo cat)}}
    $format | LESS=${LESS:--R} $pager
";

/// Prints help or version.
pub(crate) fn print_help(help: &clap::Error) -> Result<Outcome> {
    output::print(|out| write!(out, "{}", help.render().ansi()))?;
    Ok(Outcome::Fine)
}

/// `shmutil man`
pub(crate) fn show() -> Result<Outcome> {
    let mut page = Vec::new();
    render(&mut page).map_err(|error| Failure::io("format the manual page", &error))?;
    if io::stdout().is_terminal() {
        // This returns only if it fails: then the page's source has to do.
        let _ = show_in_pager(&page);
    }
    output::print(|out| out.write_all(&page))?;
    Ok(Outcome::Fine)
}

/// Replaces this process with a program that formats and pages the page.
fn show_in_pager(page: &[u8]) -> io::Result<Infallible> {
    let mut file = os::nameless_file()?;
    file.write_all(page)?;
    file.rewind()?;
    let mut shell = process::Command::new("sh");
    Err(shell.args(["-c", PAGER]).stdin(file).exec())
}

/// Writes the page.
fn render(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let version = command.get_version().unwrap_or_default().to_owned();
    let man = Man::new(command.clone())
        .title("SHMUTIL")
        .section("1")
        .date(DATE)
        .source(format!("shm_util {version}"))
        .manual("User Commands");
    man.render_title(page)?;
    man.render_name_section(page)?;
    writeln!(page, ".SH SYNOPSIS\n.nf")?;
    for subcommand in command.get_subcommands() {
        writeln!(page, "\\fB{}\\fR", escape(&synopsis(subcommand)))?;
    }
    writeln!(page, ".fi")?;
    man.render_description_section(page)?;
    writeln!(page, ".SH COMMANDS")?;
    for subcommand in command.get_subcommands() {
        render_command(subcommand, page)?;
    }
    man.render_options_section(page)?;
    page.write_all(AFTER.as_bytes())
}

/// The usage line of a command.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.trim_start_matches("Usage: ").to_owned()
}

fn render_command(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    writeln!(page, ".SS {}", escape(&synopsis(command)))?;
    let about = command
        .get_long_about()
        .or(command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    for (number, paragraph) in about.split("\n\n").enumerate() {
        let end = if paragraph.ends_with('.') { "" } else { "." };
        if number > 0 {
            writeln!(page, ".PP")?;
        }
        writeln!(page, "{}{end}", escape(paragraph))?;
    }
    let is_own = |argument: &&clap::Arg| {
        !argument.is_global_set() && !argument.is_hide_set() && argument.get_id() != "help"
    };
    for argument in command.get_arguments().filter(is_own) {
        writeln!(page, ".TP\n\\fB{}\\fR", escape(&argument.to_string()))?;
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let values = |values: Vec<String>| escape(&values.join(", "));
        if !argument.get_action().takes_values() {
            writeln!(page, "{}.", escape(&help))?;
            continue;
        }
        let choices = argument.get_possible_values();
        if !choices.is_empty() {
            let choices = choices.iter().map(|value| value.get_name().to_owned());
            writeln!(page, "One of {}.", values(choices.collect()))?;
            continue;
        }
        let defaults = argument.get_default_values();
        let defaults = defaults
            .iter()
            .map(|value| value.to_string_lossy().into_owned());
        match values(defaults.collect()).as_str() {
            "" => writeln!(page, "{}.", escape(&help))?,
            defaults => writeln!(page, "{} (default: {defaults}).", escape(&help))?,
        }
    }
    Ok(())
}

/// Escapes text for roff.
fn escape(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            if line.starts_with('.') {
                format!("\\&{line}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n")
}

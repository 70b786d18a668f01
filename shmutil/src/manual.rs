//! Help, completions and the manual page, all from the command line's
//! definition; what that does not say of the manual page is written here.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::{Cli, Completions};
use crate::failure::{Outcome, Result};
use crate::output;

/// When the page was last changed.
const DATE: &str = "2026-11-23";

/// What comes after the parts that are generated.
const AFTER: &str = include_str!("shmutil.1.after");

/// Prints what clap wants to tell on standard output.
pub(crate) fn print_help(help: &clap::Error) -> Result<Outcome> {
    output::print(|out| write!(out, "{}", help.render().ansi()))?;
    Ok(Outcome::Fine)
}

/// `shmutil completions SHELL`
pub(crate) fn completions(arguments: &Completions) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "shmutil", &mut script);
    output::print(|out| out.write_all(&script))?;
    Ok(Outcome::Fine)
}

/// `shmutil man`
pub(crate) fn page() -> Result<Outcome> {
    let mut page = Vec::new();
    let result = render(&mut page);
    output::print(|out| {
        result?;
        out.write_all(&page)
    })?;
    Ok(Outcome::Fine)
}

/// One page with all commands: title, options, a section of the commands with
/// their options, and what is written by hand.
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

/// How a command is called.
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
    let is_own = |argument: &&clap::Arg| !argument.is_global_set() && argument.get_id() != "help";
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

/// Text as roff takes it for text.
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

//! `completions`: the scripts that clap generates, extended by the names of
//! segments.
//!
//! clap_complete can only complete what it knows at build time, except by an
//! unstable feature. So the scripts for bash, zsh and fish get a function that
//! calls `shmutil list --names`, which is hidden from people.

#![forbid(unsafe_code)]

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, Completions};
use crate::failure::{Outcome, Result};
use crate::output;

/// Completes names, then calls the generated function for everything else.
const BASH: &str = include_str!("completions/names.bash");
/// Defines the function that completes names.
const ZSH: &str = include_str!("completions/names.zsh");
/// Adds names to the generated completions.
const FISH: &str = include_str!("completions/names.fish");

/// How the script for zsh completes an argument whose value it does not know.
const ZSH_UNKNOWN: &str = ":_default'";

/// How the script for zsh describes arguments that are names of existing segments.
const NAMES: [&str; 3] = [
    "':name -- The segment",
    "'::name -- The segment",
    "'*::names -- The segments",
];

/// `shmutil completions SHELL`
pub(crate) fn print(arguments: &Completions) -> Result<Outcome> {
    let script = script(arguments.shell);
    output::print(|out| out.write_all(script.as_bytes()))?;
    Ok(Outcome::Fine)
}

fn script(shell: Shell) -> String {
    let mut generated = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "shmutil", &mut generated);
    let generated = String::from_utf8_lossy(&generated).into_owned();
    match shell {
        Shell::Bash => generated + BASH,
        Shell::Fish => generated + FISH,
        Shell::Zsh => with_names_in_zsh(&generated),
        _ => generated,
    }
}

/// Inserts the function for names before the generated ones, the first of which
/// runs when the script ends, and calls it for names of existing segments.
fn with_names_in_zsh(generated: &str) -> String {
    let mut script = String::new();
    for line in generated.lines() {
        if line == "_shmutil() {" {
            script.push_str(ZSH);
        }
        match line.split_once(ZSH_UNKNOWN) {
            Some((start, end)) if NAMES.iter().any(|names| start.starts_with(names)) => {
                script.push_str(start);
                script.push_str(":_shmutil_names'");
                script.push_str(end);
            }
            _ => script.push_str(line),
        }
        script.push('\n');
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zsh_script_completes_the_names_of_existing_segments() {
        let script = script(Shell::Zsh);
        // stat, save, load, copy, dump, keep and remove
        assert_eq!(script.matches(":_shmutil_names'").count(), 7);
        assert_eq!(script.matches("\n_shmutil_names() {").count(), 1);
        assert!(script.starts_with("#compdef shmutil\n"));
    }
}

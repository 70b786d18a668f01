//! Standard input and output that are closed, full, or open in the wrong direction.

use std::fs::File;
use std::process::{Command, Stdio};

use predicates::prelude::*;

use crate::world::{SHMUTIL, World, noise, one_line};

#[test]
fn a_closed_pipe_is_not_an_error_for_text() {
    let world = World::new();
    world.ok(&["create", "large", "4M"]);
    world.ok(&["load", "large", &world.write("noise", &noise(4 << 20))]);
    let text = [
        &["dump", "large"][..],
        &["list"],
        &["list", "--json"],
        &["stat", "large"],
        &["doctor"],
        &["--help"],
        &["man"],
        &["completions", "bash"],
    ];
    for arguments in text {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut command = world.command(arguments);
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.stderr, b"", "{arguments:?}");
        let attention = i32::from(arguments == ["doctor"]);
        assert_eq!(output.status.code(), Some(attention), "{arguments:?}");
    }
}

/// Commands that write to standard output, if there is a segment 'x'.
const WRITERS: [&[&str]; 12] = [
    &["dump", "x"],
    &["list"],
    &["list", "--json"],
    &["stat", "x"],
    &["doctor"],
    &["prune", "--older-than", "0s", "--dry-run"],
    &["--help"],
    &["--version"],
    &["man"],
    &["completions", "fish"],
    &["completions", "zsh"],
    &["save", "x", "-"],
];

#[test]
fn a_full_output_is_an_error() {
    let world = World::new();
    world.ok(&["create", "x", "100K"]);
    for arguments in WRITERS {
        let mut command = world.command(arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            one_line("No space left on device").eval(&error),
            "{arguments:?} {error}"
        );
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
    }
}

/// Runs the command with a redirection of the shell. Returns its exit status and
/// what it printed on standard error.
fn redirected(world: &World, arguments: &[&str], redirection: &str) -> (Option<i32>, String) {
    let mut shell = Command::new("sh");
    world.prepare(&mut shell);
    let script = format!("exec {SHMUTIL} \"$@\" {redirection}");
    let output = shell
        .args(["-c", &script, "sh"])
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), error)
}

#[test]
fn a_closed_or_read_only_output_is_an_error() {
    let world = World::new();
    world.ok(&["create", "x", "100K"]);
    for arguments in WRITERS {
        for redirection in [">&-", "1</dev/null"] {
            let (code, error) = redirected(&world, arguments, redirection);
            assert!(
                one_line("Bad file descriptor; it is closed, or open in the wrong direction")
                    .eval(&error),
                "{arguments:?} {redirection} {error}"
            );
            assert_eq!(code, Some(3), "{arguments:?} {redirection}");
        }
    }
    let (code, error) = redirected(&world, &["save", "x", "/dev/stdout"], ">&-");
    assert_eq!(code, Some(3), "{error}");
    // A command that prints nothing needs no output.
    let nothing = ["prune", "--older-than", "1h"];
    assert_eq!(redirected(&world, &nothing, ">&- 2>&-").0, Some(0));
    assert_eq!(redirected(&world, &["stat", "none"], ">&- 2>&-").0, Some(4));
}

#[test]
fn a_closed_or_write_only_input_is_an_error() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    for arguments in [
        &["load", "x", "-"][..],
        &["load", "x", "/dev/stdin"],
        &["load", "y", "-", "--create"],
        &["load", "y", "-", "--create", "--size", "8"],
        &["dump", "x", "--diff", "-"],
    ] {
        for redirection in ["<&-", "0>/dev/null"] {
            let (code, error) = redirected(&world, arguments, redirection);
            assert!(
                one_line("Bad file descriptor; it is closed, or open in the wrong direction")
                    .eval(&error),
                "{arguments:?} {redirection} {error}"
            );
            assert_eq!(code, Some(3), "{arguments:?} {redirection}");
        }
    }
    assert_eq!(world.names(), ["x"]);
}

//! `man`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::terminal::Terminal;
use crate::world::{World, skip};

#[test]
fn the_manual_page_is_current_and_well_formed() {
    let world = World::new();
    let page = world.output(&["man"]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man/shmutil.1");
    assert!(
        page == fs::read_to_string(committed).unwrap(),
        "run: shmutil man > docs/man/shmutil.1"
    );
    let Ok(mut groff) = Command::new("groff")
        .args(["-man", "-ww", "-z", "-Tutf8"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        skip("groff is not installed");
        return;
    };
    groff
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = groff.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn options_that_help_hides_are_not_in_the_manual_page() {
    let world = World::new();
    let help = world.output(&["list", "--help"]);
    assert!(!help.contains("--names\n"), "{help}");
    let page = world.output(&["man"]);
    assert!(page.contains("\n\\fB\\-\\-json\\fR\n"), "{page}");
    assert!(!page.contains("\n\\fB\\-\\-names\\fR\n"), "{page}");
    // It exists, for the completion scripts.
    world.ok(&["list", "--names"]);
}

/// Runs `shmutil man` on a terminal, with nothing on the PATH but sh, cat and
/// scripts.
fn on_terminal(scripts: &[(&str, &str)]) -> String {
    let world = World::new();
    let path = world.file("bin");
    fs::create_dir(&path).unwrap();
    for tool in ["sh", "cat", "head"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        symlink(found.trim(), path.join(tool)).unwrap();
    }
    for (name, script) in scripts {
        fs::write(path.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = world.command(&["man"]);
    command
        .env("PATH", &path)
        .env_remove("MANPAGER")
        .env("PAGER", "my-pager");
    let (status, text) = Terminal::run(&mut command, 80, 24);
    assert!(status.success(), "{text}");
    text
}

#[test]
fn man_formats_the_page_on_a_terminal() {
    let text = on_terminal(&[("man", "echo \"man $*\"; head -n 3")]);
    assert!(text.starts_with("man -l /dev/stdin\n"), "{text}");
    assert!(text.contains(".TH SHMUTIL 1"), "{text}");
}

#[test]
fn without_man_a_formatter_and_a_pager_show_the_page() {
    let pager = ("my-pager", "echo paged; cat");
    for formatter in ["groff", "mandoc"] {
        let text = on_terminal(&[pager, (formatter, "echo \"$0\"; head -n 3")]);
        assert!(text.starts_with("paged\n"), "{text}");
        assert!(text.contains(&format!("bin/{formatter}\n")), "{text}");
        assert!(text.contains(".TH SHMUTIL 1"), "{text}");
    }
}

#[test]
fn without_a_formatter_man_prints_the_source() {
    assert!(on_terminal(&[]).contains(".SH SYNOPSIS"));
}

//! `save`.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Stdio};

use predicates::prelude::*;
use predicates::str::is_match;
use rustix::pipe::SpliceFlags;

use crate::terminal::Terminal;
use crate::world::{SHMUTIL, World, noise, one_line};

#[test]
fn a_file_holds_exactly_the_saved_bytes() {
    let world = World::new();
    let bytes = noise(100_001);
    let file = world.write("in", &bytes);
    world.ok(&["load", "x", &file, "--create", "--mode", "600", "--keep"]);
    let stat = world.json(&["stat", "x", "--json"]);
    assert_eq!(
        (&stat["size"], &stat["mode"]),
        (&100_001.into(), &"0600".into())
    );
    assert_eq!(stat["state"], "kept");
    world.ok(&["save", "x", &world.path("out")]).stdout("");
    assert_eq!(fs::read(world.file("out")).unwrap(), bytes);
    // With --create, an existing segment is loaded into, too.
    let other = world.write("in", &vec![7; 100_001]);
    world.ok(&["load", "x", &other, "--create"]);
    world
        .ok(&["save", "x", "/dev/stdout"])
        .stdout(vec![7; 100_001]);
}

#[test]
fn bytes_left_in_a_pipe_do_not_change_after_the_save() {
    let world = World::new();
    let bytes = noise(60_000);
    let file = world.write("in", &bytes);
    world.ok(&["load", "x", &file, "--create"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let mut command = world.command(&["save", "x", "-"]);
    assert!(command.stdout(writer).status().unwrap().success());
    drop(command);
    world.ok(&["load", "x", &world.write("in", &vec![0; 60_000])]);
    let mut read = Vec::new();
    File::from(reader).read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
}

#[test]
fn a_failed_save_reports_the_reason() {
    let world = World::new();
    world.ok(&["create", "x", "8M"]);
    let nowhere = world.path("no/such/directory");
    world.fails(
        &["save", "x", &nowhere],
        3,
        "No such file or directory; create its directory",
    );
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let output = world
        .command(&["save", "x", "-"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(one_line("Broken pipe").eval(&error), "{error}");
    assert_eq!(world.names(), ["x"]);
}

#[test]
fn large_transfers_have_a_progress_bar_on_a_terminal() {
    let world = World::new();
    world.ok(&["create", "large", "200M"]);
    world.ok(&["create", "small", "1M"]);
    let on_terminal = |command: &str| {
        let mut shell = Command::new("sh");
        world.prepare(&mut shell);
        shell.args(["-c", &format!("{SHMUTIL} {command}")]);
        let (status, text) = Terminal::run(&mut shell, 80, 24);
        assert!(status.success(), "{text}");
        text
    };
    let file = world.path("large");
    assert!(on_terminal(&format!("save large {file}")).contains("200.00 MiB"));
    assert!(on_terminal(&format!("load large {file}")).contains("200.00 MiB"));
    assert!(on_terminal("save large - >/dev/null").contains("200.00 MiB"));
    assert_eq!(on_terminal("save small - >/dev/null"), "");
}

#[test]
fn errors_of_devices_have_no_advice_about_files() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    let error = "'/dev/full': No space left on device";
    world
        .run(&["save", "x", "/dev/full"])
        .code(3)
        .stderr(is_match(format!("{error}\n$")).unwrap());
}

#[test]
fn bytes_are_not_saved_to_a_terminal() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    let (status, text) = Terminal::run(&mut world.command(&["save", "x", "-"]), 80, 24);
    assert!(
        one_line("refusing to write a segment's bytes to a terminal; redirect").eval(&text),
        "{text}"
    );
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_save_into_a_pipe_is_a_copy_for_other_readers() {
    let world = World::new();
    let bytes = noise(4 << 20);
    world.ok(&["load", "x", &world.write("in", &bytes), "--create"]);
    let mut save = world
        .command(&["save", "x", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // splice(2) moves the pages from the pipe without copying them.
    let output = save.stdout.take().unwrap();
    let mut kept = Vec::new();
    loop {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let flags = SpliceFlags::empty();
        match rustix::pipe::splice(&output, None, &writer, None, 1 << 16, flags) {
            Ok(0) => break,
            moved => assert!(moved.is_ok(), "{moved:?}"),
        }
        kept.push(reader);
    }
    assert!(save.wait().unwrap().success());
    // The save has ended, so this must not change the saved bytes.
    world.ok(&["load", "x", &world.write("zeros", &vec![0; 4 << 20])]);
    let mut read = Vec::new();
    for reader in kept {
        File::from(reader).read_to_end(&mut read).unwrap();
    }
    assert_eq!(read, bytes);
}

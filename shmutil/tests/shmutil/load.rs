//! `load`.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use assert_cmd::Command as Run;
use predicates::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::PipeFlags;

use crate::world::{SHMUTIL, World, exists, noise, one_line, segments_of};

#[test]
fn a_pipe_carries_exactly_the_saved_bytes() {
    let world = World::new();
    // The sizes exceed that of a pipe and that of a piece of the collected input.
    for size in [1, 4096, 3_000_001, (64 << 20) + 5] {
        let bytes = noise(size);
        let file = world.write("in", &bytes);
        world.ok(&["load", "from", &file, "--create"]);
        let size = size.to_string();
        for options in [&["--create"][..], &["--create", "--size", &size]] {
            let mut save = world
                .command(&["save", "from", "-"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let load = world
                .command(&["load", "to", "-"])
                .args(options)
                .stdin(save.stdout.take().unwrap())
                .output()
                .unwrap();
            assert!(save.wait().unwrap().success());
            assert!(load.status.success(), "{load:?}");
            let saved = world.ok(&["save", "to", "-"]);
            assert_eq!(saved.get_output().stdout, bytes);
            world.ok(&["remove", "to"]);
        }
        world.ok(&["remove", "from"]);
    }
}

#[test]
fn one_load_reads_several_saves() {
    let world = World::new();
    let (one, two) = (noise(5_000_000), noise(3_000_001));
    world.ok(&["load", "one", &world.write("in", &one), "--create"]);
    world.ok(&["load", "two", &world.write("in", &two), "--create"]);
    let mut shell = Command::new("sh");
    world.prepare(&mut shell);
    let script =
        format!("({SHMUTIL} save one -; {SHMUTIL} save two -) | {SHMUTIL} load all - --create");
    assert!(shell.args(["-ec", &script]).status().unwrap().success());
    let saved = world.ok(&["save", "all", "-"]);
    assert_eq!(saved.get_output().stdout, [one, two].concat());
}

#[test]
fn a_load_fails_and_leaves_nothing_if_its_save_is_killed() {
    let world = World::new();
    world.ok(&["create", "from", "300M"]);
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    let mut save = world
        .command(&["save", "from", "-"])
        .stdout(writer)
        .spawn()
        .unwrap();
    // The save fills the pipe, and cannot end before the pipe is read.
    let mut begun = [PollFd::new(&reader, PollFlags::IN)];
    assert_eq!(poll(&mut begun, None), Ok(1));
    let pid = rustix::process::Pid::from_child(&save);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let load = world
        .command(&["load", "to", "-", "--create"])
        .stdin(reader.try_clone().unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_empty(&begun);
    save.kill().unwrap();
    save.wait().unwrap();
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        one_line("the save ended after \\d+ of 314572800 bytes").eval(&error),
        "{error}"
    );
    assert_eq!(world.names(), ["from"]);
}

/// Waits until a load has emptied a pipe: then it has created its segment.
fn wait_until_empty(pipe: &[PollFd<'_>]) {
    loop {
        let mut now = pipe.to_vec();
        if poll(&mut now, Some(&rustix::event::Timespec::default())) == Ok(0) {
            return;
        }
        std::thread::yield_now();
    }
}

/// A load that has filled half of its segment, and the writer of its pipe.
fn half_a_load(world: &World) -> (std::process::Child, std::os::fd::OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    let load = world
        .command(&["load", "x", "-", "--create", "--keep", "--size", "8000"])
        .stdin(reader.try_clone().unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    rustix::io::write(&writer, &noise(4000)).unwrap();
    wait_until_empty(&[PollFd::new(&reader, PollFlags::IN)]);
    (load, writer)
}

#[test]
fn nobody_sees_a_segment_that_is_half_filled() {
    let world = World::new();
    let (load, writer) = half_a_load(&world);
    let pid = rustix::process::Pid::from_child(&load);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    assert!(world.names().is_empty());
    world.fails(&["stat", "x"], 4, "no segment 'x'");
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    rustix::io::write(&writer, &noise(8000)[4000..]).unwrap();
    drop(writer);
    assert!(load.wait_with_output().unwrap().status.success());
    world.ok(&["save", "x", "-"]).stdout(noise(8000));
    assert_eq!(world.json(&["stat", "x", "--json"])["kept"], true);
    world.ok(&["remove", "x"]);
}

#[test]
fn a_load_that_is_killed_half_way_leaves_nothing() {
    let world = World::new();
    let (mut load, _writer) = half_a_load(&world);
    let created = segments_of(load.id(), 8000);
    assert_eq!(created.len(), 1, "the load has created one: {created:?}");
    // It keeps the registry in use. Otherwise, any process of this user that creates a registry
    // may remove this one, and what is hidden in it.
    let (mut other, _its_writer) = half_a_load(&world);
    load.kill().unwrap();
    load.wait().unwrap();
    assert!(world.names().is_empty());
    assert!(
        created.iter().all(|id| exists(id)),
        "the listing deletes nothing"
    );
    other.kill().unwrap();
    other.wait().unwrap();
    world.ok(&["create", "y", "1"]);
    assert!(
        !created.iter().any(|id| exists(id)),
        "the next create has deleted it"
    );
    world.ok(&["remove", "y"]);
}

#[test]
fn a_name_that_is_created_during_a_load_keeps_its_segment() {
    let world = World::new();
    let (load, writer) = half_a_load(&world);
    world.ok(&["create", "x", "100"]);
    drop(writer);
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        one_line("another segment, of 100 bytes, already has the name").eval(&error),
        "{error}"
    );
    assert_eq!(world.json(&["stat", "x", "--json"])["size"], 100);
}

#[test]
fn what_would_end_with_the_command_is_refused() {
    let world = World::new();
    let file = world.write("in", b"0123456789");
    for arguments in [
        &["create", "x", "10"][..],
        &["load", "x", &file, "--create"],
    ] {
        let run = |more: &[&str]| {
            let mut command = world.command(arguments);
            command.args(more).env("SHM_UTIL_TRANSIENT", "1");
            Run::from_std(command).assert()
        };
        run(&[])
            .code(3)
            .stderr(one_line("SHM_UTIL_TRANSIENT is set"));
        assert!(world.names().is_empty());
        run(&["--keep"]).success();
        assert_eq!(world.json(&["stat", "x", "--json"])["kept"], true);
        world.ok(&["remove", "x"]);
    }
}

#[test]
fn a_load_from_redirected_input_starts_at_its_offset() {
    let world = World::new();
    let mut file = File::open(world.write("in", b"0123456789")).unwrap();
    file.read_exact(&mut [0; 4]).unwrap();
    let mut command = world.command(&["load", "x", "-", "--create"]);
    assert!(command.stdin(file).status().unwrap().success());
    world.ok(&["save", "x", "-"]).stdout("456789");
}

#[test]
fn a_file_of_another_size_is_reported() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    world.ok(&["load", "x", &world.write("same", b"ABCDEFGH")]);
    world
        .run(&["load", "x", &world.write("short", b"abc")])
        .code(1)
        .stderr(one_line(
            "short' has only 3 bytes; the other 5 bytes of 'x' are unchanged",
        ));
    world.ok(&["save", "x", "-"]).stdout("abcDEFGH");
    world
        .run(&["load", "x", &world.write("long", b"0123456789")])
        .code(1)
        .stderr(one_line(
            "long' is longer than the 8 bytes of 'x'; the rest was not loaded",
        ));
    world.ok(&["save", "x", "-"]).stdout("01234567");
}

#[test]
fn a_failed_load_changes_nothing() {
    let world = World::new();
    let (empty, missing) = (world.write("empty", b""), world.path("missing"));
    let directory = world.directory.path().to_str().unwrap();
    world.ok(&["create", "x", "8"]);
    world.ok(&["load", "x", &world.write("same", b"ABCDEFGH")]);
    for create in [false, true] {
        let load = |file: &str, error: &str| {
            let mut arguments = vec!["load", if create { "new" } else { "x" }, file];
            if create {
                arguments.push("--create");
            }
            world.fails(&arguments, 3, error);
        };
        load(&empty, "empty");
        load("/dev/null", "empty");
        load(&missing, "No such file or directory; check");
        load(directory, "[Dd]irectory");
        // Standard input is empty.
        load("-", "load standard input: it is empty");
    }
    assert_eq!(world.names(), ["x"]);
    world.ok(&["save", "x", "-"]).stdout("ABCDEFGH");
}

#[test]
fn a_failed_load_leaves_no_kept_segment() {
    let world = World::new();
    let empty = world.write("empty", b"");
    let file = world.write("file", b"12345678");
    let load = |arguments: &[&str], keep: &str, input: &str| {
        let mut command = Run::from_std(world.command(&["load", "new"]));
        command
            .args(arguments)
            .env("SHM_UTIL_KEEP", keep)
            .write_stdin(input.to_owned());
        command.assert()
    };
    for (option, variable) in [(Some("--keep"), "0"), (None, "1")] {
        let mut arguments = vec!["-", "--create", "--size", "100"];
        arguments.extend(option);
        load(&arguments, variable, "")
            .code(3)
            .stderr(one_line("empty, so nothing was changed"));
        assert!(world.names().is_empty(), "{option:?} {variable}");
        arguments[0] = &empty;
        load(&arguments, variable, "").code(3);
        assert!(world.names().is_empty(), "{option:?} {variable}");
        // A load that succeeds creates a kept segment.
        let mut arguments = vec![file.as_str(), "--create"];
        arguments.extend(option);
        load(&arguments, variable, "").success();
        assert_eq!(world.json(&["stat", "new", "--json"])["state"], "kept");
        world.ok(&["remove", "new"]);
    }
}

#[test]
fn a_load_from_an_inherited_descriptor_starts_at_its_offset() {
    let world = World::new();
    let bytes = noise(1000);
    let path = world.write("in", &bytes);
    for file in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let mut input = File::open(&path).unwrap();
        input.read_exact(&mut [0; 100]).unwrap();
        let mut command = world.command(&["load", "x", file, "--create"]);
        let output = command.stdin(input).output().unwrap();
        assert!(output.status.success(), "{file} {output:?}");
        let saved = world.ok(&["save", "x", "-"]);
        assert!(saved.get_output().stdout == bytes[100..], "{file}");
        world.ok(&["remove", "x"]);
    }
}

#[test]
fn a_load_that_cannot_read_its_file_advises_what_to_do() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    let directory = world.path("");
    let file = world.write("file", b"12345678");
    let inside_file = format!("{file}/inside");
    let link = world.path("link");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let long = world.path(&"n".repeat(300));
    let socket = world.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let missing = world.path("missing");
    let empty = world.write("empty", b"");
    for (path, error) in [
        (&directory, "Is a directory; name a file in it"),
        (&inside_file, "Not a directory; check the directories in"),
        (
            &link,
            "(symbolic links|Symbolic link loop); check where the symbolic links",
        ),
        (&long, "File ?name too long; choose a shorter name"),
        (&socket, "No such device or address; name a file"),
        (&missing, "No such file or directory; check the file's name"),
        (&empty, "it is empty, so nothing was changed; name a file"),
    ] {
        world.fails(&["load", "x", path], 3, error);
    }
    for (path, error) in [
        (&directory, "Is a directory; name a file in it"),
        (&inside_file, "Not a directory; check the directories in"),
        (
            &link,
            "(symbolic links|Symbolic link loop); check where the symbolic links",
        ),
        (&long, "File ?name too long; choose a shorter name"),
    ] {
        world.fails(&["save", "x", path], 3, error);
        if path != &long {
            world.fails(&["dump", "x", "--diff", path], 3, error);
        }
    }
    world.fails(
        &["load", "y", &file],
        4,
        "run 'shmutil list' to see the names that exist, or create it with --create",
    );
}

#[test]
fn a_load_with_a_size_refuses_a_segment_of_another_size() {
    let world = World::new();
    let file = world.write("file", b"12345678");
    world.ok(&["create", "x", "8"]);
    world.fails(
        &["load", "x", &file, "--create", "--size", "5"],
        3,
        "'x' already exists with 8 bytes, not 5; remove it first",
    );
    world.ok(&["save", "x", "-"]).stdout(vec![0; 8]);
    world.ok(&["load", "x", &file, "--create", "--size", "8"]);
}

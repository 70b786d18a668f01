//! `dump`.

use std::env;
use std::fs;

use predicates::prelude::*;
use predicates::str::is_match;

use crate::world::{SHMUTIL, World, skip};

#[test]
fn dump_shows_offsets_bytes_and_text() {
    let world = World::new();
    let mut bytes = b"Hello, world\n\x00\x7f\xff".to_vec();
    bytes.extend([0; 64]);
    bytes.extend(b"end");
    world.ok(&["load", "x", &world.write("x", &bytes), "--create"]);
    world.ok(&["dump", "x"]).stdout(
        "00000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0a 00 7f ff  |Hello, world....|\n\
         00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
         *\n\
         00000050  65 6e 64                                          |end|\n\
         00000053\n",
    );
    assert_eq!(world.output(&["dump", "x", "--all"]).lines().count(), 7);
    world
        .ok(&["dump", "x", "--offset", "0x4", "--length", "2"])
        .stdout("00000004  6f 2c                                             |o,|\n00000006\n");
    world
        .ok(&["dump", "x", "--offset", "83"])
        .stdout("00000053\n");
    world.fails(
        &["dump", "x", "--offset", "84"],
        2,
        "offset 84 is beyond the end of 'x', which has 83 bytes",
    );
    let other = World::new();
    other.ok(&["create", "x", "1"]);
    let last_pid = || other.json(&["stat", "x", "--json"])["last_pid"].clone();
    let creator = last_pid();
    other.fails(&["dump", "x", "--offset", "2"], 2, "beyond the end");
    // The dump did not attach the orphan, which would have reset its age.
    assert_eq!(last_pid(), creator);
    other.ok(&["dump", "x"]);
    assert_ne!(last_pid(), creator);
    let colored = |name: &str| {
        let mut command = world.command(&["dump", "x"]);
        command.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        command.env(name, "1");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(colored("OTHER").contains("\x1b[36m"));
    assert!(!colored("NO_COLOR").contains('\x1b'));
}

#[test]
fn dump_shows_what_differs_from_a_file() {
    let world = World::new();
    world.ok(&[
        "load",
        "x",
        &world.write("x", b"0123456789abcdefSAME"),
        "--create",
    ]);
    let diff = |bytes: &[u8], options: &[&str]| {
        let file = world.write("file", bytes);
        let mut arguments = vec!["dump", "x", "--diff", &file];
        arguments.extend(options);
        let assert = world.run(&arguments).stderr("");
        let output = assert.get_output();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(diff(b"0123456789abcdefSAME", &[]), (0, String::new()));
    let (code, text) = diff(b"0123x56789abcdefSAME", &[]);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "-00000000  30 31 32 33 78 35 36 37  38 39 61 62 63 64 65 66  |0123x56789abcdef|\n\
         +00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
    );
    assert_eq!(
        diff(b"0123x56789abcdefSAME", &["--offset", "16"]),
        (0, String::new())
    );
    assert_eq!(
        diff(b"0123x56789abcdefSAME", &["--length", "4"]),
        (0, String::new())
    );
    let short = (
        1,
        "the file has only 18 of the segment's 20 bytes\n".to_owned(),
    );
    assert_eq!(diff(b"0123456789abcdefSA", &[]), short);
    let long = (
        1,
        "the file is longer than the segment's 20 bytes\n".to_owned(),
    );
    assert_eq!(diff(b"0123456789abcdefSAME!", &[]), long);
    world.fails(
        &["dump", "x", "--diff", &world.path("none")],
        3,
        "No such file",
    );
    let directory = world.directory.path().to_str().unwrap();
    world.fails(&["dump", "x", "--diff", directory], 3, "directory");
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let mut command = world.command(&["dump", "x", "--diff", "/proc/self/status"]);
    assert_eq!(command.stdout(writer).status().unwrap().code(), Some(1));
}

#[test]
fn dumping_a_page_without_memory_is_an_error() {
    let world = World::new();
    // This needs a privilege, and a system without free huge pages.
    let script = format!(
        "SHMUTIL_TEST_HUGE=huge {} --exact dump::huge_program --quiet; {SHMUTIL} dump huge; echo $?; \
         {SHMUTIL} save huge - | wc -c; {SHMUTIL} remove huge",
        env::current_exe().unwrap().display()
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    let is_free = fs::read_to_string("/proc/meminfo")
        .unwrap()
        .lines()
        .any(|line| line.starts_with("HugePages_Total:") && !line.ends_with(" 0"));
    if is_free || error.contains("No such file or directory") {
        skip("this needs a system with huge pages, none of which is free");
        return;
    }
    assert!(text.contains("\n3\n"), "{text} {error}");
    assert!(
        is_match("(?m)^shmutil: read 'huge': .*; the system may lack memory")
            .unwrap()
            .eval(&error),
        "{error}"
    );
}

/// Not a test, but a program: it leaves a segment in huge pages that the system
/// does not have.
#[test]
fn huge_program() {
    let Ok(name) = env::var("SHMUTIL_TEST_HUGE") else {
        return;
    };
    let options = shm_util::Options::new().huge_pages(true).no_reserve(true);
    if let Ok(segment) = options.create(name, 2 << 20) {
        std::mem::forget(segment);
    }
}

#[test]
fn diff_reports_where_a_short_file_ends() {
    let world = World::new();
    world.ok(&["create", "x", "1000"]);
    let file = world.write("file", &[0; 500]);
    world
        .run(&["dump", "x", "--diff", &file, "--offset", "600"])
        .code(1)
        .stderr("")
        .stdout("the file has only 500 of the segment's 1000 bytes\n");
}

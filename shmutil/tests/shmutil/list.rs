//! `list` and `stat`.

use std::fs;
use std::process::Stdio;

use predicates::prelude::*;
use predicates::str::{contains, is_match};
use serde_json::Value;

use crate::terminal::Terminal;
use crate::world::{Program, World, pruned};

#[test]
fn an_orphan_can_be_listed_saved_dumped_and_pruned() {
    let world = World::new();
    let mut program = world.program("sensors");
    let held = format!(r"sensors +\d+ +4 KiB +1  {} \S+ .*in use\n", program.pid());
    world.ok(&["list"]).stdout(is_match(held).unwrap());

    program.kill();
    world
        .ok(&["list"])
        .stdout(is_match(r"sensors +\d+ +4 KiB +0  - +\d+s +orphaned for \d+s\n").unwrap());
    world
        .ok(&["save", "sensors", &world.path("saved")])
        .stdout("");
    let saved = fs::read(world.file("saved")).unwrap();
    assert_eq!(saved.len(), 4096);
    assert!(saved.starts_with(b"written by a program\0"));
    world
        .ok(&["dump", "sensors"])
        .stdout(contains("|written by a pro|"));
    world.ok(&["dump", "sensors", "--diff", &world.path("saved")]);

    world
        .ok(&["prune", "--older-than", "10m"])
        .stdout(pruned(""));
    assert_eq!(world.names(), ["sensors"]);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(contains("deleted sensors"));
    assert!(world.names().is_empty());
}

#[test]
fn the_table_is_sorted_and_aligned() {
    let world = World::new();
    world.ok(&["create", "b", "1G"]);
    world.ok(&["create", "a longer name", "100", "--keep"]);
    let text = world.output(&["list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("NAME "));
    assert!(lines[1].starts_with("a longer name "));
    assert!(lines[1].ends_with("  kept"));
    assert!(lines[2].starts_with("b             "));
    let state = lines[0].find("STATE").unwrap();
    assert_eq!(&lines[1][state..], "kept");
    assert!(lines[2][state..].starts_with("orphaned for "));
    assert!(!text.contains('\x1b'), "colors are for terminals");
}

#[test]
fn json_has_exact_values() {
    let world = World::new();
    world.ok(&["create", "x", "123456", "--mode", "640"]);
    let program = world.program("y,y,z");
    let list = world.json(&["list", "--json"]);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 3);
    let named = |name: &str| list.iter().find(|one| one["name"] == name).unwrap();
    let x = named("x");
    assert_eq!(x["size"], 123_456);
    assert_eq!(x["mode"], "0640");
    assert_eq!(x["state"], "orphaned");
    assert_eq!(x["kept"], false);
    assert_eq!(x["locked"], false);
    assert_eq!(x["mappings"], 0);
    assert_eq!(x["holders"], Value::Array(Vec::new()));
    let y = named("y");
    assert_eq!(y["state"], "in_use");
    assert_eq!(y["mappings"], 2);
    assert_eq!(y["holders"][0]["pid"], program.pid());
    assert_eq!(y["holders"][0]["mappings"], 2);
    assert_eq!(y["all_holders_known"], true);
    assert!(!y["holders"][0]["command"].as_str().unwrap().is_empty());
    assert_eq!(y["creator_pid"], program.pid());
    assert_eq!(named("z")["holders"].as_array().unwrap().len(), 1);

    let stat = world.json(&["stat", "x", "--json"]);
    let fields = [
        "name",
        "kind",
        "path",
        "id",
        "key",
        "size",
        "state",
        "kept",
        "transient",
        "locked",
        "mappings",
        "holders",
        "all_holders_known",
        "age_seconds",
        "created",
        "attached",
        "detached",
        "changed",
        "creator_pid",
        "last_pid",
        "uid",
        "gid",
        "creator_uid",
        "creator_gid",
        "mode",
    ];
    let found: Vec<&String> = stat.as_object().unwrap().keys().collect();
    assert_eq!(found.len(), fields.len());
    for field in fields {
        assert!(stat.get(field).is_some(), "{field}");
    }
    let created: &str = stat["created"].as_str().unwrap();
    assert!(
        is_match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            .unwrap()
            .eval(created)
    );
}

#[test]
fn stat_shows_all_holders() {
    let world = World::new();
    let programs: Vec<Program> = (0..4).map(|_| world.program("shared")).collect();
    let stat = world.output(&["stat", "shared"]);
    for program in &programs {
        assert!(stat.contains(&format!("{} ", program.pid())), "{stat}");
    }
    assert!(stat.contains("size       4 KiB (4096 bytes)"), "{stat}");
    world.ok(&["list"]).stdout(contains(", 1 more "));
    world.ok(&["keep", "shared"]);
    world.ok(&["list"]).stdout(contains("in use, kept"));
}

#[test]
fn reading_an_empty_namespace_creates_no_registry() {
    let world = World::new();
    let segments = || fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let is_mentioned = |table: &str, pid: u32| {
        table
            .lines()
            .any(|line| line.split_whitespace().nth(4) == Some(&pid.to_string()))
    };
    for arguments in [
        &["list"][..],
        &["stat", "x"],
        &["dump", "x"],
        &["save", "x", "-"],
    ] {
        let mut child = world
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.wait().unwrap();
        assert!(!is_mentioned(&segments(), child.id()), "{arguments:?}");
    }
    assert_eq!(world.output(&["list"]).lines().count(), 1);
    assert_eq!(world.output(&["list", "--json"]), "[]\n");
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(pruned(""));
}

#[test]
fn escaped_names_are_accepted_as_arguments() {
    let world = World::new();
    let shown = [
        r"\&",
        r"\x20\x20x\x20",
        r"a\nb\x1b[31m",
        r"back\\slash",
        r"\xff\xfe",
        "gr\u{fc}n",
    ];
    for name in shown {
        world.ok(&["create", "--", name, "10"]);
    }
    let mut names = world.names();
    names.sort();
    let mut expected = shown.map(str::to_owned);
    expected.sort();
    assert_eq!(names, expected);
    let list = world.output(&["list"]);
    for name in shown {
        assert!(list.contains(name), "{name}");
        let stat = world.json(&["stat", "--json", name]);
        assert_eq!(stat["name"], name);
        world.ok(&["remove", name]);
    }
    assert!(world.names().is_empty());
    // Unescaped bytes are accepted, too.
    world.ok(&["create", "a\nb", "10"]);
    assert_eq!(world.names(), [r"a\nb"]);
}

const LONG: &str = "measurements/plant-7/line-3/station-12/temperature/2026-11-26/raw.bin";

#[test]
fn the_table_fits_the_terminal() {
    let world = World::new();
    world.ok(&["create", LONG, "10M", "--keep"]);
    world.ok(&["create", "sensors", "4K"]);
    let _programs: Vec<Program> = (0..4).map(|_| world.program("sensors")).collect();
    for columns in [60, 80, 100, 120] {
        let (status, text) = Terminal::run(&mut world.command(&["list"]), columns, 24);
        assert!(status.success());
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= columns.into(), "{columns} {line}");
        }
        assert!(text.contains("\nmeas"), "{text}");
        assert!(text.contains(".bin ") || columns < 80, "{text}");
        assert!(!text.contains(LONG), "{text}");
    }
    let (_, text) = Terminal::run(&mut world.command(&["list"]), 200, 24);
    assert!(text.contains(LONG), "{text}");
    assert!(!text.contains('\u{2026}'), "{text}");
}

#[test]
fn output_to_a_pipe_is_never_shortened() {
    let world = World::new();
    let name = "n".repeat(1000);
    world.ok(&["create", &name, "1"]);
    let mut command = world.command(&["list"]);
    command.env("COLUMNS", "80");
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(&name));
}

#[test]
fn json_is_sorted_like_the_table() {
    let world = World::new();
    let names = ["b", "d", "a", "c", "e"];
    for name in names {
        world.ok(&["create", name, "1"]);
    }
    assert_eq!(world.names(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_transient_segment_is_shown_as_such() {
    let world = World::new();
    let mut program = world.transient_program("x");
    let stat = world.json(&["stat", "x", "--json"]);
    assert_eq!(
        (&stat["transient"], &stat["kept"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        (&stat["state"], &stat["key"]),
        (&"in_use".into(), &"0x00000000".into())
    );
    assert_eq!(stat["holders"][0]["pid"], program.pid());
    assert_eq!(stat["all_holders_known"], true);
    assert!(world.output(&["list"]).contains("in use, transient"));
    assert!(world.output(&["stat", "x"]).contains("transient  yes"));
    world.fails(&["keep", "x"], 3, "it is transient");
    program.kill();
    assert!(world.names().is_empty());
}

//! `copy`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Stdio};

use predicates::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use shm_util::Options;

use crate::world::{World, exists, noise, one_line, segments_of};

/// A source and a target for each direction.
fn directions() -> [(World, World); 4] {
    [
        (World::new(), World::of_directory()),
        (World::of_directory(), World::new()),
        (World::of_directory(), World::of_directory()),
        (World::new(), World::new()),
    ]
}

#[test]
fn a_copy_has_the_bytes_the_mode_and_the_kept_flag() {
    for (source, target) in directions() {
        let bytes = noise(3_000_001);
        let file = source.write("in", &bytes);
        let load = ["load", "x", &file, "--create", "--mode", "640"];
        for (more, kept) in [(&["--keep"][..], true), (&[], false)] {
            source.ok(&[&load[..], more].concat());
            source
                .ok(&["copy", "x", "--to", &target.namespace])
                .stdout("");
            assert!(target.ok(&["save", "x", "-"]).get_output().stdout == bytes);
            let row = target.json(&["stat", "x", "--json"]);
            assert_eq!(
                (&row["size"], &row["mode"]),
                (&3_000_001.into(), &"0640".into())
            );
            assert_eq!((&row["kept"], &row["mappings"]), (&kept.into(), &0.into()));
            // The source stays as it is.
            assert!(source.ok(&["save", "x", "-"]).get_output().stdout == bytes);
            assert_eq!(source.json(&["stat", "x", "--json"])["kept"], kept);
            for world in [&source, &target] {
                world.ok(&["remove", "x"]);
            }
        }
    }
}

#[test]
fn a_copy_may_have_another_name_also_in_the_same_namespace() {
    for world in [World::new(), World::of_directory()] {
        world.ok(&["load", "x", &world.write("in", b"text"), "--create"]);
        world.ok(&["copy", "x", "--to", &world.namespace, "--as", r"y\n"]);
        assert_eq!(world.names(), ["x", r"y\n"]);
        world.ok(&["save", r"y\n", "-"]).stdout("text");
    }
}

#[test]
fn a_name_that_exists_keeps_its_segment() {
    for (source, target) in directions() {
        source.ok(&["load", "x", &source.write("in", b"new"), "--create"]);
        target.ok(&["load", "x", &target.write("in", b"old bytes"), "--create"]);
        let advice = format!(
            "segment 'x' already exists with 9 bytes.*; choose another name with --as, or remove \
             this one with: shmutil --namespace {} remove x",
            target.namespace
        );
        source.fails(&["copy", "x", "--to", &target.namespace], 3, &advice);
        target.ok(&["save", "x", "-"]).stdout("old bytes");
        assert_eq!(target.names(), ["x"]);
    }
}

#[test]
fn errors_name_the_namespace_that_they_are_about() {
    let (source, target) = (World::new(), World::of_directory());
    let to = ["--to", &target.namespace];
    source.fails(
        &[&["copy", "none"], &to[..]].concat(),
        4,
        "no segment 'none' in namespace .*; run 'shmutil list'",
    );
    source.ok(&["create", "x", "1"]);
    let missing = format!("{}none/", target.namespace);
    source.fails(
        &["copy", "x", "--to", &missing],
        3,
        "none/' does not exist; make it with mkdir",
    );
    let long = "n".repeat(300);
    let error = "has 300 bytes, the limit is 255: File ?name too long; choose a shorter name";
    source.fails(&[&["copy", "x", "--as", &long], &to[..]].concat(), 3, error);
    source.fails(&["copy", "x"], 2, "--to <PATH>");
    assert!(target.files().is_empty());
}

/// How many bytes a System V segment takes in memory.
fn in_memory(world: &World, name: &str) -> usize {
    let id = world.json(&["stat", name, "--json"])["id"].to_string();
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let rows = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[1] == id).unwrap();
    row[14].parse::<usize>().unwrap() + row[15].parse::<usize>().unwrap()
}

#[test]
fn parts_that_were_never_touched_are_neither_read_nor_written() {
    const SIZE: usize = 256 << 20;
    const MIDDLE: usize = SIZE / 2 + 5;
    const FEW: usize = 16 << 20;
    let (system_v, directory) = (World::new(), World::of_directory());
    let create = |world: &World, name: &str| {
        let options = Options::new().namespace(&world.library()).no_reserve(true);
        let segment = options.create(name, SIZE).unwrap();
        segment.write_at(MIDDLE, b"text").unwrap();
        segment.detach().unwrap();
    };
    let show = ["--offset", "134217728", "--length", "16"];
    let check = |world: &World, name: &str| {
        world
            .ok(&[&["dump", name], &show[..]].concat())
            .stdout(predicates::str::contains("74 65 78  74"));
    };

    create(&system_v, "x");
    assert!(in_memory(&system_v, "x") < FEW);
    system_v.ok(&["copy", "x", "--to", &directory.namespace]);
    assert!(in_memory(&system_v, "x") < FEW, "the source was read");
    check(&directory, "x");
    let copy = fs::File::open(format!("{}x", directory.namespace)).unwrap();
    assert_eq!(copy.metadata().unwrap().len(), SIZE as u64);
    let data = rustix::fs::seek(&copy, rustix::fs::SeekFrom::Data(0)).unwrap();
    assert!(
        data > (MIDDLE - FEW) as u64 && data <= MIDDLE as u64,
        "{data}"
    );

    create(&directory, "y");
    let blocks = || {
        fs::metadata(format!("{}y", directory.namespace))
            .unwrap()
            .blocks()
    };
    let few = FEW as u64 / 512;
    assert!(blocks() < few);
    directory.ok(&["copy", "y", "--to", &system_v.namespace]);
    assert!(blocks() < few, "the source was read");
    assert!(in_memory(&system_v, "y") < FEW, "the target was written");
    check(&system_v, "y");
}

/// The size of a segment that takes a while to copy.
const LARGE: usize = 128 << 20;

/// Stops a copy from `source` that has attached its target, whose mapping has `shown` in
/// /proc/PID/maps, and has not published it.
fn half_a_copy(source: &World, target: &World, shown: &str) -> Child {
    source.ok(&["load", "x", &source.write("in", &noise(LARGE)), "--create"]);
    for _ in 0..100 {
        let mut copy = source
            .command(&["copy", "x", "--to", &target.namespace])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let maps = format!("/proc/{}/maps", copy.id());
        let has_begun = || {
            let maps = fs::read_to_string(&maps).unwrap_or_default();
            maps.lines().any(|line| {
                line.contains(" rw-s ") && line.contains(shown) && {
                    let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
                    let number = |text| usize::from_str_radix(text, 16).unwrap();
                    number(end) - number(start) == LARGE
                }
            })
        };
        while copy.try_wait().unwrap().is_none() {
            if !has_begun() {
                std::thread::yield_now();
                continue;
            }
            kill_process(Pid::from_child(&copy), Signal::STOP).unwrap();
            if target.names().is_empty() && copy.try_wait().unwrap().is_none() {
                return copy;
            }
            kill_process(Pid::from_child(&copy), Signal::CONT).unwrap();
        }
        let _ = copy.wait();
        target.ok(&["remove", "x"]);
    }
    unreachable!("each copy ended before it could be stopped");
}

#[test]
fn a_copy_that_is_killed_half_way_leaves_nothing() {
    let (source, target) = (World::new(), World::of_directory());
    let mut copy = half_a_copy(&source, &target, &target.namespace);
    assert!(target.files().is_empty(), "nobody sees half of it");
    copy.kill().unwrap();
    copy.wait().unwrap();
    assert!(target.files().is_empty());

    let (source, target) = (target, source);
    target.ok(&["remove", "x"]);
    let mut copy = half_a_copy(&source, &target, "/SYSV");
    let created = segments_of(copy.id(), LARGE);
    assert_eq!(created.len(), 1, "the copy has created one: {created:?}");
    copy.kill().unwrap();
    copy.wait().unwrap();
    assert!(target.names().is_empty());
    target.ok(&["create", "y", "1"]);
    assert!(!exists(&created[0]), "the next create has deleted it");
    assert_eq!(source.names(), ["x"]);
}

#[test]
fn a_name_that_is_created_meanwhile_keeps_its_segment() {
    let (source, target) = (World::new(), World::of_directory());
    let copy = half_a_copy(&source, &target, &target.namespace);
    target.ok(&["create", "x", "100"]);
    kill_process(Pid::from_child(&copy), Signal::CONT).unwrap();
    let output = copy.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    let is_expected = one_line("publish segment 'x': .* already has the name: File exists; choose");
    assert!(is_expected.eval(&error), "{error}");
    assert_eq!(target.json(&["stat", "x", "--json"])["size"], 100);
}

#[test]
fn a_file_that_is_truncated_meanwhile_is_an_error() {
    let (source, target) = (World::of_directory(), World::new());
    let copy = half_a_copy(&source, &target, "/SYSV");
    let file = fs::File::options()
        .write(true)
        .open(format!("{}x", source.namespace))
        .unwrap();
    file.set_len(5000).unwrap();
    kill_process(Pid::from_child(&copy), Signal::CONT).unwrap();
    let output = copy.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(one_line("truncated its file").eval(&error), "{error}");
    assert!(target.names().is_empty());
}
